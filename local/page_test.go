package local

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// look opens a page of a cluster that must be there.
func look(t *testing.T, c *Cluster, path string) string {
	t.Helper()
	status, header, body := ask(t, "GET", "http://"+c.Addr()+path, "")
	if status != 200 {
		t.Fatalf("%s: %d\n%s", path, status, body)
	}
	checkPageHeader(t, path, header)
	return string(body)
}

// checkPageHeader: a page may load what is ours, and nothing keeps it.
func checkPageHeader(t *testing.T, path string, h http.Header) {
	t.Helper()
	policy := h.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("%s: no %s in the policy %q", path, part, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || h.Get("Content-Type") != "text/html; charset=utf-8" || h.Get("Cache-Control") != "no-store" ||
		h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s: %v", path, h)
	}
}

// mustHave checks that a page tells all of these.
func mustHave(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			t.Errorf("there is no %q in\n%s", text, page)
		}
	}
}

// evil is a text that would do something on a page that did not escape it.
const evil = `<script>alert("x")</script><img src=x onerror=alert(1)> ' " & {{.}}`

// evilID is one that Mesos takes as an id.
const evilID = `<script>alert("x")<&'%2e%00?#;=`

func TestPageEmpty(t *testing.T) {
	c := startCluster(t, Config{Agents: 2})
	home := look(t, c, "/")
	mustHave(t, home, "No task is active.", "No task is unreachable.", "No task has completed yet.", c.Addr(), "<caption>Resources</caption>",
		`<tr><th scope="row">Activated</th><td class="n">2</td></tr>`, `<th scope="row">cpus</th><td class="n">8</td><td class="n">0</td>`,
		`<th scope="row">mem</th><td class="n">8 GB</td>`, `<main id="main"`, `href="#main"`, `<html lang="en">`)
	mustHave(t, look(t, c, "/page/frameworks"), "No framework is subscribed.", "No framework has completed yet.")
	mustHave(t, look(t, c, "/page/offers"), "No offer is outstanding")
	mustHave(t, look(t, c, "/page/roles"), "No framework is in any role.")
	agents := look(t, c, "/page/agents")
	for _, a := range c.Agents() {
		mustHave(t, agents, a.ID, a.Addr, agentPage(a.ID))
		mustHave(t, look(t, c, agentPage(a.ID)), a.ID, a.Addr, "No task is active.")
	}
	for _, page := range []string{home, agents} {
		checkMarkup(t, page)
	}
}

var (
	tags         = regexp.MustCompile(`<[a-z][^>]*>`)
	quoted       = regexp.MustCompile(`"[^"]*"`)
	inlineScript = regexp.MustCompile(`(?i)\s(on[a-z]+|style|srcdoc)=`)
	external     = regexp.MustCompile(`(?:src|href|action)="(?:[a-z]+:)?//`)
	tables       = regexp.MustCompile(`(?s)<table[ >].*?</table>`)
	heads        = regexp.MustCompile(`<th[ >][^>]*`)
)

// checkMarkup: nothing inline, nothing from elsewhere, tables that a screen
// reader can read.
func checkMarkup(t *testing.T, page string) {
	t.Helper()
	for _, tag := range tags.FindAllString(page, -1) {
		if strings.Contains(tag, `="javascript:`) || inlineScript.MatchString(quoted.ReplaceAllString(tag, "")) {
			t.Errorf("inline: %s", tag)
		}
	}
	if n := strings.Count(strings.ToLower(page), "<script"); n != 1 {
		t.Errorf("%d scripts", n)
	}
	if at := external.FindString(page); at != "" {
		t.Errorf("external: %q", at)
	}
	for _, table := range tables.FindAllString(page, -1) {
		if !strings.Contains(table, "<caption") {
			t.Errorf("a table without a caption: %s", table)
		}
		for _, th := range heads.FindAllString(table, -1) {
			if !strings.Contains(th, "scope=") {
				t.Errorf("a head without a scope: %s", th)
			}
		}
	}
	for _, mark := range []string{"ZgotmplZ", "<no value>", "%!"} {
		if strings.Contains(page, mark) {
			t.Errorf("%s in\n%s", mark, page)
		}
	}
}

