package executor

import (
	"cmp"
	"errors"
	"slices"
	"syscall"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	api "github.com/mesos/mesos-go/api/v1/lib/executor"
)

// event is what the executor hears: from its agent, from the processes it runs,
// or from who started it. The eight callbacks of Mesos' classic executor API are
// among them: registered and reregistered (subscribed), disconnected (down),
// launchTask (launched), killTask (killAsked), frameworkMessage (messaged),
// shutdown (shutdownAsked), error (errored).
type event interface{ event() }

type (
	subscribed    struct{ killing bool } // killing: the framework knows TASK_KILLING
	launched      struct{ task mesos.TaskInfo }
	launchedGroup struct{ tasks []mesos.TaskInfo } // which we do not run
	killAsked     struct {
		id    string
		grace *time.Duration // nil: the task's own
	}
	acknowledged struct {
		id   string
		uuid []byte
	}
	messaged      struct{ bytes int }
	shutdownAsked struct{ by string }
	errored       struct{ text string }

	// delivered says that the agent answered an update with 202.
	delivered struct {
		id   string
		uuid []byte
	}
	// down says that the stream ended or a call failed.
	down struct {
		err   error
		fatal bool // the agent knows us not, or not any more
	}

	prepared struct {
		job   *job
		err   error
		fault bool // of the task's description: it can never work
	}
	started struct {
		id  string
		err error
	}
	exited struct {
		id     string
		status syscall.WaitStatus
	}
)

func (subscribed) event()    {}
func (launched) event()      {}
func (launchedGroup) event() {}
func (killAsked) event()     {}
func (acknowledged) event()  {}
func (messaged) event()      {}
func (shutdownAsked) event() {}
func (errored) event()       {}
func (delivered) event()     {}
func (down) event()          {}
func (prepared) event()      {}
func (started) event()       {}
func (exited) event()        {}

// effects are what follows from an event, to be done in this order.
type effects struct {
	subscribe *api.Call_Subscribe // a new stream, with what the agent has to hear first
	updates   []mesos.TaskStatus  // to be sent, in any order
	prepare   []*job
	start     []*job
	signals   []signalling
	abandon   []*job // what is being prepared and not needed any more
	withdraw  []*job // the same of what is to be started
	notes     []note
	exit      *int // the exit status: there is nothing more to do
}

type signalling struct {
	id  string
	sig syscall.Signal
}

// note is a line for the log.
type note struct {
	warn bool
	task string
	text string
}

// job is what is to be run. Whoever prepares it fills in how; it is not touched
// by two at a time.
type job struct {
	id      string
	command *Command
	dir     string
	env     []string
	as      *syscall.Credential // nil: as we are
}

// errWithdrawn is the outcome of a start that was withdrawn in time.
var errWithdrawn = errors.New("withdrawn")

// rules are what a state does not change.
type rules struct {
	checkpoint bool
	recovery   time.Duration // how long an agent may be away, with checkpoint
	first      time.Duration // how long it may take to subscribe at all
	backoffMax time.Duration // between two tries to subscribe
	grace      time.Duration // from SHUTDOWN to the end
	idle       time.Duration // 0: for ever
	terse      bool
	maxTasks   int

	uuid   func() []byte
	jitter func() float64 // [0, 1)
}

// phase is where the connection to the agent stands.
type phase uint8

const (
	offline phase = iota
	subscribing
	online
)

// state is all that the executor knows. Run's goroutine owns it.
type state struct {
	rules
	now time.Time
	eff *effects // of the step that is under way

	phase   phase
	was     bool      // we were subscribed before
	lostAt  time.Time // since when we are not
	retryAt time.Time
	killing bool // the framework knows TASK_KILLING

	tasks  map[string]*task
	count  int // of launches; orders the tasks
	alive  int // tasks that have not ended
	owed   int // updates that are not acknowledged
	due    deadlines
	idleAt time.Time // since when there is no task

	leaving bool // SHUTDOWN, or nobody to report to
	status  int  // to exit with
	endAt   time.Time
	quietAt time.Time // since when nothing runs any more
}

func newState(r rules, now time.Time) *state {
	return &state{rules: r, now: now, lostAt: now, retryAt: now, tasks: map[string]*task{}, idleAt: now}
}

// step says what follows from an event.
func (s *state) step(now time.Time, ev event) effects {
	s.now, s.eff = now, new(effects)
	switch ev := ev.(type) {
	case subscribed:
		s.onSubscribed(ev)
	case down:
		s.onDown(ev)
	case launched:
		s.onLaunch(ev.task)
	case launchedGroup:
		s.onLaunchGroup(ev.tasks)
	case killAsked:
		s.onKill(ev)
	case acknowledged:
		s.onAcknowledged(ev)
	case delivered:
		s.onDelivered(ev)
	case messaged:
		s.note("", "a message of the framework, %d bytes: nothing here understands it", ev.bytes)
	case shutdownAsked:
		s.leave(0, "shutdown asked by "+ev.by)
	case errored:
		s.leave(1, "error: "+ev.text)
	case prepared:
		s.onPrepared(ev)
	case started:
		s.onStarted(ev)
	case exited:
		s.onExited(ev)
	}
	s.settle()
	return *s.eff
}

// tick does what is due.
func (s *state) tick(now time.Time) effects {
	s.now, s.eff = now, new(effects)
	for _, t := range s.due.passed(now) {
		s.onDue(t)
	}
	if s.phase == offline && !s.retryAt.After(now) && s.mayReturn() {
		s.subscribe()
	}
	s.settle()
	return *s.eff
}

// nextDue is when tick has to be called at the latest; the zero time is never.
func (s *state) nextDue() time.Time {
	next := s.due.next()
	sooner := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if s.leaving {
		sooner(s.endAt)
		if s.alive == 0 {
			sooner(s.quietAt.Add(linger))
		}
	}
	if s.phase == offline && s.mayReturn() {
		sooner(s.retryAt)
	}
	if s.phase != online && !s.leaving {
		sooner(s.lostAt.Add(s.patience()))
	}
	if s.idles() {
		sooner(s.idleAt.Add(s.idle))
	}
	return next
}

// inOrder lists the tasks in the order of their launches.
func (s *state) inOrder() []*task {
	list := make([]*task, 0, len(s.tasks))
	for _, t := range s.tasks {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *task) int { return cmp.Compare(a.number, b.number) })
	return list
}
