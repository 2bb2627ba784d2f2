package local

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
)

// snapshot is what a page is made of. The master's actor takes it; nothing in
// it changes after that.
type snapshot struct {
	now     time.Time
	state   stateView
	roles   rolesView
	metrics map[string]float64
	hosts   map[string]string // ip:port by agent
}

// snapshot is nil when the master has stopped.
func (m *master) snapshot() *snapshot {
	s := &snapshot{now: time.Now(), hosts: map[string]string{}}
	if !m.box.call(func() { s.state, s.roles, s.metrics = m.viewState(), m.viewRoles(), m.viewMetrics() }) {
		return nil
	}
	for _, a := range s.state.Agents {
		s.hosts[a.ID] = strings.TrimPrefix(a.PID, "slave(1)@")
	}
	return s
}

// at is a time of the protocol; 0 is none.
func (s *snapshot) at(sec float64) moment {
	if sec == 0 {
		return moment{now: s.now}
	}
	return moment{time.UnixMicro(int64(sec * 1e6)), s.now}
}

// frameworks lists those that are there and those that have ended.
func (s *snapshot) frameworks() []*frameworkView {
	return slices.Concat(s.state.Frameworks, s.state.Completed)
}

// count is a figure with its name.
type count struct {
	Name  string
	Class string
	N     int
}

// resourceRow tells of one resource where it is.
type resourceRow struct{ Name, Total, Allocated, Offered, Idle string }

// summary is the side of the first page.
type summary struct {
	Leader, Version, ID string
	Started             moment
	Agents, Tasks       []count
	Resources           []resourceRow
}

func (s *snapshot) summary() summary {
	v := summary{
		Leader: strings.TrimPrefix(s.state.Leader, "master@"), Version: s.state.Version, ID: s.state.ID, Started: s.at(s.state.StartTime),
		Agents: []count{{"Activated", "", s.state.Activated}, {"Deactivated", "", s.state.Deactivated}, {"Unreachable", "", s.state.Unreachable}},
	}
	for _, state := range slices.Concat(liveStates, endStates) {
		n := int(s.metrics["master/"+metricName(state)])
		rare := state == mesos.TASK_ERROR || state == mesos.TASK_DROPPED || state == mesos.TASK_GONE || state == mesos.TASK_GONE_BY_OPERATOR
		if n > 0 || !rare {
			v.Tasks = append(v.Tasks, count{stateWord(state.String()), stateClass(state.String()), n})
		}
	}
	var total, used, offered Resources
	for _, a := range s.state.Agents {
		total, used, offered = total.plus(Resources(a.Resources)), used.plus(Resources(a.UsedResources)), offered.plus(Resources(a.OfferedResources))
	}
	v.Resources = resourceRows(total, used, offered)
	return v
}

func resourceRows(total, used, offered Resources) []resourceRow {
	var rows []resourceRow
	for _, name := range scalarNames {
		t, u, o := total.scalar(name), used.scalar(name), offered.scalar(name)
		rows = append(rows, resourceRow{name, formatAmount(name, t), formatAmount(name, u), formatAmount(name, o), formatAmount(name, max(0, t-u-o))})
	}
	return rows
}

// stateWord is Running for TASK_RUNNING.
func stateWord(state string) string {
	word := strings.ReplaceAll(strings.TrimPrefix(state, "TASK_"), "_", " ")
	if word == "" {
		return ""
	}
	return word[:1] + strings.ToLower(word[1:])
}

// stateClass chooses the colour of a state; its word is always there too.
func stateClass(state string) string {
	switch state {
	case "TASK_RUNNING", "TASK_STARTING", "TASK_STAGING":
		return "live"
	case "TASK_FINISHED":
		return "good"
	case "TASK_FAILED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED", "TASK_GONE", "TASK_GONE_BY_OPERATOR":
		return "bad"
	}
	return "odd"
}

func homePage(s *snapshot, r *http.Request) (page, error) {
	l := newListing(s, r)
	return page{Title: "Tasks", Here: "tasks", Body: struct {
		Summary summary
		Tasks   taskTables
	}{s.summary(), l.tables(s.frameworks(), true, "")}}, nil
}

// frameworkRow is a framework in a list, and the head of its own page.
type frameworkRow struct {
	*frameworkView
	RoleList                           []string
	Since, Again, Ended                moment
	Status                             string
	ActiveTasks, UnreachTasks, EndTask int
}

