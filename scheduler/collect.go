package scheduler

import (
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/sirupsen/logrus"

	"cmdq/task"
)

// CollectConfig says what is fetched of a launch that has ended, beside the
// outputs that its task names.
type CollectConfig struct {
	Tail bool // the last lines of what a failed one wrote to standard error
	Keep bool // all that it wrote to standard output and error
}

// Collection is what a launch that has ended left in its sandbox, to be fetched.
// The answer to it is Collected. A crash in between is repaired by the next start,
// which asks again, if the launch is the last of its task.
type Collection struct {
	Task    task.ID
	Attempt task.Attempt // a copy
	Last    bool         // the task ends with it
	Outputs []task.Output
	Tail    bool
	URIs    []task.URI // of the task; what an agent could not fetch it may name in what Tail is about
	Keep    bool
	Earlier []task.Attempt // with Keep and Last: those before, whose output may not have been kept yet
}

// Collector fetches. Collect returns at once, and the answer is Posted.
type Collector interface {
	Collect(Collection)
}

// The reasons of ours for a task to fail whose command did not.
const (
	outputMissing    = "OUTPUT_MISSING"
	outputNotFetched = "OUTPUT_NOT_FETCHED"
)

// hasSandbox tells whether the launch was on an agent that told of its end, so
// that there is a sandbox to look into. Our executor makes one only for what it
// is about to start.
func hasSandbox(a *task.Attempt) bool {
	switch {
	case a.Agent == "":
		return false
	case a.State == mesos.TASK_FINISHED.String():
		return true
	case a.State == mesos.TASK_FAILED.String() || a.State == mesos.TASK_KILLED.String():
		return a.Executor == "" || !a.Started.IsZero() || task.ParseExit(a.Message).Known
	}
	return false
}

// collection is what is to be fetched of a launch that ended like this; false:
// nothing.
func (s *state) collection(t *task.Task, a *task.Attempt, end task.State) (Collection, bool) {
	if a == nil || !hasSandbox(a) {
		return Collection{}, false
	}
	c := Collection{Task: t.ID, Attempt: *a, URIs: t.Spec.URIs, Keep: s.cfg.Collect.Keep,
		Tail: s.cfg.Collect.Tail && end == task.Failed}
	if end == task.Finished {
		c.Outputs = t.Spec.Outputs
	}
	return c, c.Keep || c.Tail || len(c.Outputs) > 0
}

// collectLast fetches what the last launch of a task left before the task counts
// as ended: t.End says how. False: there is nothing to fetch.
func (s *state) collectLast(t *task.Task, a *task.Attempt) bool {
	c, wanted := s.collection(t, a, t.End.State)
	if !wanted {
		return false
	}
	c.Last = true
	for i := range t.History {
		if h := &t.History[i]; c.Keep && h.Number != a.Number && hasSandbox(h) {
			c.Earlier = append(c.Earlier, *h)
		}
	}
	s.eff.Collections = append(s.eff.Collections, c)
	return true
}

// collectEarlier fetches what a launch left that another one will follow. Nobody
// waits for it.
func (s *state) collectEarlier(t *task.Task, a *task.Attempt) {
	if c, wanted := s.collection(t, a, task.Failed); wanted {
		s.eff.Collections = append(s.eff.Collections, c)
	}
}

// collectAgain asks, after a restart, for what was being fetched.
func (s *state) collectAgain() {
	for t := range s.queue.Fetching() {
		if s.collectLast(t, t.Attempt(t.End.Launch)) {
			continue
		}
		s.onCollected(Collected{Task: t.ID, Launch: t.End.Launch, Last: true}) // asked for by flags that are not given any more
	}
}

// onCollected ends the task whose last launch that was, or at least tells what
// an earlier one had to say.
func (s *state) onCollected(ev Collected) {
	t := s.queue.Get(ev.Task)
	if t == nil || t.State != task.Fetching || t.End.Launch != ev.Launch || !ev.Last {
		if ev.Stderr != "" {
			s.note(logrus.WarnLevel, logrus.Fields{"task": string(ev.Task), "attempt": ev.Launch, "stderr": ev.Stderr}, "wrote last")
		}
		return
	}
	a := t.Attempt(ev.Launch)
	t.End.Stderr = s.bound(ev.Stderr)
	switch {
	case t.End.State == task.Finished && ev.Err != nil:
		t.End.State, t.End.Reason, t.End.Message = task.Failed, outputNotFetched, brief(ev.Err)
		s.failedIn(t)
		s.conclude(t, a)
	case t.End.State == task.Finished && len(ev.Missing) > 0:
		s.chargeMissing(t, a, ev.Missing)
	default:
		s.conclude(t, a)
	}
}

// chargeMissing: the command ended well but did not leave what it should have,
// which is a failure like any other.
func (s *state) chargeMissing(t *task.Task, a *task.Attempt, missing []string) {
	text := "output missing: " + clean(strings.Join(missing, ", "))
	t.End.Reason, t.End.Message = outputMissing, text
	if a != nil {
		a.Reason, a.Message = outputMissing, text // once, however often it is told that it finished
	}
	if t.Stop.Kills() {
		t.End.State = task.Killed
		s.conclude(t, a)
		return
	}
	t.Charged++
	if t.Spec.Retries >= 0 && t.Charged > t.Spec.Retries {
		t.End.State = task.Failed
		s.failedIn(t)
		s.conclude(t, a)
		return
	}
	t.End, t.Stop = nil, task.NotStopped
	s.tally.Charged++
	wait := s.cfg.backoff(retryFirst, retryMax, t.Charged)
	s.taskNote(logrus.WarnLevel, t, a, "%s; next attempt in %s", text, wait.Round(10*time.Millisecond))
	s.queue.Retry(t.ID, s.now.Add(wait))
	s.idleAgain(t)
	s.record(Retrying, t)
	s.follow(t)
}

// tailBudget bounds what is kept of standard error in memory, in bytes: a million
// tasks may fail.
const (
	tailBudget = 64 << 20
	shortTail  = 100
)

// bound cuts a tail to its last line once there are a great many of them.
func (s *state) bound(tail string) string {
	if s.tails+len(tail) > tailBudget && len(tail) > shortTail {
		tail = strings.TrimRight(tail, "\n")
		tail = tail[strings.LastIndexByte(tail, '\n')+1:]
		if len(tail) > shortTail {
			tail = strings.ToValidUTF8(tail[len(tail)-shortTail:], "")
		}
	}
	s.tails += len(tail)
	return tail
}
