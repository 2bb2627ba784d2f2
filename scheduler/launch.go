package scheduler

import (
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/sirupsen/logrus"

	"cmdq/task"
)

// launch decides that t runs on a, and says so in a TaskInfo. The record that
// holds the decision is stored before the ACCEPT leaves.
func (s *state) launch(t *task.Task, a *agent, p *pool) mesos.TaskInfo {
	s.queue.Launch(t.ID)
	s.tally.Launches++
	s.countIn(t)
	s.busyCPUs += max(10, t.Spec.Resources.CPUs)
	t.Launches++
	t.Attempts++
	if len(t.History) >= task.MaxHistory {
		t.History = slices.Delete(t.History, 0, 1)
	}
	queued := s.queuedAt(t)
	t.History = append(t.History, task.Attempt{Number: t.Launches, Agent: a.id, Host: a.host,
		Framework: s.framework.ID, Queued: queued, Launched: s.now})
	at := t.Current()
	var x *executor
	if s.byOwn(t) {
		x = s.sendTo(a, t, task.LaunchID(t.ID, at.Number), p)
		at.Executor = x.id
	}
	a.used = a.used.Add(t.Spec.Resources)
	s.watchStart(t, at)
	resources := p.take(t.Spec.Resources)
	ports, numbers := p.takePorts(portsOf(t))
	at.Ports = numbers
	s.record(Launched, t)
	s.taskNote(logrus.InfoLevel, t, at, "starting")
	return s.taskInfo(t, at, x, append(resources, ports...), portVariables(numbers))
}

// queuedAt is since when a task has been in the queue for its next launch: since it
// was submitted or tried again, or since the end of the launch before. That is told
// by the agent, whose clock may be ahead of ours.
func (s *state) queuedAt(t *task.Task) time.Time {
	at := t.Submitted
	if before := t.Current(); before != nil {
		at = laterOf(at, before.Ended)
	}
	if at.After(s.now) {
		return s.now
	}
	return at
}

// allocate says for which role the resources were offered.
func allocate(resources []mesos.Resource, role string) {
	for i := range resources {
		resources[i].AllocationInfo = &mesos.Resource_AllocationInfo{Role: &role}
	}
}

// taskInfo describes one launch to Mesos. x is the executor of ours that runs it,
// if one does.
func (s *state) taskInfo(t *task.Task, a *task.Attempt, x *executor, resources []mesos.Resource, more []task.Variable) mesos.TaskInfo {
	allocate(resources, s.role(t))
	info := mesos.TaskInfo{
		Name:       t.Name(),
		TaskID:     mesos.TaskID{Value: task.LaunchID(t.ID, a.Number)},
		AgentID:    mesos.AgentID{Value: a.Agent},
		Resources:  resources,
		KillPolicy: &mesos.KillPolicy{GracePeriod: &mesos.DurationInfo{Nanoseconds: int64(t.Spec.KillGrace)}},
	}
	if x != nil {
		info.Executor, info.Data = x.info, s.cfg.Executor.Data(t, a.Number, more)
	} else {
		info.Command = s.command(t, a.Number, more)
		info.Container = container(t)
	}
	if t.Spec.Timeout > 0 {
		info.MaxCompletionTime = &mesos.DurationInfo{Nanoseconds: int64(t.Spec.Timeout)}
	}
	if len(t.Spec.Labels) > 0 {
		info.Labels = labels(t.Spec.Labels)
	}
	return info
}

// otherUser is our user where the master does not know that: it silently keeps the
// one that a framework was first subscribed with (Mesos: src/master/validation.cpp,
// preserveImmutableFields). Our own cluster runs everything as itself.
func (s *state) otherUser() string {
	if s.cfg.Own || s.framework.User == s.cfg.User || s.framework.User == "" {
		return ""
	}
	return s.cfg.User
}

// command is a shell line, or a program with its arguments, the first of which
// is its own name (execvp).
func (s *state) command(t *task.Task, attempt int, more []task.Variable) *mesos.CommandInfo {
	shell := len(t.Spec.Argv) == 0
	c := &mesos.CommandInfo{Shell: &shell, Environment: &mesos.Environment{}}
	if shell {
		line := t.Command()
		c.Value = &line
	} else {
		argv := t.Argv()
		c.Value, c.Arguments = &argv[0], argv
		if byDocker(t) {
			c.Value, c.Arguments = nil, argv[1:] // see container
		}
	}
	if t.Spec.User != "" {
		c.User = &t.Spec.User
	} else if other := s.otherUser(); other != "" {
		c.User = &other
	}
	for _, v := range append(t.Environment(attempt), more...) {
		kind := mesos.Environment_Variable_VALUE
		c.Environment.Variables = append(c.Environment.Variables,
			mesos.Environment_Variable{Name: v.Name, Value: &v.Value, Type: &kind})
	}
	for _, u := range t.Spec.URIs {
		uri := mesos.CommandInfo_URI{Value: u.Value, Extract: &u.Extract, Executable: &u.Executable, Cache: &u.Cache}
		if u.OutputFile != "" {
			uri.OutputFile = &u.OutputFile
		}
		c.URIs = append(c.URIs, uri)
	}
	for _, f := range t.Spec.Files {
		no := false
		c.URIs = append(c.URIs, mesos.CommandInfo_URI{Value: s.cfg.FileURL(f), Extract: &no, Executable: &f.Executable, OutputFile: &f.Name})
	}
	return c
}

func labels(m map[string]string) *mesos.Labels {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	out := &mesos.Labels{}
	for _, k := range keys {
		v := m[k]
		out.Labels = append(out.Labels, mesos.Label{Key: k, Value: &v})
	}
	return out
}
