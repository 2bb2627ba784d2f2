package executor

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
)

var (
	simSeed = flag.Uint64("sim.seed", 0, "the one seed to simulate; 0: some new ones")
	simRuns = flag.Int("sim.runs", 300, "how many seeds to simulate")
)

// TestSimulation lets anything happen in any order: launches, kills, broken
// connections, lost answers, an agent that hears a thing twice. A model of the
// agent watches what must hold.
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		simulate(t, *simSeed)
		return
	}
	for range *simRuns {
		simulate(t, rand.Uint64N(1<<32))
	}
}

// model is an agent and processes that do as little as they can.
type model struct {
	t    *testing.T
	seed uint64
	rand *rand.Rand
	s    *state
	now  time.Time

	linked bool               // the stream is open
	asked  bool               // a SUBSCRIBE is on its way
	stream []event            // on its way to the executor
	calls  []mesos.TaskStatus // on their way to the agent
	inner  []event            // of the executor's own parts

	launched []string
	given    map[string]bool // LAUNCH was put on a stream
	dropped  map[string]bool // ended by the agent: its LAUNCH was lost
	heard    map[string][]mesos.TaskStatus
	begun    map[string]int // starts of a command
	runs     []string       // processes

}

func simulate(t *testing.T, seed uint64) {
	m := &model{t: t, seed: seed, rand: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1e9, 0),
		given: map[string]bool{}, dropped: map[string]bool{}, heard: map[string][]mesos.TaskStatus{}, begun: map[string]int{}}
	r := testRules()
	r.recovery, r.first, r.idle, r.maxTasks = time.Hour, time.Hour, 0, 1000
	r.jitter = m.rand.Float64
	m.s = newState(r, m.now)
	for range 50 + m.rand.IntN(300) {
		m.step(true)
	}
	for range 10_000 { // now everything works, and comes to its end
		if m.quiet() {
			break
		}
		m.step(false)
	}
	m.check()
}

func (m *model) fail(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf("-sim.seed %d: %s", m.seed, fmt.Sprintf(format, args...))
}

func (m *model) quiet() bool {
	return m.linked && len(m.stream)+len(m.calls)+len(m.inner)+len(m.runs) == 0 && len(m.s.tasks) == 0
}

// step lets one thing happen; faults are such that hurt.
func (m *model) step(faults bool) {
	n := m.rand.IntN(12)
	switch {
	case faults && n == 0 && m.linked:
		id := "t" + strconv.Itoa(len(m.launched))
		m.launched = append(m.launched, id)
		m.given[id] = true
		m.stream = append(m.stream, launched{mesos.TaskInfo{TaskID: mesos.TaskID{Value: id}, Data: []byte(`{"command":"x"}`)}})
	case faults && n == 1 && len(m.launched) > 0 && m.linked:
		m.stream = append(m.stream, killAsked{id: m.launched[m.rand.IntN(len(m.launched))]})
	case faults && n == 2 && m.rand.IntN(4) == 0 && (m.linked || m.asked):
		m.cut()
	case n <= 5 && len(m.stream) > 0:
		ev := m.stream[0]
		m.stream = m.stream[1:]
		m.do(m.s.step(m.now, ev))
	case n <= 7 && len(m.calls) > 0:
		m.arrive(m.rand.IntN(len(m.calls)))
	case n <= 9 && len(m.inner) > 0:
		i := m.rand.IntN(len(m.inner))
		ev := m.inner[i]
		m.inner = slices.Delete(m.inner, i, i+1)
		m.do(m.s.step(m.now, ev))
	case n == 10 && len(m.runs) > 0:
		i := m.rand.IntN(len(m.runs))
		m.inner = append(m.inner, exited{m.runs[i], syscall.WaitStatus(m.rand.IntN(2) << 8)})
		m.runs = slices.Delete(m.runs, i, i+1)
	default:
		m.now = m.now.Add(time.Duration(m.rand.IntN(300)) * time.Millisecond)
		if next := m.s.nextDue(); !next.IsZero() && !next.After(m.now) {
			m.do(m.s.tick(m.now))
		}
		if m.asked && m.rand.IntN(2) == 0 {
			m.asked, m.linked = false, true
			m.stream = append(m.stream, subscribed{killing: m.seed%2 == 0})
		}
	}
}

