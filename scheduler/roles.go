package scheduler

import (
	"cmp"
	"maps"
	"slices"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"cmdq/task"
)

// role is whose resources a task takes.
func (s *state) role(t *task.Task) string {
	return cmp.Or(t.Spec.Asks().Role, s.cfg.Role)
}

// roleOf is the role that an offer was made to.
func (s *state) roleOf(o *mesos.Offer) string {
	if role := o.AllocationInfo.GetRole(); role != "" {
		return role
	}
	return s.cfg.Role
}

// allRoles are those that we subscribe with: of the run, and of its tasks.
func (s *state) allRoles() []string {
	roles := []string{s.cfg.Role}
	for _, r := range slices.Sorted(maps.Keys(s.roles)) {
		if r != s.cfg.Role {
			roles = append(roles, r)
		}
	}
	return roles
}

// meetRole notes the role of a task. A master learns of a new one when we
// subscribe again, which costs nothing but the offers under way.
func (s *state) meetRole(t *task.Task) {
	if role := s.role(t); role != s.cfg.Role && !s.roles[role] {
		s.roles[role] = true
		if s.link.phase != down {
			s.link.phase, s.link.next = down, s.now
			s.info("a task wants resources of role %s: subscribing again with it", role)
		}
	}
}
