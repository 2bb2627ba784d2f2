package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"cmdq/lock"
	"cmdq/mesosapi"
	"cmdq/sandbox"
	"cmdq/store"
	"cmdq/task"
	"cmdq/web"
)

// printLog asks the cmdq that runs, or else reads the journal. When the one ends,
// the other goes on where it was.
func printLog(ctx context.Context, out io.Writer, state string, r web.LogRequest, config func(master string) (mesosapi.Config, error)) error {
	p := &logPrinter{verb: &verb{state: state}, out: out, request: r, config: config}
	err := p.print(ctx)
	switch {
	case errors.Is(err, syscall.EPIPE):
		return nil // who reads it has seen enough
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return p.told(err)
}

// logPrinter prints what a command wrote, whoever can tell it.
type logPrinter struct {
	*verb
	out     io.Writer
	request web.LogRequest // what is to come yet
	config  func(master string) (mesosapi.Config, error)
	opened  bool // by the last one who was asked
	lost    bool // where that broke off is not known
}

// print goes from one who can tell it to the next, as long as each one comes to
// tell something, or another is there in time.
func (p *logPrinter) print(ctx context.Context) error {
	late := time.Now().Add(slowEnd)
	for patience := slowStart; ; patience = slowEnd {
		client, _, err := p.find(ctx, false, patience)
		p.opened = false
		switch {
		case client != nil:
			err = p.copy(func() (*web.Output, error) { return client.Log(ctx, p.request) })
		case errors.Is(err, errNothingRuns):
			err = p.printKept(ctx)
		default:
			return err
		}
		if p.opened {
			late = time.Now().Add(slowEnd)
		}
		if p.lost || !another(err, client != nil) || time.Now().After(late) {
			return err
		}
		select {
		case <-time.After(oftenEnough):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// errNews tells that a cmdq runs, or has run, where there was none.
var errNews = errors.New("a cmdq runs again")

// another tells whether somebody else can go on: the cmdq that answered has ended,
// or there is one where there was none.
func another(err error, answered bool) bool {
	if answered {
		return ending(err) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
	}
	var held *lock.HeldError
	return errors.Is(err, errNews) || errors.As(err, &held)
}

// copy prints what comes. What then is to come yet is said in the words of the
// launch and of its file, whatever was asked for.
func (p *logPrinter) copy(open func() (*web.Output, error)) error {
	in, err := open()
	if err != nil {
		return err
	}
	p.opened = true
	n, err := io.Copy(p.out, in)
	err = errors.Join(err, in.Close())
	if in.Launch != "" && in.From >= 0 {
		p.request.Launch, p.request.From, p.request.Tail = in.Launch, in.From+n, web.All
	} else {
		p.lost = n > 0
	}
	return err
}

// printKept finds the launch in the journal of a cmdq that has ended. It follows
// it until a cmdq runs again, which knows when it ends.
func (p *logPrinter) printKept(ctx context.Context) error {
	written := store.Written(p.state)
	master, known, err := keptTasks(p.state, p.request.Task)
	if err != nil {
		return err
	}
	source := &logs{files: &sandbox.Disk{Dir: workDir(p.state)}, unknown: p.unknown,
		task: func(_ context.Context, id task.ID) (task.Task, bool, error) {
			t, ok := known[id]
			return t, ok, nil
		}}
	r := &p.request
	if master == "local" {
		r.Follow = false // its commands ended with it
	} else {
		t, a, err := source.launch(ctx, *r)
		if err != nil {
			return err
		}
		cfg, err := p.config(master)
		if err != nil {
			return err
		}
		agents, err := mesosapi.NewAgents(cfg)
		if err != nil {
			return fmt.Errorf("the master of this run: %w", err)
		}
		defer agents.Close()
		source.files = &sandbox.Remote{Door: agents}
		if r.Follow && !over(t, a.Number) {
			fmt.Fprintf(os.Stderr, "cmdq: nothing runs with %s: until a cmdq does, nobody tells when the command ends; an interrupt ends this\n", plain(p.state))
			source.task = p.untilNews(written, source.task)
		}
	}
	return p.copy(func() (*web.Output, error) { return source.Log(ctx, *r) })
}

// untilNews finds tasks in the journal, as it was written then, until a cmdq runs,
// or has run.
func (p *logPrinter) untilNews(written time.Time, find findTask) findTask {
	return func(ctx context.Context, id task.ID) (task.Task, bool, error) {
		if _, err := web.DialControl(p.state); err == nil || !store.Written(p.state).Equal(written) {
			return task.Task{}, false, errNews
		}
		return find(ctx, id)
	}
}

// unknown says which ids are near to one that no task has.
func (p *logPrinter) unknown(ctx context.Context, id string) error {
	q, err := openFrozen(p.state)
	if err != nil {
		return err
	}
	return unknownIn(ctx, q, id)
}

// unknownIn is what a queue says of an id that no task has.
func unknownIn(ctx context.Context, q web.Queue, id string) error {
	if _, err := q.Task(ctx, id); err != nil {
		return err
	}
	return web.NotFound("there is no task %s", id) // it came a moment ago
}

// keptTasks are the tasks that can be meant by an id: its own, and that of which
// it is a launch; and the master of their run.
func keptTasks(state, id string) (master string, known map[task.ID]task.Task, err error) {
	kept, err := store.Look(state)
	if err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	run, _ := kept.Run()
	base, _ := task.ParseLaunchID(id)
	known = map[task.ID]task.Task{}
	for t, err := range kept.Tasks() {
		if err != nil {
			return "", nil, err
		}
		if t.Task.ID == task.ID(id) || t.Task.ID == base {
			known[t.Task.ID] = *t.Task
		}
	}
	return run.Master, known, nil
}
