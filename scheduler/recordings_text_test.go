package scheduler

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"cmdq/task"
)

// call notes a call of ours and says it in words.
func (r *replay) call(c *sched.Call) string {
	r.t.Helper()
	if got := c.GetFrameworkID().GetValue(); got != r.s.cfg.FrameworkID {
		r.t.Errorf("%s of framework %q", c.Type, got)
	}
	answer := func(ids []mesos.OfferID, filters *mesos.Filters) string {
		var names []string
		for _, id := range ids {
			r.offers[id.Value]++
			names = append(names, short(id.Value))
		}
		return fmt.Sprintf("%s refuse=%gs", strings.Join(names, ","), filters.GetRefuseSeconds())
	}
	switch c.Type {
	case sched.Call_SUBSCRIBE:
		return fmt.Sprintf("SUBSCRIBE suppressed=%v", c.Subscribe.SuppressedRoles)
	case sched.Call_ACCEPT:
		text := "ACCEPT " + answer(c.Accept.OfferIDs, c.Accept.Filters) + ":"
		for _, op := range c.Accept.Operations {
			for i := range op.Launch.TaskInfos {
				info := &op.Launch.TaskInfos[i]
				r.launched = append(r.launched, *info)
				text += " " + launchText(info)
			}
		}
		return text
	case sched.Call_DECLINE:
		return "DECLINE " + answer(c.Decline.OfferIDs, c.Decline.Filters)
	case sched.Call_ACKNOWLEDGE:
		r.acks = append(r.acks, ackText(c.Acknowledge))
		return "ACKNOWLEDGE " + ackText(c.Acknowledge)
	case sched.Call_KILL:
		return fmt.Sprintf("KILL %s on %s", c.Kill.TaskID.Value, short(c.Kill.AgentID.GetValue()))
	case sched.Call_RECONCILE:
		text := "RECONCILE"
		for _, l := range c.Reconcile.Tasks {
			text += " " + l.TaskID.Value + " on " + short(l.AgentID.GetValue())
		}
		return text
	case sched.Call_SUPPRESS, sched.Call_REVIVE, sched.Call_TEARDOWN:
		return c.Type.String()
	}
	r.t.Errorf("a call of type %s", c.Type)
	return c.Type.String()
}

// short is the last part of an id that a master made: O4, S0.
func short(id string) string { return id[strings.LastIndexByte(id, '-')+1:] }

func ackText(a *sched.Call_Acknowledge) string {
	return fmt.Sprintf("%s on %s %s", a.TaskID.Value, short(a.AgentID.Value), base64.StdEncoding.EncodeToString(a.UUID))
}

func launchText(info *mesos.TaskInfo) string {
	text := info.TaskID.Value + " on " + short(info.AgentID.Value) + " ("
	for _, res := range info.Resources {
		text += fmt.Sprintf("%s=%g ", res.Name, res.Scalar.GetValue())
	}
	command := info.Command.GetValue()
	if info.Executor != nil {
		command = string(info.Data)
	}
	return text + command + ")"
}

func eventText(e *sched.Event) string {
	switch e.Type {
	case sched.Event_OFFERS:
		text := "OFFERS"
		for _, o := range e.Offers.Offers {
			text += fmt.Sprintf(" %s of %s", short(o.ID.Value), short(o.AgentID.Value))
			for _, res := range o.Resources {
				if res.Scalar != nil {
					text += fmt.Sprintf(" %s=%g", res.Name, res.Scalar.Value)
				}
			}
		}
		return text
	case sched.Event_RESCIND:
		return "RESCIND " + short(e.Rescind.OfferID.Value)
	case sched.Event_FAILURE:
		text := "FAILURE of " + short(e.Failure.AgentID.GetValue())
		if e.Failure.ExecutorID != nil {
			text += fmt.Sprintf(", executor %s: %d", e.Failure.ExecutorID.Value, e.Failure.GetStatus())
		}
		return text
	case sched.Event_UPDATE:
		return updateText(&e.Update.Status)
	}
	return e.Type.String()
}

func updateText(st *mesos.TaskStatus) string {
	text := fmt.Sprintf("UPDATE %s %s from %s", st.TaskID.Value, st.GetState(), st.GetSource())
	if st.Reason != nil {
		text += " " + st.Reason.String()
	}
	if st.Message != nil {
		text += fmt.Sprintf(" %q", *st.Message)
	}
	if len(st.UUID) == 0 {
		text += " without uuid"
	}
	return text
}

func sortedTasks(s *state) []task.ID {
	var ids []task.ID
	for t := range s.queue.All() {
		ids = append(ids, t.ID)
	}
	slices.Sort(ids)
	return ids
}

// taskText says how a task is: its state, its budgets, what is known of its
// launch, and how it ended.
func taskText(s *state, id task.ID, zero time.Time) string {
	seconds := func(at time.Time) string { return fmt.Sprintf("%.3f", at.Sub(zero).Seconds()) }
	t := s.queue.Get(id)
	text := fmt.Sprintf("%s launches=%d attempts=%d charged=%d infra=%d", t.State, t.Launches, t.Attempts, t.Charged, t.Infra)
	if at, delayed := s.queue.WakeAt(id); delayed {
		text += " not before " + seconds(at)
	}
	for i := range t.History {
		a := &t.History[i]
		text += fmt.Sprintf("; launch %d on %s", a.Number, short(a.Agent))
		if a.State != "" {
			text += " " + a.State
		}
		if a.Reason != "" {
			text += " by " + a.Reason
		}
		if !a.Started.IsZero() {
			text += ", ran"
		}
		if !a.MayStillRun.IsZero() {
			text += ", may still run since " + seconds(a.MayStillRun)
		}
		if !a.Settle.IsZero() {
			text += ", ended, waits for its exit status until " + seconds(a.Settle)
		}
		if !a.Ended.IsZero() {
			text += fmt.Sprintf(", over at %s, exit %s", seconds(a.Ended), exitText(a.Exit))
		}
	}
	if t.End != nil {
		text += fmt.Sprintf("; end at %s by launch %d, exit %s, reason %q, %q",
			seconds(t.End.At), t.End.Launch, exitText(t.End.Exit), t.End.Reason, t.End.Message)
	}
	return text
}
