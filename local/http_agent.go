package local

import (
	"net/http"
)

// handler routes an agent's paths. Each of them is also there below
// /slave(1), as in Mesos.
func (a *agent) handler() http.Handler {
	mux := newRoutes()
	both := func(path string, h http.HandlerFunc) {
		mux.HandleFunc(path, h)
		mux.HandleFunc("/slave(1)"+path, h)
	}
	both("/api/v1/executor", a.serveExecutor)
	both("/api/v1", a.serveOperator)
	both("/health", serveHealth)
	both("/version", serveVersion)
	both("/state", reading(a.box, func(*http.Request) (any, error) { return a.viewState(), nil }))
	both("/flags", reading(a.box, func(*http.Request) (any, error) { return map[string]any{"flags": a.flags()}, nil }))
	both("/containers", reading(a.box, func(*http.Request) (any, error) { return a.viewContainers(), nil }))
	both("/monitor/statistics", reading(a.box, func(*http.Request) (any, error) { return a.viewStatistics(), nil }))
	both("/metrics/snapshot", reading(a.box, func(*http.Request) (any, error) { return a.viewMetrics(), nil }))
	both("/files/browse", a.onFile(browse))
	both("/files/read", a.onFile(readFile))
	both("/files/download", a.onFile(download))
	return mux
}

// agentStateView is what an agent's /state tells (Mesos: src/slave/http.cpp).
type agentStateView struct {
	buildView
	StartTime           float64                  `json:"start_time"`
	ID                  string                   `json:"id"`
	PID                 string                   `json:"pid"`
	Hostname            string                   `json:"hostname"`
	Capabilities        []string                 `json:"capabilities"`
	Resources           resourcesView            `json:"resources"`
	ReservedResources   map[string]resourcesView `json:"reserved_resources"`
	UnreservedResources resourcesView            `json:"unreserved_resources"`
	Attributes          struct{}                 `json:"attributes"`
	MasterHostname      string                   `json:"master_hostname,omitempty"` // not before it is registered
	Flags               map[string]string        `json:"flags"`
	Frameworks          []agentFrameworkView     `json:"frameworks"`
	Completed           []agentFrameworkView     `json:"completed_frameworks"`
}

type agentFrameworkView struct {
	ID                 string         `json:"id"`
	Name               string         `json:"name"`
	User               string         `json:"user"`
	FailoverTimeout    float64        `json:"failover_timeout"`
	Checkpoint         bool           `json:"checkpoint"`
	Hostname           string         `json:"hostname"`
	Principal          string         `json:"principal,omitempty"`
	Role               string         `json:"role,omitempty"`
	Roles              []string       `json:"roles,omitempty"`
	Executors          []executorView `json:"executors"`
	CompletedExecutors []executorView `json:"completed_executors"`
}

type executorView struct {
	ID             string        `json:"id"`
	Name           string        `json:"name"`
	Source         string        `json:"source"`
	Container      string        `json:"container"`
	Directory      string        `json:"directory"`
	Resources      resourcesView `json:"resources"`
	Role           string        `json:"role,omitempty"`
	Labels         []messageView `json:"labels,omitempty"`
	Type           string        `json:"type,omitempty"`
	Tasks          []*taskView   `json:"tasks"`
	QueuedTasks    []*taskView   `json:"queued_tasks"`
	CompletedTasks []*taskView   `json:"completed_tasks"`
}

func (a *agent) viewState() agentStateView {
	v := agentStateView{
		buildView: build, StartTime: seconds(a.started), ID: a.id, PID: "slave(1)@" + a.addr.String(), Hostname: a.addr.Addr().String(),
		Capabilities: agentCapabilities, Resources: resourcesView(a.resources), ReservedResources: map[string]resourcesView{},
		UnreservedResources: resourcesView(a.resources),
		Flags:               a.flags(),
		Frameworks:          []agentFrameworkView{}, Completed: []agentFrameworkView{},
	}
	if a.known {
		v.MasterHostname = a.line.master.addr.Addr().String()
	}
	for _, f := range a.frameworks {
		v.Frameworks = append(v.Frameworks, f.view())
	}
	for _, f := range a.completed {
		v.Completed = append(v.Completed, f.view())
	}
	return v
}

