package task

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// maxID bounds an id, in bytes, after expansion.
const maxID = 200

const allowedID = "letters, digits, _ . and -, beginning with a letter, a digit or _, and not ending in . and digits"

// checkID says what is wrong with an id, or nothing.
func checkID(id string) string {
	switch {
	case id == "":
		return "found an empty text, allowed are " + allowedID
	case len(id) > maxID:
		return fmt.Sprintf("found %d bytes, allowed are at most %d", len(id), maxID)
	case !isIDText(id) || endsAsLaunch(id):
		return "found " + quote(id, maxID) + ", allowed are " + allowedID
	}
	return ""
}

func isIDText(id string) bool {
	for i := range len(id) {
		c := id[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_':
		case i > 0 && (c == '.' || c == '-'):
		default:
			return false
		}
	}
	return true
}

// endsAsLaunch tells whether id ends in a dot and digits, as a LaunchID does.
func endsAsLaunch(id string) bool {
	dot := strings.LastIndexByte(id, '.')
	return dot >= 0 && dot < len(id)-1 && allDigits(id[dot+1:])
}

// id reads the id of a task; after an error it gives none.
func (r *reader) id(n *yaml.Node) ID {
	s, ok := r.scalar("id", n, allowedID)
	if !ok {
		return ""
	}
	if what := checkID(s); what != "" {
		r.fail(deref(n), "id: %s", what)
		return ""
	}
	return ID(s)
}

// admit notes the id and the number of tasks of a spec that was read from n.
func (r *reader) admit(s *Spec, n *yaml.Node) {
	before := r.tasks
	r.tasks += max(s.Len(), 1)
	if before <= MaxTasks && r.tasks > MaxTasks {
		r.fail(n, "found more than %d tasks up to here, counted ones too, allowed are at most so many", MaxTasks)
	}
	if s.ID == "" {
		return
	}
	if first, ok := r.byID[s.ID]; ok {
		// At the task: an alias or a merge may put the id itself on a line of another task.
		r.failLine(n.Line, fmt.Sprintf("id: found it a second time, first on line %d, allowed is once", first.Line))
		return
	}
	r.byID[s.ID] = s
	if s.Series == nil {
		return
	}
	last := s.Series.First + s.Series.numbers() - 1
	if longest := len(s.ID) + 1 + len(strconv.Itoa(max(last, 0))); longest > maxID {
		r.failLine(n.Line, fmt.Sprintf("id: found %d bytes with the number of the last of its %d tasks, allowed are at most %d",
			longest, s.Len(), maxID))
	}
}

// clashes notes ids that stand in the file and are made by a series, too. Two
// series make the same id only where they have the same id themselves, because
// what stands before the last dash is that id.
func (r *reader) clashes() {
	for _, s := range r.specs {
		if s.Series != nil || s.ID == "" {
			continue
		}
		dash := strings.LastIndexByte(string(s.ID), '-')
		if dash < 0 {
			continue
		}
		digits := string(s.ID[dash+1:])
		other := r.byID[s.ID[:dash]]
		index, ok := integer(digits)
		if other == nil || other.Series == nil || !ok || !allDigits(digits) || index > MaxCount || !other.Series.has(int(index)) {
			continue
		}
		r.task = string(s.ID)
		r.failLine(s.Line, fmt.Sprintf("id: found it here and among the %d tasks of %q on line %d, allowed is once",
			other.Len(), other.ID, other.Line))
		r.task = ""
	}
}

// expand appends the tasks of the spec.
func (s *Spec) expand(tasks []Task, submitted time.Time) []Task {
	if s.Series == nil {
		return append(tasks, Task{ID: s.ID, Spec: s, Index: -1, Submitted: submitted})
	}
	text := append([]byte(s.ID), '-')
	stem := len(text)
	for n := s.Series.First; n < s.Series.First+s.Series.numbers(); n++ {
		if s.Series.has(n) {
			text = strconv.AppendInt(text[:stem], int64(n), 10)
			tasks = append(tasks, Task{ID: ID(text), Spec: s, Index: n, Submitted: submitted})
		}
	}
	return tasks
}
