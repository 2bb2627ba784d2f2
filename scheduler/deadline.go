package scheduler

import (
	"container/heap"
	"time"

	"github.com/sirupsen/logrus"

	"cmdq/task"
)

// deadline is something to look at again about one launch. It is never taken
// out early: when its time comes, the launch is looked at and decides whether it
// still matters.
type deadline struct {
	at     time.Time
	id     task.ID
	launch int
}

// deadlines is a heap with the soonest first: one timer for all tasks.
type deadlines []deadline

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].at.Before(d[j].at) }
func (d deadlines) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *deadlines) Push(x any)        { *d = append(*d, x.(deadline)) }
func (d *deadlines) Pop() any {
	old := *d
	last := old[len(old)-1]
	*d = old[:len(old)-1]
	return last
}

func (d *deadlines) next() time.Time {
	if len(*d) == 0 {
		return time.Time{}
	}
	return (*d)[0].at
}

func (s *state) lookAgain(t *task.Task, a *task.Attempt, at time.Time) {
	heap.Push(&s.due, deadline{at, t.ID, a.Number})
}

func (s *state) tickDeadlines() {
	for len(s.due) > 0 && !s.due[0].at.After(s.now) {
		d := heap.Pop(&s.due).(deadline)
		t := s.queue.Get(d.id)
		if t == nil || !t.State.Active() || t.Current().Number != d.launch {
			continue // that launch is history
		}
		s.onDeadline(t, t.Current())
	}
}

func (s *state) onDeadline(t *task.Task, a *task.Attempt) {
	switch {
	case !a.Settle.IsZero():
		if a.Settle.After(s.now) {
			return // it was put off
		}
		if sure := s.link.since.Add(settleWait); s.link.phase != up || sure.After(s.now) {
			s.lookAgain(t, a, laterOf(sure, s.now.Add(answerWait))) // it cannot come where nobody listens
			return
		}
		s.settle(t, a)
	case !a.MayStillRun.IsZero():
		if a.MayStillRun.Add(s.cfg.UnreachableTimeout).After(s.now) {
			return // it was there in between
		}
		if sure := s.link.since.Add(answerWait); s.link.phase != up || sure.After(s.now) {
			s.lookAgain(t, a, laterOf(sure, s.now.Add(answerWait))) // the master may have another word on it
			return
		}
		s.giveUp(t, a)
	case t.State == task.Starting && !a.Look.After(s.now):
		s.taskNote(logrus.InfoLevel, t, a, "no word of its start for %s: asking the master", s.now.Sub(a.Launched).Round(time.Second))
		s.askAbout(t, a)
		s.watchStart(t, a)
	}
}

// watchStart plans the next look at a launch that should have started by then.
// There is one such look at a time: each asks the master, and an answer that
// planned another one would double them every time.
func (s *state) watchStart(t *task.Task, a *task.Attempt) {
	a.Look = s.now.Add(startOverdue)
	s.lookAgain(t, a, a.Look)
}