// TestPageHostile: whatever a framework calls itself, its roles and its tasks,
// is text.
func TestPageHostile(t *testing.T) {
	c := startCluster(t, Config{})
	info := modern
	info.Name, info.User, info.WebUiURL = evil, evil, new("javascript:alert(1)")
	s := subscribe(t, c, codecProtobuf, info)
	o := s.offer()
	mustHave(t, look(t, c, "/page/offers"), o.ID.Value)
	live, done := command1(evilID, o, "echo '"+"</pre><script>alert(1)</script>"+"'; sleep 1000"), command1("done", o, "printf 'a\\000b\\033[31mred\\033[0m\\377\\n'; exit 3")
	live.Name, done.Name = evil, evil
	s.accept(0, []mesos.Offer{o}, live, done)
	s.until("done", mesos.TASK_FAILED)
	s.until(evilID, mesos.TASK_RUNNING)
	sandbox := sandboxPage(s.id, evilID, "")
	awaitPage(t, c, sandbox, "&lt;/pre&gt;&lt;script&gt;")
	for _, path := range []string{"/", "/?q=script", "/?q=" + url.QueryEscape(`"><script>alert(1)</script>`), "/page/frameworks", frameworkPage(s.id), "/page/roles",
		agentPage(o.AgentID.Value), sandbox, sandbox + "?path=stdout", sandboxPage(s.id, "done", "")} {
		page := look(t, c, path)
		checkMarkup(t, page)
		if strings.Contains(page, "<img src=x") || strings.Contains(page, "<script>") {
			t.Errorf("%s:\n%s", path, page)
		}
	}
	mustHave(t, look(t, c, "/"), "&lt;script&gt;alert(", "Running", "Failed", `href="`+strings.ReplaceAll(sandboxPage(s.id, evilID, ""), "&", "&amp;"))
	mustHave(t, look(t, c, sandboxPage(s.id, "done", "")), "Command exited with status 3", "a\uFFFDbred\uFFFD\n", "bytes that are not text", "printf")
}

// awaitPage waits until a page tells something that a command has still to
// write.
func awaitPage(t *testing.T, c *Cluster, path, text string) string {
	t.Helper()
	page := ""
	if !comes(func() bool { page = look(t, c, path); return strings.Contains(page, text) }) {
		t.Fatalf("%s never has %q:\n%s", path, text, page)
	}
	return page
}

// TestPageTasks: the tables of tasks, filtered, sorted and in parts.
func TestPageTasks(t *testing.T) {
	c := startCluster(t, Config{Agents: 1, Resources: "cpus:40;mem:4096"})
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	var tasks []mesos.TaskInfo
	for i := range rowsPerPage + 5 {
		tasks = append(tasks, command1(fmt.Sprintf("t%d", i), o, "true"))
	}
	s.accept(0, []mesos.Offer{o}, tasks...)
	for _, task := range tasks {
		s.until(task.TaskID.Value, mesos.TASK_FINISHED)
	}
	rows := func(page string) []string {
		var ids []string
		for _, m := range regexp.MustCompile(`<th scope="row" class="name id"><bdi>(t\d+)</bdi>`).FindAllStringSubmatch(page, -1) {
			ids = append(ids, m[1])
		}
		return ids
	}
	for _, tt := range []struct {
		path, first, last string
		rows              int
	}{
		{"/?sort=id&order=asc", "t0", "t99", 100},
		{"/?sort=id&order=asc&completed=2", "t100", "t104", 5},
		{"/?sort=id&order=asc&completed=9", "t100", "t104", 5},
		{"/?sort=id&order=desc", "t104", "t5", 100},
		{"/?sort=id&order=asc&q=T10", "t10", "t104", 6},
		{"/?sort=id&order=asc&q=t10+finished", "t10", "t104", 6},
		{"/?sort=nonsense&completed=-1&active=x&q=t7", "", "", 11},
		{frameworkPage(s.id) + "?sort=id&order=asc", "t0", "t99", 100},
		{agentPage(o.AgentID.Value) + "?sort=id&order=asc", "t0", "t99", 100},
	} {
		page := look(t, c, tt.path)
		got := rows(page)
		if len(got) != tt.rows || tt.first != "" && (got[0] != tt.first || got[len(got)-1] != tt.last) {
			t.Errorf("%s: %d rows: %v", tt.path, len(got), got)
		}
		checkMarkup(t, page)
	}
	page := look(t, c, "/?sort=id&order=asc")
	mustHave(t, page, `aria-sort="ascending"`, `href="/?completed=2&amp;order=asc&amp;sort=id#completed"`, `href="/?order=desc&amp;sort=id#completed"`,
		"1 to 100 of 105", `<span class="state good">Finished</span></th><td class="n">105</td>`, `<time datetime="`, `title="20`)
	none := look(t, c, "/?q=nothing+at+all")
	mustHave(t, none, "No task here matches the filter.", "0 tasks match", `value="nothing at all"`)
	if strings.Contains(look(t, c, "/?q=t7"), "0 tasks match") {
		t.Error("a filter matches and the page says it does not")
	}
}

