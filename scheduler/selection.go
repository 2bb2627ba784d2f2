package scheduler

import (
	"fmt"

	"cmdq/task"
)

// Selection names tasks: all that fit any of its parts.
type Selection struct {
	IDs    []task.ID
	Labels map[string]string // all of them
	All    bool
	Failed bool   // that ended otherwise than finished
	Group  string // of failures: FailureKey
}

// UnknownFailures is the key of a group of failures that there are none of.
type UnknownFailures struct {
	Key   string
	Named bool // tasks are in a group of that name, which is another thing
}

func (e *UnknownFailures) Error() string {
	text := fmt.Sprintf("no failures have the key %q (see cmdq failures)", e.Key)
	if e.Named {
		text += fmt.Sprintf("; for those of the tasks file's group: cmdq retry $(cmdq ls --ids --failed --group %s)", e.Key)
	}
	return text
}

// selected are the tasks that are meant, in the order of the queue. Ids that are
// not there are an error, and so is a key of no failures.
func (s *state) selected(sel Selection) ([]*task.Task, error) {
	var out []*task.Task
	seen := map[task.ID]bool{}
	for _, id := range sel.IDs {
		t := s.queue.Get(id)
		if t == nil {
			return nil, &UnknownTask{ID: id, Near: s.near(id)}
		}
		if !seen[id] {
			seen[id] = true
			out = append(out, t)
		}
	}
	keyed, named := sel.Group == "", false
	if sel.All || sel.Failed || len(sel.Labels) > 0 || sel.Group != "" {
		for t := range s.queue.All() {
			keyed = keyed || sel.ofKey(t)
			named = named || inGroup(t, sel.Group)
			if !seen[t.ID] && sel.fits(t) {
				out = append(out, t)
			}
		}
	}
	if !keyed {
		return nil, &UnknownFailures{Key: sel.Group, Named: named}
	}
	sortBySeq(out)
	return out, nil
}

func (sel *Selection) fits(t *task.Task) bool {
	return sel.All || sel.Failed && wrong(t) || sel.ofKey(t) || len(sel.Labels) > 0 && hasLabels(t, sel.Labels)
}

// ofKey tells whether a task is among the failures of the key.
func (sel *Selection) ofKey(t *task.Task) bool {
	return sel.Group != "" && wrong(t) && FailureKey(t) == sel.Group
}

// wrong tells whether a task has ended, but not well.
func wrong(t *task.Task) bool { return t.State == task.Failed || t.State == task.Killed }

func hasLabels(t *task.Task, want map[string]string) bool {
	for k, v := range want {
		if got, ok := t.Spec.Labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}
