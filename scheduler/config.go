package scheduler

import (
	"math/rand/v2"
	"time"

	"cmdq/task"
)

// Config is what a scheduler is told. DefaultConfig has the defaults.
type Config struct {
	FrameworkID string        // ours; empty: the first SUBSCRIBE takes a new one
	NewID       func() string // a new framework id
	Name        string        // of the framework, in the Mesos page
	User        string        // commands run as this user unless they say otherwise
	Role        string        // whose resources we take
	Hostname    string
	Principal   string // who we are to the master; empty: nobody in particular
	Master      string // where the master is, for messages
	Page        string // of ours, for the Mesos page to link to; empty: there is none

	FailoverTimeout    time.Duration // how long the master keeps our tasks without us
	RefuseFor          time.Duration // for how long what does not fit stays away
	ReviveInterval     time.Duration // at most one REVIVE in this time
	UnreachableTimeout time.Duration // until a launch that may still run is given up
	InfraRetries       int           // how many infrastructure failures a task survives
	UnplaceableTimeout time.Duration // until a task that fits no agent ends failed; 0 never
	ConnectTimeout     time.Duration // until the first SUBSCRIBED; 0 waits for ever
	Once               bool          // be over when every task has ended
	Own                bool          // the cluster is in this process, and ends with it

	Run      task.Group // what bounds all tasks together
	Collect  CollectConfig
	Executor ExecutorConfig
	FileURL  func(task.Input) string // where an agent finds a file of ours

	// Rand spreads backoffs by a tenth either way; nil spreads nothing. Only
	// the scheduler's goroutine uses it.
	Rand *rand.Rand
}

// DefaultConfig has what the flags default to.
func DefaultConfig() Config {
	return Config{
		Name:               "cmdq",
		Role:               "*",
		FailoverTimeout:    7 * 24 * time.Hour,
		RefuseFor:          time.Second,
		ReviveInterval:     20 * time.Millisecond,
		UnreachableTimeout: 10 * time.Minute,
		InfraRetries:       10,
		Run:                task.Group{MaxFailures: task.Unlimited},
	}
}

// The times that are no flags.
const (
	longRefusal       = time.Hour        // filter while nothing waits; REVIVE clears it
	startOverdue      = 2 * time.Minute  // a launch without RUNNING is asked about
	settleWait        = 30 * time.Second // for the update that holds the exit status
	stopWait          = 5 * time.Second  // for the ends of what an interrupt killed
	badAgentRest      = 5 * time.Minute
	badAgentCount     = 3
	neverStartedMax   = 3                // budget of launches that could not even start
	stallWait         = 30 * time.Second // tasks wait and no offer comes
	stallReminder     = 10 * time.Minute
	reviveLost        = time.Second // a REVIVE that brought no offers is over
	reconcileEvery    = 15 * time.Minute
	reconcileAgain    = 2 * time.Second // doubling up to reconcileAgainMax
	reconcileMax      = time.Minute
	reconcileBatch    = 5000             // tasks in one RECONCILE call
	reconcileYoungest = 10 * time.Second // a launch younger than this is not asked about in the regular round
	placeCheck        = time.Second
	reminder          = time.Minute
	retryFirst        = time.Second
	retryMax          = time.Minute
	connectFirst      = time.Second
	connectMax        = 15 * time.Second
	streamHeld        = 30 * time.Second // a stream this old was no failed try
	answerWait        = 5 * time.Second  // for the first answers of a master about what may still run
	newIDGrace        = 10 * time.Second // commands of a framework that was removed get this long to die
	adriftGrace       = 10 * time.Second // beside their kill grace: those of one that we tore down
	seenEvery         = time.Minute      // how old Framework.Seen may be on disk
	storeFirst        = time.Second      // from one try to store to the next, doubling up to storeMax
	storeMax          = 15 * time.Second
	killAgain         = 5 * time.Second
	maxAccept         = 4 << 20 // bytes of launches in one ACCEPT
	maxWireID         = 255     // bytes of an id that Mesos gives

	// An agent of Mesos 1.12 takes some 40 ms for each task of an executor for
	// which thousands are queued, and much less for hundreds. The executor itself
	// takes 10,000.
	maxWaiting    = 256
	maxInExecutor = 5000
)

// backoff is first, doubled with every failure after the first, at most max,
// give or take a tenth.
func (c *Config) backoff(first, limit time.Duration, failures int) time.Duration {
	d := first
	for i := 1; i < failures && d < limit; i++ {
		d *= 2
	}
	d = min(d, limit)
	if c.Rand != nil {
		d += time.Duration((c.Rand.Float64()*0.2 - 0.1) * float64(d))
	}
	return d
}
