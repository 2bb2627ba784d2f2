package scheduler

import (
	"testing"
	"time"

	"cmdq/task"
)

// TestClockSetBack: what the journal says of a time that is still to come is not
// believed further than it can be true.
func TestClockSetBack(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ahead := now.AddDate(1, 0, 0)
	spec := &task.Spec{ID: "a", Command: "true", Retries: 3, KillGrace: 3 * time.Second, Resources: task.Resources{CPUs: 1}}
	attempt := task.Attempt{Number: 1, Agent: "a1", Launched: ahead, MayStillRun: ahead, Settle: ahead}
	idle := task.Task{ID: "idle", Spec: spec, Index: -1, Launches: 1, Attempts: 1, History: []task.Attempt{attempt}}
	running := task.Task{ID: "running", Spec: spec, Index: -1, Seq: 1, State: task.Running, Launches: 1, Attempts: 1, History: []task.Attempt{attempt}}
	s := newState(DefaultConfig())
	err := s.restore(Saved{Framework: Framework{ID: "f", Subscribed: true, Seen: ahead}, Now: now,
		Each: func(take func(task.Task, time.Time) error) error {
			if err := take(idle, ahead); err != nil {
				return err
			}
			return take(running, time.Time{})
		}})
	if err != nil {
		t.Fatal(err)
	}
	if s.framework.Seen.After(now) {
		t.Errorf("seen %s, it is %s", s.framework.Seen, now)
	}
	if wake, _ := s.queue.WakeAt("idle"); wake.After(now.Add(2 * retryMax)) {
		t.Errorf("wakes at %s, it is %s", wake, now)
	}
	a := s.queue.Get("running").Current()
	if a.MayStillRun.After(now) || a.Settle.After(now.Add(settleWait)) {
		t.Errorf("may still run since %s, settles at %s, it is %s", a.MayStillRun, a.Settle, now)
	}
}
