package main

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"cmdq/executor"
	"cmdq/scheduler"
	"cmdq/task"
	"cmdq/web"
)

// queueView answers questions about the queue in the words of the API.
type queueView struct {
	look     func(context.Context, func(scheduler.View)) error
	about    web.Status // what is the same at any time
	page     func() string
	unused   func() *string // why the tasks file is not used as it is now; nil: it is
	executor task.Executor  // of tasks that do not say
	sandbox  func(*task.Task, *task.Attempt) string
}

// Status implements web.Queue.
func (q *queueView) Status(ctx context.Context) (web.Status, error) {
	var st scheduler.Standing
	if err := q.look(ctx, func(v scheduler.View) { st = v.Standing() }); err != nil {
		return web.Status{}, err
	}
	out := q.about
	out.Framework, out.Connected = st.Framework, st.Connected
	if q.page != nil {
		out.Page = q.page()
	}
	if q.unused != nil {
		if why := q.unused(); why != nil {
			out.FileUnused = *why
		}
	}
	out.Tasks, out.States = st.Tasks, map[string]int{}
	for s, n := range st.States {
		out.States[task.State(s).String()] = n
	}
	out.Held, out.Waiting, out.Delayed = st.Held, st.Waiting, st.Delayed
	out.Rate, out.Suppressed, out.Offered, out.Holdup = st.Rate, st.Suppressed, stampOf(st.Offered), st.Holdup
	if st.LeftKnown {
		left := st.Left.Seconds()
		out.Left = &left
	}
	out.Agents = []web.Agent{}
	names := scheduler.AgentNames(st.Agents)
	for _, a := range st.Agents {
		out.Agents = append(out.Agents, agentView(a, names[a.ID]))
	}
	return out, nil
}

func agentView(a scheduler.AgentStanding, name string) web.Agent {
	out := web.Agent{ID: a.ID, Host: a.Host, Name: name, Seen: stampOf(a.Seen), Offered: resourcesOf(a.Offered), Used: resourcesOf(a.Used),
		Largest: resourcesOf(a.Largest), Tasks: a.Tasks}
	var notes []string
	if a.Lost {
		notes = append(notes, "lost")
	}
	if !a.RestingUntil.IsZero() {
		notes = append(notes, "left alone until "+stampOf(a.RestingUntil))
	}
	if a.ExecutorUnfit {
		notes = append(notes, "cannot run cmdq's executor")
	}
	out.Note = strings.Join(notes, "; ")
	return out
}

func resourcesOf(r task.Resources) web.Resources {
	return web.Resources{CPUs: float64(r.CPUs) / 1000, Mem: r.Mem, Disk: r.Disk, GPUs: r.GPUs}
}

func stampOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return stamp(t)
}

// Tasks implements web.Queue. While the queue is looked at only what is sorted by
// is taken of each task that fits; the rest is, of those on the page.
func (q *queueView) Tasks(ctx context.Context, query web.Query) (web.Tasks, error) {
	if err := query.Check(); err != nil {
		return web.Tasks{}, err
	}
	order, limit := sorting(query.Sort), cmp.Or(query.Limit, web.DefaultLimit)
	out := web.Tasks{Tasks: []web.Row{}}
	var unknown error
	err := q.look(ctx, func(v scheduler.View) {
		var after *task.Task
		if query.After != "" {
			if after = v.Task(task.ID(query.After)); after == nil {
				unknown = web.BadRequest("after=%s: there is no such task", cutText(query.After, 100))
				return
			}
		}
		best := &foremost{order: order, most: query.Offset + limit}
		for t := range v.Tasks() {
			if !fits(v, t, &query) {
				continue
			}
			out.Total++
			if after == nil || order(t, after) > 0 {
				best.add(t)
			}
		}
		found := best.sorted()
		from := min(query.Offset, len(found))
		for _, t := range found[from:min(from+limit, len(found))] {
			out.Tasks = append(out.Tasks, row(v, t))
		}
	})
	return out, cmp.Or(err, unknown)
}

// foremost keeps the first of many tasks by an order: so many, and some that it has
// not yet left out.
type foremost struct {
	order func(a, b *task.Task) int
	most  int
	found []*task.Task
	last  *task.Task // who comes behind it is not among them; nil: not known yet
}

func (f *foremost) add(t *task.Task) {
	if f.last != nil && f.order(t, f.last) > 0 {
		return
	}
	if f.found = append(f.found, t); len(f.found) >= 2*f.most+1000 {
		f.cut()
		f.last = f.found[f.most-1]
	}
}

func (f *foremost) cut() {
	slices.SortFunc(f.found, f.order)
	f.found = f.found[:min(len(f.found), f.most)]
}

