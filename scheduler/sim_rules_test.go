package scheduler

import (
	"errors"
	"maps"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"cmdq/task"
)

// simStop is how a task stood when it was asked to end.
type simStop struct{ base, launches int }

// simSeen is what the rules note of a launch.
type simSeen struct {
	base, retries int
	up            bool // its RUNNING was acknowledged
	counted       bool // its FINISHED was acknowledged, and the journal had its task finished
	lost          bool // it ended, and not by itself: the same command may start again
	interrupted   bool // we asked for its end, only to go away
	unwanted      bool // it was given up, and may run beside the next one until it is killed
}

// onArrival is asked when a launch arrives at the master: its intent has to be
// in the journal, and nothing may run twice.
func (m *sim) onArrival(l *simLaunch) error {
	kept, known := m.journal.tasks[l.task]
	if !known {
		return errBroken("%s launched, and the journal does not know the task", l.id)
	}
	t := &kept.task
	a := t.Attempt(l.number)
	// A run that ended in the batch of a launch has dropped its framework, and
	// owes the TEARDOWN that ends the launch.
	known = m.journal.framework.ID == l.framework || m.journal.owed[l.framework]
	if a == nil || a.Framework != l.framework || a.Agent != l.agent.id || !known {
		return errBroken("%s launched on %s under %s before that was stored", l.id, l.agent.id, l.framework)
	}
	if l.executor == nil && a.Executor != "" || l.executor != nil && a.Executor != l.executor.id {
		return errBroken("%s launched, and not with executor %q, as was stored", l.id, a.Executor)
	}
	if stop, stopped := m.stopped[t.ID]; stopped && stop.base == t.Base && l.number > stop.launches {
		return errBroken("%s launched, and its task was cancelled", l.id)
	}
	l.seen = simSeen{base: t.Base, retries: t.Spec.Retries}
	for _, o := range m.c.order {
		if o.task != l.task {
			continue
		}
		if err := m.besides(l, o, t); err != nil {
			return err
		}
	}
	return nil
}

// besides judges a launch beside an earlier one of the same task.
func (m *sim) besides(l, o *simLaunch, t *task.Task) error {
	_, unwanted := m.journal.unwanted[o.id]
	alive := o.atAgent && !o.dead
	before := t.Attempt(o.number)
	adrift := before != nil && before.Adrift && o.orphan
	switch {
	case o.seen.counted && !o.left.missing && o.seen.base == l.seen.base:
		return errBroken("%s launched, and %s had finished", l.id, o.id)
	case alive && o.orphan && !o.outOfReach && !o.seen.unwanted && !m.replaced(l, o):
		return errBroken("%s launched while %s is still being shut down", l.id, o.id)
	case alive && !o.orphan && !unwanted:
		return errBroken("%s launched while %s may run, which nobody kills", l.id, o.id)
	case o.seen.base != l.seen.base || l.seen.retries != 0 || adrift || o.seen.lost || o.seen.interrupted && o.outcome == mesos.TASK_KILLED:
		return nil
	case alive || o.ran:
		return errBroken("%s launched after %s ran, in spite of retries: 0", l.id, o.id)
	}
	return nil
}

// replaced: the earlier launch was of a task that had ended without its end being
// seen, and a change of the file made another one of it.
func (m *sim) replaced(l, o *simLaunch) bool {
	return o.seen.base != l.seen.base && (m.cancelled[l.task] || o.seen.retries == 0 && o.agent.troubled)
}

