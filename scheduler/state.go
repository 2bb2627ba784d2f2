package scheduler

import (
	"fmt"
	"time"

	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/sirupsen/logrus"

	"cmdq/queue"
	"cmdq/task"
)

// state is all that the scheduler knows. step is its only door: a function of
// the state, the time and an event, which does no I/O.
type state struct {
	cfg   Config
	queue *queue.Queue
	now   time.Time
	eff   Effects // of the step under way

	link      link
	agents    map[string]*agent
	offered   time.Time // when offers last came, or tasks began to wait for them
	lastOffer time.Time // when offers last came, if link.offered
	ready     int       // tasks that waited for offers when we last looked
	revive    revive
	stall     stall
	reconcile reconcile
	due       deadlines
	place     placement
	idle      []idleExecutor // in the order in which they became so
	tails     int            // bytes of standard error that tasks keep

	frozen bool  // nobody runs it: it is only looked at
	tally  Tally // of the batch under way
	pace   pace

	estimated estimate
	busyCPUs  int64 // thousandths of a cpu that our active tasks have
	policy    task.Policy
	roles     map[string]bool // of tasks, beside that of the run
	groups    map[string]*group
	stopping  []string       // groups that have just been stopped
	failures  []firstFailure // of the step under way
	closed    []string       // groups of which it ended the last task
	deps      deps
	inVain    []task.ID // tasks whose dependencies cannot finish any more
	seq       uint64    // the last place that was given to a task that was submitted; 0: not known yet

	framework Framework
	former    string // the framework id in use before, once it was dropped

	// unwanted launches are to be killed wherever they are met: launch id to
	// agent. Only disown and forgetLaunch change it.
	unwanted map[string]string
	// edited tasks changed in the file, or left it (nil), while a launch of
	// theirs was active; they follow the file once it has ended.
	edited map[task.ID]*task.Task

	loaded   bool         // the tasks file was read once
	withheld bool         // a change in it was not applied, since the task may still run
	applied  string       // the tasks file that is wholly in the journal; empty: none is
	restored bool         // a run of before goes on
	before   int          // how many of its tasks had ended
	torn     []string     // what restore leaves to be recorded: frameworks,
	delayed  []*task.Task // and tasks that wait longer now
	leaving  *leaving
}

func newState(cfg Config) *state {
	return &state{
		cfg:       cfg,
		framework: Framework{ID: cfg.FrameworkID},
		queue:     queue.New(),
		agents:    map[string]*agent{},
		groups:    map[string]*group{},
		roles:     map[string]bool{},
		unwanted:  map[string]string{},
		edited:    map[task.ID]*task.Task{},
	}
}

// step takes one event in and returns what is to be done about it.
func (s *state) step(now time.Time, ev Event) Effects {
	if now.After(s.now) {
		s.now = now
	}
	s.eff = Effects{}
	s.pace.give(s.now, s.busyCPUs)
	if s.link.started.IsZero() {
		s.link.started, s.offered = s.now, s.now
	}
	switch ev := ev.(type) {
	case Subscribed:
		s.onSubscribed(ev)
	case Down:
		s.onDown(ev.Err)
	case LeaderMoved:
		s.onLeaderMoved()
	case Offers:
		s.onOffers(ev.Offers)
	case Rescinded:
		s.onRescinded(ev)
	case Updated:
		s.onUpdate(ev.Status)
	case Message:
		s.onMessage(ev)
	case AgentLost:
		s.onAgentLost(ev)
	case ExecutorLost:
		s.onExecutorLost(ev)
	case Errored:
		s.onErrored(ev)
	case Heartbeat:
		s.onHeartbeat()
	case Answered:
		s.onAnswered(ev)
	case Restored:
		s.onRestored(ev)
	case Load:
		s.onLoad(ev)
	case Unchanged:
		s.loaded = true
	case Collected:
		s.onCollected(ev)
	case Asked:
		s.onAsked(ev)
	case Noted:
		s.onNoted(ev)
	case Interrupt:
		s.onInterrupt()
	case Detach:
		s.onDetach()
	case Tick:
	default:
		panic(fmt.Sprintf("scheduler: unknown event %T", ev))
	}
	s.tick()
	s.oweNotices()
	eff := s.eff
	s.eff = Effects{}
	return eff
}

// tick does everything that is due now, whatever woke us.
func (s *state) tick() {
	s.queue.Wake(s.now)
	s.tickDeadlines()
	s.tickRules()
	s.tickLeaving()
	if s.leaving != nil || s.eff.Over != nil {
		return
	}
	s.tickLink()
	s.tickExecutors()
	s.tickPlacement()
	s.tickRules() // what fits nowhere may have ended
	s.tickReconcile()
	s.tickOffers()
	if s.drained() {
		s.leave(Drained)
	}
}

// nextDue is when tick has to be called at the latest. It lies after now, or
// the loop would spin.
func (s *state) nextDue() time.Time {
	next := s.now.Add(reminder)
	soonest := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	if at, ok := s.queue.NextWake(); ok {
		soonest(at)
	}
	soonest(s.due.next())
	if s.leaving != nil {
		soonest(s.leaving.until)
	} else {
		soonest(s.link.due(&s.cfg))
		if s.link.phase == up {
			soonest(s.idleDue())
			soonest(s.place.due(s))
			soonest(s.reconcile.next)
			soonest(s.offersDue())
		}
	}
	if !next.After(s.now) {
		next = s.now.Add(time.Millisecond)
	}
	return next
}

// drained tells that the run has nothing left to do.
func (s *state) drained() bool { return s.cfg.Once && s.loaded && s.queue.Len() == s.ended() }

func (s *state) ended() int {
	return s.queue.Count(task.Finished) + s.queue.Count(task.Failed) + s.queue.Count(task.Killed)
}

func (s *state) active() int {
	return s.queue.Count(task.Starting) + s.queue.Count(task.Running)
}

func (s *state) call(c *sched.Call) { s.eff.Calls = append(s.eff.Calls, c) }

func (s *state) record(k Kind, t *task.Task) {
	s.eff.Records = append(s.eff.Records, Record{Kind: k, At: s.now, Task: t})
}

func (s *state) note(level logrus.Level, fields logrus.Fields, format string, args ...any) {
	s.eff.Notes = append(s.eff.Notes, Note{level, fmt.Sprintf(format, args...), fields})
}

func (s *state) info(format string, args ...any) { s.note(logrus.InfoLevel, nil, format, args...) }

func (s *state) warn(format string, args ...any) { s.note(logrus.WarnLevel, nil, format, args...) }

// taskNote is the one line that every change of a task gets.
func (s *state) taskNote(level logrus.Level, t *task.Task, a *task.Attempt, format string, args ...any) {
	fields := logrus.Fields{"task": string(t.ID)}
	if a != nil {
		fields["attempt"] = a.Number
		fields["agent"] = a.Host
	}
	s.note(level, fields, format, args...)
}
