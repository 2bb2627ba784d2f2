//go:build integration

package page_test

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// What the page of a queue shows.
const (
	rows    = `document.querySelectorAll("#tasks tbody tr").length`
	first   = `document.querySelector("#tasks tbody th")?.textContent`
	matches = `document.getElementById("matches")?.textContent`
	heading = `document.querySelector("h1").textContent`
	notes   = `document.getElementById("notes").textContent`
)

// TestQueueList finds its way through 100,000 tasks, of which 200 end a second.
func TestQueueList(t *testing.T) {
	s, _ := startShowcase(t, "--rate", "200")
	b := openTab(t)
	began := time.Now()
	b.open(s.page)
	b.until(rows + ` === 100`)
	t.Log("the first screen of 100,000 tasks after", time.Since(began))
	b.until(`document.getElementById("connection").textContent === "connected"`)
	b.until(`document.querySelector(".figures").textContent.includes("tasks a second") && document.title.includes(" % · Tasks")`)
	b.screenshots("queue-tasks")
	checkNames(b)

	// It brings itself up to date.
	ended := evaluate[string](b, `document.querySelector(".headline b").textContent`)
	b.until(`document.querySelector(".headline b").textContent !== "` + ended + `"`)

	b.do(chromedp.Click("[data-page=last]"))
	b.until(`document.getElementById("range")?.textContent === "99,901 to 100,000 of 100,000"`)
	b.until(`[...document.querySelectorAll("#tasks tbody th")].at(-1).textContent === "held-last"`)
	b.do(chromedp.Click("[data-page=previous]"))
	b.until(`document.getElementById("range").textContent === "99,801 to 99,900 of 100,000"`)
	b.do(chromedp.NavigateBack())
	b.until(`document.getElementById("range").textContent === "99,901 to 100,000 of 100,000"`)
	b.do(chromedp.NavigateBack())
	b.until(`document.getElementById("range").textContent === "1 to 100 of 100,000"`)

	b.do(chromedp.SendKeys("[name=match]", "06543"))
	b.until(rows + ` === 11 && ` + matches + ` === "11 tasks fit"`)
	b.do(chromedp.Evaluate(`document.querySelector("[name=match]").select()`, nil), chromedp.KeyEvent("render-06543?"))
	b.until(rows + ` === 10 && location.hash === "#/?match=render-06543%3F"`)
	b.do(chromedp.Click("[data-sort=id]"))
	b.until(first + ` === "render-065430" && document.querySelector("[aria-sort]")?.ariaSort === "ascending"`)
	b.do(chromedp.Click("[data-sort=id]"))
	b.until(first + ` === "render-065439" && document.querySelector("[aria-sort]").ariaSort === "descending"`)
	b.screenshots("queue-filtered")
	checkNames(b)
	b.do(chromedp.Click("[data-sort=id]"))
	b.until(first + ` === "render-065430" && document.querySelector("[aria-sort]") === null`)

	b.open(s.page + "#/?state=failed&sort=-ended")
	b.until(`[...document.querySelectorAll("#tasks tbody .state")].every((e) => e.textContent === "failed") && ` + rows + ` === 100`)
	b.do(chromedp.Click(".filter summary"), chromedp.SendKeys("[name=label]", "team=red"))
	b.until(`location.hash.includes("label=team%3Dred") && ` + rows + ` === 100`)
	b.do(chromedp.SendKeys("[name=group]", "nobody"))
	b.until(`document.querySelector("main").innerText.includes("No task fits. Show all tasks")`)
	b.screenshots("queue-none")
	b.do(chromedp.Click(`//a[.="Show all tasks"]`, chromedp.BySearch))
	b.until(rows + ` === 100 && document.querySelector("[name=label]").value === ""`)
	b.expects("400 (Bad Request)")
	b.do(chromedp.SendKeys("[name=match]", "["))
	b.until(`document.querySelector("[role=alert]")?.textContent.includes("is no pattern")`)
}

