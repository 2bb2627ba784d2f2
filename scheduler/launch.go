package scheduler

import (
	"slices"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/sirupsen/logrus"

	"cmdq/task"
)

// launch decides that t runs on a, and says so in a TaskInfo. The record that
// holds the decision is stored before the ACCEPT leaves.
func (s *state) launch(t *task.Task, a *agent, p *pool) mesos.TaskInfo {
	s.queue.Launch(t.ID)
	t.Launches++
	t.Attempts++
	if len(t.History) >= task.MaxHistory {
		t.History = slices.Delete(t.History, 0, 1)
	}
	t.History = append(t.History, task.Attempt{Number: t.Launches, Agent: a.id, Host: a.host,
		Framework: s.framework.ID, Launched: s.now})
	a.used = a.used.Add(t.Spec.Resources)
	at := t.Current()
	s.watchStart(t, at)
	s.record(Launched, t)
	s.taskNote(logrus.InfoLevel, t, at, "starting")
	return s.taskInfo(t, at, p.take(t.Spec.Resources))
}

// taskInfo describes one launch to Mesos.
func (s *state) taskInfo(t *task.Task, a *task.Attempt, resources []mesos.Resource) mesos.TaskInfo {
	role := s.cfg.Role
	for i := range resources {
		resources[i].AllocationInfo = &mesos.Resource_AllocationInfo{Role: &role}
	}
	info := mesos.TaskInfo{
		Name:       t.Name(),
		TaskID:     mesos.TaskID{Value: task.LaunchID(t.ID, a.Number)},
		AgentID:    mesos.AgentID{Value: a.Agent},
		Resources:  resources,
		Command:    command(t, a.Number, s.otherUser()),
		KillPolicy: &mesos.KillPolicy{GracePeriod: &mesos.DurationInfo{Nanoseconds: int64(t.Spec.KillGrace)}},
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
// is its own name (execvp). other is the user if it is not that of the framework.
func command(t *task.Task, attempt int, other string) *mesos.CommandInfo {
	shell := len(t.Spec.Argv) == 0
	c := &mesos.CommandInfo{Shell: &shell, Environment: &mesos.Environment{}}
	if shell {
		line := t.Command()
		c.Value = &line
	} else {
		argv := t.Argv()
		c.Value, c.Arguments = &argv[0], argv
	}
	if t.Spec.User != "" {
		c.User = &t.Spec.User
	} else if other != "" {
		c.User = &other
	}
	for _, v := range t.Environment(attempt) {
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
