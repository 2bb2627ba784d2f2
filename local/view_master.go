package local

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/mesos/mesos-go/api/v1/lib"
)

// stateView is what the master's /state tells.
type stateView struct {
	buildView
	StartTime    float64           `json:"start_time"`
	ElectedTime  float64           `json:"elected_time"`
	ID           string            `json:"id"`
	PID          string            `json:"pid"`
	Hostname     string            `json:"hostname"`
	Capabilities []string          `json:"capabilities"`
	Activated    int               `json:"activated_slaves"`
	Deactivated  int               `json:"deactivated_slaves"`
	Unreachable  int               `json:"unreachable_slaves"`
	Leader       string            `json:"leader"`
	LeaderInfo   leaderView        `json:"leader_info"`
	Flags        map[string]string `json:"flags"`
	agentsView
	frameworksView
	OrphanTasks []struct{} `json:"orphan_tasks"`
}

type leaderView struct {
	ID       string `json:"id"`
	PID      string `json:"pid"`
	Port     uint16 `json:"port"`
	Hostname string `json:"hostname"`
}

// agentsView is the part of /state that shows agents.
type agentsView struct {
	Agents    []agentView     `json:"slaves"`
	Recovered []recoveredView `json:"recovered_slaves"`
}

// recoveredView is an agent that has not come back to a new master yet.
type recoveredView struct {
	ID string `json:"id"`
}

// frameworksView is what /frameworks tells.
type frameworksView struct {
	Frameworks   []*frameworkView `json:"frameworks"`
	Completed    []*frameworkView `json:"completed_frameworks"`
	Unregistered []struct{}       `json:"unregistered_frameworks"`
}

// masterCapabilities are what Mesos' master says it can do.
var masterCapabilities = []string{"AGENT_UPDATE", "AGENT_DRAINING", "QUOTA_V2"}

func (m *master) viewState() stateView {
	pid, ip := "master@"+m.addr.String(), m.addr.Addr().String()
	return stateView{
		buildView: build, StartTime: seconds(m.started), ElectedTime: seconds(m.elected), ID: m.id, PID: pid, Hostname: ip,
		Capabilities: masterCapabilities, Activated: m.connectedAgents(), Deactivated: len(m.agents) - m.connectedAgents(),
		Unreachable: len(m.registry.unreachable), Leader: pid,
		LeaderInfo: leaderView{ID: m.id, PID: pid, Port: m.addr.Port(), Hostname: ip}, Flags: m.flags(),
		agentsView: m.viewAgents(""), frameworksView: m.viewFrameworks(""), OrphanTasks: []struct{}{},
	}
}

// flags are the settings that a user of the endpoint may look for, by Mesos'
// names.
func (m *master) flags() map[string]string {
	flags := map[string]string{
		"allocation_interval": formatDuration(m.timing.allocation),
		"ip":                  m.addr.Addr().String(),
	}
	if m.electorate != nil {
		flags["zk"], flags["zk_session_timeout"] = m.electorate.String(), formatDuration(m.session)
	}
	return flags
}

// viewAgents shows one agent, or all for "".
func (m *master) viewAgents(id string) agentsView {
	v := agentsView{Agents: []agentView{}, Recovered: []recoveredView{}}
	for _, known := range slices.Sorted(maps.Keys(m.registry.recovered)) {
		if id == "" || id == known {
			v.Recovered = append(v.Recovered, recoveredView{known})
		}
	}
	for _, a := range m.agents {
		if id == "" || a.id == id {
			v.Agents = append(v.Agents, viewAgent(a))
		}
	}
	return v
}

// agentsFullView is what /slaves tells: resources in full as well.
type agentsFullView struct {
	Agents    []agentFullView `json:"slaves"`
	Recovered []recoveredView `json:"recovered_slaves"`
}

type agentFullView struct {
	agentView
	ReservedFull   map[string][]messageView `json:"reserved_resources_full"`
	UnreservedFull []messageView            `json:"unreserved_resources_full"`
	UsedFull       []messageView            `json:"used_resources_full"`
	OfferedFull    []messageView            `json:"offered_resources_full"`
}

