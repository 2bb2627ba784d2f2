package scheduler

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"cmdq/task"
)

var simSeed = flag.Uint64("sim.seed", 0, "play only this seed of the simulation")

// TestSimulation plays random clusters that lose agents, drop launches, repeat
// updates and break streams, and checks after every step that all accounts are
// right and nothing is promised twice, and in the end that every task has ended.
func TestSimulation(t *testing.T) {
	seeds := uint64(100)
	if testing.Short() {
		seeds = 20
	}
	for seed := uint64(1); seed <= seeds; seed++ {
		if *simSeed != 0 && seed != *simSeed {
			continue
		}
		if err := simulate(seed); err != nil {
			t.Fatalf("seed %d (-sim.seed=%d): %v", seed, seed, err)
		}
	}
}

// sim is a cluster of the simplest kind: launches, and what became of them.
type sim struct {
	rnd      *rand.Rand
	s        *state
	now      time.Time
	launched map[string]*simLaunch
	order    []string
	offers   map[string]*simOffer
	free     map[string]task.Resources
	offerNo  int
	up       bool
	benign   bool // nothing goes wrong any more
	torn     bool
	over     *Over

	file    []task.Task // the tasks file as it is now
	edits   int
	pending []Event // on their way to us, in order
}

type simLaunch struct {
	id, agent string
	command   string // tells the versions of a task apart
	need      task.Resources
	running   bool
	ended     bool
	lost      bool // the agent is gone; it may come back
	last      *mesos.TaskStatus
}

type simOffer struct {
	agent string
	has   task.Resources
}

func simulate(seed uint64) error {
	m := &sim{rnd: rand.New(rand.NewPCG(seed, 7)), now: time.Unix(1_700_000_000, 0).UTC(),
		launched: map[string]*simLaunch{}, offers: map[string]*simOffer{}, free: map[string]task.Resources{}}
	cfg := DefaultConfig()
	cfg.FrameworkID, cfg.Once, cfg.Rand = "f", true, m.rnd
	cfg.UnplaceableTimeout = time.Hour
	cfg.UnreachableTimeout = time.Duration(1+m.rnd.IntN(600)) * time.Second
	m.s = newState(cfg)
	for i := range 1 + m.rnd.IntN(3) {
		m.free[fmt.Sprintf("a%d", i)] = task.Resources{CPUs: 4000, Mem: 4000}
	}
	m.file = m.tasks()
	if err := m.step(Load{slices.Clone(m.file)}); err != nil {
		return err
	}
	interrupt := -1
	if m.rnd.IntN(5) == 0 {
		interrupt = m.rnd.IntN(400)
	}
	for i := 0; i < 3000 && m.over == nil; i++ {
		m.benign = i > 400
		if i == interrupt {
			m.pending = append(m.pending, Interrupt{})
		}
		if err := m.turn(); err != nil {
			return fmt.Errorf("turn %d: %w", i, err)
		}
	}
	if m.over == nil || m.over.Why != Drained && (m.over.Why != Interrupted || interrupt < 0) {
		return fmt.Errorf("not over: %+v, %+v", m.over, m.s.snapshot())
	}
	return nil
}

func (m *sim) tasks() []task.Task {
	var out []task.Task
	for i := range 1 + m.rnd.IntN(30) {
		id := task.ID(fmt.Sprintf("t%d", i))
		spec := &task.Spec{ID: id, Command: "true", Retries: m.rnd.IntN(4) - 1, Priority: m.rnd.IntN(2),
			Resources: task.Resources{CPUs: int64(100 * (1 + m.rnd.IntN(30))), Mem: int64(1 + m.rnd.IntN(500))}}
		out = append(out, task.Task{ID: id, Spec: spec, Index: -1, Seq: uint64(i), Submitted: m.now})
	}
	return out
}

func (m *sim) step(ev Event) error {
	eff := m.s.step(m.now, ev)
	if eff.Over != nil {
		m.over = eff.Over
		return nil
	}
	if err := m.s.check(); err != nil {
		return fmt.Errorf("after %T: %w", ev, err)
	}
	m.up = m.up && m.s.link.phase == up
	for _, c := range eff.Calls {
		if err := m.onCall(c); err != nil {
			return err
		}
	}
	return nil
}

