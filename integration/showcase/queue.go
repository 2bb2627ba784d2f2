package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"cmdq/web"
)

// queue is a made-up web.Queue, which can be changed.
type queue struct {
	hub *web.Hub

	agents int

	mu    sync.Mutex
	began time.Time
	tasks []*web.Row // in their order
	byID  map[string]*web.Row
	next  int // the first that is idle, in the order
	ended []time.Time
}

var stateOrder = []string{"idle", "starting", "running", "fetching", "finished", "failed", "killed"}

func newQueue(n, agents int, now time.Time) *queue {
	q := &queue{hub: web.NewHub(), agents: agents, began: now.Add(-time.Hour), byID: map[string]*web.Row{}}
	chance := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		r := madeUp(i, n, now, chance)
		q.tasks = append(q.tasks, r)
		q.byID[r.ID] = r
	}
	return q
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func (q *queue) Status(context.Context) (web.Status, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.status(), nil
}

func (q *queue) status() web.Status {
	s := web.Status{
		Version: "showcase", PID: 1, Began: stamp(q.began), File: "/home/ann/frames/tasks.yaml", Master: "10.0.0.1:5050",
		Page: "http://10.0.0.1:5050/", Framework: "b1c5e7a0-3d1f-4b8e-9a46-0f2f5d8a7c11-0000", Connected: true,
		Tasks: len(q.tasks), States: map[string]int{}, Offered: stamp(time.Now().Add(-800 * time.Millisecond)),
		Holdup: "3 tasks fit on no agent: wide-0 needs 64 cpus, the largest agent has 16",
	}
	for _, name := range stateOrder {
		s.States[name] = 0
	}
	for _, r := range q.tasks {
		s.States[r.State]++
		switch r.Waits {
		case "held":
			s.Held++
		case "waiting":
			s.Waiting++
		case "delayed":
			s.Delayed++
		}
	}
	for i := range q.agents {
		a := web.Agent{
			ID: fmt.Sprintf("b1c5e7a0-3d1f-4b8e-9a46-0f2f5d8a7c11-S%d", i), Host: fmt.Sprintf("h%d.example.org", i), Name: fmt.Sprintf("h%d.example.org", i), Seen: s.Offered,
			Offered: web.Resources{CPUs: 0.4 * float64(i%4), Mem: 2048}, Used: web.Resources{CPUs: 12.5, Mem: 26000},
			Largest: web.Resources{CPUs: 16, Mem: 65536, Disk: 200000, GPUs: int64(i % 4 / 3)}, Tasks: 50,
		}
		if i == 2 {
			a.Seen, a.Note = stamp(time.Now().Add(-8*time.Minute)), "left alone until 14:32:10: three launches in a row could not start"
		}
		s.Agents = append(s.Agents, a)
	}
	recent := len(q.ended)
	for recent > 0 && time.Since(q.ended[len(q.ended)-recent]) > time.Minute {
		recent--
	}
	if s.Rate = float64(recent) / 60; s.Rate > 0 {
		left := float64(s.Tasks-s.States["finished"]-s.States["failed"]-s.States["killed"]) / s.Rate
		s.Left = &left
	}
	return s
}

func (q *queue) Tasks(_ context.Context, query web.Query) (web.Tasks, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	found := make([]*web.Row, 0, len(q.tasks))
	for _, r := range q.tasks {
		if fits(r, query) {
			found = append(found, r)
		}
	}
	order(found, query.Sort)
	answer := web.Tasks{Total: len(found)}
	for _, r := range found[min(query.Offset, len(found)):min(query.Offset+query.Limit, len(found))] {
		answer.Tasks = append(answer.Tasks, *r)
	}
	return answer, nil
}

