package local

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mesos/mesos-go/api/v1/lib"
)

// The JSON of the read endpoints (Mesos: src/common/http.cpp and
// src/master/readonly_handler.cpp). A view is made by the actor that owns what
// it shows, and is not changed after that.

// resourcesView writes resources as one object: the four scalars that are
// always there, then the others; ranges and sets as text.
type resourcesView Resources

// MarshalJSON implements json.Marshaler.
func (v resourcesView) MarshalJSON() ([]byte, error) {
	r := Resources(v)
	buf := []byte("{")
	for i, name := range []string{"cpus", "gpus", "mem", "disk"} {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(appendString(buf, name), ':')
		buf = appendFloat(buf, float64(r.scalar(name))/1000)
	}
	for _, x := range r {
		switch x.name {
		case "cpus", "gpus", "mem", "disk":
			continue
		}
		buf = append(appendString(append(buf, ','), x.name), ':')
		if x.ranges != nil || x.set != nil {
			buf = appendString(buf, x.value())
		} else {
			buf = appendFloat(buf, float64(x.scalar)/1000)
		}
	}
	return append(buf, '}'), nil
}

// messageView writes a message by Mesos' mapping.
type messageView struct{ message any }

// MarshalJSON implements json.Marshaler.
func (v messageView) MarshalJSON() ([]byte, error) { return appendJSON(nil, v.message), nil }

// labelsView writes labels as Mesos does in its read endpoints: the list itself.
func labelsView(l *mesos.Labels) []messageView {
	if l == nil {
		return nil
	}
	out := make([]messageView, len(l.Labels))
	for i := range l.Labels {
		out[i] = messageView{&l.Labels[i]}
	}
	return out
}

// taskView is a task as /state shows it.
type taskView struct {
	ID          string        `json:"id"`
	Name        string        `json:"name"`
	FrameworkID string        `json:"framework_id"`
	ExecutorID  string        `json:"executor_id"`
	AgentID     string        `json:"slave_id"`
	State       string        `json:"state"`
	Resources   resourcesView `json:"resources"`
	Role        string        `json:"role"`
	Statuses    []statusView  `json:"statuses"`
	User        string        `json:"user,omitempty"`
	Labels      []messageView `json:"labels,omitempty"`
	Discovery   *messageView  `json:"discovery,omitempty"`

	first  float64    // when it was first heard of; orders /tasks
	detail taskDetail // for the web page
}

type statusView struct {
	State           string        `json:"state"`
	Timestamp       float64       `json:"timestamp"`
	Labels          []messageView `json:"labels,omitempty"`
	ContainerStatus *messageView  `json:"container_status,omitempty"`
	Healthy         *bool         `json:"healthy,omitempty"`
}

func viewTask(t *task) *taskView {
	v := &taskView{
		ID: t.id(), Name: t.info.Name, FrameworkID: t.framework.id, AgentID: t.info.AgentID.Value,
		State: t.state.String(), Resources: resourcesView(t.resources), Role: t.role,
		Statuses: make([]statusView, len(t.statuses)), User: t.info.GetCommand().GetUser(), Labels: labelsView(t.info.Labels),
		detail: detailOf(t),
	}
	if t.info.Executor != nil {
		v.ExecutorID = t.info.Executor.ExecutorID.Value
	}
	if t.info.Discovery != nil {
		v.Discovery = &messageView{t.info.Discovery}
	}
	for i, s := range t.statuses {
		v.Statuses[i] = viewStatus(s)
	}
	if len(v.Statuses) > 0 {
		v.first = v.Statuses[0].Timestamp
	}
	return v
}

func viewStatus(s *mesos.TaskStatus) statusView {
	v := statusView{State: s.GetState().String(), Timestamp: s.GetTimestamp(), Labels: labelsView(s.Labels), Healthy: s.Healthy}
	if s.ContainerStatus != nil {
		v.ContainerStatus = &messageView{s.ContainerStatus}
	}
	return v
}

// offerView is an outstanding offer.
type offerView struct {
	ID             string        `json:"id"`
	FrameworkID    string        `json:"framework_id"`
	AgentID        string        `json:"slave_id"`
	AllocationInfo roleView      `json:"allocation_info"`
	Resources      resourcesView `json:"resources"`
}

type roleView struct {
	Role string `json:"role"`
}

// frameworkView is a framework as /state shows it.
type frameworkView struct {
	ID               string             `json:"id"`
	Name             string             `json:"name"`
	UsedResources    resourcesView      `json:"used_resources"`
	OfferedResources resourcesView      `json:"offered_resources"`
	Capabilities     []string           `json:"capabilities"`
	Hostname         string             `json:"hostname"`
	WebUIURL         string             `json:"webui_url"`
	Active           bool               `json:"active"`
	Connected        bool               `json:"connected"`
	Recovered        bool               `json:"recovered"`
	User             string             `json:"user"`
	FailoverTimeout  float64            `json:"failover_timeout"`
	Checkpoint       bool               `json:"checkpoint"`
	Registered       float64            `json:"registered_time"`
	Reregistered     float64            `json:"reregistered_time,omitempty"`
	Unregistered     float64            `json:"unregistered_time"`
	Principal        string             `json:"principal,omitempty"`
	Resources        resourcesView      `json:"resources"`
	Role             string             `json:"role,omitempty"`  // of one without MULTI_ROLE
	Roles            []string           `json:"roles,omitempty"` // of one with it
	Tasks            []*taskView        `json:"tasks"`
	UnreachableTasks []*taskView        `json:"unreachable_tasks"`
	CompletedTasks   []*taskView        `json:"completed_tasks"`
	Offers           []offerView        `json:"offers"`
	Executors        []executorInfoView `json:"executors"`
	Labels           []messageView      `json:"labels,omitempty"`
	OfferConstraints struct{}           `json:"offer_constraints"`

	info *mesos.FrameworkInfo
}

