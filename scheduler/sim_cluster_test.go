package scheduler

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"cmdq/mesosapi"
	"cmdq/task"
)

// simCluster is a master with its agents, as far as a framework can tell it from
// Mesos. It decides nothing at random: whoever drives it says what happens next.
type simCluster struct {
	now      time.Time
	failover time.Duration // how long a framework is kept without its scheduler
	agents   []*simAgent
	launches map[string]*simLaunch
	order    []*simLaunch

	executors    []*simExecutor
	executorIdle time.Duration // so long they wait for something to do

	offers  map[string]*simOffer
	offerNo int
	uuids   uint64

	framework  string          // of the stream that is open, or was the last
	stream     bool            // as the master sees it
	left       time.Time       // when the stream ended
	completed  map[string]bool // the frameworks that this master has removed
	suppressed bool
	removals   int
	events     []Event // on the stream, in order
	arrived    func(*simLaunch) error
}

// simLaunch is one Mesos task: what the master holds of it and what is true.
type simLaunch struct {
	id, framework string
	task          task.ID
	number        int
	agent         *simAgent
	need          task.Resources

	held      bool            // by the master
	forwarded mesos.TaskState // what the master told last
	over      bool            // the master knows that it has ended
	atAgent   bool
	executor  *simExecutor // of ours; nil: it is run by Mesos' own
	told      bool         // that it is up
	ran       bool
	dead      bool
	outcome   mesos.TaskState     // once it is dead, if it could tell
	dying     bool                // a KILL reached it
	kill      bool                // a KILL waits at the master for the agent
	dieAt     time.Time           // its framework was shut down
	queue     []*mesos.TaskStatus // what the agent tells until it is acknowledged
	sent      []*mesos.TaskStatus // what it ever told: it may arrive once more

	orphan     bool // its framework is gone
	outOfReach bool // and the agent could not be told
	seen       simSeen
	left       simLeft
}

type simOffer struct {
	agent *simAgent
	has   task.Resources
}

func newSimCluster(now time.Time, agents int) *simCluster {
	c := &simCluster{now: now, failover: 24 * time.Hour, launches: map[string]*simLaunch{},
		offers: map[string]*simOffer{}, completed: map[string]bool{}, left: now}
	for i := range agents {
		c.agents = append(c.agents, &simAgent{id: fmt.Sprintf("a%d", i+1), connected: true,
			size: task.Resources{CPUs: 4000, Mem: 4000}})
	}
	return c
}

// pass lets time go by: frameworks are given up, and what was shut down ends.
func (c *simCluster) pass(d time.Duration) {
	c.now = c.now.Add(d)
	if !c.stream && c.framework != "" && c.now.Sub(c.left) > c.failover {
		c.removeAt(c.framework, c.left.Add(c.failover))
	}
	for _, l := range c.order {
		if !l.dieAt.IsZero() && !l.dieAt.After(c.now) {
			l.seen.lost = true // nobody will hear how it ended
			l.dead, l.queue, l.held = true, nil, false
		}
	}
	c.passExecutors()
}

// call is what the master does with a call, and its answer.
func (c *simCluster) call(call *sched.Call) error {
	if call.Type == sched.Call_SUBSCRIBE {
		c.subscribe(call)
		return nil
	}
	if !c.stream || call.FrameworkID.GetValue() != c.framework {
		return &mesosapi.NotSubscribed{Status: 403}
	}
	switch call.Type {
	case sched.Call_ACCEPT:
		return c.accept(call.Accept)
	case sched.Call_DECLINE:
		for _, id := range call.Decline.OfferIDs {
			c.refuse(id.Value, call.Decline.Filters)
		}
	case sched.Call_SUPPRESS:
		c.suppressed = true
	case sched.Call_REVIVE:
		c.suppressed = false
		c.clearFilters()
	case sched.Call_ACKNOWLEDGE:
		c.acknowledge(call.Acknowledge.TaskID.Value, call.Acknowledge.AgentID.Value, call.Acknowledge.UUID)
	case sched.Call_KILL:
		c.kill(call.Kill)
	case sched.Call_SHUTDOWN:
		c.shutdown(call.Shutdown.AgentID.Value, call.Shutdown.ExecutorID.Value)
	case sched.Call_RECONCILE:
		c.reconcile(call.Reconcile)
	case sched.Call_TEARDOWN:
		c.remove(c.framework)
	}
	return nil
}

