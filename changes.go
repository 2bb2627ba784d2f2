package main

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"cmdq/scheduler"
	"cmdq/task"
	"cmdq/web"
)

// changes makes the changes that somebody asks the API for.
type changes struct{ s *session }

// Submit implements web.Changes.
func (c changes) Submit(ctx context.Context, file []byte, folder string) (web.Outcome, error) {
	if folder != "" && !filepath.IsAbs(folder) {
		return web.Outcome{}, web.BadRequest("folder: %q is no absolute path", folder)
	}
	parsed, err := task.ParseWith("<submitted>", file, task.Outside{Folder: folder, Known: func(task.ID) bool { return true }})
	if err == nil {
		err = checkLocal(parsed, c.s.file.user)
	}
	if err == nil && !reflect.DeepEqual(parsed.Policy, task.Policy{}) {
		err = errors.New("<submitted>: groups, on_finish and on_failure are for the tasks file")
	}
	if err != nil {
		return web.Outcome{}, web.BadRequest("%v", err)
	}
	if err := c.s.provide(c.s.needsOf(specsOf(parsed))); err != nil {
		return web.Outcome{}, web.BadRequest("%v", err)
	}
	return c.change(ctx, scheduler.Submit{Tasks: parsed.Tasks(time.Now())})
}

// Cancel implements web.Changes.
func (c changes) Cancel(ctx context.Context, s web.Selection) (web.Outcome, error) {
	return c.change(ctx, scheduler.CancelTasks{Selection: selection(s)})
}

// Retry implements web.Changes. What the tasks need is offered to agents again: a
// start offers nothing for what has ended.
func (c changes) Retry(ctx context.Context, s web.Selection) (web.Outcome, error) {
	specs, err := c.retried(ctx, s)
	if err != nil {
		return web.Outcome{}, err
	}
	if err := c.s.provide(c.s.needsOf(slices.Values(specs))); err != nil {
		return web.Outcome{}, web.BadRequest("%v", err)
	}
	return c.change(ctx, scheduler.RetryTasks{Selection: selection(s)})
}

// retried are the specs of the tasks that are to run again. What is wrong with a
// selection is told by the change itself.
func (c changes) retried(ctx context.Context, s web.Selection) (specs []*task.Spec, err error) {
	err = c.s.sched.Look(ctx, func(v scheduler.View) {
		tasks, _ := v.Selected(selection(s))
		for _, t := range tasks {
			if t.State == task.Failed || t.State == task.Killed {
				specs = append(specs, t.Spec)
			}
		}
	})
	return specs, err
}

// Hold implements web.Changes.
func (c changes) Hold(ctx context.Context, s web.Selection) (web.Outcome, error) {
	return c.change(ctx, scheduler.HoldTasks{Selection: selection(s)})
}

// Release implements web.Changes.
func (c changes) Release(ctx context.Context, s web.Selection) (web.Outcome, error) {
	return c.change(ctx, scheduler.ReleaseTasks{Selection: selection(s)})
}

func selection(s web.Selection) scheduler.Selection {
	out := scheduler.Selection{Labels: s.Labels, All: s.All, Failed: s.Failed, Group: s.Group}
	for _, id := range s.IDs {
		out.IDs = append(out.IDs, task.ID(id))
	}
	return out
}

// maxChanged bounds how many ids an Outcome names.
const maxChanged = 1000

func (c changes) change(ctx context.Context, change scheduler.Change) (web.Outcome, error) {
	return outcome(c.s.sched.Change(ctx, change))
}

// outcome is an Outcome in the words of the API.
func outcome(out scheduler.Outcome, err error) (web.Outcome, error) {
	var unknown *scheduler.UnknownTask
	var group *scheduler.UnknownGroup
	var failures *scheduler.UnknownFailures
	var circle *scheduler.WaitsForItself
	var other *scheduler.OtherTask
	switch {
	case errors.As(err, &unknown) && unknown.For == "":
		return web.Outcome{}, web.NotFound("%v", unknown)
	case errors.As(err, &unknown):
		return web.Outcome{}, web.BadRequest("%v", unknown)
	case errors.As(err, &failures):
		return web.Outcome{}, web.NotFound("%v", failures)
	case errors.As(err, &circle):
		return web.Outcome{}, web.BadRequest("%v", circle)
	case errors.As(err, &group):
		return web.Outcome{}, web.BadRequest("%v", group)
	case errors.As(err, &other):
		return web.Outcome{}, web.Conflict("%v", other)
	case err != nil:
		return web.Outcome{}, err
	}
	answer := web.Outcome{Changed: []string{}, Count: len(out.Changed)}
	for _, id := range out.Changed[:min(len(out.Changed), maxChanged)] {
		answer.Changed = append(answer.Changed, string(id))
	}
	for _, n := range out.Notes {
		answer.Notes = append(answer.Notes, web.Note{ID: string(n.ID), Text: n.Text})
	}
	return answer, nil
}
