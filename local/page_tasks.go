package local

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// rowsPerPage bounds a table of tasks; links lead to the rest.
const rowsPerPage = 100

// listing is what the address asks of the tables of tasks: q filters, sort and
// order sort, and active, unreachable and completed are the numbers of pages.
type listing struct {
	s       *snapshot
	path    string
	values  url.Values
	words   []string // of the filter, lower case; a task must have them all
	key     string   // "": as the table likes it
	descend bool
}

func newListing(s *snapshot, r *http.Request) *listing {
	l := &listing{s: s, path: r.URL.EscapedPath(), values: url.Values{}}
	given := r.URL.Query()
	for _, name := range []string{"q", "sort", "order", "active", "unreachable", "completed"} {
		if v := given.Get(name); v != "" {
			l.values.Set(name, v)
		}
	}
	l.words = strings.Fields(strings.ToLower(l.values.Get("q")))
	l.key, l.descend = l.values.Get("sort"), l.values.Get("order") == "desc"
	return l
}

// link is this page with other values; "" takes one away.
func (l *listing) link(table string, pairs ...string) string {
	values := url.Values{}
	for name := range l.values {
		values.Set(name, l.values.Get(name))
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			values.Del(pairs[i])
		} else {
			values.Set(pairs[i], pairs[i+1])
		}
	}
	address := l.path
	if len(values) > 0 {
		address += "?" + values.Encode()
	}
	return address + "#" + table
}

// taskTables are the three tables of tasks with their filter.
type taskTables struct {
	Path, Query, Sort, Order string
	Tables                   []taskTable
	Matches                  string // how many the filter leaves, in words; "" without one
}

type taskTable struct {
	ID, Caption, Empty  string
	Columns             []column
	Rows                []taskRow
	Framework, Stopped  bool // which columns there are
	All, First, Last    int  // of the rows that match
	Previous, Following string
}

// column is a head of a table. Sorted is a value of aria-sort, or "".
type column struct{ Title, Key, Href, Sorted string }

// taskRow is a task of a table.
type taskRow struct {
	*taskView
	framework        *frameworkView
	FrameworkName    string
	FrameworkHref    string
	Word, Class      string
	Health           string
	Host, AgentHref  string
	Sandbox          string
	Started, Stopped moment
}

// pageTask is a task with what it is found and sorted by.
type pageTask struct {
	*taskView
	framework        *frameworkView
	host             string
	started, stopped float64
}

// tables makes the tables of the tasks of frameworks, on one agent or on all
// for "".
func (l *listing) tables(frameworks []*frameworkView, withFramework bool, agent string) taskTables {
	var active, unreachable, completed []pageTask
	for _, f := range frameworks {
		active = l.collect(active, f, f.Tasks, agent)
		unreachable = l.collect(unreachable, f, f.UnreachableTasks, agent)
		completed = l.collect(completed, f, f.CompletedTasks, agent)
	}
	v := taskTables{Path: l.path, Query: l.values.Get("q"), Sort: l.key, Order: l.values.Get("order")}
	if len(l.words) > 0 {
		n := len(active) + len(unreachable) + len(completed)
		v.Matches = strconv.Itoa(n) + " tasks match"
		if n == 1 {
			v.Matches = "1 task matches"
		}
	}
	add := func(t taskTable, tasks []pageTask) {
		t.Framework = withFramework
		l.fill(&t, tasks)
		v.Tables = append(v.Tables, t)
	}
	add(taskTable{ID: "active", Caption: "Active tasks", Empty: "No task is active."}, active)
	add(taskTable{ID: "unreachable", Caption: "Unreachable tasks", Empty: "No task is unreachable."}, unreachable)
	add(taskTable{ID: "completed", Caption: "Completed tasks", Empty: "No task has completed yet.", Stopped: true}, completed)
	return v
}

// collect adds the tasks that are asked for.
func (l *listing) collect(into []pageTask, f *frameworkView, tasks []*taskView, agent string) []pageTask {
	for _, t := range tasks {
		if agent != "" && t.AgentID != agent {
			continue
		}
		p := pageTask{taskView: t, framework: f, host: cmp.Or(l.s.hosts[t.AgentID], shortAgent(t.AgentID))}
		if !l.matches(&p) {
			continue
		}
		p.started, p.stopped = t.span()
		into = append(into, p)
	}
	return into
}

// shortAgent names an agent that is not there any more: S0 for …-S0.
func shortAgent(id string) string { return id[strings.LastIndexByte(id, '-')+1:] }

