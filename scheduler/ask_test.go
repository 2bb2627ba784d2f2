package scheduler

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"cmdq/task"
)

// TestAnsweredIsStored: whoever asked hears nothing before what came of it is stored,
// and while nothing can be stored, nothing.
func TestAnsweredIsStored(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change Change
		stored string
	}{
		{"submit", Submit{Tasks: []task.Task{submitted("b")}}, "store queued b"},
		{"hold", HoldTasks{Selection{IDs: []task.ID{"a"}}}, "store changed a"},
		{"cancel", CancelTasks{Selection{IDs: []task.ID{"a"}}}, "store ended a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &full{scripted: newScripted(), fails: map[int]int{0: 2, 1: 3}}
				s, over := runAside(t, m)
				if err := s.Post(t.Context(), oneTask()); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				time.Sleep(time.Minute) // of the bubble's clock: until the file is stored
				out, err := s.Change(t.Context(), tt.change)
				m.note("answered")
				if err != nil || len(out.Changed) != 1 {
					t.Fatalf("%+v, %v", out, err)
				}
				stored, answered := slices.Index(m.seen, tt.stored), slices.Index(m.seen, "answered")
				if stored < 0 || answered < stored || m.fails[1] > 0 {
					t.Errorf("not answered once it was stored: %q", m.seen)
				}
				if err := s.Post(t.Context(), Detach{}); err != nil {
					t.Fatal(err)
				}
				<-over
			})
		})
	}
}

// TestNotStoredNotAnswered: a disk that stays full is no reason to say that
// something was done.
func TestNotStoredNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &full{scripted: newScripted(), fails: map[int]int{0: 1 << 30}}
		s, over := runAside(t, m)
		answer := make(chan error, 1)
		go func() {
			_, err := s.Change(t.Context(), Submit{Tasks: []task.Task{submitted("b")}})
			answer <- err
		}()
		synctest.Wait()
		time.Sleep(time.Hour) // of the bubble's clock
		select {
		case err := <-answer:
			t.Fatalf("answered, and nothing is stored: %v", err)
		default:
		}
		if err := s.Post(t.Context(), Detach{}); err != nil {
			t.Fatal(err)
		}
		<-over
		if err := <-answer; !errors.Is(err, errLeaving) {
			t.Errorf("answered %v", err)
		}
	})
}

// TestLastAnswer: a change that ends the run is answered for, not lost with it; and
// after the end nobody waits for an answer.
func TestLastAnswer(t *testing.T) {
	for range 200 {
		m := newScripted()
		cfg := DefaultConfig()
		cfg.FrameworkID, cfg.Once = "f", true
		s := New(cfg, aside{m}, nil, m, quietLog())
		over := make(chan struct{})
		if err := s.Post(t.Context(), oneTask()); err != nil {
			t.Fatal(err)
		}
		go func() {
			defer close(over)
			s.Run(t.Context())
		}()
		out, err := s.Change(t.Context(), CancelTasks{Selection{All: true}})
		if err != nil || len(out.Changed) != 1 {
			t.Fatalf("%+v, %v", out, err)
		}
		<-over
		for range cap(s.requests) + 2 {
			if _, err := s.Change(t.Context(), CancelTasks{Selection{All: true}}); !errors.Is(err, errLeaving) {
				t.Fatal(err)
			}
		}
	}
}

func submitted(id task.ID) task.Task {
	spec := &task.Spec{ID: id, Command: "true", Resources: task.Resources{CPUs: 1000, Mem: 10}}
	return task.Task{ID: id, Spec: spec, Index: -1}
}

// runAside runs a scheduler that has no cluster; over is closed when it has ended.
func runAside(t *testing.T, m *full) (s *Scheduler, over chan struct{}) {
	cfg := DefaultConfig()
	cfg.FrameworkID = "f"
	s, over = New(cfg, aside{m.scripted}, nil, m, quietLog()), make(chan struct{})
	ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
	go func() {
		defer close(over)
		defer cancel()
		s.Run(ctx)
	}()
	return s, over
}

// aside is a master that never says anything.
type aside struct{ *scripted }

func (m aside) Subscribe(*sched.Call) int { return 1 }
