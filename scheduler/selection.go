package scheduler

import "cmdq/task"

// Selection names tasks: all that fit any of its parts.
type Selection struct {
	IDs    []task.ID
	Labels map[string]string // all of them
	All    bool
	Failed bool   // that ended otherwise than finished
	Group  string // of failures: FailureKey
}

// selected are the tasks that are meant, in the order of the queue. Ids that are
// not there are an error.
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
	if sel.All || sel.Failed || len(sel.Labels) > 0 || sel.Group != "" {
		for t := range s.queue.All() {
			if !seen[t.ID] && sel.fits(t) {
				out = append(out, t)
			}
		}
	}
	sortBySeq(out)
	return out, nil
}

func (sel *Selection) fits(t *task.Task) bool {
	bad := t.State == task.Failed || t.State == task.Killed
	return sel.All || sel.Failed && bad || sel.Group != "" && bad && FailureKey(t) == sel.Group ||
		len(sel.Labels) > 0 && hasLabels(t, sel.Labels)
}

func hasLabels(t *task.Task, want map[string]string) bool {
	for k, v := range want {
		if got, ok := t.Spec.Labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}