// onAcknowledge is asked before an update is acknowledged: what it says has to
// be in the journal.
func (m *sim) onAcknowledge(ack *sched.Call_Acknowledge) error {
	l := m.c.launches[ack.TaskID.Value]
	if l == nil {
		return errBroken("%s acknowledged, which never was", ack.TaskID.Value)
	}
	kept, known := m.journal.tasks[l.task]
	t := &kept.task
	if !known || l.number > t.Launches {
		return errBroken("%s acknowledged, and the journal does not know it", l.id)
	}
	if l.number <= t.Base {
		return nil // of an earlier version
	}
	if a := t.Attempt(l.number); a != nil && !contains(a.Updates, ack.UUID) {
		return errBroken("an update of %s acknowledged before it was stored", l.id)
	}
	if len(l.queue) == 0 || string(l.queue[0].UUID) != string(ack.UUID) {
		return nil
	}
	l.seen.up = l.seen.up || l.queue[0].GetState() == mesos.TASK_RUNNING
	if !l.dead || len(l.queue) > 1 {
		return nil
	}
	if t.State.Active() && t.Current().Number == l.number {
		return errBroken("the end of %s acknowledged, and in the journal it is %s", l.id, t.State)
	}
	if l.outcome == mesos.TASK_FINISHED {
		fetching := t.State == task.Fetching && t.End.Launch == l.number
		if !t.State.Terminal() && t.State != task.Fetching && !l.left.missing {
			return errBroken("%s finished and is acknowledged, and in the journal its task is %s", l.id, t.State)
		}
		l.seen.counted = t.State == task.Finished || fetching
	}
	return nil
}

func contains(ids [][16]byte, uuid []byte) bool {
	if len(ids) == 8 {
		return true // older ones are forgotten
	}
	for _, id := range ids {
		if string(id[:]) == string(uuid) {
			return true
		}
	}
	return false
}

// onRecord: what a restart would know is what is known now.
func (m *sim) onRecord(records []Record) error {
	for _, r := range records {
		if r.Kind == Unwanted && m.c.launches[r.Launch.ID] != nil {
			m.c.launches[r.Launch.ID].seen.unwanted = true
		}
	}
	for t := range m.s.queue.All() {
		wake, _ := m.s.queue.WakeAt(t.ID)
		kept, known := m.journal.tasks[t.ID]
		if !known {
			return errBroken("task %s is not in the journal", t.ID)
		}
		if wake.IsZero() && !kept.wake.After(m.c.now) {
			kept.wake = time.Time{} // it has come
		}
		if t.Stop.Kills() {
			if known, ok := m.stopped[t.ID]; !ok || known.base != t.Base {
				m.stopped[t.ID] = simStop{t.Base, t.Launches}
			}
		}
		if what := difference(t, &kept.task); what != "" || !wake.Equal(kept.wake) {
			return errBroken("task %s differs from the journal: %s, wakes %v and %v\n%+v\n%+v", t.ID, what, wake, kept.wake, *t, kept.task)
		}
	}
	f, k := m.s.framework, m.journal.framework
	if f.ID != k.ID || f.Subscribed != k.Subscribed || f.Seen.Sub(k.Seen) > seenEvery {
		return errBroken("framework %v, and %v in the journal", f, k)
	}
	if !maps.Equal(m.s.unwanted, m.journal.unwanted) {
		return errBroken("unwanted %v, and %v in the journal", m.s.unwanted, m.journal.unwanted)
	}
	return nil
}

// difference names something that two versions of a task do not agree on. What
// can be asked again, or is only looked at, may differ.
func difference(a, b *task.Task) string {
	switch {
	case a.State != b.State:
		return "state"
	case a.Spec != b.Spec || a.Index != b.Index || a.Seq != b.Seq:
		return "what it is"
	case a.Stop != b.Stop:
		return "stop"
	case a.Held != b.Held || a.Given != b.Given || a.Alone != b.Alone:
		return "held, given or alone"
	case a.Launches != b.Launches || a.Attempts != b.Attempts || a.Base != b.Base:
		return "launches"
	case a.Charged != b.Charged || a.Infra != b.Infra || a.NeverStarted != b.NeverStarted:
		return "failures"
	case (a.End == nil) != (b.End == nil) || a.End != nil && *a.End != *b.End:
		return "end"
	case len(a.History) != len(b.History):
		return "history"
	}
	for i := range a.History {
		x, y := &a.History[i], &b.History[i]
		switch {
		case x.Number != y.Number || x.Agent != y.Agent || x.Framework != y.Framework || x.Executor != y.Executor:
			return "where it was launched"
		case len(x.Updates) != len(y.Updates):
			return "updates"
		case x.Adrift != y.Adrift:
			return "adrift"
		}
	}
	if !a.State.Active() {
		return ""
	}
	x, y := a.Current(), b.Current()
	switch {
	case x.Seen != y.Seen || !x.Started.Equal(y.Started):
		return "seen"
	case !x.MayStillRun.Equal(y.MayStillRun):
		return "may still run"
	case !x.Settle.Equal(y.Settle) || !x.Settle.IsZero() && x.State != y.State:
		return "settle"
	}
	return ""
}

