package mesosapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"cmdq/wire"
)

const (
	maxRedirects = 5
	missedBeats  = 5 // heartbeats without an event: the stream is dead
)

// subscription is what a stream gives its calls.
type subscription struct {
	master   string // host:port that took the SUBSCRIBE
	streamID string
}

// follow opens the stream and reads it to its end. It returns why it ended: an
// *Unreachable or a *Refused.
func (e *epoch) follow(call *scheduler.Call) error {
	body, err := e.c.codec.encode(call)
	if err != nil {
		return &Refused{Addr: e.addr(), Message: oneLine("encode SUBSCRIBE: " + err.Error())}
	}
	if e.asked, err = e.leader(); err != nil {
		return e.why(err)
	}
	at := e.asked
	e.at.Store(&at)
	e.led = e.asked
	e.active.Go(e.watchLeader)
	defer func() {
		switch silent := errors.Is(context.Cause(e.stream), errNoEvent); {
		case e.ctx.Err() != nil:
		case !e.began:
			e.c.leaders.tried(e.asked, "")
		case silent:
			e.c.leaders.tried(e.addr(), "")
		}
	}()
	resp, err := e.open(body)
	if err != nil {
		return e.why(err)
	}
	defer resp.Body.Close()
	sub, err := e.accept(resp)
	if err != nil {
		return e.why(err)
	}
	return e.why(e.read(resp.Body, sub))
}

// leader gives where to subscribe, once that is known.
func (e *epoch) leader() (string, error) {
	ctx, cancel := context.WithTimeout(e.stream, e.c.limits.leader)
	defer cancel()
	return e.c.leaders.next(ctx)
}

// why types the end of the stream. If it was ended from our side, the cause of
// that counts and not the error that followed from it.
func (e *epoch) why(err error) error {
	var refused *Refused
	if cause := context.Cause(e.stream); cause != nil {
		err = cause
	} else if errors.As(err, &refused) {
		return refused
	}
	return &Unreachable{Addr: e.addr(), Err: err}
}

// open posts SUBSCRIBE to the master, and on to the leader where that is another.
func (e *epoch) open(body []byte) (*http.Response, error) {
	limit := e.c.limits.answer
	for hops := 0; ; hops++ {
		late := time.AfterFunc(limit, func() { e.end(fmt.Errorf("no answer to SUBSCRIBE within %s", seconds(limit))) })
		defer late.Stop()
		e.log.WithField("master", e.addr()).Debug("subscribing")
		e.waits(errNoAnswer)
		resp, err := e.c.post(e.stream, e.addr(), e.c.subscribeHeader(), body)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode == http.StatusOK {
			return resp, nil
		}
		err = e.c.answer(e.addr(), resp)
		resp.Body.Close()
		late.Stop()
		moved, isRedirect := err.(*redirect)
		switch {
		case !isRedirect:
			return nil, asSubscribe(err)
		case moved.err != nil:
			return nil, moved.err
		case hops == maxRedirects:
			return nil, fmt.Errorf("more than %d redirects, the last to %s", maxRedirects, moved.to)
		}
		e.at.Store(&moved.to)
	}
}

var (
	errNoAnswer = errors.New("no answer to SUBSCRIBE yet")
	errNoEvent  = errors.New("no event")
)

// asSubscribe reads an answer as one to SUBSCRIBE: before a subscription,
// nothing can be about one that was lost.
func asSubscribe(err error) error {
	switch err := err.(type) {
	case *NotSubscribed:
		return &Refused{Addr: err.Addr, Status: err.Status, Message: err.Message}
	case *Unreachable:
		return err.Err
	}
	return err
}

// accept checks that a 200 opens a stream of ours.
func (e *epoch) accept(resp *http.Response) (subscription, error) {
	if got := resp.Header.Get("Content-Type"); got != e.c.codec.mediaType {
		return subscription{}, fmt.Errorf("answer to SUBSCRIBE is of type %q, not %s", oneLine(got), e.c.codec.mediaType)
	}
	id := resp.Header.Get("Mesos-Stream-Id")
	if len(id) != 36 || uuid.Validate(id) != nil {
		return subscription{}, fmt.Errorf("answer to SUBSCRIBE has no usable Mesos-Stream-Id (%q)", oneLine(id))
	}
	return subscription{master: e.addr(), streamID: id}, nil
}

// read hands the events on until the stream breaks or goes silent. The watch
// does not run while the reader of Incoming is waited for: that silence is ours.
func (e *epoch) read(body io.Reader, sub subscription) error {
	frames := wire.NewFrames(body)
	watch := e.watch(e.c.limits.interval)
	defer func() { watch.stop() }()
	for {
		watch.start()
		frame, err := frames.Next()
		watch.stop()
		if err == io.EOF {
			return fmt.Errorf("master closed the stream: %w", err)
		}
		if err != nil {
			return fmt.Errorf("read stream: %w", err)
		}
		event, err := e.c.codec.event(frame)
		if err != nil {
			return err
		}
		switch isFirst := event != nil && event.Type == scheduler.Event_SUBSCRIBED; {
		case isFirst && e.began:
			return errors.New("a second SUBSCRIBED on one stream")
		case isFirst:
			e.c.took.Store(&sub.master)
			e.c.leaders.tried(e.asked, sub.master)
			e.reason.Store(new(error))
			watch = e.watch(beat(event.Subscribed.HeartbeatIntervalSeconds, e.c.limits.interval))
			e.start(sub)
			e.log.WithField("master", sub.master).Debug("subscribed")
		case !e.began && (event == nil || event.Type != scheduler.Event_ERROR):
			return errors.New("the first event is not SUBSCRIBED")
		}
		if event != nil && !e.c.deliver(e.stream, Incoming{Epoch: e.n, Event: event}) {
			return context.Cause(e.stream)
		}
		e.tell()
	}
}

// beat is the interval of heartbeats that SUBSCRIBED says, within reason.
func beat(said *float64, otherwise time.Duration) time.Duration {
	const least, most = 100 * time.Millisecond, 10 * time.Minute
	if said == nil || !(*said > 0) { // not a number is not more than 0
		return otherwise
	}
	if *said >= most.Seconds() {
		return most
	}
	return max(least, time.Duration(*said*float64(time.Second)))
}

// watch ends the stream when it has run for all of its patience at a stretch.
type watch struct {
	timer    *time.Timer
	patience time.Duration
}

func (e *epoch) watch(interval time.Duration) watch {
	patience := missedBeats * interval
	timer := time.AfterFunc(patience, func() { e.end(fmt.Errorf("%w for %s", errNoEvent, seconds(patience))) })
	return watch{timer, patience}
}

func (w watch) start() { w.timer.Reset(w.patience) }
func (w watch) stop()  { w.timer.Stop() }

// seconds writes a duration as heartbeats are counted: 75s, not 1m15s.
func seconds(d time.Duration) string { return fmt.Sprintf("%gs", d.Seconds()) }
