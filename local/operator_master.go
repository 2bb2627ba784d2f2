package local

import (
	"maps"
	"net/http"
	"slices"

	"github.com/gogo/protobuf/proto"
	"github.com/mesos/mesos-go/api/v1/lib"
	pb "github.com/mesos/mesos-go/api/v1/lib/master"
)

// serveOperator is the master's operator API.
func (m *master) serveOperator(w http.ResponseWriter, r *http.Request) {
	c := &pb.Call{}
	check := func() string {
		switch {
		case c.Type == pb.Call_UNKNOWN:
			return "Expecting 'type' to be present"
		case c.Type == pb.Call_GET_METRICS && c.GetMetrics == nil:
			return "Expecting 'get_metrics' to be present"
		case c.Type == pb.Call_LIST_FILES && c.ListFiles == nil:
			return "Expecting 'list_files' to be present"
		case c.Type == pb.Call_READ_FILE && c.ReadFile == nil:
			return "Expecting 'read_file' to be present"
		case c.Type == pb.Call_TEARDOWN && c.Teardown == nil:
			return "Expecting 'teardown' to be present"
		case c.Type == pb.Call_MARK_AGENT_GONE && c.MarkAgentGone == nil:
			return "Expecting 'mark_agent_gone' to be present"
		}
		return ""
	}
	serveOperator(w, r, c, check, func() (proto.Message, error) {
		switch c.Type {
		case pb.Call_TEARDOWN:
			return nil, m.teardown(c.Teardown.FrameworkID.Value)
		case pb.Call_MARK_AGENT_GONE:
			return nil, m.operatorMarksGone(c.MarkAgentGone.AgentID.Value)
		case pb.Call_LIST_FILES, pb.Call_READ_FILE:
			return nil, errNotAttached // it has no files
		}
		var answer *pb.Response
		if !m.box.call(func() { answer = m.operate(c.Type) }) {
			return nil, errStopping
		}
		if answer == nil {
			return nil, errNotBuilt
		}
		return answer, nil
	})
}

// operatorMarksGone gives up an agent for good.
func (m *master) operatorMarksGone(id string) error {
	known := false
	if !m.box.call(func() { known = m.markGone(id) }) {
		return errStopping
	}
	if !known {
		return errNoAgent
	}
	return nil
}

// operate answers what needs nothing but the type of the call; nil if it is not
// built.
func (m *master) operate(kind pb.Call_Type) *pb.Response {
	switch kind {
	case pb.Call_GET_HEALTH:
		return &pb.Response{Type: pb.Response_GET_HEALTH, GetHealth: &pb.Response_GetHealth{Healthy: true}}
	case pb.Call_GET_FLAGS:
		return &pb.Response{Type: pb.Response_GET_FLAGS, GetFlags: &pb.Response_GetFlags{Flags: wireFlags(m.flags())}}
	case pb.Call_GET_VERSION:
		return &pb.Response{Type: pb.Response_GET_VERSION, GetVersion: &pb.Response_GetVersion{VersionInfo: versionInfo()}}
	case pb.Call_GET_METRICS:
		return &pb.Response{Type: pb.Response_GET_METRICS, GetMetrics: &pb.Response_GetMetrics{Metrics: wireMetrics(m.viewMetrics())}}
	case pb.Call_GET_MASTER:
		at, elected := seconds(m.started), seconds(m.elected)
		return &pb.Response{Type: pb.Response_GET_MASTER, GetMaster: &pb.Response_GetMaster{MasterInfo: m.info(), StartTime: &at, ElectedTime: &elected}}
	case pb.Call_GET_AGENTS:
		return &pb.Response{Type: pb.Response_GET_AGENTS, GetAgents: m.wireAgents()}
	case pb.Call_GET_FRAMEWORKS:
		return &pb.Response{Type: pb.Response_GET_FRAMEWORKS, GetFrameworks: m.wireFrameworks()}
	case pb.Call_GET_EXECUTORS:
		return &pb.Response{Type: pb.Response_GET_EXECUTORS, GetExecutors: m.wireExecutors()}
	case pb.Call_GET_TASKS:
		return &pb.Response{Type: pb.Response_GET_TASKS, GetTasks: m.wireTasks()}
	case pb.Call_GET_ROLES:
		return &pb.Response{Type: pb.Response_GET_ROLES, GetRoles: m.wireRoles()}
	case pb.Call_GET_STATE:
		return &pb.Response{Type: pb.Response_GET_STATE, GetState: &pb.Response_GetState{
			GetTasks: m.wireTasks(), GetExecutors: m.wireExecutors(), GetFrameworks: m.wireFrameworks(), GetAgents: m.wireAgents(),
		}}
	}
	return nil
}

