package scheduler

import (
	"maps"
	"slices"
	"time"

	"cmdq/queue"
	"cmdq/task"
)

// memory is a journal: what a restart knows is what was recorded, nothing else.
type memory struct {
	tasks     map[task.ID]kept
	order     []task.ID
	framework Framework
	owed      map[string]bool // frameworks that were dropped and not torn down
	unwanted  map[string]string
	allEnded  bool
	file      string
	policy    task.Policy
	notices   []*Notice // that came to be owed
}

type kept struct {
	task task.Task
	wake time.Time
}

func newMemory(framework string) *memory {
	return &memory{tasks: map[task.ID]kept{}, framework: Framework{ID: framework},
		owed: map[string]bool{}, unwanted: map[string]string{}}
}

// keep stores a batch as the real journal does: tasks as they are now.
func (m *memory) keep(records []Record, q *queue.Queue) {
	for _, r := range records {
		switch r.Kind {
		case Identified:
			m.framework = *r.Framework
		case Dropped:
			m.framework, m.owed[r.Framework.ID] = Framework{}, true
		case TornDown:
			if m.framework.ID == r.Framework.ID {
				m.framework = Framework{}
			}
			delete(m.owed, r.Framework.ID)
		case Unwanted:
			m.unwanted[r.Launch.ID] = r.Launch.Agent
		case Gone:
			delete(m.unwanted, r.Launch.ID)
		case AllEnded:
			m.allEnded = true
		case Applied:
			m.file = r.File
		case Governed:
			m.policy = *r.Policy
		case Owed:
			m.notices = append(m.notices, r.Notice)
		case Tried: // a restart knows no less without it
		default:
			m.keepTask(r.Task, q)
		}
	}
}

func (m *memory) keepTask(t *task.Task, q *queue.Queue) {
	if current := q.Get(t.ID); current != nil {
		t = current // replaced later in the batch: that one counts
	}
	if _, known := m.tasks[t.ID]; !known {
		m.order = append(m.order, t.ID)
	}
	wake, _ := q.WakeAt(t.ID)
	m.tasks[t.ID] = kept{clone(t), wake}
}

func clone(t *task.Task) task.Task {
	c := *t
	c.History = slices.Clone(t.History)
	if t.End != nil {
		end := *t.End
		c.End = &end
	}
	for i := range c.History {
		c.History[i].Updates = slices.Clone(c.History[i].Updates)
	}
	return c
}

// saved is what a restart gets.
func (m *memory) saved() Saved {
	s := Saved{Framework: m.framework, File: m.file, Policy: m.policy}
	for _, id := range slices.Sorted(maps.Keys(m.unwanted)) {
		s.Unwanted = append(s.Unwanted, Launch{id, m.unwanted[id]})
	}
	s.Each = func(take func(task.Task, time.Time) error) error {
		for _, id := range m.order {
			k := m.tasks[id]
			if err := take(clone(&k.task), k.wake); err != nil {
				return err
			}
		}
		return nil
	}
	return s
}

// cancelOf asks for tasks to end; nobody waits for the answer.
func cancelOf(ids ...task.ID) Asked {
	return Asked{Change: CancelTasks{Selection{IDs: ids}}, Answer: func(Outcome) {}}
}