// subscribe opens a stream. Whoever held the framework before has lost it.
func (c *simCluster) subscribe(call *sched.Call) {
	id := call.FrameworkID.GetValue()
	c.breakStream()
	if c.completed[id] {
		c.events = []Event{Errored{"Framework has been removed"}}
		return
	}
	c.framework, c.stream = id, true
	c.suppressed = len(call.Subscribe.SuppressedRoles) > 0
	c.clearFilters()
	c.events = []Event{Subscribed{&sched.Event_Subscribed{FrameworkID: &mesos.FrameworkID{Value: id}}}}
}

// breakStream: offers die with it, and so does what was on its way.
func (c *simCluster) breakStream() {
	if c.stream {
		c.left = c.now
	}
	c.stream, c.events = false, nil
	clear(c.offers)
}

func (c *simCluster) remove(framework string) { c.removeAt(framework, c.now) }

// removeAt ends a framework: agents that can be told shut its tasks down, in the
// five seconds that Mesos gives an executor.
func (c *simCluster) removeAt(framework string, at time.Time) {
	c.completed[framework] = true
	c.removals++
	if c.framework == framework {
		c.breakStream()
		c.framework = ""
	}
	for _, l := range c.order {
		if l.framework != framework || l.orphan {
			continue
		}
		l.orphan, l.held = true, false
		if l.agent.connected {
			l.dieAt = at.Add(5 * time.Second)
		} else {
			l.outOfReach = true
		}
	}
	for _, x := range c.executors {
		if x.framework == framework {
			x.held, x.untold = false, false
			if x.agent.connected {
				x.dieAt = at.Add(5 * time.Second)
			}
		}
	}
}

func (c *simCluster) event(ev Event) {
	if c.stream {
		c.events = append(c.events, ev)
	}
}

// offer offers what an agent has left; false if it has nothing for us.
func (c *simCluster) offer(a *simAgent) (mesos.Offer, bool) {
	has := c.free(a)
	if !c.stream || c.suppressed || !a.reachable() || a.filter.After(c.now) || has.CPUs <= 0 || has.Mem <= 0 {
		return mesos.Offer{}, false
	}
	c.offerNo++
	o := mesos.Offer{ID: mesos.OfferID{Value: fmt.Sprintf("o%d", c.offerNo)}, AgentID: mesos.AgentID{Value: a.id}, Hostname: a.id,
		Resources: []mesos.Resource{scalar("cpus", float64(has.CPUs)/1000), scalar("mem", float64(has.Mem))}}
	c.offers[o.ID.Value] = &simOffer{a, has}
	return o, true
}

func scalar(name string, v float64) mesos.Resource {
	return mesos.Resource{Name: name, Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: v}}
}

// free is what the master believes to be free there.
func (c *simCluster) free(a *simAgent) task.Resources {
	has := a.size
	for _, o := range c.offers {
		if o.agent == a {
			has = has.Sub(o.has)
		}
	}
	for _, l := range c.order {
		if l.agent == a && l.held && !l.over {
			has = has.Sub(l.need)
		}
	}
	for _, x := range c.executors {
		if x.agent == a && x.held {
			has = has.Sub(x.need)
		}
	}
	return has
}

func (c *simCluster) clearFilters() {
	for _, a := range c.agents {
		a.filter = time.Time{}
	}
}

func (c *simCluster) refuse(id string, f *mesos.Filters) {
	if o := c.offers[id]; o != nil {
		o.agent.filter = c.now.Add(time.Duration(f.GetRefuseSeconds() * float64(time.Second)))
		delete(c.offers, id)
	}
}

// rescind takes all offers of an agent back.
func (c *simCluster) rescind(a *simAgent) {
	for id, o := range c.offers {
		if o.agent == a {
			delete(c.offers, id)
			c.event(Rescinded{id})
		}
	}
}