func (f *foremost) sorted() []*task.Task {
	f.cut()
	return f.found
}

func fits(v scheduler.View, t *task.Task, q *web.Query) bool {
	if len(q.States) > 0 && !slices.Contains(q.States, t.State.String()) {
		what, _ := v.Waits(t)
		if what == "" || !slices.Contains(q.States, what) {
			return false
		}
	}
	for k, want := range q.Labels {
		if got, ok := t.Spec.Labels[k]; !ok || got != want {
			return false
		}
	}
	if q.Group != "" && groupOf(t) != q.Group {
		return false
	}
	if q.Agent != "" {
		if a := t.Current(); a == nil || a.Agent != q.Agent && a.Host != q.Agent {
			return false
		}
	}
	if q.Match != "" {
		if ok, err := path.Match(q.Match, string(t.ID)); !ok || err != nil {
			return false
		}
	}
	return true
}

func groupOf(t *task.Task) string {
	return t.Spec.Asks().Group
}

// sorting is how a list is sorted, by one of web.SortNames; equal ones are in the
// order of the queue.
func sorting(by string) func(a, b *task.Task) int {
	name, backwards := strings.CutPrefix(by, "-")
	started := func(t *task.Task) time.Time {
		if a := t.Current(); a != nil {
			return a.Started
		}
		return time.Time{}
	}
	ended := func(t *task.Task) time.Time {
		if t.End != nil {
			return t.End.At
		}
		return time.Time{}
	}
	place := func(a, b *task.Task) int {
		return cmp.Or(cmp.Compare(b.Spec.Priority, a.Spec.Priority), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.ID, b.ID))
	}
	order := place
	switch name {
	case "id":
		order = func(a, b *task.Task) int { return cmp.Compare(a.ID, b.ID) }
	case "state":
		order = func(a, b *task.Task) int { return cmp.Compare(a.State, b.State) }
	case "submitted":
		order = func(a, b *task.Task) int { return a.Submitted.Compare(b.Submitted) }
	case "started":
		order = func(a, b *task.Task) int { return started(a).Compare(started(b)) }
	case "ended":
		order = func(a, b *task.Task) int { return ended(a).Compare(ended(b)) }
	case "attempts":
		order = func(a, b *task.Task) int { return cmp.Compare(a.Attempts, b.Attempts) }
	}
	return func(a, b *task.Task) int {
		n := order(a, b)
		if backwards {
			n = -n
		}
		return cmp.Or(n, place(a, b))
	}
}

// row is a task in a list.
func row(v scheduler.View, t *task.Task) web.Row {
	what, _ := v.Waits(t)
	r := rowOf(t)
	r.Waits = what
	return r
}

// rowOf is a task in a list, but for what it waits for.
func rowOf(t *task.Task) web.Row {
	r := web.Row{ID: string(t.ID), State: t.State.String(), Command: cutText(describeCommand(t), 200), Group: groupOf(t),
		Labels: t.Spec.Labels, Priority: t.Spec.Priority, Attempts: t.Attempts, Submitted: stamp(t.Submitted)}
	if a := t.Current(); a != nil {
		r.Host, r.Started = a.Host, stampOf(a.Started)
	}
	if t.End != nil && t.State.Terminal() {
		r.Ended, r.Reason, r.Message, r.Signal = stampOf(t.End.At), t.End.Reason, t.End.Message, t.End.Exit.Signal
		r.ExitCode = exitCode(t.End.Exit)
	}
	return r
}

func exitCode(x task.Exit) *int {
	if !x.Known || x.Signal != "" {
		return nil
	}
	code := x.Code
	return &code
}

// describeCommand is what a task runs, as a person would type it.
func describeCommand(t *task.Task) string {
	if t.Spec.Command != "" {
		return t.Command()
	}
	return strings.Join(t.Argv(), " ")
}

