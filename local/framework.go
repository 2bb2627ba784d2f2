package local

import (
	"slices"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/sirupsen/logrus"
)

// framework is a framework as the master knows it.
type framework struct {
	id     string
	info   *mesos.FrameworkInfo // replaced, never changed
	caps   capabilities
	least  map[string]minAllocatable // of what it is offered, by role
	roles  map[string]*share
	stream *stream // nil while it is disconnected

	tasks     map[string]*task // those whose end is not acknowledged
	offers    map[string]*offer
	filters   filters
	completed []*taskView // oldest first

	unreachable []*task // oldest first
	recovered   bool    // known by its tasks alone; it has not subscribed to this master

	launched     int // tasks ever; orders them
	registered   time.Time
	reregistered time.Time   // zero: never
	failover     *time.Timer // removes it; nil while it is connected
}

// share is a framework's part in a role.
type share struct {
	suppressed  bool
	allocated   Resources // offered to it or used by its tasks
	allocations int       // offers so far
}

// send encodes an event and queues it; nobody hears it while the framework is
// disconnected.
func (m *master) send(f *framework, e *scheduler.Event) {
	if f.stream == nil {
		return
	}
	frame, err := f.stream.codec.frame(e)
	if err != nil {
		m.log.WithField("framework", f.id).WithError(err).Error("an event could not be encoded")
		return
	}
	f.stream.push(frame)
}

// disconnected reacts to the end of a stream: offers go, calls are refused,
// and the framework is removed when its failover timeout has passed.
func (m *master) disconnected(s *stream) {
	f := m.frameworkOf(s)
	if f == nil {
		return // taken over, or removed
	}
	f.stream = nil
	m.dropOffers(f)
	f.filters.clear()
	timeout := secondsDuration(f.info.GetFailoverTimeout())
	m.log.WithFields(logrus.Fields{"framework": f.id, "failover_timeout": timeout}).Info("framework disconnected")
	if timeout <= 0 {
		m.removeFramework(f, "disconnected without a failover timeout")
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(timeout, func() {
		m.box.post(func() {
			if f.failover == timer {
				m.removeFramework(f, "did not come back within its failover timeout")
			}
		})
	})
	f.failover = timer
}

func (m *master) frameworkOf(s *stream) *framework {
	for _, f := range m.frameworks {
		if f.stream == s {
			return f
		}
	}
	return nil
}

func (f *framework) stopTimer() {
	if f.failover != nil {
		f.failover.Stop()
		f.failover = nil
	}
}

// removeFramework ends a framework for good: its tasks are killed without an
// update, its id is burnt (Mesos: Master::removeFramework).
func (m *master) removeFramework(f *framework, why string) {
	f.stopTimer()
	if f.stream != nil {
		f.stream.end()
		f.stream = nil
	}
	m.dropOffers(f)
	for _, a := range m.agents {
		a.line.down(shutdownFramework{framework: f.id})
	}
	for _, t := range f.sortedTasks() {
		if !terminal(t.state) {
			t.record(m.now, &mesos.TaskStatus{
				TaskID: t.info.TaskID, State: mesos.TASK_KILLED.Enum(), Source: mesos.SOURCE_MASTER.Enum(),
				Reason: mesos.REASON_FRAMEWORK_REMOVED.Enum(),
			}, mesos.TASK_KILLED)
			m.counts.ended(mesos.TASK_KILLED)
		}
		m.free(t)
		m.forget(t)
	}
	m.removeExecutors(f)
	delete(m.frameworks, f.id)
	view := m.viewFramework(f)
	view.Unregistered, view.Active, view.Connected = seconds(m.now), false, false
	m.completed = append(m.completed, view)
	if len(m.completed) > keptFrameworks {
		m.completed = m.completed[1:]
	}
	m.log.WithFields(logrus.Fields{"framework": f.id, "why": why}).Info("framework removed")
}

func (m *master) isCompleted(id string) bool {
	for _, v := range m.completed {
		if v.ID == id {
			return true
		}
	}
	return false
}

// dropOffers takes back all offers of a framework without a word.
func (m *master) dropOffers(f *framework) {
	for _, o := range f.offers {
		m.takeBack(o)
		m.comesBack(o.agent)
	}
}

// takeBack ends an offer; its resources are free again.
func (m *master) takeBack(o *offer) {
	delete(m.offers, o.id)
	delete(o.framework.offers, o.id)
	o.agent.offered = o.agent.offered.minus(o.resources)
	o.framework.release(o.role, o.resources)
}

// charge counts resources as the framework's.
func (f *framework) charge(role string, r Resources) {
	s := f.share(role)
	s.allocated = s.allocated.plus(r)
}

func (f *framework) release(role string, r Resources) {
	s := f.share(role)
	s.allocated = s.allocated.minus(r)
	if s.suppressed && len(s.allocated) == 0 && !slices.Contains(rolesOf(f.info), role) {
		delete(f.roles, role) // the framework has left it
	}
}

// share finds the part of a role, also of one the framework has left but where
// it still holds something.
func (f *framework) share(role string) *share {
	s := f.roles[role]
	if s == nil {
		s = &share{suppressed: true}
		f.roles[role] = s
	}
	return s
}

// brief is what an agent is told of the framework.
func (f *framework) brief() frameworkBrief {
	return frameworkBrief{
		info: f.info, id: f.id, name: f.info.Name, user: f.info.User, hostname: f.info.GetHostname(), principal: f.info.GetPrincipal(),
		roles: rolesOf(f.info), checkpoint: f.info.GetCheckpoint(), failoverTimeout: f.info.GetFailoverTimeout(), capabilities: f.caps,
	}
}

// rolesOf lists the roles a framework subscribes to.
func rolesOf(info *mesos.FrameworkInfo) []string {
	if capabilitiesOf(info).multiRole {
		return info.Roles
	}
	return []string{info.GetRole()}
}

// secondsDuration is a time span of the protocol; it must have been checked to
// be representable.
func secondsDuration(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
