package local

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
)

const (
	pageChunk   = 64 << 10 // bytes of a file on one page
	pageEntries = 1000     // of a directory on one page
	keptText    = 500      // bytes of a command or a message, for each task
)

// taskDetail is what the page tells of a task beyond Mesos' JSON.
type taskDetail struct {
	command, message, reason, source string
	run                              string // the container of its executor; "" if not known
	nested                           string // its own container, if that is one in its executor's
}

func detailOf(t *task) taskDetail {
	d := taskDetail{command: commandText(t.info.Command)}
	if t.last == nil {
		return d
	}
	d.message = shorten(t.last.GetMessage())
	if t.last.Reason != nil {
		d.reason = t.last.Reason.String()
	}
	if t.last.Source != nil {
		d.source = t.last.Source.String()
	}
	for _, s := range t.statuses {
		if id := s.GetContainerStatus().GetContainerID(); id != nil {
			d.run, d.nested = id.Value, ""
			if id.Parent != nil {
				d.run, d.nested = id.Parent.Value, id.Value
			}
		}
	}
	return d
}

// commandText is the line for the shell, or the words of what is run without
// one.
func commandText(c *mesos.CommandInfo) string {
	if c == nil || c.GetShell() || len(c.Arguments) == 0 {
		return shorten(c.GetValue())
	}
	var words []byte
	for _, word := range c.Arguments {
		words = append(strconv.AppendQuote(words, shorten(word)), ' ')
		if len(words) > keptText {
			break
		}
	}
	return shorten(strings.TrimSuffix(string(words), " "))
}

// shorten cuts a text that is kept, so that it keeps no more than it shows.
func shorten(s string) string {
	if len(s) <= keptText {
		return s
	}
	return strings.ToValidUTF8(s[:keptText], "") + "…"
}

// sandboxTask is a task whose sandbox is looked at.
type sandboxTask struct {
	view      *taskView
	framework string // its name
	host      string
	agent     string // its page; "" when it is not there any more
	root      string // its executor's sandbox
	start     string // below the root: where the task's own files are
}

// findTask looks for a task by its id and, unless "", run. The newest of a
// name wins. It is nil if there is none.
func (m *master) findTask(framework, id, run string) *taskView {
	fits := func(v *taskView) bool { return v.ID == id && (run == "" || v.detail.run == run) }
	newest := func(list []*taskView) *taskView {
		for _, v := range slices.Backward(list) {
			if fits(v) {
				return v
			}
		}
		return nil
	}
	if f := m.frameworks[framework]; f != nil {
		live := slices.Clone(f.unreachable)
		if t := f.tasks[id]; t != nil {
			live = append(live, t)
		}
		for _, t := range slices.Backward(live) {
			if t.id() == id {
				if v := viewTask(t); fits(v) {
					return v
				}
			}
		}
		return newest(f.completed)
	}
	for _, f := range slices.Backward(m.completed) {
		if f.ID == framework {
			return cmp.Or(newest(f.CompletedTasks), newest(f.UnreachableTasks))
		}
	}
	return nil
}

// sandboxTask finds the task that an address names.
func (m *master) sandboxTask(r *http.Request) (sandboxTask, error) {
	framework, id, run := r.PathValue("framework"), r.PathValue("task"), r.URL.Query().Get("run")
	var t sandboxTask
	there := m.box.call(func() {
		t.view = m.findTask(framework, id, run)
		if t.view == nil {
			return
		}
		t.framework, t.host = m.frameworkName(framework), shortAgent(t.view.AgentID)
		if a := m.agent(t.view.AgentID); a != nil {
			t.host, t.agent = a.addr.String(), agentPage(a.id)
		}
	})
	switch {
	case !there:
		return t, errStopped
	case t.view == nil:
		return t, errNoPage
	}
	executor := cmp.Or(t.view.ExecutorID, id)
	run = cmp.Or(t.view.detail.run, "latest")
	for _, part := range []string{t.view.AgentID, framework, executor, run} {
		if validateID(part) != "" {
			return t, errNotAttached
		}
	}
	t.root, t.start = runDir(m.workDir, t.view.AgentID, framework, executor, run), "."
	if validateID(t.view.detail.nested) == "" {
		t.start = path.Join("containers", t.view.detail.nested) // a task of a group
	}
	return t, nil
}

func (m *master) frameworkName(id string) string {
	if f := m.frameworks[id]; f != nil {
		return f.info.Name
	}
	for _, f := range m.completed {
		if f.ID == id {
			return f.Name
		}
	}
	return ""
}

// address is a page of the sandbox; kind is "", "/read" or "/download".
func (t *sandboxTask) address(kind, name string, pairs ...string) string {
	values := url.Values{}
	if t.view.detail.run != "" {
		values.Set("run", t.view.detail.run)
	}
	if name != "" {
		values.Set("path", name)
	}
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	address := sandboxPage(t.view.FrameworkID, t.view.ID, "") + kind
	if len(values) > 0 {
		address += "?" + values.Encode()
	}
	return address
}

// open opens a file of the sandbox by the rules of /files.
func (t *sandboxTask) open(name string) (*os.Root, *os.File, string, error) {
	p, err := inSandbox(t.root, name)
	if err != nil {
		return nil, nil, "", err
	}
	return p.open()
}