// turn lets one random thing happen.
func (m *sim) turn() error {
	if m.torn {
		return m.step(Answered{Call: &sched.Call{Type: sched.Call_TEARDOWN}})
	}
	m.now = m.now.Add(time.Duration(m.rnd.IntN(2000)) * time.Millisecond)
	if m.benign {
		m.now = m.now.Add(30 * time.Second)
	}
	for len(m.pending) > 0 && (m.up || !fromStream(m.pending[0])) {
		ev := m.pending[0]
		m.pending = m.pending[1:]
		if err := m.step(ev); err != nil || !m.benign || m.over != nil {
			return err
		}
	}
	if !m.up {
		if !m.benign && m.rnd.IntN(4) == 0 {
			return m.step(Down{errors.New("no")})
		}
		if m.s.link.phase != opening {
			return m.step(Tick{})
		}
		m.up = true
		return m.step(Subscribed{&sched.Event_Subscribed{}})
	}
	switch n := m.rnd.IntN(20); {
	case n < 6:
		return m.offer()
	case n < 15:
		return m.progress()
	case m.benign:
		return m.step(Tick{})
	case n == 15:
		m.up = false
		clear(m.offers)
		return m.step(Down{errors.New("the stream ended")})
	case n == 16:
		return m.loseAgent()
	case n == 17:
		return m.repeat()
	case n == 18 && m.rnd.IntN(3) == 0:
		m.edit()
		return m.step(Load{slices.Clone(m.file)})
	case n == 19 && m.rnd.IntN(8) == 0:
		return m.step(Cancel{[]task.ID{m.file[m.rnd.IntN(len(m.file))].ID}})
	}
	return m.step(Tick{})
}

func (m *sim) offer() error {
	var offers []mesos.Offer
	for _, agent := range slices.Sorted(maps.Keys(m.free)) {
		has := m.free[agent]
		if has.CPUs <= 0 || m.rnd.IntN(3) == 0 {
			continue
		}
		m.offerNo++
		id := fmt.Sprintf("o%d", m.offerNo)
		m.offers[id] = &simOffer{agent, has}
		m.free[agent] = task.Resources{}
		o := mesos.Offer{ID: mesos.OfferID{Value: id}, AgentID: mesos.AgentID{Value: agent}, Hostname: agent}
		for _, r := range []struct {
			name string
			v    float64
		}{{"cpus", float64(has.CPUs) / 1000}, {"mem", float64(has.Mem)}} {
			o.Resources = append(o.Resources, mesos.Resource{Name: r.name, Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: r.v}})
		}
		offers = append(offers, o)
	}
	if len(offers) == 0 {
		return m.step(Tick{})
	}
	err := m.step(Offers{offers})
	if err == nil && len(m.offers) > 0 && m.over == nil {
		return fmt.Errorf("%d offers were not answered", len(m.offers))
	}
	return err
}

func (m *sim) onCall(c *sched.Call) error {
	switch c.Type {
	case sched.Call_DECLINE:
		for _, id := range c.Decline.OfferIDs {
			m.giveBack(id.Value)
		}
	case sched.Call_ACCEPT:
		if !m.benign && m.rnd.IntN(12) == 0 {
			for _, id := range c.Accept.OfferIDs {
				m.giveBack(id.Value)
			}
			m.pending = append(m.pending, Answered{c, errors.New("connection reset")})
			return nil
		}
		return m.accept(c.Accept)
	case sched.Call_RECONCILE:
		for _, t := range c.Reconcile.Tasks {
			if m.benign || m.rnd.IntN(4) > 0 {
				m.pending = append(m.pending, m.answer(t.TaskID.Value, t.AgentID.GetValue()))
			}
		}
	case sched.Call_TEARDOWN:
		m.torn = true
	case sched.Call_KILL:
		if l := m.launched[c.Kill.TaskID.Value]; l != nil && !l.lost && m.rnd.IntN(2) == 0 {
			m.end(l)
		}
	}
	return nil
}