func (m *master) viewAgentsInFull(id string) agentsFullView {
	v := agentsFullView{Agents: []agentFullView{}, Recovered: m.viewAgents(id).Recovered}
	for _, a := range m.agents {
		if id == "" || a.id == id {
			v.Agents = append(v.Agents, agentFullView{
				agentView: viewAgent(a), ReservedFull: map[string][]messageView{}, UnreservedFull: viewInFull(a.total),
				UsedFull: viewInFull(a.used), OfferedFull: viewInFull(a.offered),
			})
		}
	}
	return v
}

func viewInFull(r Resources) []messageView {
	list := []messageView{}
	for _, x := range r.wire(wireForm{}) {
		list = append(list, messageView{&x})
	}
	return list
}

// viewFrameworks shows one framework, or all for "".
func (m *master) viewFrameworks(id string) frameworksView {
	v := frameworksView{Frameworks: []*frameworkView{}, Completed: []*frameworkView{}, Unregistered: []struct{}{}}
	for _, f := range m.sortedFrameworks() {
		if id == "" || f.id == id {
			v.Frameworks = append(v.Frameworks, m.viewFramework(f))
		}
	}
	for _, c := range m.completed {
		if id == "" || c.ID == id {
			v.Completed = append(v.Completed, c)
		}
	}
	return v
}

func (m *master) sortedFrameworks() []*framework {
	return slices.SortedFunc(maps.Values(m.frameworks), func(a, b *framework) int {
		return cmp.Or(a.registered.Compare(b.registered), cmp.Compare(a.id, b.id))
	})
}

// tasksView is what /tasks tells.
type tasksView struct {
	Tasks []*taskView `json:"tasks"`
}

// taskQuery says which tasks are asked for.
type taskQuery struct {
	framework, task string // "": any
	limit, offset   int
	ascending       bool
}

func (m *master) viewTasks(q taskQuery) tasksView {
	var all []*taskView
	for _, f := range m.frameworks {
		if q.framework != "" && q.framework != f.id {
			continue
		}
		all = append(all, f.completed...)
		for _, t := range slices.Concat(f.sortedTasks(), f.unreachable) {
			all = append(all, viewTask(t))
		}
	}
	for _, c := range m.completed {
		if q.framework == "" || q.framework == c.ID {
			all = append(all, c.CompletedTasks...)
		}
	}
	if q.task != "" {
		all = slices.DeleteFunc(all, func(t *taskView) bool { return t.ID != q.task })
	}
	slices.SortStableFunc(all, func(a, b *taskView) int {
		order := cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.ID, b.ID))
		if !q.ascending {
			order = -order
		}
		return order
	})
	from := min(q.offset, len(all))
	return tasksView{Tasks: append([]*taskView{}, all[from:min(from+q.limit, len(all))]...)}
}

// rolesView is what /roles tells.
type rolesView struct {
	Roles []roleSummary `json:"roles"`
}

// roleSummary is a role. Nobody has a quota or reservations here.
type roleSummary struct {
	Name                          string
	Weight                        float64
	Resources, Allocated, Offered resourcesView
	Frameworks                    []string
}

// MarshalJSON implements json.Marshaler: only quantities are shown.
func (r roleSummary) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Name       string         `json:"name"`
		Weight     float64        `json:"weight"`
		Quota      quotaView      `json:"quota"`
		Resources  quantitiesView `json:"resources"`
		Allocated  quantitiesView `json:"allocated"`
		Offered    quantitiesView `json:"offered"`
		Reserved   quantitiesView `json:"reserved"`
		Frameworks []string       `json:"frameworks"`
	}{
		r.Name, r.Weight, quotaView{Role: r.Name, Consumed: quantitiesView(r.Allocated)},
		quantitiesView(r.Resources), quantitiesView(r.Allocated), quantitiesView(r.Offered), nil, r.Frameworks,
	})
}

// quotaView is a role's quota.
type quotaView struct {
	Role      string         `json:"role"`
	Guarantee quantitiesView `json:"guarantee"`
	Limit     quantitiesView `json:"limit"`
	Consumed  quantitiesView `json:"consumed"`
}