// sandboxBody is what the page of a sandbox shows: always a task, then a
// directory with the logs in it, or a file.
type sandboxBody struct {
	Task          taskRow
	Facts         taskDetailView
	FrameworkHref string
	Resources     []amount
	Crumbs        []crumb
	IsDir         bool
	Entries       []entryRow
	More          int // entries that are not shown
	Logs          []logView
	Missing       string // why there is nothing to browse
	History       []statusRow
}

// taskDetailView is taskDetail for a template.
type taskDetailView struct{ Command, Message, Reason, Source string }

// statusRow is a state the task was in.
type statusRow struct {
	Word, Class string
	At          moment
}

type crumb struct{ Name, Href string }

// entryRow is a file of a directory.
type entryRow struct {
	fileView
	Name, Href, Download string
	Dir                  bool
	Modified             moment
}

// serveSandbox shows a directory, or a file.
func (m *master) serveSandbox(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	t, err := m.sandboxTask(r)
	if err != nil {
		writeErrorPage(w, sandboxStatus(err), err)
		return
	}
	given := r.URL.Query().Get("path")
	name := cmp.Or(given, t.start)
	offset, err := fileNumber(r, "offset")
	if err != nil {
		writeErrorPage(w, http.StatusBadRequest, err)
		return
	}
	s := &snapshot{now: time.Now(), hosts: map[string]string{}}
	body := t.body(s)
	root, f, rel, err := t.open(name)
	switch {
	case errors.Is(err, errNotAttached) && given == "":
		body.Missing = "There is no sandbox: the task has not begun to run, or its files have been removed."
	case err != nil:
		writeErrorPage(w, fileStatus(err), err)
		return
	default:
		defer root.Close()
		defer f.Close()
		if err := t.fill(&body, s, root, f, rel, offset); err != nil {
			writeErrorPage(w, fileStatus(err), err)
			return
		}
	}
	writePage(w, http.StatusOK, "sandbox", page{Title: "Task " + t.view.ID, Here: "tasks", Now: moment{s.now, s.now}, Body: body})
}

func sandboxStatus(err error) int {
	switch {
	case errors.Is(err, errNoPage):
		return http.StatusNotFound
	case errors.Is(err, errStopped):
		return http.StatusServiceUnavailable
	}
	return fileStatus(err)
}

// body tells of the task.
func (t *sandboxTask) body(s *snapshot) sandboxBody {
	v := t.view
	started, stopped := v.span()
	d := v.detail
	b := sandboxBody{
		Task: taskRow{taskView: v, FrameworkName: cmp.Or(t.framework, v.FrameworkID), FrameworkHref: frameworkPage(v.FrameworkID),
			Word: stateWord(v.State), Class: stateClass(v.State), Health: v.health(), Host: t.host, AgentHref: t.agent,
			Started: s.at(started), Stopped: s.at(stopped)},
		Facts:     taskDetailView{d.command, d.message, d.reason, d.source},
		Resources: amounts(v.Resources),
	}
	for _, st := range v.Statuses {
		b.History = append(b.History, statusRow{stateWord(st.State), stateClass(st.State), s.at(st.Timestamp)})
	}
	return b
}

// fill adds what was opened.
func (t *sandboxTask) fill(b *sandboxBody, s *snapshot, root *os.Root, f *os.File, rel string, offset int64) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("look at the file: %w", err)
	}
	b.Crumbs = []crumb{{"sandbox", t.address("", ".")}}
	if rel != "." {
		for i, part := range strings.Split(rel, "/") {
			b.Crumbs = append(b.Crumbs, crumb{part, t.address("", path.Join(strings.Split(rel, "/")[:i+1]...))})
		}
	}
	if !info.IsDir() {
		if !info.Mode().IsRegular() {
			return errNotFile
		}
		l, err := t.log(f, rel, offset)
		b.Logs = []logView{l}
		return err
	}
	b.IsDir = true
	if b.Entries, b.More, err = t.list(s, root, f, rel); err != nil {
		return err
	}
	for _, name := range []string{"stdout", "stderr"} {
		if at := slices.IndexFunc(b.Entries, func(e entryRow) bool { return e.Name == name }); at < 0 || rel != t.start {
			continue
		}
		name = path.Join(rel, name)
		lr, lf, lrel, err := t.open(name)
		if err != nil {
			continue // it leads out, or has gone: the list shows it all the same
		}
		if l, err := t.log(lf, lrel, -1); err == nil {
			b.Logs = append(b.Logs, l)
		}
		lf.Close()
		lr.Close()
	}
	return nil
}

// list shows a directory, up to pageEntries of it.
func (t *sandboxTask) list(s *snapshot, root *os.Root, f *os.File, rel string) (rows []entryRow, more int, err error) {
	names, err := f.Readdirnames(100 * pageEntries)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, fmt.Errorf("list: %w", err)
	}
	slices.SortFunc(names, natural)
	if len(names) > pageEntries {
		names, more = names[:pageEntries], len(names)-pageEntries
	}
	for _, name := range names {
		whole := path.Join(rel, name)
		info, err := root.Lstat(whole)
		if err != nil {
			continue // it has gone since
		}
		row := entryRow{fileView: viewFile(name, info), Name: name, Href: t.address("", whole), Dir: info.IsDir(), Modified: moment{info.ModTime(), s.now}}
		if info.Mode().IsRegular() {
			row.Download = t.address("/download", whole)
		} else if info.Mode()&(fs.ModeDir|fs.ModeSymlink) == 0 {
			row.Href = ""
		}
		rows = append(rows, row)
	}
	return rows, more, nil
}
