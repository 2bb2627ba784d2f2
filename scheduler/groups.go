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
	failed  int // failures that count
	over    int // tasks that are failed now
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

// failing tells whether a task has failed for good. What it left may still be
// fetched: its slot is free then, and nobody may be launched into that who would not
// be later.
func failing(t *task.Task) bool {
	return t.State == task.Failed || t.State == task.Fetching && t.End.State == task.Failed
}

// counts tells whether a task is a failure that counts against its groups.
func counts(t *task.Task) bool { return failing(t) && !t.Forgiven }

// failedIn counts a task that failed for good, and stops its groups if that was
// one too many.
func (s *state) failedIn(t *task.Task) {
	for _, name := range groupsOf(t) {
		g := s.group(name)
		g.failed++
		s.stopIfTooMany(name, g)
	}
}

// overIn: all is known of a task that failed, and it can be told of.
func (s *state) overIn(t *task.Task) {
	for _, name := range groupsOf(t) {
		if g := s.group(name); g.over == 0 {
			s.failures = append(s.failures, firstFailure{name, t})
		}
		s.group(name).over++
	}
}

// notFailedIn: a task that had failed is queued again, or gone.
func (s *state) notFailedIn(t *task.Task) {
	for _, name := range groupsOf(t) {
		g := s.group(name)
		g.over--
		if !t.Forgiven {
			s.countLess(name, g)
		}
	}
}

func (s *state) countLess(name string, g *group) {
	if g.failed--; g.failed <= s.bounds(name).MaxFailures {
		g.stopped = false
	}
}

// forgive lets the stopped groups of tasks that somebody wants to be tried again go
// on: what had failed until then counts no more, as if all had been tried again.
func (s *state) forgive(again []task.ID) {
	var names []string
	for _, id := range again {
		t := s.queue.Get(id)
		for name := s.stoppedBy(t); name != nil; name = s.stoppedBy(t) {
			s.group(*name).stopped = false
			names = append(names, *name)
		}
	}
	if len(names) == 0 {
		return
	}
	var failed []*task.Task
	for t := range s.queue.All() {
		if counts(t) && slices.ContainsFunc(names, func(name string) bool { return inGroup(t, name) }) {
			failed = append(failed, t)
		}
	}
	sortBySeq(failed)
	for _, t := range failed {
		t.Forgiven = true
		for _, name := range groupsOf(t) {
			s.countLess(name, s.group(name))
		}
		s.record(Changed, t)
	}
	for _, name := range names {
		s.note(logrus.InfoLevel, nil, "%s goes on: what failed in it counts no more", groupWords(name))
	}
}

// stopIfTooMany stops a group that bears no more failures.
func (s *state) stopIfTooMany(name string, g *group) {
	b := s.bounds(name)
	if b.MaxFailures == task.Unlimited || g.failed <= b.MaxFailures || g.stopped || b.OnFailure == task.Continue {
		return
	}
	g.stopped = true
	s.stopping = append(s.stopping, name)
	s.note(logrus.WarnLevel, nil, "%s: %s, allowed are %d: %s", groupWords(name), countFailures(g.failed), b.MaxFailures,
		map[bool]string{false: "no more of it is launched", true: "all of it is cancelled"}[b.OnFailure == task.CancelGroup])
}

func groupWords(name string) string {
	if name == "" {
		return "the run"
	}
	return "group " + strconv.Quote(name)
}

// tickGroups ends what stopped groups have left.
func (s *state) tickGroups() {
	for len(s.stopping) > 0 {
		name := s.stopping[0]
		s.stopping = s.stopping[1:]
		if g := s.groups[name]; g == nil || !g.stopped {
			continue
		}
		b := s.bounds(name)
		var rest []*task.Task
		for t := range s.queue.All() {
			if inGroup(t, name) && (t.State == task.Idle || b.OnFailure == task.CancelGroup && t.State.Active()) {
				rest = append(rest, t)
			}
		}
		sortBySeq(rest)
		for _, t := range rest {
			s.endStopped(t, name)
		}
	}
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
	return fmt.Sprintf("%s had %s", groupWords(name), countFailures(s.group(name).failed))
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
			if counts(t) {
				g.failed++
			}
			if t.State == task.Failed {
				g.over++
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.groups)) {
		s.stopIfTooMany(name, s.groups[name])
	}
}