// viewRoles shows the roles that frameworks are in or hold something of, and
// all roles above them. A role has what those below it have, too.
func (m *master) viewRoles() rolesView {
	roles := map[string]*roleSummary{}
	at := func(role string, add func(*roleSummary)) {
		for path := range rolePaths(role) {
			if strings.HasSuffix(path, "/.") {
				continue
			}
			if roles[path] == nil {
				roles[path] = &roleSummary{Name: path, Weight: 1, Frameworks: []string{}}
			}
			add(roles[path])
		}
	}
	for _, f := range m.sortedFrameworks() {
		for role, s := range f.roles {
			at(role, func(r *roleSummary) { r.Resources = resourcesView(Resources(r.Resources).plus(s.allocated)) })
			roles[role].Frameworks = append(roles[role].Frameworks, f.id)
		}
		for _, o := range f.offers {
			at(o.role, func(r *roleSummary) { r.Offered = resourcesView(Resources(r.Offered).plus(o.resources)) })
		}
	}
	v := rolesView{Roles: []roleSummary{}}
	for _, name := range slices.Sorted(maps.Keys(roles)) {
		r := roles[name]
		r.Allocated = resourcesView(Resources(r.Resources).minus(Resources(r.Offered)))
		v.Roles = append(v.Roles, *r)
	}
	return v
}

// quantitiesView writes the scalars among resources.
type quantitiesView Resources

// MarshalJSON implements json.Marshaler.
func (v quantitiesView) MarshalJSON() ([]byte, error) {
	buf := []byte("{")
	for _, x := range v {
		if x.ranges != nil || x.set != nil {
			continue
		}
		if len(buf) > 1 {
			buf = append(buf, ',')
		}
		buf = appendFloat(append(appendString(buf, x.name), ':'), float64(x.scalar)/1000)
	}
	return append(buf, '}'), nil
}

// summaryStates are the states that /state-summary counts.
var summaryStates = []mesos.TaskState{
	mesos.TASK_STAGING, mesos.TASK_STARTING, mesos.TASK_RUNNING, mesos.TASK_KILLING, mesos.TASK_FINISHED,
	mesos.TASK_KILLED, mesos.TASK_FAILED, mesos.TASK_LOST, mesos.TASK_ERROR, mesos.TASK_UNREACHABLE,
}

// viewSummary is what /state-summary tells.
func (m *master) viewSummary() map[string]any {
	agents, frameworks := []map[string]any{}, []map[string]any{}
	for _, f := range m.sortedFrameworks() {
		v := m.viewFramework(f)
		states, ids := map[string]int{}, map[string]bool{}
		for _, t := range slices.Concat(v.Tasks, v.UnreachableTasks, v.CompletedTasks) {
			states[t.State]++
			ids[t.AgentID] = true
		}
		entry := map[string]any{
			"id": f.id, "name": v.Name, "active": v.Active, "connected": v.Connected, "hostname": v.Hostname, "webui_url": v.WebUIURL,
			"used_resources": v.UsedResources, "offered_resources": v.OfferedResources, "slave_ids": slices.Sorted(maps.Keys(ids)),
		}
		frameworks = append(frameworks, withStates(entry, states))
	}
	for _, a := range m.agents {
		v := viewAgent(a)
		states, ids := map[string]int{}, map[string]bool{}
		for key, t := range a.tasks {
			states[t.state.String()]++
			ids[key.framework] = true
		}
		entry := map[string]any{
			"id": a.id, "hostname": v.Hostname, "port": v.Port, "pid": v.PID, "active": v.Active, "version": v.Version, "attributes": v.Attributes,
			"resources": v.Resources, "used_resources": v.UsedResources, "offered_resources": v.OfferedResources,
			"registered_time": v.Registered, "framework_ids": slices.Sorted(maps.Keys(ids)),
		}
		agents = append(agents, withStates(entry, states))
	}
	return map[string]any{"hostname": m.addr.Addr().String(), "slaves": agents, "frameworks": frameworks}
}

func withStates(entry map[string]any, states map[string]int) map[string]any {
	for _, s := range summaryStates {
		entry[s.String()] = states[s.String()]
	}
	return entry
}
