// Package task says what a command of the queue is: what it runs (Spec), what
// it needs (Resources), where it stands (State) and what became of each of its
// launches (Attempt). It also reads tasks.yaml, with the lists that it names.
//
// A Spec is never changed once made and may be shared by many tasks. A Task is
// owned by the queue; only the queue changes its State. The package starts
// nothing, talks to nothing and reads no clock: every time is handed in.
package task

import (
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// ID names a task. It is unique within a queue after expansion, holds only
// [A-Za-z0-9_.-], starts with a letter, digit or underscore, and never ends in
// a dot and digits, which is the suffix of a launch (see LaunchID).
type ID string

// Task is one command of the queue.
type Task struct {
	ID    ID
	Spec  *Spec
	Index int    // its number within Spec.Series, else -1
	Seq   uint64 // place in file order; lower is earlier

	State State

	// Stop is set once somebody asked for this task to end; desired and
	// observed state are two things.
	Stop Stop

	Held  bool // somebody wants it not to be launched for now
	Given bool // it came by submit, and is not of the tasks file

	// Alone: a container was killed for what all in it used, and this ran in it. It
	// is launched in one of its own, until it is queued again as another version.
	Alone bool

	// ForgivenByRun and ForgivenByGroup: it had failed, and somebody wanted the run, or
	// its group, to go on all the same. It counts against that max_failures no more.
	ForgivenByRun   bool
	ForgivenByGroup bool

	Submitted time.Time

	// Launches counts all launches under the current framework id and names
	// the next one; it never goes back. Attempts counts those that may have run.
	Launches int
	Attempts int

	// Base is the number of launches that belong to an earlier version of the
	// task, before a reload replaced what it runs. They can no longer finish it.
	Base int

	// Charged counts failures that used up one of Spec.Retries. Infra counts
	// those that used up the budget for infrastructure failures, and
	// NeverStarted the ones among them whose budget is the smaller one.
	Charged      int
	Infra        int
	NeverStarted int

	History []Attempt // every launch of this task, oldest first, the last one current while active
	End     *End      // set when State is terminal or Fetching
}

// Stop says why a task was asked to end.
type Stop uint8

// MaxHistory is how many launches of a task are remembered.
const MaxHistory = 20

// The reasons to ask a task to end.
const (
	NotStopped   Stop = iota
	Cancelled         // somebody wants it gone: ends killed
	Interrupted       // cmdq itself was interrupted: idle again, uncharged
	GroupStopped      // its group, or the run, had too many failures: ends killed
)

// Kills tells whether a task that was asked to end for this ends killed.
func (s Stop) Kills() bool { return s == Cancelled || s == GroupStopped }

// End is how a task ended for good.
type End struct {
	State   State // finished, failed or killed: what the task is, or will be once all is fetched
	At      time.Time
	Launch  int    // the launch that decided it; 0 if none did
	Reason  string // Mesos' reason without REASON_, or one of ours, such as UNPLACEABLE
	Message string
	Exit    Exit
	Stderr  string // the last lines of the standard error of a failed command, at most some 2 KB
}

// Clone is a copy that shares nothing with the task but its Spec, which never
// changes.
func (t *Task) Clone() Task {
	c := *t
	c.History = slices.Clone(t.History)
	for i := range c.History {
		c.History[i].Updates = slices.Clone(c.History[i].Updates)
		c.History[i].Ports = slices.Clone(c.History[i].Ports)
	}
	if t.End != nil {
		end := *t.End
		c.End = &end
	}
	return c
}

// Current is the launch that counts: the last one, while the task is active.
// It is nil for a task that was never launched.
func (t *Task) Current() *Attempt {
	if len(t.History) == 0 {
		return nil
	}
	return &t.History[len(t.History)-1]
}

// Attempt finds the launch with this number, or nil.
func (t *Task) Attempt(number int) *Attempt {
	for i := len(t.History) - 1; i >= 0; i-- {
		if t.History[i].Number == number {
			return &t.History[i]
		}
	}
	return nil
}

// Name is what the Mesos page shows.
func (t *Task) Name() string {
	if t.Spec.Name != "" {
		return t.Spec.Name
	}
	return "task " + string(t.ID)
}

// RunsSame tells whether both run the same thing: what decides whether a task
// that has ended is queued again on a reload.
func (t *Task) RunsSame(o *Task) bool {
	return t.Index == o.Index && t.Line() == o.Line() && t.Spec.RunsSame(o.Spec)
}

// Equal tells whether the file says the same of both, wherever in it they stand.
func (t *Task) Equal(o *Task) bool {
	return t.Index == o.Index && t.Line() == o.Line() && t.Spec.Equal(o.Spec)
}

// Variable is one variable of a command's environment.
type Variable struct{ Name, Value string }

// Environment is what the command of launch number n finds beside what Mesos
// sets: the variables of the spec by name, then CMDQ_TASK, CMDQ_ATTEMPT and,
// for a task of a series, CMDQ_INDEX, and CMDQ_LINE if that is a list.
func (t *Task) Environment(n int) []Variable {
	vars := make([]Variable, 0, len(t.Spec.Env)+4)
	for name, value := range t.Spec.Env {
		vars = append(vars, Variable{name, value})
	}
	sort.Slice(vars, func(i, j int) bool { return vars[i].Name < vars[j].Name })
	vars = append(vars, Variable{"CMDQ_TASK", string(t.ID)}, Variable{"CMDQ_ATTEMPT", strconv.Itoa(n)})
	if t.Index >= 0 {
		vars = append(vars, Variable{"CMDQ_INDEX", strconv.Itoa(t.Index)})
	}
	if line := t.Line(); line != "" {
		vars = append(vars, Variable{"CMDQ_LINE", line})
	}
	return vars
}

// LaunchID is the Mesos task id of launch number n: the id itself for the
// first, then ID.2, ID.3. Mesos discourages using one id twice.
func LaunchID(id ID, n int) string {
	if n <= 1 {
		return string(id)
	}
	return string(id) + "." + strconv.Itoa(n)
}

// ParseLaunchID undoes LaunchID.
func ParseLaunchID(s string) (ID, int) {
	dot := strings.LastIndexByte(s, '.')
	if dot < 0 || dot == len(s)-1 {
		return ID(s), 1
	}
	for _, c := range s[dot+1:] {
		if c < '0' || c > '9' {
			return ID(s), 1
		}
	}
	n, err := strconv.Atoi(s[dot+1:])
	if err != nil || n < 2 {
		return ID(s), 1
	}
	return ID(s[:dot]), n
}
