package scheduler

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/sirupsen/logrus"

	"cmdq/task"
)

// group is how a group of tasks stands. The whole run is the group "".
type group struct {
	running int // active tasks
	open    int // tasks that have not ended
	counted int // failures that count
	failed  int // tasks that are failed now
	stopped bool
}

// groupStopped is how a task ends whose group had too many failures.
const groupStopped = "GROUP_STOPPED"

// groupsOf are the groups that a task is in: the run, and its own.
func groupsOf(t *task.Task) []string {
	if own := t.Spec.Asks().Group; own != "" {
		return []string{"", own}
	}
	return []string{""}
}

// bounds are those of a group: of the run by flags, of others by the tasks file.
func (s *state) bounds(name string) task.Group {
	if name == "" {
		return s.cfg.Run
	}
	return s.policy.Group(name)
}

func (s *state) group(name string) *group {
	g := s.groups[name]
	if g == nil {
		g = &group{}
		s.groups[name] = g
	}
	return g
}

// cappedBy names the group, if any, that lets no more of its tasks run.
func (s *state) cappedBy(t *task.Task) *string {
	for _, name := range groupsOf(t) {
		if b := s.bounds(name); b.MaxRunning > 0 && s.group(name).running >= b.MaxRunning {
			return &name
		}
	}
	return nil
}

// countIn and countOut keep the numbers of active tasks.
func (s *state) countIn(t *task.Task) {
	for _, name := range groupsOf(t) {
		s.group(name).running++
	}
}

func (s *state) countOut(t *task.Task) {
	for _, name := range groupsOf(t) {
		s.group(name).running--
	}
}

// failedForGood tells whether a task will never be tried again by itself. What it left
// may still be fetched: its slot is free then, and nobody may be launched into that
// who would not be later.
func failedForGood(t *task.Task) bool {
	return t.State == task.Failed || t.State == task.Fetching && t.End.State == task.Failed
}

// counts tells whether a task is a failure that counts against a group.
func counts(t *task.Task, name string) bool {
	if name == "" {
		return failedForGood(t) && !t.ForgivenByRun
	}
	return failedForGood(t) && !t.ForgivenByGroup
}

// failedIn counts a task that failed for good, and stops its groups if that was
// one too many.
func (s *state) failedIn(t *task.Task) {
	for _, name := range groupsOf(t) {
		g := s.group(name)
		g.counted++
		s.stopIfTooMany(name, g)
	}
}

// overIn: all is known of a task that failed, and it can be told of.
func (s *state) overIn(t *task.Task) {
	for _, name := range groupsOf(t) {
		if g := s.group(name); g.failed == 0 {
			s.failures = append(s.failures, firstFailure{name, t})
		}
		s.group(name).failed++
	}
}

// notFailedIn: a task that had failed is queued again, or gone.
func (s *state) notFailedIn(t *task.Task) {
	for _, name := range groupsOf(t) {
		g := s.group(name)
		g.failed--
		if !counts(t, name) {
			continue
		}
		if g.counted--; g.counted <= s.bounds(name).MaxFailures {
			g.stopped = false
		}
	}
}

// stoppedOf names the stopped groups that some tasks are in.
func (s *state) stoppedOf(tasks []*task.Task) map[string]bool {
	names := map[string]bool{}
	for _, t := range tasks {
		for _, name := range groupsOf(t) {
			if g := s.groups[name]; g != nil && g.stopped {
				names[name] = true
			}
		}
	}
	return names
}

// forgive lets groups go on that were stopped, since somebody wants some of their
// tasks to be tried again: what else has failed in them counts no more, as if all had
// been tried again.
func (s *state) forgive(names map[string]bool) {
	if len(names) == 0 {
		return
	}
	var failed []*task.Task
	for t := range s.queue.All() {
		if slices.ContainsFunc(groupsOf(t), func(name string) bool { return names[name] && counts(t, name) }) {
			failed = append(failed, t)
		}
	}
	sortBySeq(failed)
	for _, t := range failed {
		t.ForgivenByRun = t.ForgivenByRun || names[""]
		t.ForgivenByGroup = t.ForgivenByGroup || names[t.Spec.Asks().Group] && t.Spec.Asks().Group != ""
		s.record(Changed, t)
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		g := s.group(name)
		g.counted, g.stopped = 0, false
		s.note(logrus.InfoLevel, nil, "%s goes on: what failed in it counts no more", groupWords(name))
	}
}

