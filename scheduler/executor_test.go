package scheduler

import (
	"fmt"
	"testing"

	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"cmdq/task"
)

// TestPortions: an executor has at most so many launches that did not start yet,
// and the next ones are asked for as soon as one has.
func TestPortions(t *testing.T) {
	e := newEnv(t)
	e.quiet = true
	e.play("config executor=cmdq")
	var tasks []task.Task
	for i := range 3 * maxWaiting {
		spec := &task.Spec{ID: task.ID(fmt.Sprintf("t%d", i)), Command: "true", Resources: task.Resources{CPUs: 1, Mem: 1}}
		tasks = append(tasks, task.Task{ID: spec.ID, Spec: spec, Index: -1, Seq: uint64(i)})
	}
	e.step(Load{Tasks: tasks})
	e.play("subscribed")
	offers := 0
	launched := func() (n int, executors map[string]bool) {
		offers++
		executors = map[string]bool{}
		o := parseOffer(t, fmt.Sprintf("o%d agent=a1 cpus=100 mem=10000", offers))
		for _, call := range e.s.step(e.now, Offers{[]mesos.Offer{o}}).Calls {
			if call.Type != sched.Call_ACCEPT {
				continue
			}
			for _, info := range call.Accept.Operations[0].Launch.TaskInfos {
				n++
				executors[info.Executor.ExecutorID.Value] = true
			}
		}
		if err := e.s.check(); err != nil {
			t.Fatal(err)
		}
		return n, executors
	}
	if n, in := launched(); n != maxWaiting || len(in) != 1 {
		t.Errorf("%d launches in %d executors, want %d in 1", n, len(in), maxWaiting)
	}
	if n, _ := launched(); n != 0 {
		t.Errorf("%d launches more, and none of the first ones has started", n)
	}
	revived := false
	for i := range 10 {
		for _, call := range e.s.step(e.now, Updated{e.status(fmt.Sprintf("t%d RUNNING", i))}).Calls {
			revived = revived || call.Type == sched.Call_REVIVE
		}
	}
	if !revived {
		t.Error("ten have started, and no offers are asked for")
	}
	if n, _ := launched(); n != 10 {
		t.Errorf("%d launches after ten have started", n)
	}
}