func (l *listing) matches(t *pageTask) bool {
	for _, word := range l.words {
		found := false
		for _, text := range []string{t.ID, t.Name, t.State, t.framework.Name, t.Role, t.host} {
			if found = strings.Contains(strings.ToLower(text), word); found {
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// span is when a task was first heard to run, and when it ended; 0 is not.
func (t *taskView) span() (started, stopped float64) {
	for i := range t.Statuses {
		s := &t.Statuses[i]
		switch {
		case s.State == "TASK_RUNNING" && started == 0:
			started = s.Timestamp
		case stateEnds(s.State):
			stopped = s.Timestamp
		}
	}
	return started, stopped
}

// endNames are the states that end a task.
var endNames = func() map[string]bool {
	names := map[string]bool{}
	for _, s := range endStates {
		names[s.String()] = true
	}
	return names
}()

func stateEnds(state string) bool { return endNames[state] }

// health is what the task's check said last.
func (t *taskView) health() string {
	if n := len(t.Statuses); n > 0 && t.Statuses[n-1].Healthy != nil {
		if *t.Statuses[n-1].Healthy {
			return "healthy"
		}
		return "unhealthy"
	}
	return ""
}

// taskOrder compares tasks by a column.
var taskOrder = map[string]func(a, b *pageTask) int{
	"framework": func(a, b *pageTask) int { return natural(a.framework.Name, b.framework.Name) },
	"id":        func(a, b *pageTask) int { return natural(a.ID, b.ID) },
	"name":      func(a, b *pageTask) int { return natural(a.Name, b.Name) },
	"role":      func(a, b *pageTask) int { return natural(a.Role, b.Role) },
	"state":     func(a, b *pageTask) int { return cmp.Compare(a.State, b.State) },
	"health":    func(a, b *pageTask) int { return cmp.Compare(a.health(), b.health()) },
	"started":   func(a, b *pageTask) int { return cmp.Compare(a.started, b.started) },
	"stopped":   func(a, b *pageTask) int { return cmp.Compare(a.stopped, b.stopped) },
	"host":      func(a, b *pageTask) int { return natural(a.host, b.host) },
}

// fill sorts the tasks and takes the table's page of them.
func (l *listing) fill(t *taskTable, tasks []pageTask) {
	key, descend := l.key, l.descend
	if taskOrder[key] == nil || key == "stopped" && !t.Stopped {
		key, descend = "started", true
		if t.Stopped {
			key = "stopped"
		}
	}
	t.Columns = l.columns(t, key, descend)
	if len(l.words) > 0 {
		t.Empty = "No task here matches the filter."
	}
	t.All = len(tasks)
	last := max(1, (len(tasks)+rowsPerPage-1)/rowsPerPage)
	number, err := strconv.Atoi(l.values.Get(t.ID))
	if err != nil || number < 1 {
		number = 1
	}
	number = min(number, last)
	from := (number - 1) * rowsPerPage
	to := min(from+rowsPerPage, len(tasks))
	t.First, t.Last = from+1, to
	by := taskOrder[key]
	tasks = first(tasks, to, func(a, b pageTask) int {
		order := by(&a, &b)
		if order == 0 {
			order = natural(a.ID, b.ID)
		}
		if descend {
			return -order
		}
		return order
	})
	if number > 1 {
		t.Previous = l.link(t.ID, t.ID, strconv.Itoa(number-1))
	}
	if number < last {
		t.Following = l.link(t.ID, t.ID, strconv.Itoa(number+1))
	}
	for i := range tasks[from:to] {
		t.Rows = append(t.Rows, l.row(&tasks[from+i]))
	}
}

// first sorts the first n of a list, which it changes, and returns them. Of many
// tasks a page shows few: most are only compared with the last of those.
func first[T any](list []T, n int, compare func(a, b T) int) []T {
	room := 2*n + 100
	if len(list) <= room {
		slices.SortStableFunc(list, compare)
		return list[:n]
	}
	kept := slices.Clone(list[:room])
	for rest := list[room:]; ; {
		slices.SortStableFunc(kept, compare)
		kept = kept[:n]
		for len(rest) > 0 && len(kept) < room {
			if n == 0 || compare(rest[0], kept[n-1]) < 0 {
				kept = append(kept, rest[0])
			}
			rest = rest[1:]
		}
		if len(rest) == 0 {
			slices.SortStableFunc(kept, compare)
			return kept[:n]
		}
	}
}

func (l *listing) columns(t *taskTable, key string, descend bool) []column {
	list := []column{{Title: "Framework", Key: "framework"}, {Title: "Task ID", Key: "id"}, {Title: "Name", Key: "name"}, {Title: "Role", Key: "role"},
		{Title: "State", Key: "state"}, {Title: "Health", Key: "health"}, {Title: "Started", Key: "started"}, {Title: "Stopped", Key: "stopped"}, {Title: "Host", Key: "host"}}
	list = slices.DeleteFunc(list, func(c column) bool {
		return c.Key == "framework" && !t.Framework || c.Key == "stopped" && !t.Stopped || c.Key == "health" && t.Stopped
	})
	for i := range list {
		c := &list[i]
		order := "asc"
		if c.Key == "started" || c.Key == "stopped" {
			order = "desc" // the newest first
		}
		if c.Key == key {
			c.Sorted, order = "ascending", "desc"
			if descend {
				c.Sorted, order = "descending", "asc"
			}
		}
		c.Href = l.link(t.ID, "sort", c.Key, "order", order, "active", "", "unreachable", "", "completed", "")
	}
	return list
}

func (l *listing) row(t *pageTask) taskRow {
	row := taskRow{
		taskView: t.taskView, framework: t.framework, FrameworkName: cmp.Or(t.framework.Name, t.framework.ID), FrameworkHref: frameworkPage(t.framework.ID),
		Word: stateWord(t.State), Class: stateClass(t.State), Health: t.health(), Host: t.host,
		Started: l.s.at(t.started), Stopped: l.s.at(t.stopped),
	}
	if l.s.hosts[t.AgentID] != "" {
		row.AgentHref = agentPage(t.AgentID)
	}
	if t.AgentID != "" {
		row.Sandbox = sandboxPage(t.FrameworkID, t.ID, t.detail.run)
	}
	return row
}

// natural compares texts with their numbers as numbers: t2 before t10.
func natural(a, b string) int {
	whole := cmp.Compare(a, b)
	for a != "" && b != "" {
		if digit(a[0]) && digit(b[0]) {
			var x, y string
			x, a = cutNumber(a)
			y, b = cutNumber(b)
			if c := cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y)); c != 0 {
				return c
			}
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Or(cmp.Compare(len(a), len(b)), whole)
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// cutNumber takes the digits a text begins with, without leading zeros.
func cutNumber(s string) (number, rest string) {
	n := 0
	for n < len(s) && digit(s[n]) {
		n++
	}
	return strings.TrimLeft(s[:n], "0"), s[n:]
}
