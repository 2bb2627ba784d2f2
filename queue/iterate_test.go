package queue

import (
	"slices"
	"strings"
	"testing"
	"time"

	"cmdq/task"
)

// TestChangeWhileIterating: what is yielded may be ended, retried or removed,
// and so may the others.
func TestChangeWhileIterating(t *testing.T) {
	one := need(1, 1)
	tests := []struct {
		name string
		over func(*Queue) string
		want string
	}{
		{"end the active", func(q *Queue) string {
			return ids(func(yield func(*task.Task) bool) {
				for t := range q.Active() {
					q.End(t.ID, task.Killed)
					yield(t)
				}
			})
		}, "a b c"},
		{"retry all at the first", func(q *Queue) string {
			return ids(func(yield func(*task.Task) bool) {
				for t := range q.Active() {
					for _, id := range []task.ID{"c", "b", "a"} {
						q.Retry(id, time.Time{})
					}
					yield(t)
				}
			})
		}, "a"},
		{"end those of a shape", func(q *Queue) string {
			return ids(func(yield func(*task.Task) bool) {
				for t := range q.SameShape(q.Get("d")) {
					q.End(t.ID, task.Failed)
					if t.ID == "d" {
						q.Delay("e", noon)
					}
					yield(t)
				}
			})
		}, "d f"},
		{"fetch the active", func(q *Queue) string {
			return ids(func(yield func(*task.Task) bool) {
				for t := range q.Active() {
					q.Fetch(t.ID)
					yield(t)
				}
			})
		}, "a b c"},
		{"end the fetching, another at the first", func(q *Queue) string {
			for _, id := range []task.ID{"a", "b", "c"} {
				q.Fetch(id)
			}
			return ids(func(yield func(*task.Task) bool) {
				for t := range q.Fetching() {
					if t.ID == "a" {
						q.Retry("b", noon)
						q.Fetch("d") // not seen
					}
					q.End(t.ID, task.Finished)
					yield(t)
				}
			})
		}, "a c"},
		{"remove all that can be", func(q *Queue) string {
			for t := range q.All() {
				if !t.State.Active() {
					q.Remove(t.ID)
				}
			}
			return ids(q.Active())
		}, "a b c"},
		{"end every shape", func(q *Queue) string {
			return ids(func(yield func(*task.Task) bool) {
				for s := range q.Shapes() {
					for t := range q.SameShape(s.Head) {
						q.End(t.ID, task.Failed)
						yield(t)
					}
				}
			})
		}, "d e f g"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := fill(t, one, one, one, one, one, one, need(2, 2))
			launchAll(t, q, need(3, 3))
			got := strings.Fields(tt.over(q))
			slices.Sort(got)
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if err := q.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestIterationStops(t *testing.T) {
	q := fill(t, need(1, 1), need(1, 1), need(2, 2), need(2, 2), need(1, 1), need(1, 1))
	q.Launch("a")
	q.Launch("c")
	q.Fetch("e")
	q.Fetch("f")
	seen := 0
	for range q.Fetching() {
		seen++
		break
	}
	for range q.Active() {
		seen++
		break
	}
	for range q.All() {
		seen++
		break
	}
	for range q.Shapes() {
		seen++
		break
	}
	for range q.SameShape(q.Get("b")) {
		seen++
		break
	}
	if seen != 5 {
		t.Errorf("%d seen, want one of each", seen)
	}
}