// TestPageFramework: a framework and its roles, from its subscription to its
// end.
func TestPageFramework(t *testing.T) {
	c := startCluster(t, Config{})
	info := modern
	info.Name, info.Roles, info.WebUiURL = "counting", []string{"one", "two/three"}, new("http://example.org/ui")
	s := subscribe(t, c, codecProtobuf, info, "one")
	o := s.offer()
	page := look(t, c, frameworkPage(s.id))
	mustHave(t, page, "Framework <bdi>counting</bdi>", s.id, "two/three", "connected", `href="http://example.org/ui"`, "<b>4</b> cpus", "never")
	mustHave(t, look(t, c, "/page/roles"), "two/three", "counting")
	mustHave(t, look(t, c, "/page/offers"), o.ID.Value, "two/three", "[31000-31009]")
	s.accept(0, []mesos.Offer{o}, command1("t1", o, "sleep 1000"))
	s.until("t1", mesos.TASK_RUNNING)
	mustHave(t, look(t, c, "/page/frameworks"), "counting", "<b>0.1</b> cpus", "<b>32 MB</b> mem", frameworkPage(s.id))
	s.call(&scheduler.Call{Type: scheduler.Call_TEARDOWN})
	mustHave(t, look(t, c, "/page/frameworks"), "No framework is subscribed.", "counting")
	mustHave(t, look(t, c, frameworkPage(s.id)), "completed", "Killed")
	mustHave(t, look(t, c, sandboxPage(s.id, "t1", "")), "sleep 1000", "FRAMEWORK_REMOVED")
}

// TestPageNotThere: what is not there is 404, what is no way to ask is 405.
func TestPageNotThere(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecProtobuf, modern)
	for _, path := range []string{"/page", "/page/", "/page/nothing", "/page/frameworks/x", "/page/agents/x", "/page/assets/x", "/page/assets/",
		"/page/assets/layout.html", "/page/frameworks/x/tasks/y", frameworkPage(s.id) + "/tasks/y", frameworkPage(s.id) + "/tasks/y/read?path=stdout",
		frameworkPage(s.id) + "/tasks/y/download?path=stdout", frameworkPage(s.id) + "/tasks/..%2f..%2fy", "/page/frameworks/..%2f..", "/page/frameworks//x"} {
		status, header, _ := ask(t, "GET", "http://"+c.Addr()+path, "")
		if status == http.StatusTemporaryRedirect || status == http.StatusMovedPermanently {
			status, _, _ = ask(t, "GET", "http://"+c.Addr()+header.Get("Location"), "")
		}
		if status != 404 {
			t.Errorf("%s: %d", path, status)
		}
	}
	for _, path := range []string{"/", "/page/frameworks", "/page/agents", "/page/offers", "/page/roles", "/page/assets/style.css", frameworkPage(s.id) + "/tasks/y", frameworkPage(s.id) + "/tasks/y/read"} {
		for _, method := range []string{"POST", "OPTIONS", "PUT"} {
			if status, _, _ := ask(t, method, "http://"+c.Addr()+path, ""); status != 405 {
				t.Errorf("%s %s: %d", method, path, status)
			}
		}
	}
	for name, kind := range map[string]string{"style.css": "text/css", "script.js": "text/javascript", "icon.svg": "image/svg+xml"} {
		at := "http://" + c.Addr() + "/page/assets/" + name
		status, header, body := ask(t, "GET", at, "")
		if status != 200 || !strings.HasPrefix(header.Get("Content-Type"), kind) || len(body) == 0 {
			t.Errorf("%s: %d %v", name, status, header)
		}
		if status, _, _ := ask(t, "GET", at, "", "If-None-Match", header.Get("ETag")); status != 304 {
			t.Errorf("%s again: %d", name, status)
		}
	}
}