// onCalm is asked when nothing goes wrong and nothing is under way: the master
// knows what we want.
func (m *sim) onCalm() error {
	if m.s.link.phase != up || len(m.c.events)+len(m.answers) > 0 || m.s.leaving != nil {
		return nil
	}
	if waiting := m.s.queue.Ready(); m.c.suppressed != (waiting == 0) {
		return errBroken("%d tasks wait, and the master was told SUPPRESS: %v", waiting, m.c.suppressed)
	}
	unkilled := func(launch string) bool {
		l := m.c.launches[launch]
		return l != nil && l.held && l.framework == m.c.framework && l.agent.reachable() && l.ran && !l.dead && !l.dying
	}
	for launch := range m.s.unwanted {
		if unkilled(launch) && m.s.reconcile.waiting[launch] == "" {
			return errBroken("%s is unwanted, and nobody kills it", launch)
		}
	}
	for t := range m.s.queue.Active() {
		if launch := task.LaunchID(t.ID, t.Current().Number); t.Stop.Kills() && unkilled(launch) && m.s.reconcile.waiting[launch] == "" {
			return errBroken("%s was cancelled, and nobody kills it", launch)
		}
	}
	return m.onIdle()
}

// judge looks at how every task ended.
func (m *sim) judge() error {
	for i := range m.read {
		if _, known := m.journal.tasks[m.read[i].ID]; !known {
			return errBroken("task %s was lost", m.read[i].ID)
		}
	}
	for id, kept := range m.journal.tasks {
		if err := m.judgeTask(&kept.task); err != nil {
			return errors.Join(err, errBroken("task %s: %+v", id, kept.task))
		}
	}
	return nil
}

func (m *sim) judgeTask(t *task.Task) error {
	var finished, failed, erred, counted, up int
	orphan := false
	for _, l := range m.c.order {
		if l.task != t.ID || l.number <= t.Base {
			continue
		}
		orphan = orphan || l.orphan
		if l.seen.counted && !l.left.missing {
			counted++
		}
		if l.seen.up {
			up++
		}
		switch l.outcome {
		case mesos.TASK_FINISHED:
			finished++
			if l.left.missing {
				failed++
			}
		case mesos.TASK_FAILED, mesos.TASK_KILLED:
			failed++
		case mesos.TASK_ERROR:
			erred++
		}
	}
	switch {
	case !t.State.Terminal():
		return errBroken("it is %s", t.State)
	case t.Attempts < up:
		return errBroken("%d attempts, and %d launches were up", t.Attempts, up)
	case t.Charged > failed:
		return errBroken("charged %d times, failed %d times", t.Charged, failed)
	case counted > 0 && t.State != task.Finished && t.End.Reason != outputNotFetched && !m.cancelled[t.ID]:
		return errBroken("it is %s, and it had finished", t.State)
	case t.State == task.Finished && finished == 0:
		return errBroken("it is finished, and no launch of it has")
	case t.State == task.Killed && !m.cancelled[t.ID] && !m.removed[t.ID] && !byRule(t):
		return errBroken("it is killed, and nobody asked for that")
	}
	if err := m.judgeLeft(t); err != nil || t.State != task.Failed {
		return err
	}
	switch {
	case t.End.Reason == outputNotFetched:
	case strings.HasPrefix(t.End.Message, "may still be running"):
		if t.Spec.Retries != 0 || !m.troubled() && !orphan && m.c.removals == 0 {
			return errBroken("given up without reason")
		}
	case t.Spec.Retries >= 0 && t.Charged > t.Spec.Retries:
	case t.Infra > m.cfg.InfraRetries || t.NeverStarted > min(neverStartedMax, m.cfg.InfraRetries):
	case erred > 0:
	default:
		return errBroken("failed without reason")
	}
	return nil
}

func (m *sim) troubled() bool {
	for _, a := range m.c.agents {
		if a.troubled {
			return true
		}
	}
	return false
}
