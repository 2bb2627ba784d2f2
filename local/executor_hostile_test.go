package local

import (
	"math"
	"net/http"
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// TestUpdateOfAnotherAgentsTask: an executor cannot end what runs on another
// agent, nor have its resources offered again.
func TestUpdateOfAnotherAgentsTask(t *testing.T) {
	c := startCluster(t, Config{Agents: 2})
	s := subscribe(t, c, codecJSON, modern)
	here, there := c.Agents()[0], c.Agents()[1]
	offers := map[string]mesos.Offer{}
	for len(offers) < 2 {
		for _, o := range s.wait(scheduler.Event_OFFERS, nil).Offers.Offers {
			offers[o.AgentID.Value] = o
		}
	}
	s.accept(3600, []mesos.Offer{offers[here.ID]}, taskOn("own", offers[here.ID], idleExecutor("e1", "sleep 1000"), ""))
	s.accept(3600, []mesos.Offer{offers[there.ID]}, command1("other", offers[there.ID], "sleep 1000"))
	s.until("other", mesos.TASK_RUNNING)
	x, subscribe := posing(t, c, codecJSON, s.id, "e1")
	events := subscribe(&executor.Call_Subscribe{})
	wantEvent(t, events, executor.Event_SUBSCRIBED)
	mustSend(t, x, updateCall(statusOf("other", mesos.TASK_FINISHED)))
	mustSend(t, x, updateCall(statusOf("own", mesos.TASK_RUNNING))) // comes after it
	s.until("own", mesos.TASK_RUNNING)
	c.master.box.call(func() {
		if task := c.master.frameworks[s.id].tasks["other"]; task == nil || task.state != mesos.TASK_RUNNING || !task.held {
			t.Errorf("the other agent's task is %+v", task)
		}
	})
	s.kill("other", 0)
	if all := s.until("other", mesos.TASK_KILLED); len(all) > 2 {
		t.Errorf("told: %v", all)
	}
}

// TestUpdateAtNoTime: a time that is no number is refused; JSON has none, so
// that /state could not be written.
func TestUpdateAtNoTime(t *testing.T) {
	for _, cdc := range []*codec{codecJSON, codecProtobuf} {
		c := startCluster(t, Config{})
		s := subscribe(t, c, cdc, modern)
		o := s.offer()
		s.accept(3600, []mesos.Offer{o}, taskOn("t1", o, idleExecutor("e1", "sleep 1000"), ""))
		x, subscribe := posing(t, c, cdc, s.id, "e1")
		wantEvent(t, subscribe(&executor.Call_Subscribe{}), executor.Event_SUBSCRIBED)
		for _, at := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			st := statusOf("t1", mesos.TASK_RUNNING)
			st.Timestamp = &at
			if status, text, err := x.send(updateCall(st)); status != http.StatusBadRequest || err != nil {
				t.Errorf("at %v: %d %q, %v", at, status, text, err)
			}
		}
		mustSend(t, x, updateCall(statusOf("t1", mesos.TASK_RUNNING)))
		s.until("t1", mesos.TASK_RUNNING)
		for _, address := range []string{c.Addr(), c.Agents()[0].Addr} {
			get[object](t, "http://"+address+"/state")
		}
	}
}
