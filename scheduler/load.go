package scheduler

import (
	"time"

	"github.com/sirupsen/logrus"

	"cmdq/task"
)

// removedReason is how a task ends that was taken out of the tasks file.
const removedReason = "REMOVED"

// onLoad brings the queue in line with the tasks file: at the start, when all
// is new, and whenever the file has changed.
func (s *state) onLoad(ev Load) {
	tasks := ev.Tasks
	if id, ok := s.givenAmong(tasks); ok {
		s.loaded = true
		s.note(logrus.ErrorLevel, nil, "the tasks file is not used, the queue goes on as it was: task %s is there already, it was submitted", id)
		return
	}
	if circle := s.circleWith(tasks); circle != nil {
		s.loaded = true
		s.note(logrus.ErrorLevel, nil, "the tasks file is not used, the queue goes on as it was: %v", circle)
		return
	}
	s.withheld = false
	s.govern(ev.Policy)
	first := !s.loaded
	s.loaded = true
	wasWaiting := s.queue.Ready() > 0
	var added, changed, removed int
	inFile := make(map[task.ID]bool, len(tasks))
	for i := range tasks {
		n := &tasks[i]
		inFile[n.ID] = true
		switch t := s.queue.Get(n.ID); {
		case t == nil:
			s.enqueue(*n)
			added++
		case s.apply(t, n):
			changed++
		}
	}
	var gone []*task.Task
	for t := range s.queue.All() {
		if !inFile[t.ID] && !t.Given && !t.State.Terminal() {
			gone = append(gone, t)
		}
	}
	sortBySeq(gone)
	for _, t := range gone {
		if s.drop(t) {
			removed++
		}
	}
	s.redepend()
	s.stopAgain()
	applied := ev.File
	if len(s.edited) > 0 || s.withheld {
		applied = "" // a part of it has to wait, and a restart reads it again
	}
	if applied != s.applied {
		s.applied = applied
		s.eff.Records = append(s.eff.Records, Record{Kind: Applied, At: s.now, File: applied})
	}
	if !wasWaiting {
		s.offered = s.now // the wait for offers begins now
	}
	switch {
	case first && !s.restored:
		s.info("%s queued", countTasks(added))
	case !first || added+changed+removed > 0:
		s.info("tasks file read again: %d new, %d changed, %d removed", added, changed, removed)
	}
}

// givenAmong finds a task that was submitted and is in the tasks file too, which is
// an error of the file.
func (s *state) givenAmong(tasks []task.Task) (task.ID, bool) {
	for i := range tasks {
		if t := s.queue.Get(tasks[i].ID); t != nil && t.Given {
			return t.ID, true
		}
	}
	return "", false
}

// Given finds a task of a file that was submitted before. Only for use when Run is
// not running.
func (s *Scheduler) Given(tasks []task.Task) (task.ID, bool) { return s.state.givenAmong(tasks) }

// Circle finds a task that was submitted and would wait for itself with this file.
// Only for use when Run is not running.
func (s *Scheduler) Circle(tasks []task.Task) *WaitsForItself { return s.state.circleWith(tasks) }

func (s *state) enqueue(t task.Task) {
	added, err := s.queue.Add(t)
	if err != nil {
		panic("scheduler: " + err.Error()) // the reader lets no id stand twice
	}
	s.openIn(added)
	if added.Held {
		s.queue.Park(added.ID)
	}
	s.meetRole(added)
	s.record(Queued, added)
}

// apply brings one task in line with what the file says of it now; true if that
// changed anything.
func (s *state) apply(t, n *task.Task) bool {
	same := t.Equal(n)
	switch {
	case busy(t):
		return s.edit(t, n, same)
	case t.State == task.Idle:
		if same && t.Seq == n.Seq {
			return false
		}
		s.replace(t, n, same)
		return !same
	}
	runsSame := t.RunsSame(n)
	requeue := !runsSame || !same && t.State == task.Failed ||
		t.State == task.Killed && t.End != nil && t.End.Reason == removedReason
	if a := t.Current(); requeue && runsSame && n.Spec.Retries == 0 && t.State == task.Failed && a != nil && a.Adrift {
		s.taskNote(logrus.WarnLevel, t, a, "changed in the tasks file, but it may still be running, and what it runs is the same: left failed")
		s.withheld = true
		return false
	}
	if requeue {
		s.replace(t, n, false)
	}
	return requeue
}

// busy: what runs, or what it left, is not to be disturbed by an edit.
func busy(t *task.Task) bool { return t.State.Active() || t.State == task.Fetching }

// edit keeps for later what the file says of a task with an active launch.
func (s *state) edit(t, n *task.Task, same bool) bool {
	before, had := s.edited[t.ID]
	delete(s.edited, t.ID)
	if same && t.Seq == n.Seq {
		return false
	}
	edited := *n
	s.edited[t.ID] = &edited
	if same || had && before != nil && before.Equal(n) {
		return false // only its place changed, or it was said before
	}
	s.taskNote(logrus.WarnLevel, t, t.Current(), "changed in the tasks file; what runs is left alone")
	return true
}

// replace puts n in the place of t, which is idle or has ended. The numbers of
// launches go on, or a launch id would be used twice. If the task is the same
// but for its place in the file, all that happened to it counts on.
func (s *state) replace(t, n *task.Task, same bool) {
	fresh := *n
	wake, delayed := s.queue.WakeAt(t.ID)
	old := s.queue.Remove(t.ID)
	if old.State == task.Failed {
		s.notFailedIn(old)
	}
	if !old.State.Terminal() {
		s.closedIn(old)
	}
	if same {
		fresh = *old
		fresh.Seq = n.Seq
	} else {
		fresh.Launches, fresh.Base, fresh.Held = old.Launches, old.Launches, old.Held
	}
	if s.before > 0 && old.State.Terminal() && !old.End.At.After(s.link.started) {
		s.before-- // it is to be done now
	}
	a := old.Current()
	adrift := a != nil && a.Adrift
	if adrift && !same && old.Spec.RunsSame(n.Spec) {
		fresh.History = []task.Attempt{*a} // it is the same command that may live
	}
	if old.End != nil && fresh.End == nil {
		s.tails -= len(old.End.Stderr)
	}
	s.enqueue(fresh)
	if adrift && old.State.Terminal() {
		wake = a.Ended.Add(old.Spec.KillGrace + adriftGrace + 2*stopWait) // the TEARDOWN may have been slow
		delayed = wake.After(s.now)
	}
	if again := old.Base > 0 && old.Launches == old.Base; delayed && (same || adrift || again) { // again: it waits for a version before it
		s.queue.Delay(fresh.ID, wake)
	}
}

// drop is what happens to a task that left the file; false if it was so before.
func (s *state) drop(t *task.Task) bool {
	if !busy(t) {
		s.end(t, nil, task.Killed, removedReason, "removed from the file")
		return true
	}
	if e, ok := s.edited[t.ID]; ok && e == nil {
		return false
	}
	s.edited[t.ID] = nil
	s.taskNote(logrus.WarnLevel, t, t.Current(), "left the tasks file; what runs is left alone")
	return true
}

// follow lets a task whose launch is over follow an edit of the file that had
// to wait for that.
func (s *state) follow(t *task.Task) {
	n, ok := s.edited[t.ID]
	if !ok {
		return
	}
	delete(s.edited, t.ID)
	switch {
	case s.leaving != nil: // the next start reads the file, and until then it is known which launch may live
	case n != nil:
		n.Submitted = laterOf(n.Submitted, s.now)
		s.apply(t, n)
		s.deps.stale = true
	case t.State == task.Idle:
		s.drop(t)
	}
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
