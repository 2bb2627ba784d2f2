package scheduler

import (
	"fmt"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"cmdq/task"
)

// BenchmarkOffers answers one event with offers of many agents out of a queue of
// a hundred thousand tasks of a thousand shapes. An operation is one launch.
func BenchmarkOffers(b *testing.B) {
	const agents, tasks = 1000, 100_000
	var s *state
	var offers []mesos.Offer
	for i := range agents {
		offers = append(offers, parseOffer(nil, fmt.Sprintf("o%d agent=a%d cpus=8 mem=32000 disk=1000", i, i)))
	}
	for left := b.N; left > 0; {
		b.StopTimer()
		s = newState(benchConfig())
		now := time.Unix(1_700_000_000, 0)
		s.step(now, manyTasks(tasks))
		s.step(now, Subscribed{&sched.Event_Subscribed{}})
		b.StartTimer()
		eff := s.step(now, Offers{offers})
		launched := 0
		for _, r := range eff.Records {
			if r.Kind == Launched {
				launched++
			}
		}
		if launched == 0 {
			b.Fatal("nothing was launched")
		}
		left -= launched
	}
}

func manyTasks(n int) Load {
	specs := make([]*task.Spec, 1000)
	for i := range specs {
		specs[i] = &task.Spec{ID: "t", Command: "true", Resources: task.Resources{CPUs: int64(100 + i), Mem: int64(50 + i%37)}}
	}
	l := Load{Tasks: make([]task.Task, n)}
	for i := range l.Tasks {
		l.Tasks[i] = task.Task{ID: task.ID(fmt.Sprintf("t-%d", i)), Spec: specs[i%len(specs)], Index: i, Seq: uint64(i)}
	}
	return l
}

// BenchmarkLife is the way of one task through the scheduler: launched, running,
// finished, with its acknowledgements.
func BenchmarkLife(b *testing.B) {
	s := newState(benchConfig())
	now := time.Unix(1_700_000_000, 0)
	s.step(now, manyTasks(b.N))
	s.step(now, Subscribed{&sched.Event_Subscribed{}})
	offer := parseOffer(nil, "o agent=a cpus=2 mem=1000")
	uuid := byte(0)
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; {
		eff := s.step(now, Offers{[]mesos.Offer{offer}})
		for _, r := range eff.Records {
			if r.Kind != Launched {
				continue
			}
			for _, state := range []mesos.TaskState{mesos.TASK_STARTING, mesos.TASK_RUNNING, mesos.TASK_FINISHED} {
				uuid++
				st := &mesos.TaskStatus{TaskID: mesos.TaskID{Value: string(r.Task.ID)}, AgentID: &mesos.AgentID{Value: "a"}, State: &state, UUID: make([]byte, 16)}
				st.UUID[0] = uuid
				s.step(now, Updated{st})
			}
			done++
		}
	}
}

func benchConfig() Config {
	cfg := DefaultConfig()
	cfg.FrameworkID = "f"
	return cfg
}