// stopIfTooMany stops a group that bears no more failures.
func (s *state) stopIfTooMany(name string, g *group) {
	b := s.bounds(name)
	if b.MaxFailures == task.Unlimited || g.counted <= b.MaxFailures || g.stopped || b.OnFailure == task.Continue {
		return
	}
	g.stopped = true
	s.stopping = append(s.stopping, name)
	s.note(logrus.WarnLevel, nil, "%s: %s, allowed are %d: %s", groupWords(name), countFailures(g.counted), b.MaxFailures,
		map[bool]string{false: "no more of it is launched", true: "all of it is cancelled"}[b.OnFailure == task.CancelGroup])
}

func groupWords(name string) string {
	if name == "" {
		return "the run"
	}
	return "group " + strconv.Quote(name)
}

// tickGroups ends what stopped groups have left. A task of two of them ends with the
// one that was stopped first.
func (s *state) tickGroups() {
	for len(s.stopping) > 0 {
		names, place := s.stopping, map[string]int{}
		s.stopping = nil
		for i, name := range names {
			if _, known := place[name]; !known && s.group(name).stopped {
				place[name] = i
			}
		}
		rest := make([][]*task.Task, len(names))
		for t := range s.queue.All() {
			if i, ok := s.endsWith(t, place); ok {
				rest[i] = append(rest[i], t)
			}
		}
		for i, tasks := range rest {
			sortBySeq(tasks)
			for _, t := range tasks {
				s.endStopped(t, names[i])
			}
		}
	}
}

// endsWith is the place of the first of some stopped groups that a task has to end
// with; false: it has not.
func (s *state) endsWith(t *task.Task, place map[string]int) (first int, ok bool) {
	if t.State != task.Idle && !t.State.Active() {
		return 0, false
	}
	for _, name := range groupsOf(t) {
		i, stopped := place[name]
		if stopped && (t.State == task.Idle || s.bounds(name).OnFailure == task.CancelGroup) && (!ok || i < first) {
			first, ok = i, true
		}
	}
	return first, ok
}

func (s *state) endStopped(t *task.Task, name string) {
	switch {
	case t.State == task.Idle:
		s.end(t, nil, task.Killed, groupStopped, s.groupFailed(name))
	case t.State.Active() && !t.Stop.Kills():
		t.Stop = task.GroupStopped
		s.record(Changed, t)
		s.kill(t, t.Current())
	}
}

// groupFailed says why a group is stopped.
func (s *state) groupFailed(name string) string {
	return fmt.Sprintf("%s had %s", groupWords(name), countFailures(s.group(name).counted))
}

func countFailures(n int) string {
	if n == 1 {
		return "1 failure"
	}
	return strconv.Itoa(n) + " failures"
}

// stoppedBy names the stopped group, if any, that a task is in.
func (s *state) stoppedBy(t *task.Task) *string {
	for _, name := range groupsOf(t) {
		if g := s.groups[name]; g != nil && g.stopped {
			return &name
		}
	}
	return nil
}

func inGroup(t *task.Task, name string) bool {
	return name == "" || t.Spec.Asks().Group == name
}

// stopAgain looks again for what stopped groups have to end: tasks may have come.
func (s *state) stopAgain() {
	for _, name := range slices.Sorted(maps.Keys(s.groups)) {
		if s.groups[name].stopped {
			s.stopping = append(s.stopping, name)
		}
	}
}

// govern takes in what the tasks file says of groups, and the flags of the run.
func (s *state) govern(p task.Policy) {
	if reflect.DeepEqual(p, s.policy) {
		return
	}
	s.policy = p
	s.eff.Records = append(s.eff.Records, Record{Kind: Governed, At: s.now, Policy: &p})
	s.regroup()
}

// regroup counts all groups anew, after the policy changed or at a restart.
func (s *state) regroup() {
	s.groups, s.stopping = map[string]*group{}, nil
	for t := range s.queue.All() {
		for _, name := range groupsOf(t) {
			g := s.group(name)
			if t.State.Active() {
				g.running++
			}
			if !t.State.Terminal() {
				g.open++
			}
			if counts(t, name) {
				g.counted++
			}
			if t.State == task.Failed {
				g.failed++
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.groups)) {
		s.stopIfTooMany(name, s.groups[name])
	}
}
