package scheduler

import (
	"math/rand/v2"
	"testing"
)

// TestGroupBounds plays schedules as TestSimulation does, with all tasks in groups of
// tight bounds and with restarts, and counts their tasks one by one: the cap is never
// exceeded, and after one failure too many nothing more of a group is launched than
// what already was (onLaunched and onRules).
func TestGroupBounds(t *testing.T) {
	schedules := min(*simSchedules, 2000)
	if testing.Short() {
		schedules = min(schedules, 50)
	}
	var capped, stopped int
	for seed := range schedules {
		m := newSim(rand.New(rand.NewPCG(seed, 8)), true)
		if err := m.play(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		capped += m.asks.capped
		stopped += m.asks.stopped
	}
	if capped < int(schedules) || stopped < int(schedules)/4 {
		t.Errorf("in %d schedules a cap was reached %d times, and %d tasks ended with their group", schedules, capped, stopped)
	}
	t.Logf("in %d schedules a cap was reached %d times, and %d tasks ended with their group", schedules, capped, stopped)
}
