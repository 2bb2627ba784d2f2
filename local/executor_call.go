package local

import (
	"bytes"

	"github.com/google/uuid"
	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
)

// How many updates of a task an executor may have waiting for acknowledgements,
// and how many of those that were told are remembered. Mesos has no bounds.
const (
	maxPending = 1000
	keptTold   = 100
)

// subscribeExecutor answers an executor's SUBSCRIBE. There is always a stream;
// an executor that may not run finds SHUTDOWN in it and then its end (Mesos:
// Slave::subscribe).
func (a *agent) subscribeExecutor(e *agentExecutor, call *executor.Call_Subscribe, cdc *codec) *stream {
	s := newStream(uuid.NewString(), cdc)
	if e.framework.leaving || e.state >= executorTerminating {
		s.push(shutdownFrames[cdc])
		s.end()
		return s
	}
	if e.stream != nil {
		e.stream.end()
	}
	e.stream, e.state = s, executorRunning
	e.register.Stop()
	for i := range call.UnacknowledgedUpdates {
		a.onExecutorUpdate(e, &call.UnacknowledgedUpdates[i].Status)
	}
	a.dropUnknownTo(e, call.UnacknowledgedTasks)
	if !e.sent && len(e.queue) == 0 {
		a.shutDown(e)
		return s
	}
	e.send(a.subscribedEvent(e))
	a.deliver(e)
	return s
}

// shutdownFrames are SHUTDOWN in both codecs; executorBeats HEARTBEAT.
var (
	shutdownFrames = executorFrames(executor.Event_SHUTDOWN)
	executorBeats  = executorFrames(executor.Event_HEARTBEAT)
)

func executorFrames(kind executor.Event_Type) map[*codec][]byte {
	frames := map[*codec][]byte{}
	for _, c := range []*codec{codecJSON, codecProtobuf} {
		frame, err := c.frame(&executor.Event{Type: kind})
		if err != nil {
			panic("local: encode " + kind.String() + ": " + err.Error())
		}
		frames[c] = frame
	}
	return frames
}

// dropUnknownTo ends the tasks that an executor was given and has never heard
// of: they got lost on its broken stream.
func (a *agent) dropUnknownTo(e *agentExecutor, known []mesos.TaskInfo) {
	knows := map[string]bool{}
	for i := range known {
		knows[known[i].TaskID.Value] = true
	}
	reason := mesos.REASON_AGENT_RESTARTED
	for _, c := range e.sortedTasks() {
		if !c.queued && !c.ended && c.latest == mesos.TASK_STAGING && !knows[c.id()] {
			a.finish(c, c.status(e.framework.brief.capabilities.dropped(), mesos.SOURCE_AGENT, &reason, "Task launched during agent restart"))
		}
	}
}

func (a *agent) subscribedEvent(e *agentExecutor) *executor.Event {
	subscribed := &executor.Event_Subscribed{
		ExecutorInfo: *e.info, AgentInfo: a.info(), ContainerID: &mesos.ContainerID{Value: e.container},
	}
	if info := e.framework.brief.info; info != nil {
		subscribed.FrameworkInfo = *info
	}
	return &executor.Event{Type: executor.Event_SUBSCRIBED, Subscribed: subscribed}
}

// info is how the agent presents itself.
func (a *agent) info() mesos.AgentInfo {
	port := int32(a.addr.Port())
	return mesos.AgentInfo{
		ID: &mesos.AgentID{Value: a.id}, Hostname: a.addr.Addr().String(), Port: &port, Resources: a.resources.wire(wireForm{}),
	}
}

// onExecutorUpdate takes an update of an executor. It is acknowledged to the
// executor once it is queued; that says "the agent has it", no more (Mesos:
// Slave::statusUpdate).
func (a *agent) onExecutorUpdate(e *agentExecutor, s *mesos.TaskStatus) {
	f := e.framework
	if f.leaving || s.AgentID != nil && s.AgentID.Value != a.id {
		return
	}
	c := f.commands[s.TaskID.Value]
	switch {
	case c == nil && e.ended(s.TaskID.Value): // late, or once more
	case c == nil:
		a.forwardStray(e, s)
		return
	case c.executor == nil || c.executor.builtin():
		return // we run it, and know better
	case len(c.pending) >= maxPending && !terminal(s.GetState()):
		return // the executor keeps what is not acknowledged
	case c.knows(s.UUID):
	case c.ended, c.queued && !terminal(s.GetState()):
		// Mesos acknowledges it and says nothing to the framework.
	default:
		e.complete(s)
		s.ContainerStatus = containerStatus(s.ContainerStatus, c.executor.shown)
		if c.queued {
			c.executor.unqueue(c)
		}
		a.update(c, s)
	}
	e.send(&executor.Event{Type: executor.Event_ACKNOWLEDGED, Acknowledged: &executor.Event_Acknowledged{TaskID: s.TaskID, UUID: s.UUID}})
}

// forwardStray passes on an update of a task nobody here knows, once.
func (a *agent) forwardStray(e *agentExecutor, s *mesos.TaskStatus) {
	e.complete(s)
	a.line.up(statusUpdate{framework: e.framework.brief.id, status: s, latest: s.GetState()})
}

// complete adds to an update what an executor leaves out; its own id stays out
// if it named none (Mesos: src/common/protobuf_utils.cpp, createStatusUpdate).
func (e *agentExecutor) complete(s *mesos.TaskStatus) {
	s.AgentID = &mesos.AgentID{Value: e.agent.id}
	s.Source = mesos.SOURCE_EXECUTOR.Enum()
	if s.Timestamp == nil {
		at := seconds(e.agent.now)
		s.Timestamp = &at
	}
}

// containerStatus is what an executor says of its container, and what the
// agent knows where it says nothing.
func containerStatus(said, known *mesos.ContainerStatus) *mesos.ContainerStatus {
	if said == nil {
		return known
	}
	both := *said
	if both.ContainerID == nil {
		both.ContainerID = known.ContainerID
	}
	if len(both.NetworkInfos) == 0 {
		both.NetworkInfos = known.NetworkInfos
	}
	if both.ExecutorPID == nil {
		both.ExecutorPID = known.ExecutorPID
	}
	return &both
}

// knows tells whether an update has come before.
func (c *command) knows(uuid []byte) bool {
	for _, s := range c.told {
		if bytes.Equal(s.UUID, uuid) {
			return true
		}
	}
	return false
}

// ended tells whether a task of the executor ended, and that was acknowledged.
func (e *agentExecutor) ended(task string) bool {
	for _, c := range e.done {
		if c.id() == task {
			return true
		}
	}
	return false
}

// onMessageExecutor passes a scheduler's data to an executor that is there.
func (a *agent) onMessageExecutor(msg messageExecutor) {
	f := a.frameworks[msg.framework]
	if f == nil || f.leaving {
		return
	}
	if e := f.executors[msg.executor]; e != nil && e.state == executorRunning {
		e.send(&executor.Event{Type: executor.Event_MESSAGE, Message: &executor.Event_Message{Data: present(msg.data)}})
	}
}

// onExecutorMessage passes an executor's data to its scheduler.
func (a *agent) onExecutorMessage(e *agentExecutor, data []byte) {
	if !e.framework.leaving {
		a.line.up(executorMessage{agent: a.id, framework: e.framework.brief.id, executor: e.id(), data: present(data)})
	}
}

// present makes empty bytes of none: a required field must be there.
func present(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}