func (f *agentFramework) view() agentFrameworkView {
	b := f.brief
	v := agentFrameworkView{
		ID: b.id, Name: b.name, User: b.user, FailoverTimeout: b.failoverTimeout, Checkpoint: b.checkpoint, Hostname: b.hostname,
		Principal: b.principal, Executors: []executorView{}, CompletedExecutors: []executorView{},
	}
	if b.capabilities.multiRole {
		v.Roles = b.roles
	} else {
		v.Role = b.roles[0]
	}
	for _, c := range f.commands {
		if c.executor == nil && c.executorID == c.id() {
			v.Executors = append(v.Executors, c.view())
		}
	}
	for _, e := range f.executors {
		v.Executors = append(v.Executors, e.view())
	}
	for _, x := range f.done {
		v.CompletedExecutors = append(v.CompletedExecutors, x.view())
	}
	return v
}

func (c *command) view() executorView {
	need, _ := fromWire(c.task.Resources, c.role) // the master has checked it
	v := executorView{
		ID: c.id(), Name: "Command Executor (Task: " + c.id() + ") (Command: " + c.brief() + ")", Source: c.id(), Container: c.container,
		Directory: c.sandbox, Resources: resourcesView(need), Role: c.role,
		Tasks: []*taskView{}, QueuedTasks: []*taskView{}, CompletedTasks: []*taskView{},
	}
	t := c.taskView()
	switch {
	case c.ended:
		v.CompletedTasks = append(v.CompletedTasks, t)
	case !c.starting:
		v.QueuedTasks = append(v.QueuedTasks, t)
	default:
		v.Tasks = append(v.Tasks, t)
	}
	return v
}

// taskView is the task itself. One without an executor of its own names none.
func (c *command) taskView() *taskView {
	need, _ := fromWire(c.task.Resources, c.role)
	t := &taskView{
		ID: c.id(), Name: c.task.Name, FrameworkID: c.framework.brief.id, AgentID: c.task.AgentID.Value, State: c.latest.String(),
		Resources: resourcesView(need), Role: c.role, Statuses: []statusView{}, Labels: labelsView(c.task.Labels),
	}
	if c.executor != nil {
		t.ExecutorID = c.executorID
	}
	for _, s := range c.told {
		t.Statuses = append(t.Statuses, viewStatus(s))
	}
	return t
}

// view is an executor of a framework's own.
func (e *agentExecutor) view() executorView {
	used, _ := fromWire(e.info.Resources, e.role) // the master has checked it
	v := executorView{
		ID: e.id(), Name: e.info.GetName(), Source: e.info.GetSource(), Container: e.container, Directory: e.sandbox, Role: e.role,
		Labels: labelsView(e.info.Labels), Type: executorType(e.info),
		Tasks: []*taskView{}, QueuedTasks: []*taskView{}, CompletedTasks: []*taskView{},
	}
	for _, c := range append(e.done[:len(e.done):len(e.done)], e.sortedTasks()...) {
		if !c.ended {
			need, _ := fromWire(c.task.Resources, c.role)
			used = used.plus(need)
		}
		switch {
		case c.ended:
			v.CompletedTasks = append(v.CompletedTasks, c.taskView())
		case c.queued:
			v.QueuedTasks = append(v.QueuedTasks, c.taskView())
		default:
			v.Tasks = append(v.Tasks, c.taskView())
		}
	}
	v.Resources = resourcesView(used)
	return v
}

// brief is the beginning of the command, for a name.
func (c *command) brief() string {
	const most = 12
	text := []rune(c.task.Command.GetValue())
	if len(text) > most {
		text = append(text[:most], []rune("...")...)
	}
	if c.task.Command.GetShell() {
		return "sh -c '" + string(text) + "'"
	}
	return string(text)
}

// viewMetrics is what an agent's /metrics/snapshot tells.
func (a *agent) viewMetrics() map[string]float64 {
	running, live := 0, 0
	for _, f := range a.frameworks {
		for _, c := range f.commands {
			if !c.ended {
				live++
				if c.pid != 0 {
					running++
				}
			}
		}
	}
	registered := 0.0
	if a.standing.done {
		registered = 1
	}
	return map[string]float64{
		"slave/uptime_secs": a.now.Sub(a.started).Seconds(), "slave/registered": registered,
		"slave/frameworks_active": float64(len(a.frameworks)),
		"slave/tasks_running":     float64(running), "slave/executors_running": float64(live),
		"slave/cpus_total": float64(a.resources.scalar("cpus")) / 1000, "slave/mem_total": float64(a.resources.scalar("mem")) / 1000,
		"slave/disk_total": float64(a.resources.scalar("disk")) / 1000, "slave/gpus_total": float64(a.resources.scalar("gpus")) / 1000,
	}
}