func (m *sim) giveBack(id string) {
	o := m.offers[id]
	delete(m.offers, id)
	if o != nil {
		m.free[o.agent] = m.free[o.agent].Add(o.has)
	}
}

func (m *sim) accept(a *sched.Call_Accept) error {
	var has task.Resources
	agent := ""
	for _, id := range a.OfferIDs {
		o := m.offers[id.Value]
		if o == nil {
			return fmt.Errorf("accepted offer %s, which is not ours", id.Value)
		}
		has, agent = has.Add(o.has), o.agent
		delete(m.offers, id.Value)
	}
	for _, info := range a.Operations[0].Launch.TaskInfos {
		id := info.TaskID.Value
		if m.launched[id] != nil {
			return fmt.Errorf("launch id %s used twice", id)
		}
		l := &simLaunch{id: id, agent: agent, need: need(info.Resources), command: *info.Command.Value}
		if err := m.checkAlone(l); err != nil {
			return err
		}
		m.launched[id] = l
		m.order = append(m.order, id)
		if has = has.Sub(l.need); has.CPUs < 0 || has.Mem < 0 {
			return fmt.Errorf("launch %s takes more than the offer has", id)
		}
	}
	m.free[agent] = m.free[agent].Add(has)
	return nil
}

func need(rs []mesos.Resource) task.Resources {
	var r task.Resources
	for i := range rs {
		switch rs[i].Name {
		case "cpus":
			r.CPUs += int64(rs[i].Scalar.Value*1000 + 0.5)
		case "mem":
			r.Mem += int64(rs[i].Scalar.Value)
		}
	}
	return r
}

func (m *sim) end(l *simLaunch) {
	if !l.ended {
		l.ended = true
		m.free[l.agent] = m.free[l.agent].Add(l.need)
	}
}

// progress moves one launch on, or repeats what it said last.
func (m *sim) progress() error {
	var open []*simLaunch
	for _, id := range m.order {
		if l := m.launched[id]; l.last == nil || !terminal(l.last.GetState()) {
			open = append(open, l)
		}
	}
	if len(open) == 0 {
		return m.step(Tick{})
	}
	l := open[m.rnd.IntN(len(open))]
	if l.lost {
		l.lost = false
		if l.ended {
			return m.say(l, mesos.TASK_FAILED, mesos.SOURCE_MASTER, false)
		}
		return m.say(l, mesos.TASK_RUNNING, mesos.SOURCE_MASTER, false)
	}
	if !l.running && !l.ended && (m.benign || m.rnd.IntN(3) > 0) {
		l.running = true
		return m.say(l, mesos.TASK_RUNNING, mesos.SOURCE_EXECUTOR, true)
	}
	states := []mesos.TaskState{mesos.TASK_FINISHED, mesos.TASK_FAILED, mesos.TASK_KILLED, mesos.TASK_LOST,
		mesos.TASK_GONE, mesos.TASK_DROPPED, mesos.TASK_ERROR}
	state := states[m.rnd.IntN(len(states))]
	if m.benign && !l.ended {
		state = mesos.TASK_FINISHED
	}
	m.end(l)
	source := mesos.SOURCE_EXECUTOR
	if state == mesos.TASK_DROPPED && m.rnd.IntN(2) == 0 {
		source = mesos.SOURCE_MASTER
	}
	return m.say(l, state, source, source != mesos.SOURCE_MASTER)
}

func terminal(s mesos.TaskState) bool {
	u := update{state: s}
	return u.terminal()
}

func (m *sim) say(l *simLaunch, state mesos.TaskState, source mesos.TaskStatus_Source, uuid bool) error {
	st := &mesos.TaskStatus{TaskID: mesos.TaskID{Value: l.id}, AgentID: &mesos.AgentID{Value: l.agent}, State: &state, Source: &source}
	if uuid {
		st.UUID = make([]byte, 16)
		for i := range st.UUID {
			st.UUID[i] = byte(m.rnd.IntN(256))
		}
		l.last = st
	} else if source == mesos.SOURCE_MASTER && terminal(state) && state != mesos.TASK_FAILED {
		l.last = st
	}
	return m.step(Updated{st})
}

