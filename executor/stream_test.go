package executor

import (
	"context"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	api "github.com/mesos/mesos-go/api/v1/lib/executor"

	"cmdq/mesosapi"
)

// TestTranslate: what the agent says, as the state hears it.
func TestTranslate(t *testing.T) {
	killing := mesos.FrameworkInfo{Capabilities: []mesos.FrameworkInfo_Capability{{Type: mesos.FrameworkInfo_Capability_TASK_KILLING_STATE}}}
	ev := translate(mesosapi.FromAgent{Event: &api.Event{Type: api.Event_SUBSCRIBED, Subscribed: &api.Event_Subscribed{FrameworkInfo: killing}}})
	if ev != (subscribed{killing: true}) {
		t.Errorf("SUBSCRIBED of a framework that knows KILLING is %v", ev)
	}
	ev = translate(mesosapi.FromAgent{Event: &api.Event{Type: api.Event_KILL, Kill: &api.Event_Kill{TaskID: mesos.TaskID{Value: "a"},
		KillPolicy: &mesos.KillPolicy{GracePeriod: &mesos.DurationInfo{Nanoseconds: 7e9}}}}})
	if k, ok := ev.(killAsked); !ok || k.id != "a" || *k.grace != 7*time.Second {
		t.Errorf("KILL is %v", ev)
	}
	if ev := translate(mesosapi.FromAgent{Event: &api.Event{Type: api.Event_HEARTBEAT}}); ev != nil {
		t.Errorf("HEARTBEAT is %v", ev)
	}
	if ev, ok := translate(mesosapi.FromAgent{Down: io.EOF, Final: true}).(down); !ok || !ev.fatal || ev.err != io.EOF {
		t.Errorf("a final end is %v", ev)
	}
	if ev, ok := translate(mesosapi.FromAgent{Taken: &mesos.TaskStatus{TaskID: mesos.TaskID{Value: "a"}, UUID: []byte("u")}}).(delivered); !ok || ev.id != "a" || string(ev.uuid) != "u" {
		t.Errorf("an update that was taken is %v", ev)
	}
}

// TestOldStream: a launch on a stream that was given up must not run: the agent
// has counted it as dropped.
func TestOldStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		a := silentAgent{new(int), make(chan mesosapi.FromAgent, 10)}
		e := &edges{agent: a, shop: newWorkshop(Config{Sandbox: t.TempDir()}, func(ev event) { t.Errorf("prepared: %v", ev) }), log: silent()}
		ended := make(chan int)
		s := newState(testRules(), time.Now())
		go func() { ended <- e.loop(ctx, s, nil) }()
		synctest.Wait() // it has subscribed
		a.says <- mesosapi.FromAgent{Epoch: 1, Down: io.EOF}
		time.Sleep(time.Second) // of the bubble: it has subscribed again
		launch := &api.Event{Type: api.Event_LAUNCH, Launch: &api.Event_Launch{Task: mesos.TaskInfo{TaskID: mesos.TaskID{Value: "old"}, Data: []byte(`{"command":"true"}`)}}}
		a.says <- mesosapi.FromAgent{Epoch: 1, Event: launch}
		synctest.Wait()
		cancel()
		if status := <-ended; status != 0 || len(s.tasks) != 0 || *a.epoch != 2 {
			t.Errorf("status %d, tasks %v, epoch %d", status, s.tasks, *a.epoch)
		}
	})
}

// silentAgent says what a test says, and takes everything.
type silentAgent struct {
	epoch *int
	says  chan mesosapi.FromAgent
}

func (a silentAgent) Subscribe(*api.Call_Subscribe) int {
	*a.epoch++
	return *a.epoch
}
func (a silentAgent) Update(mesos.TaskStatus)             {}
func (a silentAgent) Incoming() <-chan mesosapi.FromAgent { return a.says }

// TestSubscribeIsSmall: thousands of tasks that no update was told of yet, each
// with much to run, are named to an agent that was restarted, and no more.
func TestSubscribeIsSmall(t *testing.T) {
	const many = 2000
	r := testRules()
	r.maxTasks = many
	now := time.Now()
	s := newState(r, now)
	s.tick(now)
	s.step(now, subscribed{})
	data := []byte(`{"command":"` + strings.Repeat("x", 10_000) + `"}`)
	for i := range many {
		s.step(now, launched{mesos.TaskInfo{Name: "n", TaskID: mesos.TaskID{Value: strconv.Itoa(i)}, AgentID: mesos.AgentID{Value: "A"}, Data: data}})
	}
	s.step(now, down{err: io.EOF})
	call := s.tick(now.Add(time.Second)).subscribe
	if call == nil || len(call.UnacknowledgedTasks) != many || call.Size() > 100*many {
		t.Fatalf("%d tasks, %d bytes", len(call.GetUnacknowledgedTasks()), call.Size())
	}
	for i := range call.UnacknowledgedTasks {
		// A master or agent in C++ decodes no message without these.
		if info := &call.UnacknowledgedTasks[i]; info.TaskID.Value != strconv.Itoa(i) || info.Name != "n" || info.AgentID.Value != "A" {
			t.Fatalf("the %dth is %v", i, info)
		}
	}
}