// cut breaks the connection. A call that is on its way may arrive nevertheless.
func (m *model) cut() {
	m.linked, m.asked, m.stream = false, false, nil
	for len(m.calls) > 0 {
		if m.rand.IntN(2) == 0 {
			m.hear(m.calls[0])
		}
		m.calls = m.calls[1:]
	}
	m.do(m.s.step(m.now, down{err: errors.New("cut")}))
}

// arrive takes a call; calls of several connections overtake each other.
func (m *model) arrive(i int) {
	status := m.calls[i]
	m.calls = slices.Delete(m.calls, i, i+1)
	m.hear(status)
	m.stream = append(m.stream, delivered{status.TaskID.Value, status.UUID})
	if m.rand.IntN(2) == 0 { // the acknowledgement and the answer take different ways
		n := len(m.stream)
		m.stream[n-1], m.stream[n-2] = m.stream[n-2], m.stream[n-1]
	}
}

// hear is what the agent does with an update.
func (m *model) hear(status mesos.TaskStatus) {
	id := status.TaskID.Value
	known := slices.ContainsFunc(m.heard[id], func(s mesos.TaskStatus) bool { return string(s.UUID) == string(status.UUID) })
	if !known {
		m.heard[id] = append(m.heard[id], status)
	}
	m.stream = append(m.stream, acknowledged{id, status.UUID})
}

func (m *model) do(eff effects) {
	if eff.exit != nil {
		m.fail("it exits with %d", *eff.exit)
	}
	if c := eff.subscribe; c != nil {
		if m.linked || m.asked || len(m.calls) > 0 {
			m.fail("it subscribes while it is subscribed")
		}
		m.asked, m.stream = true, nil
		told := map[string]bool{}
		for i := range c.UnacknowledgedTasks {
			told[c.UnacknowledgedTasks[i].TaskID.Value] = true
		}
		for i := range c.UnacknowledgedUpdates {
			m.hear(c.UnacknowledgedUpdates[i].Status)
		}
		for id := range m.given {
			if !told[id] && len(m.heard[id]) == 0 {
				m.dropped[id] = true
			}
		}
	}
	if len(eff.updates) > 0 && !m.linked {
		m.fail("it sends updates while it is not subscribed")
	}
	m.calls = append(m.calls, eff.updates...)
	for _, j := range eff.prepare {
		m.inner = append(m.inner, prepared{job: j})
	}
	for _, j := range eff.start {
		m.begun[j.id]++
		if m.begun[j.id] > 1 || m.dropped[j.id] || len(m.heard[j.id]) == 0 {
			m.fail("%s starts; %d times, dropped: %v, heard: %v", j.id, m.begun[j.id], m.dropped[j.id], m.heard[j.id])
		}
		m.runs = append(m.runs, j.id)
		m.inner = append(m.inner, started{id: j.id})
	}
	for _, j := range eff.withdraw {
		if i := slices.Index(m.inner, event(started{id: j.id})); i >= 0 && m.rand.IntN(2) == 0 { // in time
			m.inner[i] = started{id: j.id, err: errWithdrawn}
			m.runs = slices.DeleteFunc(m.runs, func(id string) bool { return id == j.id })
			m.begun[j.id] = 0
		}
	}
}

// check is what must hold when all is over.
func (m *model) check() {
	if !m.quiet() {
		m.fail("it does not come to an end: %d tasks, %d updates owed", len(m.s.tasks), m.s.owed)
	}
	if m.s.owed != 0 || m.s.alive != 0 {
		m.fail("with no task left %d updates are owed, %d tasks alive", m.s.owed, m.s.alive)
	}
	for _, id := range m.launched {
		var list []string
		for _, s := range m.heard[id] {
			list = append(list, strings.TrimPrefix(s.GetState().String(), "TASK_"))
		}
		switch said := strings.Join(list, " "); said {
		case "RUNNING FINISHED", "RUNNING FAILED", "RUNNING KILLING KILLED":
			if m.begun[id] != 1 {
				m.fail("%s: %s, and started %d times", id, said, m.begun[id])
			}
		case "RUNNING KILLED":
		case "KILLED":
			if m.begun[id] != 0 {
				m.fail("%s: %s, and it was started", id, said)
			}
		case "":
			if !m.dropped[id] {
				m.fail("%s is forgotten", id)
			}
		default:
			m.fail("%s: %s", id, said)
		}
		if m.dropped[id] && len(list) > 0 {
			m.fail("%s was dropped, and told of: %v", id, list)
		}
	}
}
