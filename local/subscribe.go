package local

import (
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/sirupsen/logrus"
)

// heartbeatSeconds is the interval that SUBSCRIBED tells.
const heartbeatSeconds = 15

// subscribe answers a SUBSCRIBE that is well formed. There is always a stream;
// a framework that is refused finds an ERROR in it and then its end.
func (m *master) subscribe(c *scheduler.Call, cdc *codec) *stream {
	s := newStream(uuid.NewString(), cdc)
	info, suppressed := c.Subscribe.FrameworkInfo, c.Subscribe.SuppressedRoles
	if text := m.refuses(info, suppressed); text != "" {
		m.log.WithFields(logrus.Fields{"framework": info.GetID().GetValue(), "name": info.Name, "why": text}).Info("framework refused")
		s.push(mustFrame(cdc, errorEvent(text)))
		s.end()
		return s
	}
	f := m.frameworks[info.GetID().GetValue()]
	known := f != nil
	if known {
		m.takeOver(f, info)
	} else {
		f = m.addFramework(info)
	}
	f.stream = s
	f.setRoles(suppressed)
	m.greet(f)
	if known {
		m.tellAgents(f)
	}
	return s
}

// refuses says why a framework may not subscribe; "" if it may.
func (m *master) refuses(info *mesos.FrameworkInfo, suppressed []string) string {
	id := info.GetID().GetValue()
	if text := validateFramework(info); text != "" {
		return text
	}
	if m.isCompleted(id) {
		return "Framework has been removed"
	}
	if text := validateSuppressed(info, suppressed); text != "" {
		return text
	}
	if f := m.frameworks[id]; f != nil && f.info.GetPrincipal() != info.GetPrincipal() {
		return "Changing framework's principal is not allowed."
	}
	return ""
}

// addFramework makes a framework that is not known. One that chose its id
// itself keeps it: Mesos takes it for one it forgot.
func (m *master) addFramework(info *mesos.FrameworkInfo) *framework {
	if info.GetID().GetValue() == "" {
		info.ID = &mesos.FrameworkID{Value: fmt.Sprintf("%s-%04d", m.id, m.frameworkCount)}
		m.frameworkCount++
	}
	f := &framework{
		id: info.ID.Value, info: info, registered: m.now,
		roles: map[string]*share{}, tasks: map[string]*task{}, offers: map[string]*offer{}, filters: filters{},
	}
	m.frameworks[f.id] = f
	m.wanted.all = true
	m.log.WithFields(logrus.Fields{"framework": f.id, "name": info.Name, "roles": rolesOf(info)}).Info("framework subscribed")
	return f
}

// takeOver gives a known framework to a new scheduler. A scheduler that is
// still there is told, and loses its offers without a RESCIND; filters stay
// and nothing is allocated at once, unlike after a break.
func (m *master) takeOver(f *framework, info *mesos.FrameworkInfo) {
	if f.stream != nil {
		f.stream.push(mustFrame(f.stream.codec, errorEvent("Framework failed over")))
		f.stream.end()
		m.dropOffers(f)
	} else {
		m.wanted.all = true
	}
	f.stopTimer()
	f.recovered = false
	f.reregistered = m.now
	// What cannot be changed stays as it was.
	info.User, info.Checkpoint = f.info.User, f.info.Checkpoint
	f.info = info
	m.log.WithFields(logrus.Fields{"framework": f.id, "name": info.Name}).Info("framework subscribed again")
}

// setRoles takes over capabilities, roles and what is the least to offer from
// the framework's info, and which roles want no offers. A role that wanted none
// and does now loses its filters, as does one that the framework leaves.
func (f *framework) setRoles(suppressed []string) {
	f.caps = capabilitiesOf(f.info)
	f.least = leastOf(f.info)
	mine := rolesOf(f.info)
	for _, role := range mine {
		known := f.roles[role]
		s := f.share(role)
		was := s.suppressed
		s.suppressed = slices.Contains(suppressed, role)
		if known != nil && was && !s.suppressed {
			f.filters.clearRole(role)
		}
	}
	for role, s := range maps.Clone(f.roles) {
		if slices.Contains(mine, role) {
			continue
		}
		s.suppressed = true
		f.filters.clearRole(role)
		if len(s.allocated) == 0 {
			delete(f.roles, role)
		}
	}
}

// greet sends what comes first on every stream.
func (m *master) greet(f *framework) {
	interval := float64(heartbeatSeconds)
	m.send(f, &scheduler.Event{Type: scheduler.Event_SUBSCRIBED, Subscribed: &scheduler.Event_Subscribed{
		FrameworkID: &mesos.FrameworkID{Value: f.id}, HeartbeatIntervalSeconds: &interval, MasterInfo: m.info(),
	}})
	f.stream.push(m.heartbeat[f.stream.codec])
}

// updateFramework replaces a framework's description (Mesos:
// Master::updateFramework); "" or why not.
func (m *master) updateFramework(f *framework, u *scheduler.Call_UpdateFramework) string {
	info := &u.FrameworkInfo
	if text := validateFramework(info); text != "" {
		return "Supplied FrameworkInfo is not valid: " + text
	}
	if text := validateUpdate(f.info, info); text != "" {
		return "FrameworkInfo update is not valid: " + text
	}
	if text := validateSuppressed(info, u.SuppressedRoles); text != "" {
		return "'UpdateFramework' call is not valid: " + text
	}
	f.info = info
	f.setRoles(u.SuppressedRoles)
	m.tellAgents(f)
	mine := rolesOf(info)
	for _, o := range f.offers {
		if !slices.Contains(mine, o.role) {
			m.takeBack(o)
			m.comesBack(o.agent)
			m.send(f, &scheduler.Event{Type: scheduler.Event_RESCIND, Rescind: &scheduler.Event_Rescind{OfferID: mesos.OfferID{Value: o.id}}})
		}
	}
	m.log.WithFields(logrus.Fields{"framework": f.id, "name": info.Name, "roles": mine}).Info("framework updated")
	return ""
}

// validateUpdate checks what a framework may not change of itself.
func validateUpdate(old, now *mesos.FrameworkInfo) string {
	switch {
	case old.GetPrincipal() != now.GetPrincipal() || (old.Principal == nil) != (now.Principal == nil):
		return "Changing framework's principal is not allowed."
	case old.User != now.User:
		return "Updating 'FrameworkInfo.user' is unsupported; attempted to update from '" + old.User + "' to '" + now.User + "'"
	case old.GetCheckpoint() != now.GetCheckpoint():
		return fmt.Sprintf("Updating 'FrameworkInfo.checkpoint' is unsupported; attempted to update from '%t' to '%t'", old.GetCheckpoint(), now.GetCheckpoint())
	}
	return ""
}
