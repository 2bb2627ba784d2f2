package local

import "github.com/mesos/mesos-go/api/v1/lib"

// executorInfoView is an executor as the master's /state shows it (Mesos:
// src/common/http.cpp).
type executorInfoView struct {
	ID          string        `json:"executor_id"`
	Name        string        `json:"name"`
	FrameworkID string        `json:"framework_id"`
	Command     commandView   `json:"command"`
	Resources   resourcesView `json:"resources"`
	Role        string        `json:"role"`
	Labels      []messageView `json:"labels,omitempty"`
	Type        string        `json:"type,omitempty"`
	AgentID     string        `json:"slave_id"`
}

// commandView is a command as Mesos shows it.
type commandView struct {
	Shell       *bool        `json:"shell,omitempty"`
	Value       *string      `json:"value,omitempty"`
	Argv        []string     `json:"argv"`
	Environment *messageView `json:"environment,omitempty"`
	URIs        []uriView    `json:"uris"`
}

type uriView struct {
	Value      string `json:"value"`
	Executable bool   `json:"executable"`
}

func viewExecutor(x *executorRecord) executorInfoView {
	return executorInfoView{
		ID: x.id(), Name: x.info.GetName(), FrameworkID: x.framework.id, Command: viewCommand(x.info.Command),
		Resources: resourcesView(x.resources), Role: x.role, Labels: labelsView(x.info.Labels), Type: executorType(x.info), AgentID: x.agent.id,
	}
}

// executorType is an executor's type; "" if it was not said.
func executorType(x *mesos.ExecutorInfo) string {
	if x.Type == mesos.ExecutorInfo_UNKNOWN {
		return ""
	}
	return x.Type.String()
}

func viewCommand(c *mesos.CommandInfo) commandView {
	v := commandView{Argv: []string{}, URIs: []uriView{}}
	if c == nil {
		return v
	}
	shell := c.GetShell()
	v.Shell, v.Value = &shell, c.Value
	v.Argv = append(v.Argv, c.Arguments...)
	if c.Environment != nil {
		v.Environment = &messageView{c.Environment}
	}
	for i := range c.URIs {
		v.URIs = append(v.URIs, uriView{c.URIs[i].Value, c.URIs[i].GetExecutable()})
	}
	return v
}

// executorIDOf is the id of a task's executor: the task's own, if it has none.
func executorIDOf(t *mesos.TaskInfo) string {
	if t.Executor != nil {
		return t.Executor.ExecutorID.Value
	}
	return t.TaskID.Value
}