// TestQueueBusy: while 200 tasks a second end, a page that shows what changes most
// leaves the browser time.
func TestQueueBusy(t *testing.T) {
	s, _ := startShowcase(t, "--rate", "200")
	b := openTab(t)
	b.open(s.page + "#/?state=running&sort=-started")
	b.until(rows + ` === 100`)
	b.do(chromedp.Evaluate(`globalThis.long = [], new PerformanceObserver((l) => long.push(...l.getEntries().map((e) => e.duration))).observe({ type: "longtask" })`, nil))
	before := evaluate[string](b, first)
	b.until(first + ` !== "` + before + `"`)
	const seconds = 5
	end := time.Now().Add(seconds * time.Second).UnixMilli()
	b.until(`Date.now() > ` + time.UnixMilli(end).UTC().Format(`Date.parse("2006-01-02T15:04:05.000Z")`))
	busy := evaluate[float64](b, `long.reduce((a, b) => a + b, 0)`)
	t.Logf("%.0f ms of %d s went into tasks of the browser longer than 50 ms", busy, seconds)
	if busy > 1000*seconds/2 {
		t.Error("the page keeps the browser busy")
	}
}

// TestQueueTask watches a task run and reads what it writes.
func TestQueueTask(t *testing.T) {
	s, _ := startShowcase(t)
	b := openTab(t)
	b.open(s.page + "#/?match=render-045150")
	b.do(chromedp.Click(`//a[.="render-045150"]`, chromedp.BySearch))
	b.until(heading + ` === "render-045150" && document.activeElement === document.querySelector("h1")`)
	b.until(`document.getElementById("log")?.textContent.includes("tick 3 of render-045150\n")`)
	if text := evaluate[string](b, `document.querySelector(".headline .state").textContent`); text != "running" {
		t.Errorf("it is %q", text)
	}
	b.screenshots("queue-task")
	checkNames(b)

	// Who does not want the page to move stops it.
	b.do(chromedp.Click("#live"))
	b.until(`document.getElementById("connection").textContent === "paused" && document.getElementById("log-note").textContent === "It is not followed now."`)
	b.do(chromedp.Click("#live"))
	b.until(`document.getElementById("connection").textContent === "connected"`)
	b.until(`document.getElementById("log").textContent.includes("tick 2 of")`)

	b.do(chromedp.Click("[data-stream=stderr]"))
	b.until(`document.getElementById("log").textContent === "" && document.getElementById("log-note").textContent === "Going on as it comes."`)
	b.open(s.enter + "#/tasks/render-045150?stream=stderr")
	b.do(chromedp.Click("[data-verb=cancel]"), chromedp.WaitVisible("#yes"), chromedp.Click("#yes"))
	b.until(`document.getElementById("log-note").textContent === "It wrote nothing."`)

	b.until(`document.querySelector("#launches .sandbox a")?.href.startsWith("http://10.0.0.1:5050/#/agents/b1c5e7a0-S1/frameworks/")`)
	if text := evaluate[string](b, `[...document.querySelectorAll("#launches td")].map((e) => e.dataset.label + ": " + e.textContent).join()`); !strings.Contains(text, "ports: 31000-31001, 31007,") ||
		!strings.Contains(text, "queued: 20") || !strings.Contains(text, "starting after: 170 ms,up after: 230 ms,") {
		t.Errorf("the launch is shown as %q", text)
	}
	b.open(s.page + "#/tasks/wide-0")
	b.until(`document.querySelector(".notice")?.innerText.includes("h2.example.org: 0.4 of 2 cpus short")`)
	b.until(`document.getElementById("log-note").textContent === "It has not been launched yet."`)
	b.screenshots("queue-waits")
	b.expects("404 (Not Found)")
	b.open(s.page + "#/tasks/nobody")
	b.until(`document.querySelector("[role=alert]")?.textContent.startsWith("there is no task nobody")`)
}

