package queue

import (
	"testing"
	"time"

	"cmdq/task"
)

// TestPark: a parked task is not launched, whatever else is done to it, and
// remembers its time.
func TestPark(t *testing.T) {
	later := noon.Add(time.Minute)
	tests := []struct {
		name   string
		before time.Time // when it was due
		do     func(q *Queue)
		now    time.Time // of Unpark
		want   time.Time // when it is due then; zero: ready
	}{
		{"ready", time.Time{}, func(*Queue) {}, noon, time.Time{}},
		{"twice", later, func(q *Queue) { q.Park("a") }, noon, later},
		{"delayed, not due", later, func(*Queue) {}, noon, later},
		{"delayed, just due", later, func(*Queue) {}, later, time.Time{}},
		{"a wake passes it by", noon, func(q *Queue) { q.Wake(later) }, later, time.Time{}},
		{"another time", later, func(q *Queue) { q.Delay("a", noon) }, noon.Add(-1), noon},
		{"no time", later, func(q *Queue) { q.Delay("a", time.Time{}) }, noon, time.Time{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := fill(t, need(1, 1), need(1, 1))
			q.Delay("a", tt.before)
			q.Park("a")
			at, ok := q.WakeAt("a")
			if _, delayed := q.NextWake(); !at.Equal(tt.before) || ok == tt.before.IsZero() || delayed {
				t.Errorf("wakes at %v, %v; the queue waits for a time: %v", at, ok, delayed)
			}
			tt.do(q)
			if q.Ready() != 1 || q.Delayed() != 0 || q.ParkedCount() != 1 || ids(q.Parked()) != "a" || q.Count(task.Idle) != 2 {
				t.Errorf("%d ready, %d delayed, %d parked: %s", q.Ready(), q.Delayed(), q.ParkedCount(), ids(q.Parked()))
			}
			if first := q.First(need(9, 9), nil); first.ID != "b" {
				t.Errorf("first is %s", first.ID)
			}
			if err := q.Check(); err != nil {
				t.Error(err)
			}
			q.Unpark("a", tt.now)
			q.Unpark("b", tt.now) // is not parked
			if at, _ := q.WakeAt("a"); !at.Equal(tt.want) || q.ParkedCount() != 0 {
				t.Errorf("due at %v, want %v", at, tt.want)
			}
			if first := q.First(need(9, 9), nil).ID; (first == "a") != tt.want.IsZero() {
				t.Errorf("first is %s", first)
			}
			if err := q.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLeaveParked: a parked task can end as any idle one.
func TestLeaveParked(t *testing.T) {
	q := fill(t, need(1, 1), need(1, 1), need(1, 1), need(1, 1))
	for _, id := range []task.ID{"a", "b", "c", "d"} {
		q.Park(id)
	}
	q.End("a", task.Killed)
	q.Fetch("c")
	if got := q.Remove("b"); got == nil || got.ID != "b" {
		t.Errorf("removed %v", got)
	}
	if ids(q.Parked()) != "d" || ids(q.Fetching()) != "c" || q.Get("a").State != task.Killed || q.Ready() != 0 {
		t.Errorf("parked %q, fetching %q", ids(q.Parked()), ids(q.Fetching()))
	}
	q.Retry("c", time.Time{}) // is not parked any more
	if first := q.First(need(1, 1), nil); first == nil || first.ID != "c" {
		t.Errorf("first is %v", first)
	}
	if err := q.Check(); err != nil {
		t.Error(err)
	}
	for range q.Parked() {
		q.Unpark("d", noon)
		q.Park("c")
	}
	if ids(q.Parked()) != "c" {
		t.Errorf("parked %q", ids(q.Parked()))
	}
}
