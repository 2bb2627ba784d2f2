package scheduler

import (
	"fmt"
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
	var capped, stopped, forgiven int
	for seed := range schedules {
		m := newSim(rand.New(rand.NewPCG(seed, 8)), true)
		if err := m.play(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		capped += m.asks.capped
		stopped += m.asks.stopped
		forgiven += m.asks.forgiven
	}
	said := fmt.Sprintf("in %d schedules a cap was reached %d times, %d tasks ended with their group, and %d times one was told to go on",
		schedules, capped, stopped, forgiven)
	if capped < int(schedules) || stopped < int(schedules)/4 || forgiven < int(schedules)/100 {
		t.Error(said)
	}
	t.Log(said)
}
