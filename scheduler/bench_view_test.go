package scheduler

import (
	"fmt"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"cmdq/task"
)

// halfDone is a queue of a hundred thousand tasks of which a quarter has finished, a
// quarter failed, each with words of its own, a tenth waits for others, and a
// thousand run on as many agents.
func halfDone() *state {
	const tasks = 100_000
	s := newState(benchConfig())
	now := time.Unix(1_700_000_000, 0)
	load := manyTasks(tasks)
	after := map[*task.Spec]bool{}
	for i := range load.Tasks {
		if spec := load.Tasks[i].Spec; i%10 == 9 && !after[spec] {
			spec.Rules, after[spec] = &task.Rules{After: []task.ID{"t-99998"}}, true
		}
	}
	s.step(now, load)
	s.step(now, Subscribed{&sched.Event_Subscribed{}})
	for i := range load.Tasks {
		t := s.queue.Get(load.Tasks[i].ID)
		state := task.Finished
		if i%2 == 1 {
			state = task.Failed
		}
		if i >= tasks/2 || len(namesWaited(t)) > 0 {
			continue
		}
		t.End = &task.End{State: state, At: now, Exit: task.Exit{Known: true, Code: i % 2}}
		if state == task.Failed {
			t.End.Stderr = fmt.Sprintf("line one\nTraceback of worker %d\nerror %d: cannot open /data/in/%d.png: kind %c\n", i, i, i, 'a'+rune(i%17))
		}
		s.queue.End(t.ID, state)
	}
	s.regroup()
	s.redepend()
	s.tickRules()
	var offers []mesos.Offer
	for i := range 1000 {
		offers = append(offers, parseOffer(nil, fmt.Sprintf("o%d agent=a%d cpus=1 mem=3200 disk=1000", i, i)))
	}
	s.step(now, Offers{offers})
	for spec := range after {
		s.pace.ran(spec.Resources, time.Second)
	}
	return s
}

func namesWaited(t *task.Task) []task.ID {
	if t.Spec.Rules == nil {
		return nil
	}
	return t.Spec.Rules.After
}

// BenchmarkViews is what the loop of a hundred thousand tasks is held up by one look,
// or by one change.
func BenchmarkViews(b *testing.B) {
	s := halfDone()
	answer := func(Outcome) {}
	looks := []struct {
		name string
		look func()
	}{
		{"Standing", func() { View{s}.Standing() }},
		{"Failed", func() { FailedOf(s.queue.All()) }},
		{"Failures", func() { Failures(s.queue.All()) }},
		{"Near", func() { s.near("t-5555x") }},
		{"Explain", func() { s.explain(s.queue.Get("t-99999")) }},
		{"Submit", func() {
			t := submitted(task.ID(fmt.Sprintf("s%d", s.queue.Len())))
			s.step(s.now, Asked{Submit{Tasks: []task.Task{t}}, answer})
		}},
		{"SelectGroup", func() { s.selected(Selection{Group: "nobody"}) }},
		{"Hold", func() {
			s.step(s.now, Asked{HoldTasks{Selection{IDs: []task.ID{"t-99999"}}}, answer})
			s.step(s.now, Asked{ReleaseTasks{Selection{IDs: []task.ID{"t-99999"}}}, answer})
		}},
		{"RetryOne", func() {
			s.step(s.now, Asked{RetryTasks{Selection{IDs: []task.ID{"t-1"}}}, answer})
			s.step(s.now, Asked{CancelTasks{Selection{IDs: []task.ID{"t-1"}}}, answer})
		}},
		{"HoldAll", func() {
			s.step(s.now, Asked{HoldTasks{Selection{All: true}}, answer})
			s.step(s.now, Asked{ReleaseTasks{Selection{All: true}}, answer})
		}},
	}
	for _, l := range looks {
		b.Run(l.name, func(b *testing.B) {
			for b.Loop() {
				l.look()
			}
		})
	}
}
