package scheduler

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/sirupsen/logrus"

	"cmdq/mesosapi"
)

type phase uint8

const (
	down    phase = iota // no stream; the next try is at link.next
	opening              // SUBSCRIBE is out
	up                   // SUBSCRIBED came
)

// link is our subscription with the master.
type link struct {
	phase      phase
	started    time.Time // of the first step
	next       time.Time // when to try again, in phase down
	jumped     time.Time // when a try was last put forward for a new leader
	failures   int       // tries that went wrong since a stream last held
	since      time.Time // of the last SUBSCRIBED
	noted      time.Time // when Framework.Seen was last recorded by a heartbeat
	offered    bool      // offers came since
	last       error     // of the last try that went wrong
	ever       bool      // we were subscribed at least once
	suppressed bool      // what the master was last told
}

func (l *link) due(cfg *Config) time.Time {
	var next time.Time
	if l.phase == down {
		next = l.next
	}
	if !l.ever && cfg.ConnectTimeout > 0 {
		if give := l.started.Add(cfg.ConnectTimeout); next.IsZero() || give.Before(next) {
			next = give
		}
	}
	return next
}

func (s *state) tickLink() {
	l := &s.link
	if !l.ever && s.cfg.ConnectTimeout > 0 && !l.started.Add(s.cfg.ConnectTimeout).After(s.now) {
		s.eff.Over = &Over{Why: NoMaster, Message: s.connectMessage(), Cause: l.last}
		return
	}
	if l.phase != down || l.next.After(s.now) || !s.loaded || s.drained() {
		return
	}
	if s.framework.ID == "" {
		s.framework = Framework{ID: s.cfg.NewID()}
		s.identify()
	}
	l.phase = opening
	l.suppressed = s.queue.Ready() == 0
	s.call(s.cfg.subscription(s.framework.ID, s.allRoles(), l.suppressed))
}

func (s *state) connectMessage() string {
	text := "no master at " + s.cfg.Master + " within " + s.cfg.ConnectTimeout.String()
	if s.link.last != nil {
		text += ": " + brief(s.link.last)
	}
	return text
}

// brief cuts an error that quotes what some server had to say.
func brief(err error) string {
	const most = 300
	text := []rune(clean(err.Error()))
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}

// onSubscribed: registered the first time, reregistered after that.
func (s *state) onSubscribed(ev Subscribed) {
	l := &s.link
	word := "registered"
	if l.ever {
		word = "registered again"
		s.tally.Reconnected++
	}
	l.phase, l.last, l.since = up, nil, s.now
	s.offered = s.now
	l.offered = false
	s.forgetIdle()
	s.note(logrus.InfoLevel, logrus.Fields{"framework": s.framework.ID, "master": s.leader(ev)}, "%s with the master", word)
	s.startReconcile(time.Time{})
	if s.restored && !l.ever {
		s.callReconcileAll()
	}
	l.ever = true
	s.killAgain()
	if !s.framework.Subscribed {
		s.framework.Subscribed, s.framework.User = true, s.cfg.User
	}
	s.framework.Seen = s.now
	s.identify()
}

// leader is the master that took us, as far as it says so itself.
func (s *state) leader(ev Subscribed) string {
	if at := ev.Info.GetMasterInfo().GetAddress(); at != nil && at.GetIP() != "" {
		return net.JoinHostPort(clean(at.GetIP()), strconv.Itoa(int(at.Port)))
	}
	return s.cfg.Master
}

// onHeartbeat: the master knows us, as it does not where a stream is merely not
// known to be broken.
func (s *state) onHeartbeat() {
	if s.link.phase != up || s.framework.ID == "" {
		return
	}
	l := &s.link
	s.framework.Seen = s.now
	if !l.noted.Add(seenEvery).After(s.now) {
		l.noted = s.now
		s.identify()
	}
}

// onDown: disconnected. Offers died with the stream; tasks run on.
func (s *state) onDown(err error) {
	l := &s.link
	if l.phase == down {
		return
	}
	if s.leaving != nil {
		l.phase = down
		return
	}
	var refused *mesosapi.Refused
	if errors.As(err, &refused) {
		s.eff.Over = &Over{Why: Refused, Message: err.Error()}
		return
	}
	if l.phase == up && s.now.Sub(l.since) >= streamHeld {
		l.failures = 0
	}
	l.phase, l.last = down, err
	l.failures++
	wait := s.cfg.backoff(connectFirst, connectMax, l.failures)
	l.next = s.now.Add(wait)
	s.revive = revive{wanted: s.revive.wanted}
	s.warn("no master: %s; next try in %s", brief(err), wait.Round(10*time.Millisecond))
}

// onLeaderMoved puts the next try forward: who is asked now is not who failed. A
// ZooKeeper that names one leader after the other gets no more than one such try
// a second.
func (s *state) onLeaderMoved() {
	l := &s.link
	if l.phase != down || s.leaving != nil {
		return
	}
	l.failures = 0
	next := s.now
	if least := l.jumped.Add(connectFirst); next.Before(least) {
		next = least
	}
	if next.Before(l.next) {
		l.next, l.jumped = next, next
	}
}

// onAnswered hears how a call went. Acknowledgements that get lost are asked
// for again by the agent; any other call that failed leaves the master in a
// state we do not know, so we subscribe again and reconcile.
func (s *state) onAnswered(ev Answered) {
	if s.leaving != nil && s.leaving.torn && ev.Call.Type == sched.Call_TEARDOWN {
		s.onTornDown(ev.Err)
		return
	}
	if ev.Err == nil || s.link.phase != up {
		return
	}
	var refused *mesosapi.Refused
	if errors.As(ev.Err, &refused) && (refused.Status == 401 || refused.Status == 403) {
		s.onDown(ev.Err)
		return
	}
	var gone *mesosapi.NotSubscribed
	if ev.Call.Acknowledge != nil && !errors.As(ev.Err, &gone) {
		s.note(logrus.DebugLevel, nil, "acknowledge: %v", ev.Err)
		return
	}
	s.onDown(&failedCall{ev.Call.Type.String(), ev.Err})
}

// failedCall is the reason to subscribe again. It hides the cause from
// errors.As: what refuses one call does not refuse us.
type failedCall struct {
	call string
	err  error
}

func (f *failedCall) Error() string { return strings.ToLower(f.call) + ": " + f.err.Error() }

// onRescinded: offerRescinded. Offers are answered in the step that brings
// them, so there is none to drop; an ACCEPT that crossed the RESCIND comes back
// as DROPPED, INVALID_OFFERS.
func (s *state) onRescinded(ev Rescinded) {
	s.note(logrus.DebugLevel, nil, "offer %s rescinded", ev.Offer)
}
