package scheduler

import (
	"fmt"
	"time"

	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/sirupsen/logrus"

	"cmdq/task"
)

// Effects is what a step wants done, in this order: records are stored, then
// calls leave in the order they stand in, collections begin, and the notes are
// logged. A crash in between is repaired by reconciliation, since what was
// decided is on disk before anybody hears of it (docs/guarantees.md).
type Effects struct {
	Records     []Record
	Calls       []*sched.Call
	Answers     []func() // to those who asked for changes
	Collections []Collection
	Notes       []Note
	Over        *Over // set when the run is over; nothing follows
}

func (e *Effects) add(o Effects) {
	e.Records = append(e.Records, o.Records...)
	e.Calls = append(e.Calls, o.Calls...)
	e.Answers = append(e.Answers, o.Answers...)
	e.Collections = append(e.Collections, o.Collections...)
	e.Notes = append(e.Notes, o.Notes...)
	if e.Over == nil {
		e.Over = o.Over
	}
}

// Kind says what a record is about.
type Kind uint8

// The kinds of records: the first five are about a task, the next three about the
// framework that we are, then two about launches, three about the tasks file and
// the run, and two about notices.
const (
	Queued   Kind = iota // new in the queue, or queued again after a reload
	Launched             // a launch was decided
	Changed              // we learned something of a launch
	Retrying             // idle again
	Ended                // finished, failed or killed

	Identified // the framework is this one, and this is how it stands with the master
	Dropped    // the framework id is not used any more; its TEARDOWN is owed
	TornDown   // a master took the TEARDOWN of the framework, or it is gone without

	Unwanted // a launch is to be killed wherever it is met
	Gone     // that launch has ended

	Governed // this is the policy of the tasks file
	AllEnded // every task has ended, and so has the run
	Applied  // all that the tasks file says is in the queue, or not any more

	Owed  // somebody is to be told of an end
	Tried // this is how far the delivery of a notice is
)

var kindNames = [...]string{"queued", "launched", "changed", "retrying", "ended",
	"identified", "dropped", "torn down", "unwanted", "gone", "governed", "all ended", "applied", "owed", "tried"}

func (k Kind) String() string { return kindNames[k] }

// Record is one change that has to be known after a restart. It points to the
// task itself, not to a copy: stored is what it is when all steps of a batch
// are done, and no effect of the batch leaves before that.
type Record struct {
	Kind      Kind
	At        time.Time
	Task      *task.Task   // of the kinds about a task
	Wake      time.Time    // of an idle task: until when it waits; set when the batch is stored
	Framework *Framework   // of the kinds about the framework
	Launch    *Launch      // of the kinds about a launch
	Policy    *task.Policy // of Governed
	File      string       // of Applied: Load.File, or empty
	Notice    *Notice      // of Owed
	Delivery  *Delivery    // of Tried
}

// Framework is who we are to the master.
type Framework struct {
	ID         string    // empty: the next SUBSCRIBE takes a new one
	User       string    // whose commands it runs: the master keeps the one that it was first subscribed with
	Subscribed bool      // a master has it, or had
	Seen       time.Time // when a master last showed that it holds us for subscribed
}

// Launch names one launch by its Mesos task id.
type Launch struct{ ID, Agent string }

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
	Detached               // Detach was asked for: what runs goes on
)

// Over says that the run is over and why.
type Over struct {
	Why     Why
	Message string // what went wrong, in the master's or the system's words
	Cause   error  // of NoMaster: how the last try ended, which Message says too; nil if none has
	Torn    bool   // the master took our TEARDOWN, or has none to take
}