// TestQueueHostile: whatever a task has in its id, its command and its output is
// text, and turns nothing around.
func TestQueueHostile(t *testing.T) {
	const evil = `<img src=x onerror=alert(1)>`
	s, _ := startShowcase(t)
	b := openTab(t)
	b.open(s.page)
	b.until(first + ` === "` + evil + `"`)
	if text := evaluate[string](b, `document.querySelector("#tasks .command").textContent`); text != `echo '<script>document.title = "owned"</script>' ^[[31mred^[[0m ^[]0;title^G && echo ‹202E›gnp.exe` {
		t.Errorf("the command is shown as %q", text)
	}
	b.do(chromedp.Click(`#tasks tbody th a`))
	b.until(heading + ` === "` + evil + `"`)
	b.until(`document.getElementById("log")?.textContent.includes("done")`)
	want := "<script>document.title = 'owned'</script>\n<img src=x onerror=alert(1)>\n^[[2J^[[31mred^[[0m ^[]0;owned^G ‹202E›txt.exe‹202C›^Mover\n^@�� done\n"
	if text := evaluate[string](b, `document.getElementById("log").textContent`); text != want {
		t.Errorf("the output is shown as %q", text)
	}
	b.screenshots("queue-hostile")
	for _, at := range []string{"", "#/failures", "#/agents", "#/%", "#/nowhere", "#/constructor", "#/toString", "#/__proto__", "#/tasks/%E0%A4%A", "#/tasks/..%2f..%2fversion", "#//evil.example/", "#/?match=%5B%3Cb%3E"} {
		b.expects("404 (Not Found)")
		b.expects("400 (Bad Request)")
		b.open(s.page + at)
		b.until(`document.querySelector("h1").textContent !== "cmdq" && !document.querySelector("main").innerText.includes("Asking")`)
		if found := evaluate[[]string](b, `[...document.querySelectorAll("main img, main script, main i, main b *, main [onerror], [style]")].map((e) => e.outerHTML)`); len(found) > 0 {
			t.Errorf("at %q the page has %q", at, found)
		}
		if title := evaluate[string](b, "document.title"); strings.HasPrefix(title, "owned") || !strings.HasSuffix(title, " – cmdq") {
			t.Errorf("at %q the title is %q", at, title)
		}
	}
}

// TestQueueKeyboard uses the list without a mouse.
func TestQueueKeyboard(t *testing.T) {
	s, _ := startShowcase(t, "--rate", "20")
	b := openTab(t)
	b.open(s.enter)
	b.until(rows + ` === 100 && location.search === ""`)
	b.do(chromedp.KeyEvent(kb.Tab))
	if text := evaluate[string](b, "document.activeElement.textContent"); text != "Skip to the content" {
		t.Errorf("the first stop is %q", text)
	}
	if top := evaluate[float64](b, "document.activeElement.getBoundingClientRect().top"); top < 0 {
		t.Error("the skip link does not show when it has the focus")
	}
	b.do(chromedp.KeyEvent(kb.Enter))
	if id := evaluate[string](b, "document.activeElement.id + location.hash"); id != "main" {
		t.Errorf("behind the skip link: %q", id)
	}
	b.do(chromedp.Focus("[data-sort=ended]"), chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelector("[aria-sort=ascending]") !== null`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelector("[aria-sort=descending]") !== null`)
	if sort := evaluate[string](b, "document.activeElement.dataset.sort"); sort != "ended" {
		t.Errorf("the focus is on %q", sort)
	}
	if outline := evaluate[string](b, "getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).outlineWidth"); outline != "solid3px" {
		t.Errorf("the focus shows as %q", outline)
	}
	// The list moves below it, and the focus stays with the task.
	b.until(`(` + first + `).startsWith("render-045")`)
	b.do(chromedp.Focus("#tasks tbody tr:first-child [data-id]"))
	id := evaluate[string](b, "document.activeElement.dataset.id")
	b.do(chromedp.KeyEvent(" "))
	b.until(`document.getElementById("chosen").textContent.startsWith("1 task chosen")`)
	b.until(first + ` !== "` + id + `"`)
	if now := evaluate[string](b, `document.activeElement.dataset.id + " " + document.activeElement.checked`); now != id+" true" {
		t.Errorf("the focus went from %s to %s", id, now)
	}
	b.do(chromedp.Focus("#chosen [data-verb=cancel]"), chromedp.KeyEvent(kb.Enter))
	b.until(`document.getElementById("question").open && document.activeElement.textContent === "Leave it"`)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(`!document.getElementById("question").open && document.activeElement.dataset.verb === "cancel"`)
	if text := evaluate[string](b, notes); text != "" {
		t.Errorf("it says %q", text)
	}
}