func (m *master) viewFramework(f *framework) *frameworkView {
	v := &frameworkView{
		ID: f.id, Name: f.info.Name, Capabilities: []string{}, Hostname: f.info.GetHostname(), WebUIURL: f.info.GetWebUiURL(),
		Active: f.stream != nil, Connected: f.stream != nil, Recovered: f.recovered, User: f.info.User,
		FailoverTimeout: f.info.GetFailoverTimeout(), Checkpoint: f.info.GetCheckpoint(), Registered: seconds(f.registered),
		info: f.info, Principal: f.info.GetPrincipal(), Tasks: []*taskView{}, UnreachableTasks: []*taskView{},
		CompletedTasks: append([]*taskView{}, f.completed...), Offers: []offerView{}, Executors: []executorInfoView{}, Labels: labelsView(f.info.Labels),
	}
	if !f.reregistered.IsZero() {
		v.Reregistered = seconds(f.reregistered)
	}
	for _, c := range f.info.Capabilities {
		v.Capabilities = append(v.Capabilities, c.Type.String())
	}
	if f.caps.multiRole {
		v.Roles = f.info.Roles
	} else {
		v.Role = f.info.GetRole()
	}
	var used, offered Resources
	for _, t := range f.sortedTasks() {
		v.Tasks = append(v.Tasks, viewTask(t))
		if t.held {
			used = used.plus(t.resources)
		}
	}
	for _, t := range f.unreachable {
		v.UnreachableTasks = append(v.UnreachableTasks, viewTask(t))
	}
	for _, x := range m.executorsOf(f) {
		v.Executors = append(v.Executors, viewExecutor(x))
		used = used.plus(x.resources)
	}
	for _, o := range f.offers {
		offered = offered.plus(o.resources)
		v.Offers = append(v.Offers, offerView{o.id, f.id, o.agent.id, roleView{o.role}, resourcesView(o.resources)})
	}
	v.UsedResources, v.OfferedResources, v.Resources = resourcesView(used), resourcesView(offered), resourcesView(used.plus(offered))
	return v
}

// agentView is an agent as the master's endpoints show it.
type agentView struct {
	ID                  string                   `json:"id"`
	Hostname            string                   `json:"hostname"`
	Port                uint16                   `json:"port"`
	Attributes          struct{}                 `json:"attributes"`
	PID                 string                   `json:"pid"`
	Registered          float64                  `json:"registered_time"`
	Reregistered        float64                  `json:"reregistered_time,omitempty"`
	Resources           resourcesView            `json:"resources"`
	UsedResources       resourcesView            `json:"used_resources"`
	OfferedResources    resourcesView            `json:"offered_resources"`
	ReservedResources   map[string]resourcesView `json:"reserved_resources"`
	UnreservedResources resourcesView            `json:"unreserved_resources"`
	Active              bool                     `json:"active"`
	Deactivated         bool                     `json:"deactivated"`
	Version             string                   `json:"version"`
	Capabilities        []string                 `json:"capabilities"`
}

func viewAgent(a *agentRecord) agentView {
	v := agentView{
		ID: a.id, Hostname: a.addr.Addr().String(), Port: a.addr.Port(), PID: "slave(1)@" + a.addr.String(),
		Registered: seconds(a.registered), Resources: resourcesView(a.total), UsedResources: resourcesView(a.used),
		OfferedResources: resourcesView(a.offered), ReservedResources: map[string]resourcesView{},
		UnreservedResources: resourcesView(a.total), Active: a.connected, Version: version, Capabilities: agentCapabilities,
	}
	if !a.reregistered.IsZero() {
		v.Reregistered = seconds(a.reregistered)
	}
	return v
}

// agentCapabilities are what the agents here can do of what Mesos names.
var agentCapabilities = []string{"MULTI_ROLE", "HIERARCHICAL_ROLE", "RESERVATION_REFINEMENT"}

// buildView is what /version tells, and the head of /state.
type buildView struct {
	Version   string  `json:"version"`
	BuildDate string  `json:"build_date"`
	BuildTime float64 `json:"build_time"`
	BuildUser string  `json:"build_user"`
}

// version is the Mesos release whose APIs these are. Clients parse it: it must
// be numbers and dots.
const version = "1.11.0"

var build = buildView{Version: version, BuildDate: "2020-11-17 00:00:00", BuildTime: 1605571200, BuildUser: "cmdq"}

// marshal writes a view; no view can fail to be written.
func marshal(v any) []byte {
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("local: write %T: %v", v, err))
	}
	return []byte(out.String())
}
