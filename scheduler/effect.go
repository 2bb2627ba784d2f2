package scheduler

import (
	"fmt"
	"time"

	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/sirupsen/logrus"

	"cmdq/task"
)

// Effects is what a step wants done, in this order: records are stored, then
// calls leave in the order they stand in, then the notes are logged. A crash in
// between is repaired by reconciliation, since what was decided is on disk
// before anybody hears of it.
type Effects struct {
	Records []Record
	Calls   []*sched.Call
	Notes   []Note
	Over    *Over // set when the run is over; nothing follows
}

func (e *Effects) add(o Effects) {
	e.Records = append(e.Records, o.Records...)
	e.Calls = append(e.Calls, o.Calls...)
	e.Notes = append(e.Notes, o.Notes...)
	if e.Over == nil {
		e.Over = o.Over
	}
}

// Kind says what happened to a task.
type Kind uint8

// The kinds of records.
const (
	Queued   Kind = iota // new in the queue, or queued again after a reload
	Launched             // a launch was decided
	Changed              // an update taught us something of the current launch
	Retrying             // idle again
	Ended                // finished, failed or killed
)

var kindNames = [...]string{"queued", "launched", "changed", "retrying", "ended"}

func (k Kind) String() string { return kindNames[k] }

// Record is one change of one task, with the task as it is after it. Its
// History is shared with the queue: read it before the next step.
type Record struct {
	Kind Kind
	At   time.Time
	Task task.Task
}

// Note is a line for the log.
type Note struct {
	Level  logrus.Level
	Text   string
	Fields logrus.Fields
}

// countTasks counts in words: "1 task", "2 tasks".
func countTasks(n int) string {
	if n == 1 {
		return "1 task"
	}
	return fmt.Sprintf("%d tasks", n)
}

// Why tells how a run ended.
type Why uint8

// The ways for a run to end.
const (
	Drained     Why = iota // every task has ended
	Interrupted            // Interrupt was asked for
	NoMaster               // no master within the connect timeout
	Refused                // a master refuses us
)

// Over says that the run is over and why.
type Over struct {
	Why     Why
	Message string // what went wrong, in the master's or the system's words
	Torn    bool   // the master took our TEARDOWN
}