func (m *master) wireAgents() *pb.Response_GetAgents {
	out := &pb.Response_GetAgents{}
	for _, a := range m.agents {
		v := viewAgent(a)
		port := int32(a.addr.Port())
		x := pb.Response_GetAgents_Agent{
			AgentInfo: mesos.AgentInfo{ID: &mesos.AgentID{Value: a.id}, Hostname: v.Hostname, Port: &port, Resources: a.total.wire(refinedForm)},
			Active:    v.Active, Deactivated: &v.Deactivated, Version: v.Version, PID: &v.PID,
			RegisteredTime: wireSeconds(v.Registered), ReregisteredTime: wireSeconds(v.Reregistered),
			TotalResources: a.total.wire(refinedForm), AllocatedResources: a.used.wire(refinedForm), OfferedResources: a.offered.wire(refinedForm),
		}
		for _, name := range agentCapabilities {
			x.Capabilities = append(x.Capabilities, mesos.AgentInfo_Capability{Type: mesos.AgentInfo_Capability_Type(mesos.AgentInfo_Capability_Type_value[name])})
		}
		out.Agents = append(out.Agents, x)
	}
	for _, id := range slices.Sorted(maps.Keys(m.registry.recovered)) {
		out.RecoveredAgents = append(out.RecoveredAgents, mesos.AgentInfo{ID: &mesos.AgentID{Value: id}})
	}
	return out
}

func (m *master) wireFrameworks() *pb.Response_GetFrameworks {
	out := &pb.Response_GetFrameworks{}
	for _, f := range m.sortedFrameworks() {
		x := wireFramework(m.viewFramework(f))
		for _, o := range f.offers {
			x.Offers = append(x.Offers, o.wire())
		}
		out.Frameworks = append(out.Frameworks, x)
	}
	for _, v := range m.completed {
		out.CompletedFrameworks = append(out.CompletedFrameworks, wireFramework(v))
	}
	return out
}

func wireFramework(v *frameworkView) pb.Response_GetFrameworks_Framework {
	return pb.Response_GetFrameworks_Framework{
		FrameworkInfo: *v.info, Active: v.Active, Connected: v.Connected, Recovered: v.Recovered,
		RegisteredTime: wireSeconds(v.Registered), ReregisteredTime: wireSeconds(v.Reregistered), UnregisteredTime: wireSeconds(v.Unregistered),
		AllocatedResources: Resources(v.UsedResources).wire(refinedForm), OfferedResources: Resources(v.OfferedResources).wire(refinedForm),
	}
}

func (m *master) wireExecutors() *pb.Response_GetExecutors {
	out := &pb.Response_GetExecutors{}
	for _, f := range m.sortedFrameworks() {
		for _, x := range m.executorsOf(f) {
			out.Executors = append(out.Executors, pb.Response_GetExecutors_Executor{ExecutorInfo: *x.info, AgentID: mesos.AgentID{Value: x.agent.id}})
		}
	}
	return out
}

func (m *master) wireTasks() *pb.Response_GetTasks {
	out := &pb.Response_GetTasks{}
	add := func(v *frameworkView) {
		for _, t := range v.Tasks {
			out.Tasks = append(out.Tasks, wireTask(t))
		}
		for _, t := range v.UnreachableTasks {
			out.UnreachableTasks = append(out.UnreachableTasks, wireTask(t))
		}
		for _, t := range v.CompletedTasks {
			out.CompletedTasks = append(out.CompletedTasks, wireTask(t))
		}
	}
	for _, f := range m.sortedFrameworks() {
		add(m.viewFramework(f))
	}
	for _, v := range m.completed {
		add(v)
	}
	return out
}

func (m *master) wireRoles() *pb.Response_GetRoles {
	out := &pb.Response_GetRoles{}
	for _, v := range m.viewRoles().Roles {
		x := mesos.Role{Name: v.Name, Weight: v.Weight, Resources: Resources(v.Resources).wire(refinedForm)}
		for _, id := range v.Frameworks {
			x.Frameworks = append(x.Frameworks, mesos.FrameworkID{Value: id})
		}
		out.Roles = append(out.Roles, x)
	}
	return out
}
