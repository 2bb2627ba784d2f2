package scheduler

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"cmdq/task"
)

// TestLaunchesKept: of every launch it is kept when it was queued, launched, starting
// and up, and which ports it has. Times are seconds since the start of the run.
func TestLaunchesKept(t *testing.T) {
	const begin = "subscribed\nadvance 2s\noffer o1 agent=a1 cpus=1 mem=100 ports=31000-31009\n"
	const first = begin + "advance 1s\nupdate a STARTING\nadvance 1s\nupdate a RUNNING\n"
	for _, tt := range []struct {
		name, play string
		want       []string
	}{
		{"up", first, []string{"queued 0 launched 2 starting 3 up 4 ports []"}},
		{"starting told twice", first + "advance 1s\nupdate a STARTING", []string{"queued 0 launched 2 starting 3 up 4 ports []"}},
		{"up at once", begin + "update a RUNNING\nadvance 1s\nupdate a STARTING", []string{"queued 0 launched 2 starting - up 2 ports []"}},
		{"two launches", first + "advance 6s\nupdate a FAILED\nadvance 10s\noffer o2 agent=a1 cpus=1 mem=100 ports=31000-31009",
			[]string{"queued 0 launched 2 starting 3 up 4 ports []", "queued 10 launched 20 starting - up - ports []"}},
		{"tried again", first + "advance 6s\nupdate a FAILED message=x\nadvance 10s\noffer o2 agent=a1 cpus=1 mem=100\nadvance 10s\nupdate a.2 FAILED\nadvance 30s\nretry a\nadvance 4s\noffer o3 agent=a1 cpus=1 mem=100",
			[]string{"queued 0 launched 2 starting 3 up 4 ports []", "queued 10 launched 20 starting - up - ports []", "queued 60 launched 64 starting - up - ports []"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := newEnv(t)
			env.play("load a retries=1")
			playLines(env, tt.play)
			if got := launchesOf(env, "a"); !slices.Equal(got, tt.want) {
				t.Errorf("launches are\n%q, want\n%q", got, tt.want)
			}
		})
	}
	env := newEnv(t)
	env.play("load a ports=3; b ports=2")
	playLines(env, "subscribed\noffer o1 agent=a1 cpus=2 mem=200 ports=31000-31001,31005-31009")
	for id, want := range map[task.ID]string{"a": "queued 0 launched 0 starting - up - ports [31000 31001 31005]", "b": "queued 0 launched 0 starting - up - ports [31006 31007]"} {
		if got := launchesOf(env, id); !slices.Equal(got, []string{want}) {
			t.Errorf("%s has %q, want %q", id, got, want)
		}
	}
}

// TestQueuedByOurClock: no launch was queued after it was decided, whatever the clock
// of the agent that told of the end of the one before.
func TestQueuedByOurClock(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := &state{now: now}
	got := s.queuedAt(&task.Task{Submitted: now.Add(-time.Hour), History: []task.Attempt{{Ended: now.Add(time.Minute)}}})
	if !got.Equal(now) {
		t.Errorf("queued %s, now is %s", got, now)
	}
}

func launchesOf(e *env, id task.ID) (out []string) {
	at := func(x time.Time) string {
		if x.IsZero() {
			return "-"
		}
		return fmt.Sprint(x.Sub(e.start).Seconds())
	}
	for _, a := range e.s.queue.Get(id).History {
		out = append(out, fmt.Sprintf("queued %s launched %s starting %s up %s ports %v", at(a.Queued), at(a.Launched), at(a.Starting), at(a.Started), a.Ports))
	}
	return out
}
