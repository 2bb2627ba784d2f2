package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"cmdq/executor"
	"cmdq/sandbox"
	"cmdq/scheduler"
	"cmdq/task"
)

// collector is the scheduler's way to sandboxes. With the last launch of a task
// it sees to it that the output of those before is kept, too: a stop of cmdq may
// have cut that off.
type collector struct {
	outputs, keep string    // directories
	began         time.Time // the run: what is older is of one before
	log           *logrus.Entry
	post          func(context.Context, scheduler.Event) error
	pool          *sandbox.Collector

	mu   sync.Mutex
	open map[task.ID]*lastLaunch
}

// lastLaunch is a task that waits for what its launches left.
type lastLaunch struct {
	number int
	left   map[int]bool // launches that are not done
	result sandbox.Result
}

func newCollector(files sandbox.Files, a *agentFlags, began time.Time, post func(context.Context, scheduler.Event) error, log *logrus.Entry) *collector {
	c := &collector{outputs: a.outputs, keep: a.keep, began: began, log: log, post: post, open: map[task.ID]*lastLaunch{}}
	c.pool = sandbox.NewCollector(files, c.done)
	return c
}

// Collect implements scheduler.Collector.
func (c *collector) Collect(x scheduler.Collection) {
	requests := []sandbox.Request{c.request(x)}
	for _, a := range x.Earlier {
		if !c.kept(x.Task, a.Number) {
			requests = append(requests, c.request(scheduler.Collection{Task: x.Task, Attempt: a, Keep: true}))
		}
	}
	if x.Last {
		last := &lastLaunch{number: x.Attempt.Number, left: map[int]bool{}}
		for _, r := range requests {
			last.left[r.Attempt] = true
		}
		c.mu.Lock()
		c.open[x.Task] = last
		c.mu.Unlock()
	}
	for _, r := range requests {
		c.pool.Add(r)
	}
}

func (c *collector) request(x scheduler.Collection) sandbox.Request {
	return sandbox.Request{ID: x.Task, Attempt: x.Attempt.Number, Launch: launchOf(x.Task, &x.Attempt),
		Outputs: x.Outputs, OutputsTo: sandbox.Place{Dir: c.outputs, Name: string(x.Task)},
		Keep: x.Keep, KeepTo: sandbox.Place{Dir: c.keep, Name: keptName(x.Task, x.Attempt.Number, x.Last)},
		Tail: x.Tail, Hide: secretsOf(x.URIs)}
}

// secretsOf pairs the addresses that have secrets with what people may see of them.
func secretsOf(uris []task.URI) (pairs []string) {
	for _, u := range uris {
		if seen := executor.Redacted(u.Value); seen != u.Value {
			pairs = append(pairs, u.Value, seen)
		}
	}
	return pairs
}

// keptName is where below --output-dir the output of a launch goes.
func keptName(id task.ID, number int, last bool) string {
	if last {
		return string(id)
	}
	return string(id) + "/attempt-" + strconv.Itoa(number)
}

func (c *collector) kept(id task.ID, number int) bool {
	info, err := os.Stat(filepath.Join(c.keep, keptName(id, number, false), "stdout")) // it comes last, and whole
	return err == nil && info.ModTime().After(c.began)
}

// launchOf says where a launch is.
func launchOf(id task.ID, a *task.Attempt) sandbox.Launch {
	return sandbox.Launch{Framework: a.Framework, Agent: a.Agent, Executor: a.Executor, Task: task.LaunchID(id, a.Number)}
}

// done hands a result on, of a last launch once those before it are done.
func (c *collector) done(ctx context.Context, r sandbox.Result) {
	if r.KeepErr != nil {
		c.log.WithFields(logrus.Fields{"task": string(r.ID), "attempt": r.Attempt}).Warnf("its output could not be kept: %v", r.KeepErr)
	}
	if r.TailErr != nil {
		c.log.WithFields(logrus.Fields{"task": string(r.ID), "attempt": r.Attempt}).Debugf("the end of its standard error: %v", r.TailErr)
	}
	if r.Skipped > 0 {
		c.log.WithFields(logrus.Fields{"task": string(r.ID), "attempt": r.Attempt}).
			Warnf("%s in its outputs left out: they lead out of the sandbox, to directories, or back up", count(r.Skipped, "link"))
	}
	ev, whole := c.take(r)
	if !whole {
		return
	}
	if err := c.post(ctx, ev); err != nil {
		c.log.Debug(err) // the run was over first; the next start asks again
	}
}

// take is what the scheduler has to hear; false: nothing yet.
func (c *collector) take(r sandbox.Result) (scheduler.Collected, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.open[r.ID]
	if last == nil || !last.left[r.Attempt] {
		return collected(r, false), true
	}
	delete(last.left, r.Attempt)
	if r.Attempt == last.number {
		last.result = r
	}
	if len(last.left) > 0 {
		return scheduler.Collected{}, false
	}
	delete(c.open, r.ID)
	return collected(last.result, true), true
}

func collected(r sandbox.Result, last bool) scheduler.Collected {
	return scheduler.Collected{Task: r.ID, Launch: r.Attempt, Last: last, Missing: r.Missing, Err: r.Err, Stderr: r.Stderr}
}

func (c *collector) close() { c.pool.Close() }