func fits(r *web.Row, query web.Query) bool {
	if len(query.States) > 0 && !slices.Contains(query.States, r.State) && !slices.Contains(query.States, r.Waits) {
		return false
	}
	for key, value := range query.Labels {
		if r.Labels[key] != value {
			return false
		}
	}
	if query.Match != "" {
		if ok, err := path.Match(query.Match, r.ID); err != nil || !ok {
			return false
		}
	}
	return (query.Group == "" || query.Group == r.Group) && (query.Agent == "" || query.Agent == r.Host)
}

func order(rows []*web.Row, by string) {
	name, down := strings.CutPrefix(by, "-")
	var less func(a, b *web.Row) int
	switch name {
	case "id":
		less = func(a, b *web.Row) int { return strings.Compare(a.ID, b.ID) }
	case "state":
		less = func(a, b *web.Row) int {
			return cmp.Compare(slices.Index(stateOrder, a.State), slices.Index(stateOrder, b.State))
		}
	case "attempts":
		less = func(a, b *web.Row) int { return cmp.Compare(a.Attempts, b.Attempts) }
	case "submitted":
		less = func(a, b *web.Row) int { return strings.Compare(a.Submitted, b.Submitted) }
	case "started":
		less = func(a, b *web.Row) int { return strings.Compare(a.Started, b.Started) }
	case "ended":
		less = func(a, b *web.Row) int { return strings.Compare(a.Ended, b.Ended) }
	}
	if less != nil {
		slices.SortStableFunc(rows, less)
	}
	if down {
		slices.Reverse(rows)
	}
}

func (q *queue) find(id string) (*web.Row, error) {
	r := q.byID[id]
	if r == nil {
		return nil, web.NotFound("there is no task %s; near it: %s", id, q.tasks[0].ID)
	}
	return r, nil
}

func (q *queue) Task(_ context.Context, id string) (web.Task, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	r, err := q.find(id)
	if err != nil {
		return web.Task{}, err
	}
	return whole(*r), nil
}

func (q *queue) Explain(_ context.Context, id string) (web.Explanation, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	r, err := q.find(id)
	if err != nil {
		return web.Explanation{}, err
	}
	e := web.Explanation{ID: id, State: r.State, Code: "full", Text: "It fits, but no agent has enough free now.",
		Evidence: []string{"h2.example.org: 0.4 of 2 cpus short", "h0.example.org: 1.1 of 2 cpus short", "h1.example.org: 1.6 of 2 cpus short"}}
	switch {
	case r.State != "idle":
		e.Code, e.Text, e.Evidence = "active", "It is "+r.State+" on "+r.Host+".", nil
	case r.Waits == "held":
		e.Code, e.Text, e.Evidence = "held", "It is held; cmdq release lets it go.", nil
	case r.Waits == "waiting":
		e.Code, e.Text, e.Evidence = "waiting", "It waits for other tasks.", []string{"render-000412 has not finished"}
	}
	return e, nil
}

func (q *queue) Failures(context.Context) (web.Failures, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	groups := map[string]*web.Failure{}
	for _, r := range q.tasks {
		if r.State != "failed" && r.State != "killed" {
			continue
		}
		key := failureKey(r)
		g := groups[key]
		if g == nil {
			g = &web.Failure{Key: key, State: r.State, Reason: r.Reason, ExitCode: r.ExitCode, Signal: r.Signal, Example: r.ID, Retry: "cmdq retry --group " + key}
			if r.ExitCode != nil {
				g.Line = "convert: no such file /…/frame-N.png <b>@ error/convert.c/N</b>"
			}
			groups[key] = g
		}
		g.Count++
	}
	var f web.Failures
	for _, g := range groups {
		f.Groups = append(f.Groups, *g)
		f.Tasks += g.Count
	}
	slices.SortFunc(f.Groups, func(a, b web.Failure) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Key, b.Key))
	})
	return f, nil
}

func failureKey(r *web.Row) string {
	code := 0
	if r.ExitCode != nil {
		code = *r.ExitCode
	}
	return strings.ToLower(fmt.Sprintf("%s-%d-%s%s", r.State, code, r.Signal, r.Reason))
}