// repeat sends an update again, as an agent does until it is acknowledged.
func (m *sim) repeat() error {
	if len(m.order) == 0 {
		return m.step(Tick{})
	}
	l := m.launched[m.order[m.rnd.IntN(len(m.order))]]
	if l.last == nil {
		return m.step(Tick{})
	}
	return m.step(Updated{l.last})
}

// loseAgent makes one agent unreachable: its launches may or may not go on.
func (m *sim) loseAgent() error {
	agent := fmt.Sprintf("a%d", m.rnd.IntN(len(m.free)))
	for _, id := range m.order {
		l := m.launched[id]
		if l.agent != agent || l.lost || l.last != nil && terminal(l.last.GetState()) {
			continue
		}
		l.lost = true
		if m.rnd.IntN(3) == 0 {
			m.end(l)
		}
		if err := m.say(l, mesos.TASK_UNREACHABLE, mesos.SOURCE_MASTER, false); err != nil {
			return err
		}
	}
	return m.step(AgentLost{agent})
}

func fromStream(ev Event) bool {
	_, isUpdate := ev.(Updated)
	return isUpdate
}

// answer is what a master says of one launch that it is asked about.
func (m *sim) answer(id, agent string) Event {
	l := m.launched[id]
	state := mesos.TASK_STAGING
	switch {
	case l == nil || l.last != nil && terminal(l.last.GetState()):
		state = mesos.TASK_GONE
	case l.lost:
		state = mesos.TASK_UNREACHABLE
	case l.ended:
		state = mesos.TASK_FAILED
	case l.running:
		state = mesos.TASK_RUNNING
	}
	return Updated{&mesos.TaskStatus{TaskID: mesos.TaskID{Value: id}, AgentID: &mesos.AgentID{Value: agent}, State: &state,
		Source: mesos.SOURCE_MASTER.Enum(), Reason: mesos.REASON_RECONCILIATION.Enum()}}
}

// checkAlone: where an earlier launch of the same task may still be alive it is
// to be killed, and a command that must not run twice is not launched at all.
func (m *sim) checkAlone(l *simLaunch) error {
	id, _ := task.ParseLaunchID(l.id)
	t := m.s.queue.Get(id)
	for _, o := range m.launched {
		if other, _ := task.ParseLaunchID(o.id); other != id || o.ended {
			continue
		}
		if t.Spec.Retries == 0 && o.command == l.command {
			return fmt.Errorf("%s launched while %s may run, in spite of retries: 0", l.id, o.id)
		}
		if _, unwanted := m.s.unwanted[o.id]; !unwanted {
			return fmt.Errorf("%s launched while %s runs, which nobody kills", l.id, o.id)
		}
	}
	return nil
}

// edit changes the tasks file as a person would, a little here and there.
func (m *sim) edit() {
	switch i := m.rnd.IntN(len(m.file)); m.rnd.IntN(4) {
	case 0:
		if len(m.file) > 1 {
			m.file = slices.Delete(m.file, i, i+1)
		}
	case 1:
		more := m.tasks()[0]
		m.edits++
		more.ID = task.ID(fmt.Sprintf("n%d", m.edits))
		m.file = slices.Insert(m.file, i, more)
	case 2:
		spec := *m.file[i].Spec
		m.edits++
		spec.Command = fmt.Sprintf("true %d", m.edits)
		spec.Retries = m.rnd.IntN(4) - 1
		spec.Resources.CPUs = int64(100 * (1 + m.rnd.IntN(30)))
		m.file[i].Spec = &spec
	case 3:
		m.rnd.Shuffle(len(m.file), func(a, b int) { m.file[a], m.file[b] = m.file[b], m.file[a] })
	}
	for i := range m.file {
		m.file[i].Seq, m.file[i].Submitted = uint64(i), m.now
	}
}
