package local

import (
	"bytes"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/mesos/mesos-go/api/v1/lib"
)

// status makes an update of the agent's or, in its name, the command
// executor's. Every one has a uuid and is sent until it is acknowledged.
func (c *command) status(state mesos.TaskState, source mesos.TaskStatus_Source, reason *mesos.TaskStatus_Reason, text string) *mesos.TaskStatus {
	id := uuid.New()
	at := seconds(time.Now())
	s := &mesos.TaskStatus{
		TaskID: c.task.TaskID, State: &state, Source: &source, Reason: reason, AgentID: &c.task.AgentID,
		ExecutorID: &mesos.ExecutorID{Value: c.executorID}, Timestamp: &at, UUID: id[:],
	}
	if text != "" {
		s.Message = &text
	}
	if source == mesos.SOURCE_EXECUTOR {
		s.ContainerStatus = c.shown
	}
	return s
}

// update queues an update of a task. At most one is under way: the next one
// leaves when it is acknowledged (Mesos: TaskStatusUpdateManager).
func (a *agent) update(c *command, s *mesos.TaskStatus) {
	if c.framework.leaving {
		return
	}
	c.latest = s.GetState()
	c.told = append(c.told, s)
	if terminal(c.latest) {
		c.ended = true
	}
	c.pending = append(c.pending, s)
	if old := len(c.told) - len(c.pending) - keptTold; old > 0 {
		c.told = slices.Delete(c.told, 0, old)
	}
	if len(c.pending) == 1 {
		a.forward(c, a.timing.retry)
	}
}

// forward sends the oldest update, and again after a while, ever longer.
func (a *agent) forward(c *command, backoff time.Duration) {
	a.line.up(statusUpdate{framework: c.framework.brief.id, status: c.pending[0], latest: c.latest})
	c.backoff = backoff
	head := c.pending[0]
	c.resend = time.AfterFunc(backoff, func() {
		a.box.post(func() {
			if len(c.pending) > 0 && c.pending[0] == head {
				a.forward(c, min(2*c.backoff, a.timing.retryMax))
			}
		})
	})
}

// onAck lets the next update go. An acknowledgement of anything but the one
// under way is passed over.
func (a *agent) onAck(msg ackUpdate) {
	c := a.command(msg.framework, msg.task)
	if c == nil || len(c.pending) == 0 || !bytes.Equal(c.pending[0].UUID, msg.uuid) {
		return
	}
	c.resend.Stop()
	last := terminal(c.pending[0].GetState())
	c.pending = c.pending[1:]
	switch {
	case last:
		a.complete(c)
	case len(c.pending) > 0:
		a.forward(c, a.timing.retry)
	}
}

// dropUpdates forgets what was still to be told.
func (c *command) dropUpdates() {
	c.pending = nil
	if c.resend != nil {
		c.resend.Stop()
	}
}
