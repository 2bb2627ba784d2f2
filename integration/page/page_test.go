//go:build integration

package page_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestDemo runs the tutorial's two tasks and looks at them: both finished, and
// what they wrote in their sandboxes.
func TestDemo(t *testing.T) {
	c := startCluster(t)
	b := openTab(t)
	b.open(c.url("/"))
	if text := evaluate[string](b, "document.querySelector('main').innerText"); !strings.Contains(text, "No task has completed yet.") {
		t.Errorf("the empty page says\n%s", text)
	}
	b.screenshots("empty")
	demo, err := filepath.Abs("../../tasks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c.tasks(demo)()
	// The page is not loaded again: it brings itself up to date.
	const finished = `[...document.querySelectorAll("#tasks tbody tr")].filter((r) => r.querySelector(".state").textContent === "Finished").map((r) => r.querySelector("th").textContent).sort().join()`
	b.until(finished + ` === "taskDIR,taskHelloWorld"`)
	if exact := evaluate[string](b, "document.querySelector('#tasks time').title"); !strings.HasPrefix(exact, "20") {
		t.Errorf("the exact time is %q", exact)
	}
	b.screenshots("home")
	checkNames(b)

	b.do(chromedp.Click(`//tr[th[.="taskHelloWorld"]]//a[starts-with(., "Sandbox")]`, chromedp.BySearch), chromedp.WaitVisible("#log-stdout"))
	b.until(`document.querySelector("pre").textContent.includes("HelloWorld\n")`)
	b.screenshots("sandbox")
	checkNames(b)

	b.do(chromedp.Click(`//nav//a[.="Tasks"]`, chromedp.BySearch), chromedp.WaitVisible("#q"),
		chromedp.Click(`//tr[th[.="taskDIR"]]//a[starts-with(., "Sandbox")]`, chromedp.BySearch), chromedp.WaitVisible("#files"),
		chromedp.Click(`//a[.="HelloMesos/"]`, chromedp.BySearch))
	b.until(`document.querySelector("main").innerText.includes("The directory is empty.")`)
	for _, name := range []string{"frameworks", "agents", "roles", "offers"} {
		b.open(c.url("/page/" + name))
		b.screenshots(name)
		checkNames(b)
	}
	b.open(c.url("/page/frameworks"))
	b.do(chromedp.Click("#frameworks tbody th a"), chromedp.WaitVisible("#facts"))
	b.until(`document.querySelectorAll("#tasks tbody tr").length === 2`)
	b.screenshots("framework")
	checkNames(b)
}

func checkNames(b *tab) {
	b.t.Helper()
	if list := evaluate[[]string](b, unnamed); len(list) > 0 {
		b.t.Errorf("a screen reader finds %q", list)
	}
}

// TestFollow watches a log grow, and what a command writes stays text.
func TestFollow(t *testing.T) {
	c := startCluster(t)
	sign := filepath.Join(c.dir, "go")
	finish := c.tasks(c.file("tasks.yaml", `tasks:
  - id: slow
    command: |
      echo 'one <script>document.title = "owned"</script>'
      until [ -e `+sign+` ]; do sleep 0.05; done
      seq 1 200
      echo two
      until [ -e `+sign+`2 ]; do sleep 0.05; done
    cpus: 0.1
    mem: 32
`))
	b := openTab(t)
	b.open(c.url("/"))
	b.until(`document.querySelector("#active-scroll .state")?.textContent === "Running"`)
	b.do(chromedp.Click(`//a[starts-with(., "Sandbox")]`, chromedp.BySearch), chromedp.WaitVisible("#log-stdout"))
	b.until(`document.querySelector("pre").textContent.includes("one <script>")`)
	c.file("go", "")
	b.until(`document.querySelector("pre").textContent.endsWith("200\ntwo\n")`)
	b.until(`(() => { const p = document.querySelector("pre"); return p.scrollHeight - p.scrollTop - p.clientHeight < 2; })()`)
	b.screenshots("follow")
	c.file("go2", "")
	finish()
	b.until(`document.querySelector("#facts .state").textContent === "Finished"`)
	if title := evaluate[string](b, "document.title"); strings.Contains(title, "owned") {
		t.Errorf("the title is %q", title)
	}
	if _, err := os.Stat(sign); err != nil {
		t.Error(err)
	}
}

const many = `defaults: {cpus: 0.1, mem: 16}
tasks:
  - {id: many, command: 'true', count: 120}
`

// TestKeyboard filters and sorts without a mouse; a refresh leaves the focus
// where it is.
func TestKeyboard(t *testing.T) {
	c := startCluster(t)
	c.tasks(c.file("tasks.yaml", many))()
	b := openTab(t)
	b.open(c.url("/"))
	b.do(chromedp.KeyEvent(kb.Tab))
	if text := evaluate[string](b, "document.activeElement.textContent"); text != "Skip to the content" {
		t.Errorf("the first stop is %q", text)
	}
	if top := evaluate[float64](b, "document.activeElement.getBoundingClientRect().top"); top < 0 {
		t.Error("the skip link does not show when it has the focus")
	}
	b.do(chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent(kb.Tab))
	if id := evaluate[string](b, "document.activeElement.id"); id != "q" {
		t.Errorf("after the skip link comes %q", id)
	}
	b.do(chromedp.KeyEvent("many-11"))
	b.until(`document.querySelectorAll("#tasks tbody tr").length === 11 && document.getElementById("matches").textContent === "11 tasks match"`)
	if id := evaluate[string](b, "document.activeElement.id + location.search"); id != "q?q=many-11" {
		t.Errorf("after the filter: %q", id)
	}
	b.screenshots("filtered")
	b.do(chromedp.Focus(`[data-key=completed-id]`), chromedp.KeyEvent(kb.Enter))
	const first = `document.querySelector("#completed-scroll tbody th").textContent`
	b.until(first + ` === "many-11" && document.querySelector("th[aria-sort=ascending] [data-key=completed-id]") !== null`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until(first + ` === "many-119"`)
	if key := evaluate[string](b, "document.activeElement.dataset.key"); key != "completed-id" {
		t.Errorf("the focus is on %q", key)
	}
	if width := evaluate[string](b, "getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).outlineWidth"); width != "solid3px" {
		t.Errorf("the focus shows as %q", width)
	}
	b.do(chromedp.NavigateBack())
	b.until(first + ` === "many-11"`)
}

// TestNoScript: all is there, and the links work, where no script runs.
func TestNoScript(t *testing.T) {
	c := startCluster(t)
	c.tasks(c.file("tasks.yaml", many))()
	b := openTab(t)
	b.do(emulation.SetScriptExecutionDisabled(true))
	b.open(c.url("/?sort=id&order=asc"))
	b.screenshots("noscript")
	first := func(id string) string {
		return `document.querySelector("#completed-scroll tbody th")?.textContent === "` + id + `"`
	}
	b.until(first("many-0"))
	b.do(chromedp.Click(`//a[.="Next"]`, chromedp.BySearch))
	b.until(first("many-100"))
	b.do(chromedp.SetValue("#q", "many-7"), chromedp.Click(".filter button"))
	b.until(first("many-7"))
	b.do(chromedp.Click(`a[data-key=completed-state]`))
	b.until(`document.querySelector("th[aria-sort] a[data-key=completed-state]") !== null`)
	b.do(chromedp.Click(`//a[starts-with(., "Sandbox")]`, chromedp.BySearch))
	b.until(`document.querySelector("#log-stdout") !== null`)
}

// TestSecret opens the page of `cmdq run`, whose address holds a secret: the
// browser comes in, keeps it as a cookie and shows it nowhere.
func TestSecret(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "tasks.yaml")
	if err := os.WriteFile(file, []byte("tasks: [{id: wait, command: 'until [ -e "+dir+"/go ]; do sleep 0.05; done', cpus: 0.1, mem: 16}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	client := exec.Command(cmdq, "run", "--master", "local", "--progress", "plain", file)
	client.Dir = dir
	out, err := client.StderrPipe()
	if err == nil {
		err = client.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	address := ""
	lines := bufio.NewScanner(out)
	for address == "" && lines.Scan() {
		_, address, _ = strings.Cut(lines.Text(), ", page ")
	}
	ended := make(chan error, 1)
	go func() {
		for lines.Scan() {
		}
		ended <- client.Wait()
	}()
	t.Cleanup(func() {
		if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
			t.Error(err)
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Error("cmdq run:", err)
			}
		case <-time.After(patience):
			t.Error("cmdq run does not end", client.Process.Kill())
		}
	})
	page, secret, found := strings.Cut(address, "?secret=")
	if !found {
		t.Fatalf("the address is %q", address)
	}
	b := openTab(t)
	b.open(address)
	b.until(`document.querySelector("#active-scroll .state")?.textContent === "Running"`)
	if at := evaluate[string](b, "location.href"); at != page {
		t.Errorf("the address became %q", at)
	}
	if text := evaluate[string](b, "document.documentElement.outerHTML + document.cookie"); strings.Contains(text, secret) {
		t.Error("the page shows the secret")
	}
	b.do(chromedp.Click(`//a[starts-with(., "Sandbox")]`, chromedp.BySearch), chromedp.WaitVisible("#log-stdout"))
	b.until(`document.querySelector(".log .gone").textContent === ""`)
}
