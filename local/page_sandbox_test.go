package local

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// TestSandboxPage reads a sandbox through the master, and tries to read more.
func TestSandboxPage(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	script := `echo HelloWorld; echo oops >&2; mkdir -p sub/deep; echo in > 'sub/deep/a & b'; ln -s /etc/passwd out; ln -s stdout near
		ln -s ../.. up; mkfifo pipe; seq 1 40000 > big; printf 'x%.0s' 1 > '<b>'; head -c 70000 /dev/zero > zero; mkdir empty`
	s.accept(0, []mesos.Offer{o}, command1("t 1", o, script))
	s.until("t 1", mesos.TASK_FINISHED)
	at := sandboxPage(s.id, "t 1", "")
	for executor, want := range map[string]string{"t%201": at, "nobody": frameworkPage(s.id)} { // as Mesos' own page names it
		status, header, _ := ask(t, "GET", "http://"+c.Addr()+frameworkPage(s.id)+"/executors/"+executor, "")
		if status != 302 || header.Get("Location") != want {
			t.Errorf("executor %s: %d, %q, want %q", executor, status, header.Get("Location"), want)
		}
	}
	page := look(t, c, at)
	checkMarkup(t, page)
	mustHave(t, page, "HelloWorld\n</pre>", "oops\n</pre>", "0 to 11", "sub</bdi>/", "&lt;b&gt;", "Command exited with status 0", "-rw-r", "Finished", `/download?path=big`)
	if strings.Contains(page, "root:") {
		t.Error("a link led out")
	}
	mustHave(t, look(t, c, at+"?path=sub/deep"), "a &amp; b", `<ol>`)
	mustHave(t, look(t, c, at+"?path=empty"), "The directory is empty.")
	mustHave(t, look(t, c, at+"?path=near"), "HelloWorld")
	mustHave(t, look(t, c, at+"?path="+url.QueryEscape("sub/deep/a & b")), "<pre", "in\n")
	mustHave(t, look(t, c, at+"?path=zero"), "\uFFFD\uFFFD", "bytes that are not text")
	checkBig(t, c, at)
	for path, want := range map[string]int{
		"?path=missing": 404, "?path=../../x": 400, "?path=/../../x": 404, "?path=sub/../../../x": 400, "?path=out": 400, "?path=up": 400, "?path=pipe": 400,
		"?path=stdout%00": 404, "?path=big&offset=x": 400, "?path=big&offset=-5": 400, "?run=..": 404, "?run=latest": 404, "?path=stdout/x": 404,
		"/read?path=stdout": 200, "/read": 400, "/read?path=out": 400, "/read?path=sub": 400, "/read?path=../../x": 400, "/read?path=missing": 404, "/read?path=pipe": 400,
		"/download?path=stdout": 200, "/download?path=out": 400, "/download?path=sub": 400, "/download": 400, "/download?path=up/runs": 400,
	} {
		if status, _, body := ask(t, "GET", "http://"+c.Addr()+at+path, ""); status != want || strings.Contains(string(body), "root:") {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	status, header, body := ask(t, "GET", "http://"+c.Addr()+at+"/download?path=zero", "")
	if status != 200 || len(body) != 70000 || !strings.HasPrefix(header.Get("Content-Disposition"), "attachment") || !strings.Contains(header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("download: %d, %d bytes, %v", status, len(body), header)
	}
	if err := os.RemoveAll(filepath.Join(c.cfg.WorkDir, "slaves")); err != nil {
		t.Fatal(err)
	}
	mustHave(t, look(t, c, at), "There is no sandbox")
}

// checkBig walks through a big file backward and forward.
func checkBig(t *testing.T, c *Cluster, at string) {
	t.Helper()
	text := regexp.MustCompile(`(?s)<pre[^>]*>\n(.*)</pre>`)
	earlier, later := regexp.MustCompile(`href="([^"]*)">Earlier`), regexp.MustCompile(`href="([^"]*)">Later`)
	next, whole := at+"?path=big", ""
	for next != "" {
		page := look(t, c, next)
		whole, next = text.FindStringSubmatch(page)[1]+whole, ""
		if m := earlier.FindStringSubmatch(page); m != nil {
			next = strings.ReplaceAll(m[1], "&amp;", "&")
		}
	}
	var want strings.Builder
	for i := range 40000 {
		fmt.Fprintln(&want, i+1)
	}
	// The first part overlaps: it is whole all the same.
	if !strings.HasSuffix(whole, want.String()[pageChunk:]) || !strings.HasPrefix(whole, want.String()[:pageChunk]) {
		t.Errorf("the parts are not the file: %d bytes", len(whole))
	}
	next, whole = at+"?path=big&offset=0", ""
	for next != "" {
		page := look(t, c, next)
		whole, next = whole+text.FindStringSubmatch(page)[1], ""
		if m := later.FindStringSubmatch(page); m != nil {
			next = strings.ReplaceAll(m[1], "&amp;", "&")
		}
	}
	if whole != want.String() {
		t.Errorf("forward: %d bytes, want %d", len(whole), want.Len())
	}
}

// TestSandboxFollow reads a log as the script does while a command writes it.
func TestSandboxFollow(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	s.accept(0, []mesos.Offer{o}, command1("t1", o, `printf 'one €'; until [ -e go ]; do sleep 0.02; done; printf ' two'; until [ -e cut ]; do sleep 0.02; done; : > other; sleep 1000`))
	s.until("t1", mesos.TASK_RUNNING)
	at := sandboxPage(s.id, "t1", "")
	page := awaitPage(t, c, at, "\none €</pre>")
	mustHave(t, page, `data-offset="7"`, `data-from="0"`, "data-live-task")
	dir := Sandbox(c.cfg.WorkDir, o.AgentID.Value, s.id, "t1")
	if part := follow(t, c, at, "stdout", 7); part.Text != "" || part.To != 7 {
		t.Errorf("%+v", part)
	}
	writeFile(t, filepath.Join(dir, "go"), "")
	eventually(t, "what the command writes next", func() bool {
		part := follow(t, c, at, "stdout", 7)
		return part.Text == " two" && part.From == 7 && part.To == 11 && part.Size == 11
	})
	writeFile(t, filepath.Join(dir, "stdout"), "new")
	if part := follow(t, c, at, "stdout", 11); part.From != 0 || part.Text != "new" || part.To != 3 {
		t.Errorf("after it was cut: %+v", part)
	}
}

type followed struct {
	From, To, Size int64
	Text           string
}

func follow(t *testing.T, c *Cluster, at, name string, offset int) followed {
	t.Helper()
	status, _, body := ask(t, "GET", fmt.Sprintf("http://%s%s/read?path=%s&offset=%d", c.Addr(), at, name, offset), "")
	var part followed
	if err := json.Unmarshal(body, &part); err != nil || status != 200 {
		t.Fatalf("%d %s %v", status, body, err)
	}
	return part
}

// TestSandboxOfGroup: a task of a group has its own directory in its
// executor's sandbox, and its page begins there.
func TestSandboxOfGroup(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	one, two := command1("one", o, "echo I am one"), command1("two", o, "echo I am two")
	x := mesos.ExecutorInfo{Type: mesos.ExecutorInfo_DEFAULT, ExecutorID: mesos.ExecutorID{Value: "x"}, FrameworkID: &mesos.FrameworkID{Value: s.id},
		Resources: []mesos.Resource{scalarResource("cpus", 0.1), scalarResource("mem", 32), scalarResource("disk", 10)}}
	s.call(&scheduler.Call{Type: scheduler.Call_ACCEPT, Accept: &scheduler.Call_Accept{OfferIDs: []mesos.OfferID{o.ID}, Operations: []mesos.Offer_Operation{{
		Type:        mesos.Offer_Operation_LAUNCH_GROUP,
		LaunchGroup: &mesos.Offer_Operation_LaunchGroup{Executor: x, TaskGroup: mesos.TaskGroupInfo{Tasks: []mesos.TaskInfo{one, two}}},
	}}}})
	for _, id := range []string{"one", "two"} {
		s.until(id, mesos.TASK_FINISHED)
		mustHave(t, look(t, c, sandboxPage(s.id, id, "")), "\nI am "+id+"\n</pre>", "containers</bdi>", "<dt>Executor</dt><dd><bdi>x</bdi>")
	}
	mustHave(t, look(t, c, sandboxPage(s.id, "one", "")+"?path=."), "containers</bdi>/", "tasks</bdi>/")
}

// TestSandboxRuns: tasks of the same id are told apart by their run.
func TestSandboxRuns(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecProtobuf, modern)
	for _, word := range []string{"first", "second"} {
		o := s.offer()
		s.accept(0, []mesos.Offer{o}, command1("again", o, "echo "+word))
		s.until("again", mesos.TASK_FINISHED)
	}
	links := regexp.MustCompile(`href="([^"]*/tasks/again\?run=[^"]*)"`).FindAllStringSubmatch(look(t, c, "/"), -1)
	if len(links) != 2 || links[0][1] == links[1][1] {
		t.Fatalf("%q", links)
	}
	mustHave(t, look(t, c, links[0][1]), "\nsecond\n</pre>")
	mustHave(t, look(t, c, links[1][1]), "\nfirst\n</pre>")
	mustHave(t, look(t, c, sandboxPage(s.id, "again", "")), "\nsecond\n</pre>")
}
