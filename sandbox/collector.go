package sandbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"cmdq/task"
)

// Request is what is wanted of a launch that has ended.
type Request struct {
	ID      task.ID // with Attempt handed back in the Result
	Attempt int
	Launch  Launch

	Outputs   []task.Output // fetched to OutputsTo; none: nothing
	OutputsTo Place
	Keep      bool // copy stdout and stderr to KeepTo
	KeepTo    Place
	Tail      bool     // the last lines of stderr
	Hide      []string // what is not to be seen in those: see Tail
}

// quick tells whether nothing is wanted that could take long.
func (r *Request) quick() bool { return len(r.Outputs) == 0 && !r.Keep }

// Result answers a Request.
type Result struct {
	ID      task.ID
	Attempt int

	Fetched
	Err     error // the outputs could not be fetched, finally
	KeepErr error // stdout and stderr could not be kept, finally

	Stderr  string // its last lines, clean (see Tail); empty if they could not be had
	TailErr error  // why not
}

// What a Collector takes of stderr.
const (
	TailLines = 10
	TailBytes = 2 << 10
)

// How a Collector goes about it.
const (
	tries        = 5
	firstPause   = time.Second // before the second try, then doubling
	tailTime     = 5 * time.Second
	quickWorkers = 16
	slowWorkers  = 16
	agentWorkers = 8 // of each kind on one agent: one that is away holds up only its own
)

// Collector fetches what launches left, by a few workers. Requests wait in line,
// a line for each agent, and those that are quick do not wait for others.
type Collector struct {
	files Files
	done  func(context.Context, Result)

	ctx     context.Context // ends with Close
	stop    context.CancelFunc
	workers sync.WaitGroup
	claims  *claims

	mu     sync.Mutex
	closed bool // protected by mu
	quick  line // protected by mu
	slow   line // protected by mu
}

// job is a request under way.
type job struct {
	Request
	ctx     context.Context // ends with Close, and when a later job writes to the same place
	cancel  context.CancelFunc
	result  Result
	added   time.Time
	tried   int
	fetched bool // or finally not
	kept    bool // or finally not
	tailed  bool // or finally not
}

// NewCollector makes a Collector that hands each Result to done. Workers call
// it, several at once; it may take its time, and its context ends with Close.
func NewCollector(f Files, done func(context.Context, Result)) *Collector {
	c := &Collector{files: f, done: done, claims: newClaims(), quick: newLine(quickWorkers), slow: newLine(slowWorkers)}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c
}

// Add takes a request and returns at once. A request for no more than the tail is
// answered within 5 s, whatever happens. Outputs and streams are tried five
// times, 1, 2, 4 and 8 s apart. A request that is to write to the place of an
// earlier one ends that, which has no result then. After Close it does nothing.
func (c *Collector) Add(r Request) {
	j := (&job{Request: r, result: Result{ID: r.ID, Attempt: r.Attempt}, added: time.Now()}).withCancel(c.ctx)
	c.claims.claim(j)
	j.fetched, j.kept, j.tailed = len(r.Outputs) == 0, !r.Keep, !r.Tail
	c.put(j)
}

// Close gives up everything, what is being fetched too, and returns when no
// worker is left: no result comes any more. Files that are there in part stay;
// the same request to another Collector goes on with them. It may be called
// again.
func (c *Collector) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.stop()
	c.workers.Wait()
}

// put lets a job wait in its line, and a worker see to it.
func (c *Collector) put(j *job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	line := &c.slow
	if j.quick() {
		line = &c.quick
	}
	line.put(j)
	if line.workers < line.most {
		line.workers++
		c.workers.Go(func() { c.work(line) })
	}
}

// work does jobs of a line until none is left that it may do.
func (c *Collector) work(line *line) {
	var last *job
	for {
		c.mu.Lock()
		if last != nil {
			line.end(last)
		}
		j := line.take()
		if j == nil || c.closed {
			line.workers--
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		c.do(j)
		last = j
	}
}

// do tries a job once, and hands its result on or lets it be tried again.
func (c *Collector) do(j *job) {
	if !c.claims.enter(j) {
		return
	}
	c.try(j)
	over := j.fetched && j.kept
	gone := j.ctx.Err() != nil
	c.claims.leave(j, over)
	switch {
	case gone:
	case over:
		j.cancel()
		c.done(c.ctx, j.result)
	default:
		time.AfterFunc(firstPause<<(j.tried-1), func() { c.put(j) })
	}
}

// try does what is left of a job, once.
func (c *Collector) try(j *job) {
	j.tried++
	if !j.fetched {
		fetched, err := Fetch(j.ctx, c.files, j.Launch, j.Outputs, j.OutputsTo)
		if j.fetched = j.over(err); j.fetched {
			j.result.Fetched, j.result.Err = fetched, j.finally(err, j.OutputsTo, "outputs")
		}
	}
	if !j.kept {
		err := Keep(j.ctx, c.files, j.Launch, j.KeepTo)
		if j.kept = j.over(err); j.kept {
			j.result.KeepErr = j.finally(err, j.KeepTo, "streams")
		}
	}
	if !j.tailed {
		j.tailed = true
		j.result.Stderr, j.result.TailErr = c.tail(j)
	}
}

// over tells whether a try was the last one.
func (j *job) over(err error) bool { return err == nil || final(err) || j.tried >= tries }

// finally is the error of the last try, and removes what tries left.
func (j *job) finally(err error, to Place, what string) error {
	if err == nil || j.ctx.Err() != nil {
		return err
	}
	discard(to, what)
	if !final(err) {
		return fmt.Errorf("tried %d times: %w", j.tried, err)
	}
	return err
}

// tail tries once to have the end of stderr.
func (c *Collector) tail(j *job) (string, error) {
	left := tailTime
	if j.quick() {
		left -= time.Since(j.added)
	}
	ctx, cancel := context.WithTimeout(j.ctx, left)
	defer cancel()
	text, err := Tail(ctx, c.files, j.Launch, "stderr", TailLines, TailBytes, j.Hide...)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("tail: not within %s", tailTime)
	}
	return text, err
}
