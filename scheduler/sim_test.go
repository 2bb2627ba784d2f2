package scheduler

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cmdq/task"
)

var (
	simSeed      = flag.Uint64("sim.seed", 0, "play only this seed of the simulation")
	simSchedules = flag.Uint64("sim.schedules", 500, "how many seeds the simulation plays")
)

// TestSimulation plays random schedules of a cluster in which agents, masters,
// disks, calls and cmdq itself fail, and holds every step against the rules in
// sim_rules_test.go; then nothing fails any more, and every task has to end.
func TestSimulation(t *testing.T) {
	schedules := *simSchedules
	if testing.Short() {
		schedules = min(schedules, 100)
	}
	if *simSeed != 0 {
		if err := simulate(*simSeed); err != nil {
			t.Fatal(err)
		}
		return
	}
	var next, failures atomic.Uint64
	var playing sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		playing.Go(func() {
			for seed := next.Add(1); seed <= schedules && failures.Load() < 5; seed = next.Add(1) {
				if err := simulate(seed); err != nil {
					failures.Add(1)
					t.Errorf("seed %d (again with -sim.seed=%d): %v", seed, seed, err)
				}
			}
		})
	}
	playing.Wait()
}

// sim is a cmdq on a cluster, and whoever plays with them.
type sim struct {
	rnd     *rand.Rand
	cfg     Config
	c       *simCluster
	journal *memory
	s       *state  // nil while cmdq is down
	batch   Effects // of the steps since the last commit
	wishes  []Event // of a person
	answers []Event // of calls that went wrong
	benign  bool    // nothing goes wrong any more
	done    bool
	turns   int

	file      []task.Task // the tasks file as it is now
	read      []task.Task // as it was when it was read last
	edits     int
	asks      simAsks
	known     simKnown
	fetching  []*simFetch
	cancelled map[task.ID]bool
	stopped   map[task.ID]simStop // of those whose cancel was stored while they were active
	removed   map[task.ID]bool    // it left the file at least once
}

// How long things go wrong, and how long the rest may take at most.
const (
	wildTurns = 400
	allTurns  = 2500
)

func simulate(seed uint64) error {
	return newSim(rand.New(rand.NewPCG(seed, 7)), false).play()
}

func (m *sim) play() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("turn %d: panic: %v\n%s", m.turns, p, debug.Stack())
		}
	}()
	for ; m.turns < allTurns && !m.done; m.turns++ {
		if m.turns == wildTurns {
			m.calm()
		}
		if err := m.turn(); err != nil {
			return fmt.Errorf("turn %d: %w", m.turns, err)
		}
	}
	if !m.done {
		return fmt.Errorf("not over: %+v", m.journal.tasks)
	}
	return m.judge()
}

func newSim(rnd *rand.Rand, tight bool) *sim {
	m := &sim{rnd: rnd, journal: newMemory("f1"), cancelled: map[task.ID]bool{}, stopped: map[task.ID]simStop{}, removed: map[task.ID]bool{},
		c: newSimCluster(time.Unix(1_700_000_000, 0).UTC(), 1+rnd.IntN(3))}
	m.c.arrived = m.onArrival
	m.asks.held, m.asks.kept, m.asks.tight = map[task.ID]bool{}, map[task.ID]bool{}, tight
	m.cfg = DefaultConfig()
	m.cfg.Once, m.cfg.Rand = rnd.IntN(2) == 0, rnd
	ids := 1
	m.cfg.NewID = func() string { ids++; return fmt.Sprintf("f%d", ids) }
	m.cfg.Own = rnd.IntN(6) == 0
	m.cfg.InfraRetries = 1 + rnd.IntN(10)
	m.cfg.UnreachableTimeout = time.Duration(1+rnd.IntN(600)) * time.Second
	m.c.failover = time.Duration(5+rnd.IntN(900)) * time.Second
	m.cfg.FailoverTimeout = m.c.failover
	m.cfg.User = "u"
	m.cfg.Collect = CollectConfig{Tail: rnd.IntN(2) == 0, Keep: rnd.IntN(4) == 0}
	m.cfg.Executor = simExecutorConfig()
	m.cfg.Executor.Default, m.cfg.Executor.Idle = rnd.IntN(2) == 0, time.Duration(10+rnd.IntN(120))*time.Second
	m.setTerse(rnd.IntN(5) == 0)
	m.c.executorIdle = m.cfg.Executor.Idle
	m.c.agents[0].unfit = len(m.c.agents) > 1 && rnd.IntN(4) == 0
	m.known.shut, m.known.newest = map[string]bool{}, map[string]string{}
	m.known.alone = map[task.ID]int{}
	m.known.forget()
	if rnd.IntN(4) == 0 {
		m.cfg.Run = m.someGroup()
	}
	m.asks.policy = m.somePolicy()
	for i := range 1 + rnd.IntN(8) {
		t := m.newTask(fmt.Sprintf("t%d", i))
		m.rules(&t, m.file)
		m.file = append(m.file, t)
	}
	return m
}

// setTerse says whether new executors start commands before they tell of them.
func (m *sim) setTerse(terse bool) {
	m.cfg.Executor.Terse, m.cfg.Executor.Command = terse, "./cmdq executor"
	if terse {
		m.cfg.Executor.Command += " --terse-updates"
	}
}

