package local

import (
	"net/http"
	"slices"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/sirupsen/logrus"
)

// answer is what a call is answered with.
type answer struct {
	status int
	text   string
}

var accepted = answer{status: http.StatusAccepted}

// call does what a framework asks for, other than to subscribe. streamID is
// the Mesos-Stream-Id the call came with, principal who authenticated; "" if
// nobody had to.
func (m *master) call(c *scheduler.Call, streamID, principal string) answer {
	f := m.frameworks[c.FrameworkID.Value]
	switch {
	case f == nil:
		return answer{http.StatusBadRequest, "Framework cannot be found"}
	case principal != "" && principal != f.info.GetPrincipal():
		return answer{http.StatusBadRequest, "Authenticated principal '" + principal + "' does not match the principal of the framework"}
	case f.stream == nil:
		return answer{http.StatusForbidden, "Framework is not subscribed"}
	case streamID == "":
		return answer{http.StatusBadRequest, "All non-subscribe calls should include the 'Mesos-Stream-Id' header"}
	case streamID != f.stream.id:
		return answer{http.StatusBadRequest, "The stream ID '" + streamID + "' included in this request didn't match the stream ID currently associated with framework ID " + f.id}
	}
	switch c.Type {
	case scheduler.Call_TEARDOWN:
		m.removeFramework(f, "torn down")
	case scheduler.Call_ACCEPT:
		m.accept(f, c.Accept)
	case scheduler.Call_DECLINE:
		m.decline(f, c.Decline)
	case scheduler.Call_REVIVE:
		m.revive(f, c.Revive.GetRoles())
	case scheduler.Call_SUPPRESS:
		m.suppress(f, c.Suppress.GetRoles())
	case scheduler.Call_KILL:
		m.kill(f, c.Kill)
	case scheduler.Call_ACKNOWLEDGE:
		m.acknowledge(f, c.Acknowledge)
	case scheduler.Call_RECONCILE:
		m.reconcile(f, c.Reconcile.Tasks)
	case scheduler.Call_MESSAGE:
		m.message(f, c.Message)
	case scheduler.Call_SHUTDOWN:
		m.shutdown(f, c.Shutdown)
	case scheduler.Call_UPDATE_FRAMEWORK:
		if text := m.updateFramework(f, c.UpdateFramework); text != "" {
			return answer{http.StatusBadRequest, text}
		}
		return answer{status: http.StatusOK}
	}
	// What is left is for operations or maintenance, neither of which there is;
	// or it has no effect in Mesos either (REQUEST).
	return accepted
}

// decline gives offers back; those that are not the framework's, or gone, are
// passed over.
func (m *master) decline(f *framework, d *scheduler.Call_Decline) {
	for _, id := range d.OfferIDs {
		if o := f.offers[id.Value]; o != nil {
			m.takeBack(o)
			m.refuse(f, o.agent, o.role, o.resources, d.Filters)
		}
	}
}

// refuse keeps what a framework did not use away from it for a while. An eager
// master looks at once who else may have it, or whether there is more by now;
// not when nothing was refused, for then the same offer would come back for ever.
func (m *master) refuse(f *framework, a *agentRecord, role string, rest Resources, filters *mesos.Filters) {
	var given *float64
	if filters != nil {
		given = filters.RefuseSeconds
	}
	refuse := refusal(given)
	f.filters.add(a.id, role, rest, m.now, refuse, m.timing.allocation)
	if refuse > 0 {
		m.comesBack(a)
	}
}

// chosen lists the roles a REVIVE or SUPPRESS is for: all when none is named,
// nil if one is not the framework's, or they are too many, which drops the whole
// call.
func (f *framework) chosen(roles []string) []string {
	mine := rolesOf(f.info)
	if len(roles) > maxRoles {
		return nil
	}
	for _, role := range roles {
		if !slices.Contains(mine, role) {
			return nil
		}
	}
	if len(roles) == 0 {
		return mine
	}
	return roles
}

// revive lets offers come again, at once, whatever was refused before.
func (m *master) revive(f *framework, roles []string) {
	chosen, was := f.chosen(roles), false
	for _, role := range chosen {
		s := f.share(role)
		was = was || s.suppressed
		s.suppressed = false
		f.filters.clearRole(role)
	}
	if chosen == nil {
		return
	}
	m.wanted.all = true
	if was {
		m.log.WithField("framework", f.id).Info("framework revived offers (REVIVE)")
	} else {
		m.log.WithField("framework", f.id).Debug("REVIVE")
	}
}

// suppress stops offers; those outstanding stay valid.
func (m *master) suppress(f *framework, roles []string) {
	changed := false
	for _, role := range f.chosen(roles) {
		s := f.share(role)
		changed = changed || !s.suppressed
		s.suppressed = true
	}
	if changed {
		m.log.WithField("framework", f.id).Info("framework suppressed offers (SUPPRESS)")
	}
}

// kill passes a KILL on. A task the master does not have is answered as a
// reconciliation (Mesos: Master::kill).
func (m *master) kill(f *framework, k *scheduler.Call_Kill) {
	t := f.tasks[k.TaskID.Value]
	switch {
	case t == nil:
		m.reconcileTask(f, k.TaskID, k.AgentID)
		return
	case k.AgentID != nil && k.AgentID.Value != t.agent.id:
		m.log.WithFields(logrus.Fields{"framework": f.id, "task": t.id()}).Info("a kill names another agent than the task's and is ignored")
		return
	}
	msg := killTask{framework: f.id, task: t.id()}
	if grace := k.GetKillPolicy().GetGracePeriod(); grace != nil {
		msg.grace, msg.hasGrace = nanoseconds(grace), true
	}
	if !t.agent.connected {
		t.agent.kills[t.key()] = msg // it hears of it when it comes back
		return
	}
	t.agent.line.down(msg)
}
