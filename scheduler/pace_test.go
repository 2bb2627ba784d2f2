package scheduler

import (
	"math"
	"testing"
	"time"

	"cmdq/task"
)

// TestRate: tasks that ended a second, in the last minute or since the start.
func TestRate(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	var p pace
	want := func(second int, rate float64) {
		t.Helper()
		if got := p.rate(at(second)); math.Abs(got-rate) > 1e-9 {
			t.Errorf("after %d s %g a second, want %g", second, got, rate)
		}
	}
	want(0, 0)
	for range 20 {
		p.ended(at(0))
	}
	want(0, 20) // a second is the least
	want(10, 2)
	for second := 11; second <= 100; second++ {
		for range 3 {
			p.ended(at(second))
		}
	}
	want(100, 3)
	want(130, 1.5)
	want(131, 1.45)
	want(160, 0)
	want(10_000, 0)
	p.ended(at(10_000))
	p.ended(at(9_000)) // the clock was set back
	want(10_000, 2.0/60)
}

// TestLeft: the work that remains, by the mean of tasks alike, over what the cluster
// gives; not known rather than nonsense.
func TestLeft(t *testing.T) {
	env := newEnv(t)
	left := func(want time.Duration, known bool) {
		t.Helper()
		got, ok := View{env.s}.Standing().Left, View{env.s}.Standing().LeftKnown
		if ok != known || known && (got-want).Abs() > want/50 {
			t.Errorf("%s, known: %v; want %s, %v", got, ok, want, known)
		}
	}
	play := func(lines ...string) {
		for _, line := range lines {
			env.play(line)
		}
	}
	left(0, true) // there is nothing to do
	play("load a count=11 cpus=2; h cpus=2", "subscribed", "hold h")
	left(0, false)
	play("offer o agent=a1 cpus=4 mem=900", "update a-0 RUNNING", "update a-1 RUNNING", "advance 10s")
	left(0, false) // none has finished
	play("update a-0 FINISHED", "update a-1 FINISHED", "offer o agent=a1 cpus=4 mem=900", "update a-2 RUNNING", "update a-3 RUNNING")
	left(45*time.Second, true) // nine tasks of 20 cpu seconds by 4 cpus, and the held one does not count
	play("advance 5s")
	left(40*time.Second, true)
	play("load a count=11 cpus=2; h cpus=2; b; b2")
	left(0, false) // of one in ten nothing is known
	play("load a count=11 cpus=2; h cpus=2")
	for i := range 11 {
		play("update a-" + []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"}[i] + " FINISHED")
	}
	h := env.s.queue.Get("h")
	r := env.s.pace.runs[h.Spec.Resources]
	mean := r.total / time.Duration(r.n)
	for _, tt := range []struct {
		ran   time.Duration
		left  time.Duration // of 2 cpus
		known bool
	}{{0, mean, true}, {mean / 2, mean / 2, true}, {2 * mean, 0, true}, {3*mean + time.Second, 0, false}} {
		got, ok := env.s.pace.work(h, tt.ran)
		if want := 2000 * tt.left.Seconds(); ok != tt.known || math.Abs(got-want) > 1 {
			t.Errorf("after %s: %g, %v; want %g, %v", tt.ran, got, ok, want, tt.known)
		}
	}
}

// TestStanding: what the screen shows, from one place.
func TestStanding(t *testing.T) {
	env := newEnv(t)
	for _, line := range []string{"config quiet", "load a retries=1; b after=a; c; d mem=240; e", "subscribed", "hold c",
		"offer 1 agent=a1 cpus=2 mem=250;2 agent=a2 cpus=3 mem=10", "update a RUNNING", "advance 3s", "update e FAILED"} {
		env.play(line)
	}
	v := View{env.s}
	st := v.Standing()
	if st.Tasks != 5 || st.Held != 1 || st.Waiting != 1 || st.Delayed != 1 || st.States[task.Running] != 1 || st.States[task.Idle] != 4 {
		t.Errorf("%+v", st)
	}
	if !st.Offered.Equal(env.start) || st.Suppressed || st.Holdup != "" || st.Framework != "f-1" {
		t.Errorf("offered %s, suppressed %v, holdup %q", st.Offered, st.Suppressed, st.Holdup)
	}
	if a := st.Agents; len(a) != 2 || a[0].Host != "host-a1" || a[0].Tasks != 1 || a[0].Used.CPUs != 1000 || a[0].Largest.CPUs != 2000 || a[1].Offered.CPUs != 3000 {
		t.Errorf("%+v", a)
	}
	for id, want := range map[task.ID]string{"a": "", "b": WaitsTasks, "c": WaitsHeld, "d": "", "e": WaitsBackoff} {
		if what, until := v.Waits(v.Task(id)); what != want || until.IsZero() != (want != WaitsBackoff) {
			t.Errorf("%s waits: %q until %s, want %q", id, what, until, want)
		}
	}
	// What holds the queue up is said all the time, and not now and then.
	env.play("cancel a e b c")
	env.play("update a KILLED")
	env.advance(20 * time.Second)
	for range 10 {
		env.advance(7 * time.Second)
		if st := v.Standing(); st.Holdup != "other frameworks, a quota or a filter may hold what is free" || !st.Offered.Equal(env.start) {
			t.Errorf("at %s: offered %s, holdup %q", env.now.Sub(env.start), st.Offered, st.Holdup)
		}
	}
	env.play("down no route")
	if st := v.Standing(); st.Holdup != "no master: no route" || st.Connected {
		t.Errorf("%q", st.Holdup)
	}
}

// TestHoldup: what may still run where nobody knows holds the queue up.
func TestHoldup(t *testing.T) {
	env := newEnv(t)
	for _, step := range []struct{ play, want string }{
		{"load a; b after=a", "no connection to the master"},
		{"subscribed", ""},
		{"offer o agent=a1 cpus=4 mem=900", ""},
		{"update a RUNNING", ""},
		{"update a UNREACHABLE source=master unreachable=-5m", "1 task that may still run where the cluster does not know (cmdq explain ID)"},
		{"update a RUNNING", ""},
	} {
		env.play(step.play)
		if got := (View{env.s}).Standing().Holdup; got != step.want {
			t.Errorf("after %s: %q, want %q", step.play, got, step.want)
		}
	}
}
