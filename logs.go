package main

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"cmdq/sandbox"
	"cmdq/task"
	"cmdq/web"
)

// logs reads what commands write, for the control socket and for cmdq logs.
type logs struct {
	files sandbox.Files
	task  findTask

	// unknown is the error for an id that no task has.
	unknown func(context.Context, string) error
}

// findTask finds a task as it is now; false: there is none.
type findTask func(context.Context, task.ID) (task.Task, bool, error)

// beginTime is how long it may take to find where the last lines begin.
const beginTime = 5 * time.Second

// Log implements web.Logs. Who follows the last lines of a file is told where they
// begin, and so the beginning of the answer waits for the agent.
func (l *logs) Log(ctx context.Context, r web.LogRequest) (*web.Output, error) {
	t, a, err := l.launch(ctx, r)
	if err != nil {
		return nil, err
	}
	name := web.Stdout
	if r.Stream != "" {
		name = r.Stream
	}
	launch, number := launchOf(t.ID, a), a.Number
	from, tail := r.From, r.Tail
	if tail >= 0 {
		from = -1
		if r.Follow {
			from = tailFrom(ctx, behind(l.files, r.From), launch, name, tail)
		}
		if from >= 0 {
			from, tail = r.From+from, web.All
		}
	}
	options := sandbox.FollowOptions{Tail: tail, Follow: r.Follow, Ended: func(ctx context.Context) (bool, error) {
		now, ok, err := l.task(ctx, t.ID)
		if err != nil || !ok {
			return true, err
		}
		return over(&now, number), nil
	}}
	out, in := io.Pipe()
	go func() {
		err := sandbox.Follow(ctx, in, behind(l.files, max(from, r.From)), launch, name, options)
		if errors.Is(err, sandbox.ErrNotFound) {
			err = web.NotFound("there is no %s of task %s, attempt %d, on agent %s: %v", name, t.ID, number, a.Host, err)
		}
		in.CloseWithError(err)
	}()
	return &web.Output{ReadCloser: out, Launch: launchName(a), From: from}, nil
}

// launch finds the task and the launch that are asked for: a task's id, or that
// of one of its launches, such as hello.2.
func (l *logs) launch(ctx context.Context, r web.LogRequest) (*task.Task, *task.Attempt, error) {
	t, ok, err := l.task(ctx, task.ID(r.Task))
	if err != nil {
		return nil, nil, err
	}
	if id, n := task.ParseLaunchID(r.Task); !ok && n > 1 && r.Attempt == 0 {
		if t, ok, err = l.task(ctx, id); err != nil {
			return nil, nil, err
		}
		r.Attempt = n
	}
	if !ok {
		return nil, nil, l.unknown(ctx, r.Task)
	}
	a := t.Current()
	switch {
	case a == nil:
		return nil, nil, web.NotFound("task %s has not been launched yet", t.ID)
	case r.Attempt != 0:
		if a = t.Attempt(r.Attempt); a == nil {
			return nil, nil, web.NotFound("task %s has no attempt %d; known are %s", t.ID, r.Attempt, attempts(&t))
		}
	}
	if r.Launch != "" {
		if a = launchNamed(&t, r.Launch); a == nil {
			return nil, nil, web.NotFound("that launch of task %s is not known any more", t.ID)
		}
	}
	return &t, a, nil
}

// launchName tells a launch of a task from all others that it ever had, also in
// other runs.
func launchName(a *task.Attempt) string { return a.Framework + "/" + strconv.Itoa(a.Number) }

func launchNamed(t *task.Task, name string) *task.Attempt {
	for i := range t.History {
		if a := &t.History[i]; launchName(a) == name {
			return a
		}
	}
	return nil
}

// attempts names the launches of a task that are remembered: "1 to 3".
func attempts(t *task.Task) string {
	first, last := t.History[0].Number, t.Current().Number
	if first == last {
		return "only " + strconv.Itoa(first)
	}
	return strconv.Itoa(first) + " to " + strconv.Itoa(last)
}

// over tells whether a launch will write nothing more.
func over(t *task.Task, number int) bool {
	a := t.Attempt(number)
	return a == nil || !a.Ended.IsZero() || !t.State.Active() || t.Current().Number != number
}