func (s *snapshot) frameworkRow(f *frameworkView) frameworkRow {
	row := frameworkRow{
		frameworkView: f, RoleList: f.Roles, Since: s.at(f.Registered), Again: s.at(f.Reregistered), Ended: s.at(f.Unregistered), Status: "connected",
		ActiveTasks: len(f.Tasks), UnreachTasks: len(f.UnreachableTasks), EndTask: len(f.CompletedTasks),
	}
	if f.Role != "" {
		row.RoleList = []string{f.Role}
	}
	switch {
	case row.Ended.Known():
		row.Status = "completed"
	case !f.Connected:
		row.Status = "disconnected"
	case !f.Active:
		row.Status = "inactive"
	}
	return row
}

// Link is the framework's own page, if it names one of the web.
func (f frameworkRow) Link() string {
	if strings.HasPrefix(f.WebUIURL, "http://") || strings.HasPrefix(f.WebUIURL, "https://") {
		return f.WebUIURL
	}
	return ""
}

func frameworksPage(s *snapshot, _ *http.Request) (page, error) {
	var active, completed []frameworkRow
	for _, f := range s.state.Frameworks {
		active = append(active, s.frameworkRow(f))
	}
	for _, f := range slices.Backward(s.state.Completed) {
		completed = append(completed, s.frameworkRow(f))
	}
	return page{Title: "Frameworks", Here: "frameworks", Body: struct{ Active, Completed []frameworkRow }{active, completed}}, nil
}

func oneFrameworkPage(s *snapshot, r *http.Request) (page, error) {
	for _, f := range s.frameworks() {
		if f.ID == r.PathValue("framework") {
			l := newListing(s, r)
			return page{Title: "Framework " + f.Name, Here: "frameworks", Body: struct {
				F     frameworkRow
				Tasks taskTables
			}{s.frameworkRow(f), l.tables([]*frameworkView{f}, false, "")}}, nil
		}
	}
	return page{}, errNoPage
}

// agentRow is an agent in a list, and the head of its own page.
type agentRow struct {
	agentView
	Host   string
	Since  moment
	Status string
	Total  resourcesView
	Table  []resourceRow
}

func (s *snapshot) agentRow(a agentView) agentRow {
	row := agentRow{agentView: a, Host: s.hosts[a.ID], Since: s.at(a.Registered), Status: "activated"}
	if !a.Active || a.Deactivated {
		row.Status = "deactivated"
	}
	row.Total = a.Resources
	row.Table = resourceRows(Resources(a.Resources), Resources(a.UsedResources), Resources(a.OfferedResources))
	return row
}

func agentsPage(s *snapshot, _ *http.Request) (page, error) {
	var rows []agentRow
	for _, a := range s.state.Agents {
		rows = append(rows, s.agentRow(a))
	}
	return page{Title: "Agents", Here: "agents", Body: struct {
		Agents      []agentRow
		Unreachable int
	}{rows, s.state.Unreachable}}, nil
}

func oneAgentPage(s *snapshot, r *http.Request) (page, error) {
	for _, a := range s.state.Agents {
		if a.ID == r.PathValue("agent") {
			l := newListing(s, r)
			return page{Title: "Agent " + s.hosts[a.ID], Here: "agents", Body: struct {
				A     agentRow
				Tasks taskTables
			}{s.agentRow(a), l.tables(s.frameworks(), true, a.ID)}}, nil
		}
	}
	return page{}, errNoPage
}

// offerRow is an outstanding offer.
type offerRow struct {
	offerView
	Framework *frameworkView
	Host      string
}

func offersPage(s *snapshot, _ *http.Request) (page, error) {
	var rows []offerRow
	for _, f := range s.state.Frameworks {
		for _, o := range f.Offers {
			rows = append(rows, offerRow{o, f, s.hosts[o.AgentID]})
		}
	}
	slices.SortFunc(rows, func(a, b offerRow) int { return natural(a.ID, b.ID) })
	return page{Title: "Offers", Here: "offers", Body: rows}, nil
}

// roleRow is a role and who is in it.
type roleRow struct {
	roleSummary
	Members []*frameworkView
}

func rolesPage(s *snapshot, _ *http.Request) (page, error) {
	byID := map[string]*frameworkView{}
	for _, f := range s.state.Frameworks {
		byID[f.ID] = f
	}
	var rows []roleRow
	for _, role := range s.roles.Roles {
		row := roleRow{roleSummary: role}
		for _, id := range role.Frameworks {
			if f := byID[id]; f != nil {
				row.Members = append(row.Members, f)
			}
		}
		rows = append(rows, row)
	}
	return page{Title: "Roles", Here: "roles", Body: rows}, nil
}