// accept launches, if the offers still stand; what does not leave the master
// comes back as DROPPED.
func (c *simCluster) accept(a *sched.Call_Accept) error {
	var has task.Resources
	var agent *simAgent
	valid := true
	for _, id := range a.OfferIDs {
		if o := c.offers[id.Value]; o != nil {
			has, agent = has.Add(o.has), o.agent
		} else {
			valid = false
		}
		c.refuse(id.Value, a.Filters)
	}
	believed := false // an executor was believed to be there, and is not
	for i := range a.Operations[0].Launch.TaskInfos {
		info := &a.Operations[0].Launch.TaskInfos[i]
		if !valid {
			c.event(Updated{status(info.TaskID.Value, info.AgentID.Value, mesos.TASK_DROPPED, mesos.SOURCE_MASTER, mesos.REASON_INVALID_OFFERS)})
			continue
		}
		l := &simLaunch{id: info.TaskID.Value, framework: c.framework, agent: agent, need: need(info.Resources),
			held: true, forwarded: mesos.TASK_STAGING}
		l.task, l.number = task.ParseLaunchID(l.id)
		if c.launches[l.id] != nil {
			return errBroken("launch id %s used twice", l.id)
		}
		total, isNew := l.need, false
		if info.Executor != nil {
			var err error
			if l.executor, isNew, err = c.executorOf(info, agent); err != nil {
				return err
			}
		}
		if isNew {
			total = total.Add(l.executor.need)
			believed = believed || !strings.HasSuffix(l.executor.id, "-"+l.id)
		}
		if left := has.Sub(total); left.CPUs >= 0 && left.Mem >= 0 {
			has = left
		} else if believed {
			c.noRoom(info)
			continue
		} else {
			return errBroken("launch %s takes more than the offer has", l.id)
		}
		if err := c.arrived(l); err != nil {
			return err
		}
		c.launches[l.id] = l
		c.order = append(c.order, l)
		c.deliver(l, isNew)
	}
	return nil
}

// deliver sends a launch to its agent, if that can be reached.
func (c *simCluster) deliver(l *simLaunch, isNew bool) {
	if isNew {
		l.executor.held = true
		c.executors = append(c.executors, l.executor)
	}
	switch {
	case !l.agent.connected:
	case l.executor == nil:
		l.atAgent = true
	default:
		c.receive(l, isNew)
	}
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

// reconcile answers as Mesos does (docs/reconciliation.md, Master::reconcile).
func (c *simCluster) reconcile(r *sched.Call_Reconcile) {
	for _, t := range r.Tasks {
		c.answer(t.TaskID.Value, t.AgentID.GetValue())
	}
	if len(r.Tasks) > 0 {
		return
	}
	for _, l := range c.order {
		if l.held && l.framework == c.framework {
			c.answer(l.id, l.agent.id)
		}
	}
}

func (c *simCluster) answer(id, agent string) {
	l, a := c.launches[id], c.agent(agent)
	state := mesos.TASK_UNKNOWN
	switch {
	case l != nil && l.held && l.framework == c.framework:
		state = l.forwarded
	case a == nil:
	case a.state == recovering:
		return // it may still tell
	case a.state == registered:
		state = mesos.TASK_GONE
	case a.state == unreachable:
		state = mesos.TASK_UNREACHABLE
	case a.state == gone:
		state = mesos.TASK_GONE_BY_OPERATOR
	}
	st := status(id, agent, state, mesos.SOURCE_MASTER, mesos.REASON_RECONCILIATION)
	if l != nil && l.held && l.executor != nil {
		st.ExecutorID = &mesos.ExecutorID{Value: l.executor.id}
	}
	if state == mesos.TASK_UNREACHABLE {
		st.UnreachableTime = &mesos.TimeInfo{Nanoseconds: a.since.UnixNano()}
	}
	c.event(Updated{st})
}

func (c *simCluster) kill(k *sched.Call_Kill) {
	l := c.launches[k.TaskID.Value]
	switch {
	case l == nil || !l.held || l.framework != c.framework:
		c.answer(k.TaskID.Value, k.AgentID.GetValue())
	case l.agent.id != k.AgentID.GetValue():
	case !l.agent.reachable():
		l.kill = true
	default:
		c.killAt(l)
	}
}

func status(id, agent string, state mesos.TaskState, source mesos.TaskStatus_Source, reason mesos.TaskStatus_Reason) *mesos.TaskStatus {
	st := &mesos.TaskStatus{TaskID: mesos.TaskID{Value: id}, AgentID: &mesos.AgentID{Value: agent}, State: &state, Source: &source}
	if reason != noReason {
		st.Reason = &reason
	}
	return st
}

func (c *simCluster) uuid() []byte {
	c.uuids++
	return binary.BigEndian.AppendUint64(make([]byte, 8), c.uuids)
}

// broken is a rule that the scheduler broke, not an answer to it.
type broken struct{ text string }

func (b *broken) Error() string { return b.text }

func errBroken(format string, args ...any) error { return &broken{fmt.Sprintf(format, args...)} }
