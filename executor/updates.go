package executor

import (
	"bytes"
	"slices"
	"strings"

	"github.com/mesos/mesos-go/api/v1/lib"
)

// maxMessage bounds what an update says, in bytes; it may quote what others wrote.
const maxMessage = 4000

// update is a status that the agent has not acknowledged. It is kept until then
// and told again with every SUBSCRIBE. Of one task one at a time is under way.
type update struct {
	status mesos.TaskStatus
	sent   bool // to where it is on its way, or was when that broke; the next SUBSCRIBE has it
	taken  bool // the agent answered 202, or subscribed us with it
}

// tell adds an update of a task.
func (s *state) tell(t *task, state mesos.TaskState, reason *mesos.TaskStatus_Reason, text string) {
	status := ours(t.id, state, s.uuid(), s.now)
	status.Reason = reason
	if text = strings.ToValidUTF8(text[:min(len(text), maxMessage)], ""); text != "" {
		status.Message = &text
	}
	t.updates = append(t.updates, &update{status: status})
	s.owed++
	s.flush(t)
}

// flush sends the next update of a task, if none is under way.
func (s *state) flush(t *task) {
	if s.phase != online {
		return
	}
	for _, u := range t.updates {
		if u.taken {
			continue
		}
		if !u.sent {
			u.sent = true
			s.eff.updates = append(s.eff.updates, u.status)
		}
		return
	}
}

// taken notes that the agent has an update.
func (s *state) taken(t *task, u *update) {
	if u.taken {
		return
	}
	u.sent, u.taken = true, true
	if u.status.GetState() == mesos.TASK_RUNNING {
		s.onAnnounced(t)
	}
}

func (s *state) onDelivered(ev delivered) {
	if t, i := s.find(ev.id, ev.uuid); i >= 0 {
		s.taken(t, t.updates[i])
		s.flush(t)
	}
}

// onAcknowledged forgets the update: the agent answers for it now. It forgets
// the task, too, when there is nothing more to say of it.
func (s *state) onAcknowledged(ev acknowledged) {
	t, i := s.find(ev.id, ev.uuid)
	if i < 0 {
		return
	}
	s.taken(t, t.updates[i])
	t.heard = true
	t.updates = slices.Delete(t.updates, i, i+1)
	s.owed--
	if t.phase == over && len(t.updates) == 0 {
		delete(s.tasks, t.id)
		if len(s.tasks) == 0 {
			s.idleAt = s.now
		}
		return
	}
	s.flush(t)
}

// find is the task of an update, and the place of the update; -1: not there.
func (s *state) find(id string, uuid []byte) (*task, int) {
	t := s.tasks[id]
	if t == nil {
		return nil, -1
	}
	return t, slices.IndexFunc(t.updates, func(u *update) bool { return bytes.Equal(u.status.UUID, uuid) })
}