func (m *sim) newTask(id string) task.Task {
	spec := &task.Spec{ID: task.ID(id), Command: "true", Retries: m.rnd.IntN(5) - 1, Priority: m.rnd.IntN(2), KillGrace: 3 * time.Second,
		Resources: task.Resources{CPUs: int64(100 * (1 + m.rnd.IntN(30))), Mem: int64(1 + m.rnd.IntN(500))}}
	if m.rnd.IntN(2) == 0 {
		spec.Retries = 0
	}
	spec.Executor = []task.Executor{"", task.ByCommand, task.ByCmdq}[m.rnd.IntN(3)]
	spec.User = []string{"", "v"}[m.rnd.IntN(2)]
	if m.rnd.IntN(3) == 0 {
		spec.Outputs = []task.Output{{Path: "x"}, {Path: "y", Optional: true}}[m.rnd.IntN(2):]
	}
	return task.Task{ID: spec.ID, Spec: spec, Index: -1, Seq: uint64(len(m.file)), Submitted: m.c.now}
}

// chance is one in n, as long as things go wrong.
func (m *sim) chance(n int) bool { return !m.benign && m.rnd.IntN(n) == 0 }

// turn lets one thing happen.
func (m *sim) turn() error {
	switch {
	case m.benign:
		m.c.pass(time.Duration(5+m.rnd.IntN(10)) * time.Second)
	case m.rnd.IntN(50) == 0:
		m.c.pass(time.Duration(m.rnd.IntN(1200)) * time.Second)
	default:
		m.c.pass(time.Duration(m.rnd.IntN(2000)) * time.Millisecond)
	}
	if m.s == nil && (m.benign || m.rnd.IntN(4) == 0) {
		return m.start()
	}
	if m.benign {
		return m.settle()
	}
	if m.s == nil || m.rnd.IntN(5) < 2 {
		m.happen()
		return nil
	}
	return m.work(1 + m.rnd.IntN(4))
}

// calm ends all trouble, but for agents that never come back.
func (m *sim) calm() {
	m.benign = true
	for i, a := range m.c.agents {
		if m.rnd.IntN(4) == 0 && i < len(m.c.agents)-1 && !m.cfg.Own {
			m.c.cut(a)
			m.c.lose(a)
		} else {
			m.c.back(a)
		}
	}
	if last := m.c.agents[len(m.c.agents)-1]; last.state == gone {
		m.c.agents = append(m.c.agents, &simAgent{id: "last", connected: true, size: last.size})
	}
}

// settle is a turn in which everything goes its way.
func (m *sim) settle() error {
	for _, l := range m.c.order {
		m.c.start(l)
		m.c.forward(l)
		if m.rnd.IntN(2) == 0 && (l.orphan || len(l.queue) == 0) {
			m.exit(l)
		}
	}
	for _, x := range m.c.executors {
		m.c.tellExit(x)
	}
	m.offer()
	m.answerFetch()
	m.releaseAll()
	err := m.work(1000)
	if err == nil && m.s != nil {
		err = m.onCalm()
	}
	if err == nil && !m.cfg.Once && m.s != nil && m.s.queue.Len() == m.s.ended() && m.counted(false) == 0 {
		m.done = true // nothing is left to do, and it waits for the file to change
	}
	return err
}

// work lets cmdq take up to n events into one batch.
func (m *sim) work(n int) error {
	if m.s.link.phase != down && !m.c.stream && len(m.c.events) == 0 && !slices.ContainsFunc(m.answers, isDown) {
		m.answers = append(m.answers, Down{errors.New("the stream ended")})
	}
	if len(m.wishes) > 0 { // as in Run, these come first in a batch
		wish := m.wishes[0]
		m.wishes = m.wishes[1:]
		if err := m.step(wish); err != nil {
			return err
		}
	}
	for ; n > 0 && m.batch.Over == nil; n-- {
		ev := m.next()
		if ev == nil {
			break
		}
		if err := m.step(ev); err != nil {
			return err
		}
	}
	if m.batch.Over == nil && !m.s.nextDue().After(m.c.now) {
		if err := m.step(Tick{}); err != nil {
			return err
		}
	}
	return m.commit()
}

func isDown(ev Event) bool {
	_, yes := ev.(Down)
	return yes
}

// next is what comes next, of the stream or of what we did ourselves.
func (m *sim) next() Event {
	from := &m.c.events
	if len(m.answers) > 0 && (len(m.c.events) == 0 || m.rnd.IntN(2) == 0) {
		from = &m.answers
	}
	if len(*from) == 0 {
		return nil
	}
	ev := (*from)[0]
	*from = (*from)[1:]
	return ev
}

func (m *sim) step(ev Event) error {
	m.onHeard(ev)
	before := m.counts()
	switch ev := ev.(type) {
	case Asked:
		m.onAsked(ev)
	case Collected:
		m.onCollected(ev)
	case Load:
		m.read = ev.Tasks
	case Interrupt:
		for t := range m.s.queue.Active() {
			if l := m.c.launches[task.LaunchID(t.ID, t.Current().Number)]; l != nil {
				l.seen.interrupted = true
			}
		}
	}
	eff := m.s.step(m.c.now, ev)
	m.batch.add(eff)
	if err := m.onCalls(eff.Calls); err != nil {
		return fmt.Errorf("after %T: %w", ev, err)
	}
	if m.batch.Over != nil {
		return nil
	}
	if err := errors.Join(m.onRules(before, eff.Calls), m.onEnded(eff.Records), m.onStopped(), m.onForgiven(ev, before)); err != nil {
		return fmt.Errorf("after %T: %w", ev, err)
	}
	if _, is := ev.(Subscribed); is && m.counted(true) > 0 {
		return errBroken("executors that may have ended unheard are still counted")
	}
	if err := m.s.check(); err != nil {
		return fmt.Errorf("after %T: %w", ev, err)
	}
	return nil
}