// TestPageDoor: the page is behind the same door as everything.
func TestPageDoor(t *testing.T) {
	const secret = "open sesame"
	c := startCluster(t, Config{Secret: secret})
	s := "http://" + c.Addr()
	paths := []string{"/", "/page/frameworks", "/page/agents", "/page/assets/style.css", "/page/frameworks/x/tasks/y", "/page/frameworks/x/tasks/y/read?path=stdout"}
	for _, path := range paths {
		if status, _, body := ask(t, "GET", s+path, ""); status != 401 || strings.Contains(string(body), "<html") {
			t.Errorf("%s: %d %s", path, status, body)
		}
		for _, header := range [][]string{{"Host", "evil.example"}, {"Origin", "http://evil.example"}, {"Sec-Fetch-Site", "cross-site"}} {
			if status, _, _ := ask(t, "GET", s+path, "", append(header, "Authorization", "Bearer "+secret)...); status != 403 {
				t.Errorf("%s with %v: %d", path, header, status)
			}
		}
	}
	status, header, _ := ask(t, "GET", c.PageURL(), "")
	cookie, _, _ := strings.Cut(header.Get("Set-Cookie"), ";")
	if status != 303 || header.Get("Location") != "/" || !strings.Contains(header.Get("Set-Cookie"), "HttpOnly; SameSite=Strict") {
		t.Fatalf("%d %v", status, header)
	}
	for _, path := range paths[:4] {
		if status, _, body := ask(t, "GET", s+path, "", "Cookie", cookie); status != 200 || strings.Contains(string(body), secret) {
			t.Errorf("%s with the cookie: %d", path, status)
		}
	}
}

// TestPageUnreachable: an agent that is gone leaves its tasks and their
// sandboxes to look at.
func TestPageUnreachable(t *testing.T) {
	c, _ := chaosCluster(t, 2)
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	s.accept(0, []mesos.Offer{o}, command1("far", o, "echo still here; sleep 1000"))
	s.until("far", mesos.TASK_RUNNING)
	awaitPage(t, c, sandboxPage(s.id, "far", ""), "still here\n</pre>") // RUNNING is told before echo has run
	i, err := c.FindAgent(o.AgentID.Value)
	if err == nil {
		err = c.HangAgent(i)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.until("far", mesos.TASK_UNREACHABLE)
	home := look(t, c, "/")
	mustHave(t, home, "No task is active.", "No task has completed yet.", `<bdi>far</bdi>`, `<span class="state odd">Unreachable</span>`,
		`<tr><th scope="row">Activated</th><td class="n">1</td></tr>`, `<tr><th scope="row">Unreachable</th><td class="n">1</td></tr>`)
	mustHave(t, look(t, c, "/page/agents"), "1 unreachable.")
	mustHave(t, look(t, c, sandboxPage(s.id, "far", "")), "still here\n</pre>", "Unreachable")
	if status, _, _ := ask(t, "GET", "http://"+c.Addr()+agentPage(o.AgentID.Value), ""); status != 404 {
		t.Errorf("the page of an agent that is gone: %d", status)
	}
	for _, page := range []string{home, look(t, c, sandboxPage(s.id, "far", ""))} {
		checkMarkup(t, page)
		if strings.Contains(page, agentPage(o.AgentID.Value)) {
			t.Error("a link leads to an agent that is gone")
		}
	}
}
