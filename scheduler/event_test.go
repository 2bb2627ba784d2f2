package scheduler

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"cmdq/mesosapi"
)

// TestFromWire: each callback of the classic scheduler API has its event.
func TestFromWire(t *testing.T) {
	agent, executor, status := mesos.AgentID{Value: "a"}, mesos.ExecutorID{Value: "e"}, int32(9)
	event := func(e sched.Event) mesosapi.Incoming { return mesosapi.Incoming{Event: &e} }
	cause := errors.New("gone")
	tests := []struct {
		callback string
		in       mesosapi.Incoming
		want     string
	}{
		{"registered, reregistered", event(sched.Event{Type: sched.Event_SUBSCRIBED, Subscribed: &sched.Event_Subscribed{}}), "scheduler.Subscribed"},
		{"disconnected", mesosapi.Incoming{Down: cause}, "scheduler.Down{gone}"},
		{"resourceOffers", event(sched.Event{Type: sched.Event_OFFERS, Offers: &sched.Event_Offers{Offers: make([]mesos.Offer, 2)}}), "scheduler.Offers"},
		{"offerRescinded", event(sched.Event{Type: sched.Event_RESCIND, Rescind: &sched.Event_Rescind{OfferID: mesos.OfferID{Value: "o"}}}), "scheduler.Rescinded{o}"},
		{"statusUpdate", event(sched.Event{Type: sched.Event_UPDATE, Update: &sched.Event_Update{}}), "scheduler.Updated"},
		{"frameworkMessage", event(sched.Event{Type: sched.Event_MESSAGE, Message: &sched.Event_Message{AgentID: agent, ExecutorID: executor, Data: []byte("hi")}}), "scheduler.Message{a e hi}"},
		{"slaveLost", event(sched.Event{Type: sched.Event_FAILURE, Failure: &sched.Event_Failure{AgentID: &agent}}), "scheduler.AgentLost{a}"},
		{"executorLost", event(sched.Event{Type: sched.Event_FAILURE, Failure: &sched.Event_Failure{AgentID: &agent, ExecutorID: &executor, Status: &status}}), "scheduler.ExecutorLost{a e 9}"},
		{"error", event(sched.Event{Type: sched.Event_ERROR, Error: &sched.Event_Error{Message: "m"}}), "scheduler.Errored{m}"},
		{"the answer to a call", mesosapi.Incoming{Call: &sched.Call{Type: sched.Call_REVIVE}, Err: cause}, "scheduler.Answered"},
		{"another leader", mesosapi.Incoming{Moved: true}, "scheduler.LeaderMoved"},
		{"heartbeat", event(sched.Event{Type: sched.Event_HEARTBEAT}), "scheduler.Heartbeat"},
		{"inverse offers", event(sched.Event{Type: sched.Event_INVERSE_OFFERS}), "nothing"},
		{"an update without content", event(sched.Event{Type: sched.Event_UPDATE}), "nothing"},
		{"a message without content", event(sched.Event{Type: sched.Event_MESSAGE}), "nothing"},
		{"offers without content", event(sched.Event{Type: sched.Event_OFFERS}), "scheduler.Offers"},
		{"a failure without content", event(sched.Event{Type: sched.Event_FAILURE}), "scheduler.AgentLost{}"},
		{"nothing at all", mesosapi.Incoming{}, "nothing"},
	}
	for _, tt := range tests {
		t.Run(tt.callback, func(t *testing.T) {
			ev := fromWire(tt.in)
			got := "nothing"
			if ev != nil {
				got = fmt.Sprintf("%T", ev)
				if strings.Contains(tt.want, "{") {
					got += fmt.Sprintf("%s", ev)
				}
			}
			got = strings.ReplaceAll(got, "%!s(int32=9)", "9")
			if got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if ev != nil {
				newEnv(t).step(ev) // whatever it is, it breaks nothing
			}
		})
	}
}

func TestBackoff(t *testing.T) {
	c := DefaultConfig()
	want := []time.Duration{1, 1, 2, 4, 8, 16, 32, 60, 60}
	for failures, w := range want {
		if got := c.backoff(time.Second, time.Minute, failures); got != w*time.Second {
			t.Errorf("after %d failures %s, want %s", failures, got, w*time.Second)
		}
	}
	if got := c.backoff(time.Second, time.Minute, 1<<30); got != time.Minute {
		t.Errorf("after a great many failures %s", got)
	}
}

// TestClean: words from the wire stay on one line and of one size.
func TestClean(t *testing.T) {
	if got := clean("a\nb\x1b[31m\x7fc\xff"); got != "a b [31m c " {
		t.Errorf("%q", got)
	}
	if got := clean(strings.Repeat("x", 1<<20)); len(got) > 2000 {
		t.Errorf("%d bytes", len(got))
	}
}

// TestMemoryStatistics: what an agent says of a memory limit is its first line, not
// the figures below it (as Mesos 1.12 sent them).
func TestMemoryStatistics(t *testing.T) {
	const first = "Memory limit exceeded: Requested: 96MB Maximum Used: 96MB"
	for message, want := range map[string]string{
		first + "\n\nMEMORY STATISTICS: \ncache 40960\nrss 99078144\n": first,
		first: first,
		"Memory limit exceeded: \nMEMORY STATISTICS post-OOM: \nanon: 1\n": "Memory limit exceeded:  MEMORY STATISTICS post-OOM:  anon: 1", // cgroups2, which has no more
	} {
		st := &mesos.TaskStatus{TaskID: mesos.TaskID{Value: "a.1"}, State: mesos.TASK_FAILED.Enum(), Message: &message}
		if got := digest(st, time.Time{}).message; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestWordsOfAnError: so do those that end the run.
func TestWordsOfAnError(t *testing.T) {
	e := newEnv(t)
	eff := e.s.step(e.now, Errored{"no\n\x1b[31m" + strings.Repeat("x", 1<<20)})
	if eff.Over == nil || len(eff.Over.Message) > 2000 || strings.ContainsAny(eff.Over.Message, "\n\x1b") {
		t.Errorf("%.100q", eff.Over.Message)
	}
}
