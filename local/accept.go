package local

import (
	"cmp"
	"fmt"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/sirupsen/logrus"
)

// accept uses offers of one agent and role for the operations of a call, in
// order, each judged by what the ones before it left. What is left at the end
// goes back with the call's filters (Mesos: Master::accept, Master::_accept).
func (m *master) accept(f *framework, c *scheduler.Call_Accept) {
	offers, text := m.offersOf(f, c.OfferIDs)
	for _, o := range offers {
		m.takeBack(o)
	}
	if text != "" {
		m.rejectOperations(f, c.Operations, text)
		return
	}
	var left Resources
	for _, o := range offers {
		left = left.plus(o.resources)
	}
	a, role := offers[0].agent, offers[0].role
	for i := range c.Operations {
		left = m.perform(f, a, role, left, &c.Operations[i])
	}
	m.refuse(f, a, role, left, c.Filters)
}

// offersOf finds the offers of an ACCEPT. When something is wrong with one of
// them the text says what, and the offers are those of the framework, which
// are used up all the same. One thing is checked of all of them before the next
// is (Mesos: offer::validate).
func (m *master) offersOf(f *framework, ids []mesos.OfferID) (list []*offer, text string) {
	if len(ids) == 0 {
		return nil, "No offers specified"
	}
	var twice, gone, strange, role, agent string
	first := func(text *string, format string, args ...any) {
		if *text == "" {
			*text = fmt.Sprintf(format, args...)
		}
	}
	seen := map[string]bool{}
	for _, id := range ids {
		o := m.offers[id.Value]
		switch {
		case seen[id.Value]:
			first(&twice, "Duplicate offer %s in offer list", id.Value)
			continue
		case o == nil:
			first(&gone, "Offer %s is no longer valid", id.Value)
		case o.framework != f:
			first(&strange, "Offer %s has invalid framework %s while framework %s is expected", o.id, o.framework.id, f.id)
		default:
			list = append(list, o)
			if o.role != list[0].role {
				first(&role, "Aggregated offers must be allocated to the same role. Offer %s uses role '%s but another is using role '%s", o.id, o.role, list[0].role)
			}
			if o.agent != list[0].agent {
				first(&agent, "Aggregated offers must belong to one single agent. Offer %s uses agent %s and agent %s", o.id, o.agent.id, list[0].agent.id)
			}
		}
		seen[id.Value] = true
	}
	return list, cmp.Or(twice, gone, strange, role, agent)
}

// rejectOperations answers for operations whose offers are no good.
func (m *master) rejectOperations(f *framework, ops []mesos.Offer_Operation, text string) {
	text = "Task launched with invalid offers: " + text
	for i := range ops {
		for _, t := range tasksOf(&ops[i]) {
			m.reject(f, &t, f.caps.dropped(), mesos.REASON_INVALID_OFFERS, text)
		}
		m.failOperation(f, &ops[i], text)
	}
}

// tasksOf lists the tasks an operation launches.
func tasksOf(op *mesos.Offer_Operation) []mesos.TaskInfo {
	switch op.Type {
	case mesos.Offer_Operation_LAUNCH:
		return op.Launch.GetTaskInfos()
	case mesos.Offer_Operation_LAUNCH_GROUP:
		if op.LaunchGroup != nil {
			return op.LaunchGroup.TaskGroup.Tasks
		}
	}
	return nil
}

// reject tells that a task was not launched.
func (m *master) reject(f *framework, t *mesos.TaskInfo, state mesos.TaskState, reason mesos.TaskStatus_Reason, text string) {
	m.counts.ended(state)
	m.report(f, mesos.TaskStatus{
		TaskID: t.TaskID, AgentID: &t.AgentID, State: state.Enum(), Reason: reason.Enum(), Message: &text,
	})
	m.log.WithFields(logrus.Fields{"framework": f.id, "task": t.TaskID.Value, "why": text}).Debug(state.String())
}

// failOperation tells that an operation on resources was not done, if the
// framework wants to know.
func (m *master) failOperation(f *framework, op *mesos.Offer_Operation, text string) {
	if op.ID == nil || len(tasksOf(op)) > 0 {
		return
	}
	m.send(f, &scheduler.Event{Type: scheduler.Event_UPDATE_OPERATION_STATUS, UpdateOperationStatus: &scheduler.Event_UpdateOperationStatus{
		Status: mesos.OperationStatus{OperationID: op.ID, State: mesos.OPERATION_ERROR, Message: &text},
	}})
}

// perform does one operation and returns what it left.
func (m *master) perform(f *framework, a *agentRecord, role string, left Resources, op *mesos.Offer_Operation) Resources {
	switch {
	case op.Type == mesos.Offer_Operation_LAUNCH && op.ID == nil:
		for i := range op.Launch.GetTaskInfos() {
			left = m.launchTask(f, a, role, left, &op.Launch.TaskInfos[i])
		}
	case op.Type == mesos.Offer_Operation_LAUNCH:
		for _, t := range tasksOf(op) {
			m.reject(f, &t, mesos.TASK_ERROR, mesos.REASON_TASK_INVALID, "'id' must not be set for a LAUNCH operation")
		}
	case op.Type == mesos.Offer_Operation_LAUNCH_GROUP && op.ID == nil:
		left = m.launchGroup(f, a, role, left, op.LaunchGroup)
	case op.Type == mesos.Offer_Operation_LAUNCH_GROUP:
		m.rejectGroup(f, tasksOf(op), "The `id` field cannot be set on LAUNCH_GROUP operations")
	default:
		m.failOperation(f, op, "not supported yet: "+op.Type.String())
	}
	return left
}

func nanoseconds(d *mesos.DurationInfo) time.Duration { return time.Duration(d.Nanoseconds) }