func cutText(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// find looks at one task.
func (q *queueView) find(ctx context.Context, id string, look func(scheduler.View, *task.Task)) error {
	var near []task.ID
	found := false
	err := q.look(ctx, func(v scheduler.View) {
		if t := v.Task(task.ID(id)); t != nil {
			found = true
			look(v, t)
		} else {
			near = v.Near(task.ID(id))
		}
	})
	if err == nil && !found {
		return web.NotFound("%v", &scheduler.UnknownTask{ID: task.ID(id), Near: near})
	}
	return err
}

// Explain implements web.Queue.
func (q *queueView) Explain(ctx context.Context, id string) (web.Explanation, error) {
	var out web.Explanation
	err := q.find(ctx, id, func(v scheduler.View, t *task.Task) {
		x := v.Explain(t)
		out = web.Explanation{ID: string(x.ID), State: x.State.String(), Code: x.Code, Text: x.Text, Evidence: x.Evidence}
	})
	return out, err
}

// Failures implements web.Queue.
func (q *queueView) Failures(ctx context.Context) (web.Failures, error) {
	var failed scheduler.Failed
	if err := q.look(ctx, func(v scheduler.View) { failed = scheduler.FailedOf(v.Tasks()) }); err != nil {
		return web.Failures{}, err
	}
	out := web.Failures{Groups: []web.Failure{}}
	for _, g := range failed.Groups() {
		out.Tasks += g.Count
		out.Groups = append(out.Groups, web.Failure{Key: g.Key, State: g.State.String(), Reason: g.Reason, ExitCode: exitCode(g.Exit),
			Signal: g.Exit.Signal, Line: g.Line, Count: g.Count, Example: string(g.Example), Retry: "cmdq retry --group " + g.Key})
	}
	return out, nil
}

// Task implements web.Queue.
func (q *queueView) Task(ctx context.Context, id string) (web.Task, error) {
	var out web.Task
	err := q.find(ctx, id, func(v scheduler.View, t *task.Task) { out = q.detail(v, t) })
	return out, err
}

func (q *queueView) detail(v scheduler.View, t *task.Task) web.Task {
	_, wake := v.Waits(t)
	s := t.Spec
	by := s.Executor
	if by == "" {
		by = q.executor
	}
	if t.Alone {
		by = task.ByCommand
	}
	out := web.Task{Row: row(v, t), Name: t.Name(), Line: t.Line(), Resources: resourcesOf(s.Resources), User: s.User, Retries: s.Retries,
		KillGrace: s.KillGrace.String(), Executor: string(by), Wake: stampOf(wake), Charged: t.Charged, Infra: t.Infra, Launches: []web.Launch{}}
	out.Command = describeCommand(t)
	if s.Command == "" {
		out.Argv = t.Argv()
	}
	if s.Timeout > 0 {
		out.Timeout = s.Timeout.String()
	}
	for name := range s.Env {
		out.Env = append(out.Env, name)
	}
	slices.Sort(out.Env)
	for _, u := range s.URIs {
		out.URIs = append(out.URIs, executor.Redacted(u.Value))
	}
	for _, f := range s.Files {
		out.Files = append(out.Files, f.Path)
	}
	for _, o := range s.Outputs {
		out.Outputs = append(out.Outputs, o.Path)
	}
	for _, id := range s.Asks().After {
		out.After = append(out.After, string(id))
	}
	for _, c := range s.Asks().Constraints {
		out.Constraints = append(out.Constraints, c.String())
	}
	out.Ports, out.Role, out.Container = s.Asks().Ports, s.Asks().Role, containerView(s.Asks().Container)
	if t.End != nil {
		out.Stderr = t.End.Stderr
	}
	for i := range t.History {
		out.Launches = append(out.Launches, q.launch(t, &t.History[i]))
	}
	return out
}

func containerView(c *task.Container) *web.Container {
	if c == nil {
		return nil
	}
	out := &web.Container{Image: c.Image, Type: c.Type}
	for _, v := range c.Volumes {
		out.Volumes = append(out.Volumes, v.String())
	}
	return out
}

func (q *queueView) launch(t *task.Task, a *task.Attempt) web.Launch {
	out := web.Launch{Number: a.Number, ID: task.LaunchID(t.ID, a.Number), Agent: a.Agent, Host: a.Host, Framework: a.Framework,
		Executor: a.Executor, Queued: stampOf(queuedAt(t, a)), Offered: stampOf(a.Launched), Starting: stampOf(a.Starting),
		Running: stampOf(a.Started), Ended: stampOf(a.Ended), State: a.State,
		Reason: a.Reason, Message: a.Message, ExitCode: exitCode(a.Exit), Signal: a.Exit.Signal, MayRun: !a.MayStillRun.IsZero()}
	for _, port := range a.Ports {
		out.Ports = append(out.Ports, int(port))
	}
	if q.sandbox != nil {
		out.Sandbox = q.sandbox(t, a)
	}
	return out
}

// queuedAt is when a task was queued for a launch. An earlier cmdq did not keep that;
// then it is known of the first launch since the task was submitted or tried again,
// and of one that follows another.
func queuedAt(t *task.Task, a *task.Attempt) time.Time {
	switch before := t.Attempt(a.Number - 1); {
	case !a.Queued.IsZero():
		return a.Queued
	case a.Number == t.Base+1:
		return t.Submitted
	case before != nil:
		return before.Ended
	}
	return time.Time{}
}
