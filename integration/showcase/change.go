package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"cmdq/web"
)

func (q *queue) Submit(context.Context, []byte, string) (web.Outcome, error) {
	return web.Outcome{}, web.BadRequest("the showcase takes no tasks")
}

func (q *queue) Cancel(_ context.Context, s web.Selection) (web.Outcome, error) {
	return q.change(s, func(r *web.Row) string {
		if over(r) {
			return "it had ended already"
		}
		r.State, r.Waits, r.Ended = "killed", "", stamp(time.Now())
		return ""
	})
}

func (q *queue) Retry(_ context.Context, s web.Selection) (web.Outcome, error) {
	return q.change(s, func(r *web.Row) string {
		if !over(r) {
			return "it has not ended"
		}
		r.State, r.Ended, r.ExitCode, r.Signal, r.Reason, r.Message = "idle", "", nil, "", "", ""
		return ""
	})
}

func (q *queue) Hold(_ context.Context, s web.Selection) (web.Outcome, error) {
	return q.change(s, func(r *web.Row) string {
		if r.State != "idle" || r.Waits == "held" {
			return "it is " + r.State
		}
		r.Waits = "held"
		return ""
	})
}

func (q *queue) Release(_ context.Context, s web.Selection) (web.Outcome, error) {
	return q.change(s, func(r *web.Row) string {
		if r.Waits != "held" {
			return "it is not held"
		}
		r.Waits = ""
		return ""
	})
}

func over(r *web.Row) bool { return r.Ended != "" }

// change does one thing to all that are selected; it returns why not.
func (q *queue) change(s web.Selection, do func(r *web.Row) string) (web.Outcome, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var o web.Outcome
	for _, r := range q.tasks {
		failed := r.State == "failed" || r.State == "killed"
		if !slices.Contains(s.IDs, r.ID) && !(failed && (s.Failed || s.Group != "" && s.Group == failureKey(r))) {
			continue
		}
		if text := do(r); text != "" {
			o.Notes = append(o.Notes, web.Note{ID: r.ID, Text: text})
			continue
		}
		if o.Count++; o.Count <= 1000 {
			o.Changed = append(o.Changed, r.ID)
		}
		q.tell(r)
	}
	s2 := q.status()
	q.hub.Publish(web.Event{Status: &s2})
	return o, nil
}

func (q *queue) tell(r *web.Row) {
	row := *r
	q.hub.Publish(web.Event{Task: &row})
}

// play ends so many tasks a second, and starts others in their place, until ctx
// ends.
func (q *queue) play(ctx context.Context, rate int) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	pace := time.Second
	if rate > 0 {
		pace /= time.Duration(rate)
	}
	step := time.NewTicker(pace)
	defer step.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-second.C:
			q.mu.Lock()
			s := q.status()
			q.mu.Unlock()
			q.hub.Publish(web.Event{Status: &s})
		case <-step.C:
			if rate > 0 {
				q.step()
			}
		}
	}
}

// step ends a task and starts the next.
func (q *queue) step() {
	q.mu.Lock()
	defer q.mu.Unlock()
	running := -1
	for i := q.next; i < len(q.tasks); i++ {
		if r := q.tasks[i]; r.State == "running" {
			running = i
			break
		}
	}
	if running < 0 {
		return
	}
	r := q.tasks[running]
	end(r, time.Now(), rand.IntN(60))
	q.ended = append(q.ended, time.Now())
	q.tell(r)
	q.next = running
	for _, r := range q.tasks[running:] {
		if r.State == "idle" && r.Waits == "" {
			start(r, time.Now(), rand.IntN(4))
			q.tell(r)
			return
		}
	}
}
