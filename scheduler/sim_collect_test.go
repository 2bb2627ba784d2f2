package scheduler

import (
	"errors"
	"slices"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"cmdq/task"
)

// simFetch is a Collection under way. It ends with its process.
type simFetch struct {
	Collection
	answered bool // the answer is on its way
}

// simLeft is what a launch left in its sandbox, and what became of that.
type simLeft struct {
	known     bool // it was looked into
	missing   bool // its outputs are not there
	fetched   bool // they were fetched, all of them
	unfetched bool // it was said that they cannot be fetched
}

// onCollection is asked when a Collection begins: what it is about is on record,
// and it looks where the launch was.
func (m *sim) onCollection(c Collection) error {
	launch := task.LaunchID(c.Task, c.Attempt.Number)
	for _, a := range append(c.Earlier, c.Attempt) {
		if err := m.onSandbox(c.Task, &a); err != nil {
			return err
		}
	}
	l := m.c.launches[launch]
	if len(c.Outputs) > 0 && l.outcome != mesos.TASK_FINISHED {
		return errBroken("outputs of %s are fetched, and it is %s", launch, l.outcome)
	}
	if slices.ContainsFunc(m.fetching, func(f *simFetch) bool {
		return f.Task == c.Task && f.Attempt.Number == c.Attempt.Number && f.Last == c.Last
	}) {
		return errBroken("what %s left is fetched twice at a time", launch)
	}
	if kept := m.journal.tasks[c.Task].task; c.Last && (kept.State != task.Fetching || kept.End.Launch != c.Attempt.Number) {
		return errBroken("what %s left is fetched before that was stored: %s", launch, kept.State)
	}
	m.fetching = append(m.fetching, &simFetch{Collection: c})
	return nil
}

// onSandbox: a launch that is looked into has ended, and is looked for where it was.
func (m *sim) onSandbox(t task.ID, a *task.Attempt) error {
	launch := task.LaunchID(t, a.Number)
	l := m.c.launches[launch]
	if l == nil || !l.dead && !l.over {
		return errBroken("what %s left is fetched, and it has not ended", launch)
	}
	id := ""
	if l.executor != nil {
		id = l.executor.id
	}
	if a.Agent != l.agent.id || a.Framework != l.framework || a.Executor != id {
		return errBroken("what %s left is looked for with executor %q on %s under %s; it was %q on %s under %s",
			launch, a.Executor, a.Agent, a.Framework, id, l.agent.id, l.framework)
	}
	return nil
}

// fetched is the answer to a Collection.
func (m *sim) fetched(f *simFetch) Collected {
	f.answered = true
	launch := task.LaunchID(f.Task, f.Attempt.Number)
	l := m.c.launches[launch]
	if !l.left.known {
		l.left.known, l.left.missing = true, m.rnd.IntN(6) == 0
	}
	ev := Collected{Task: f.Task, Launch: f.Attempt.Number, Last: f.Last}
	if f.Tail && m.rnd.IntN(3) > 0 {
		ev.Stderr = simStderr(launch)
	}
	if len(f.Outputs) == 0 {
		return ev
	}
	if i := slices.IndexFunc(f.Outputs, func(o task.Output) bool { return !o.Optional }); i >= 0 && l.left.missing {
		ev.Missing = []string{f.Outputs[i].Path}
	} else if m.rnd.IntN(8) == 0 {
		ev.Err = errors.New("the agent does not answer")
	}
	return ev
}

func simStderr(launch string) string { return "the last words of " + launch }

// onCollected notes what an answer says that counts.
func (m *sim) onCollected(ev Collected) {
	launch := task.LaunchID(ev.Task, ev.Launch)
	m.fetching = slices.DeleteFunc(m.fetching, func(f *simFetch) bool {
		return f.Task == ev.Task && f.Attempt.Number == ev.Launch && f.Last == ev.Last
	})
	left := &m.c.launches[launch].left
	switch {
	case !ev.Last:
	case ev.Err != nil:
		left.unfetched = true
	case len(ev.Missing) == 0:
		left.fetched = true
	}
}

// onFetching: of every task that waits for what it left, that is being fetched.
func (m *sim) onFetching() error {
	if m.s == nil || m.s.leaving != nil {
		return nil
	}
	for t := range m.s.queue.Fetching() {
		if !slices.ContainsFunc(m.fetching, func(f *simFetch) bool {
			return f.Last && f.Task == t.ID && f.Attempt.Number == t.End.Launch
		}) {
			return errBroken("task %s waits for what launch %d left, and nobody fetches it", t.ID, t.End.Launch)
		}
	}
	return nil
}

// answerFetch lets one Collection come to its end.
func (m *sim) answerFetch() {
	if n := len(m.fetching); n > 0 && m.s != nil {
		if f := m.fetching[m.rnd.IntN(n)]; !f.answered {
			m.wishes = append(m.wishes, m.fetched(f))
		}
	}
}

// judgeLeft looks at what was fetched for a task that has ended.
func (m *sim) judgeLeft(t *task.Task) error {
	l := m.c.launches[task.LaunchID(t.ID, t.End.Launch)]
	switch {
	case t.End.Stderr != "" && t.End.Stderr != simStderr(task.LaunchID(t.ID, t.End.Launch)):
		return errBroken("it has the standard error of another launch: %s", t.End.Stderr)
	case t.State == task.Finished && len(t.Spec.Outputs) > 0:
		if l == nil || l.outcome != mesos.TASK_FINISHED || !l.left.fetched {
			return errBroken("it is finished, and the outputs of launch %d were not fetched", t.End.Launch)
		}
	case t.End.Reason == outputNotFetched && (l == nil || !l.left.unfetched):
		return errBroken("its outputs could have been fetched")
	case t.End.Reason == outputMissing && (l == nil || !l.left.missing):
		return errBroken("its outputs are all there")
	case t.State == task.Failed && strings.Contains(t.End.Message, "required by task and its executor"):
		return errBroken("the end of an executor failed it")
	}
	return nil
}
