package local

import (
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/sirupsen/logrus"

	"cmdq/zookeeper"
)

// How much the master keeps of what has ended (Mesos: src/master/constants.hpp).
const (
	keptFrameworks = 50
	keptTasks      = 1000 // of each framework
)

// master is the actor that knows frameworks, agents, offers and tasks. All
// fields but the first group are its own.
type master struct {
	box       *mailbox
	log       *logrus.Entry
	addr      netip.AddrPort
	workDir   string // where the page finds the sandboxes
	timing    timing
	eager     bool
	least     minAllocatable    // of what is offered
	heartbeat map[*codec][]byte // the HEARTBEAT frame
	plug      *plug             // its port; nil in tests without one

	life   atomic.Int64           // how often it was restarted
	leader atomic.Pointer[leader] // who leads; never nil, and only changed by the master itself

	electorate *zookeeper.Address // where it stands for election; nil: it always leads
	session    time.Duration      // of the election

	id      string    // a uuid; the ids of all it names start with it
	now     time.Time // of what is being handled
	started time.Time
	elected time.Time // zero: not yet

	registry registry
	recovery *time.Timer // ends the wait for agents after a restart

	frameworks map[string]*framework
	completed  []*frameworkView // oldest first
	agents     []*agentRecord   // in the order of their registration
	offers     map[string]*offer

	frameworkCount, agentCount, offerCount int
	roleCounts                             map[string]int // offers to each node of the tree of roles

	wanted wanted // the allocation that is due when the mailbox is empty
	random *rand.Rand
	counts counts
}

// timing holds what tests make shorter.
type timing struct {
	allocation time.Duration // between two allocations
	heartbeat  time.Duration // between two heartbeats of a stream
	retry      time.Duration // until an unacknowledged update is sent again; doubles
	retryMax   time.Duration

	registration  time.Duration // for an executor to subscribe
	shutdownGrace time.Duration // for an executor to end

	reregistration time.Duration // for an executor to come back to its agent
	reregister     time.Duration // for an agent to come back to the master
	backoff        time.Duration // until an agent first tries to; doubles
	ping           time.Duration // between two pings of an agent
	maxPings       int           // without an answer make it unreachable
}

// agentRecord is an agent as the master knows it.
type agentRecord struct {
	id           string
	addr         netip.AddrPort
	line         *line
	registered   time.Time
	reregistered time.Time // zero: never
	total        Resources
	used         Resources // by tasks that have not ended, and by executors
	offered      Resources // in outstanding offers
	tasks        map[taskKey]*task
	executors    map[executorKey]*executorRecord

	connected bool                 // else it gets no offers
	retired   bool                 // it is not registered any more
	deadline  *time.Timer          // for one that is not connected
	kills     map[taskKey]killTask // that it has not heard
	pinger    *time.Timer
	pinged    bool // and has not answered yet
	timeouts  int  // pings without an answer, one after the other
}

// taskKey names a task among those of all frameworks.
type taskKey struct{ framework, task string }

// free is what an agent may offer.
func (a *agentRecord) free() Resources { return a.total.minus(a.used).minus(a.offered) }

// offer is an outstanding offer: one agent, one role, one framework.
type offer struct {
	id        string
	framework *framework
	agent     *agentRecord
	role      string
	resources Resources
}

func newMaster(addr netip.AddrPort, cfg *Config) *master {
	m := &master{
		box: newMailbox(), log: cfg.Log, addr: addr, workDir: cfg.WorkDir, timing: cfg.timing, eager: cfg.Eager,
		electorate: cfg.ZooKeeper, session: cfg.ZooKeeperTimeout,
		registry:  newRegistry(),
		random:    rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		heartbeat: map[*codec][]byte{},
	}
	m.leader.Store(&leader{me: cfg.ZooKeeper == nil})
	m.begin()
	for _, c := range []*codec{codecJSON, codecProtobuf} {
		m.heartbeat[c] = mustFrame(c, heartbeatEvent())
	}
	m.least = cfg.least
	return m
}

// begin makes a master that knows nothing but its registry.
func (m *master) begin() {
	m.id, m.started = uuid.NewString(), time.Now()
	if m.leads() {
		m.elected = m.started
	}
	m.frameworks, m.completed, m.agents, m.offers = map[string]*framework{}, nil, nil, map[string]*offer{}
	m.frameworkCount, m.agentCount, m.offerCount = 0, 0, 0
	m.wanted, m.counts, m.roleCounts = wanted{}, counts{}, map[string]int{}
}

// run is the master's goroutine; it ends when the mailbox is closed.
func (m *master) run() {
	ticker := time.NewTicker(m.timing.allocation)
	defer ticker.Stop()
	m.box.run(func(now time.Time) { m.now = now }, m.allocateWanted, ticker.C, m.allocateAll)
	for _, f := range m.frameworks {
		f.stopTimer()
	}
	for _, a := range m.agents {
		a.retire()
	}
	stopTimer(m.recovery)
}

// onMessage handles what an agent says.
func (m *master) onMessage(l *line, msg toMaster) {
	if !m.leads() { // Mesos: Master::registerSlave
		m.log.Debugf("%T ignored: this master does not lead", msg)
		return
	}
	switch msg := msg.(type) {
	case registerAgent:
		m.onRegister(l, msg)
	case reregisterAgent:
		m.onReregister(l, msg)
	default:
		if l.record != nil { // else the agent is none of ours, and will register
			m.onAgent(l.record, msg)
		}
	}
}

// onAgent handles what a registered agent says.
func (m *master) onAgent(a *agentRecord, msg toMaster) {
	switch msg := msg.(type) {
	case unregisterAgent:
		m.removeAgent(a, "the agent unregistered")
	case statusUpdate:
		m.onUpdate(msg)
	case executorExited:
		m.onExecutorExited(msg)
	case executorMessage:
		m.onExecutorMessage(msg)
	}
}

func (m *master) agent(id string) *agentRecord {
	for _, a := range m.agents {
		if a.id == id {
			return a
		}
	}
	return nil
}

// total is what all agents have.
func (m *master) total() Resources {
	var sum Resources
	for _, a := range m.agents {
		sum = sum.plus(a.total)
	}
	return sum
}

// info is how the master presents itself.
func (m *master) info() *mesos.MasterInfo {
	ip := m.addr.Addr().String()
	port := uint32(m.addr.Port())
	pid := "master@" + m.addr.String()
	v := version
	return &mesos.MasterInfo{
		ID: m.id, IP: networkOrder(m.addr.Addr()), Port: &port, PID: &pid, Hostname: &ip, Version: &v,
		Address: &mesos.Address{Hostname: &ip, IP: &ip, Port: int32(port)},
		Capabilities: []mesos.MasterInfo_Capability{
			{Type: mesos.MasterInfo_Capability_AGENT_UPDATE}, {Type: mesos.MasterInfo_Capability_AGENT_DRAINING},
		},
	}
}

// networkOrder is an IPv4 address with its first octet in the lowest byte; 0
// for IPv6, which the field cannot hold.
func networkOrder(ip netip.Addr) uint32 {
	if !ip.Unmap().Is4() {
		return 0
	}
	b := ip.Unmap().As4()
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}
