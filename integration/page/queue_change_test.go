//go:build integration

package page_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestQueueToken: who has no token may look; who brings it may change things, and
// no script ever sees it again.
func TestQueueToken(t *testing.T) {
	s, _ := startShowcase(t)
	u, err := url.Parse(s.enter)
	if err != nil {
		t.Fatal(err)
	}
	token := u.Query().Get("token")
	b := openTab(t)
	b.open(s.page + "#/tasks/render-045150")
	b.until(`document.getElementById("readonly")?.textContent === "Read only"`)
	b.until(`document.querySelector("[data-verb=cancel]") !== null`)
	b.do(chromedp.Click("[data-verb=cancel]"))
	b.until(`document.getElementById("question").open && document.activeElement.id === "token"`)
	b.screenshots("queue-token")
	b.expects("401 (Unauthorized)")
	b.do(chromedp.SendKeys("#token", strings.Repeat("ab", 32)+"\r"))
	b.until(`document.querySelector("#question [role=alert]").textContent === "That is not the token of this cmdq."`)
	b.do(chromedp.SetValue("#token", token), chromedp.Click("#yes"))
	b.until(`location.search === "" && ` + heading + ` === "render-045150" && document.getElementById("connection").textContent === "connected" && document.querySelector("#readonly") === null`)
	if text := evaluate[string](b, "document.documentElement.outerHTML + document.cookie + location.href + JSON.stringify({ ...localStorage, ...sessionStorage })"); strings.Contains(text, token) {
		t.Error("the page shows the token")
	}
	b.until(`document.querySelector("[data-verb=cancel]") !== null`)
	b.do(chromedp.Click("[data-verb=cancel]"))
	b.until(`document.getElementById("question").open`)
	b.screenshots("queue-question")
	checkNames(b)
	b.do(chromedp.Click("#yes"))
	b.until(notes + `.startsWith("Task render-045150 is canceled.")`)
	b.until(`document.querySelector(".headline .state").textContent === "killed" && document.getElementById("log-note").textContent === "That is all."`)
	b.screenshots("queue-canceled")
}

// TestQueueForbidden: where others than this machine reach cmdq, it shows nothing
// without the token, and the page says so.
func TestQueueForbidden(t *testing.T) {
	s, _ := startShowcase(t, "--listen", "0.0.0.0:0")
	b := openTab(t)
	b.expects("401 (Unauthorized)")
	b.open(s.page)
	b.until(notes + `.startsWith("cmdq shows nothing without its token.")`)
	b.screenshots("queue-forbidden")
	checkNames(b)
	b.open(s.enter)
	b.until(rows + ` === 100 && location.search === "" && ` + notes + ` === ""`)
}

// TestQueueChange presses every button.
func TestQueueChange(t *testing.T) {
	s, _ := startShowcase(t)
	b := openTab(t)
	b.open(s.enter)
	b.until(rows + ` === 100`)
	b.open(s.page + "#/?match=render-09999")
	b.until(rows + ` === 7`)
	b.do(chromedp.Click("#all"))
	b.until(`document.getElementById("chosen").textContent.startsWith("7 tasks chosen")`)
	b.screenshots("queue-chosen")
	b.do(chromedp.Click("#chosen [data-verb=hold]"))
	b.until(notes + `.startsWith("7 tasks are held.")`)
	b.until(`[...document.querySelectorAll("#tasks tbody .state")].every((e) => e.textContent === "idle, held")`)
	b.do(chromedp.Click("#chosen [data-verb=release]"))
	b.until(notes + `.startsWith("7 tasks are released.")`)
	b.until(`[...document.querySelectorAll("#tasks tbody .state")].every((e) => e.textContent === "idle")`)
	b.do(chromedp.Click("#chosen [data-verb=retry]"), chromedp.WaitVisible("#yes"), chromedp.Click("#yes"))
	b.until(notes + `.startsWith("Nothing was changed.render-099990: it has not endedrender-099991")`)
	b.screenshots("queue-nothing")
	b.do(chromedp.Click("#chosen [data-verb=cancel]"), chromedp.WaitVisible("#yes"), chromedp.Click("#yes"))
	b.until(notes + `.startsWith("7 tasks are canceled.")`)
	b.until(`[...document.querySelectorAll("#tasks tbody .state")].every((e) => e.textContent === "killed")`)
	b.do(chromedp.Click("[data-dismiss]"), chromedp.Click("[data-none]"))
	b.until(notes + ` === "" && document.getElementById("chosen").textContent === ""`)

	b.do(chromedp.Click(`nav [data-page=failures]`))
	b.until(heading + ` === "Failures" && document.querySelectorAll("main tbody tr").length === 7`)
	b.screenshots("queue-failures")
	checkNames(b)
	const group = `[...document.querySelectorAll("main tbody tr")].find((r) => r.querySelector(".how").textContent === "exit 3")`
	b.do(chromedp.Evaluate(group+`.querySelector("button").focus()`, nil), chromedp.KeyEvent("\r"), chromedp.WaitVisible("#yes"), chromedp.Click("#yes"))
	b.until(notes + `.includes(" tasks are queued again.") && !(` + group + `)`)
	b.do(chromedp.Click("[data-all]"), chromedp.WaitVisible("#yes"), chromedp.Click("#yes"))
	b.until(`document.querySelector("main").innerText.includes("No task has failed or was killed.") && document.getElementById("failed").textContent === ""`)
	b.do(chromedp.Click(`nav [data-page=agents]`))
	b.until(`document.querySelectorAll("main tbody tr").length === 4`)
	b.screenshots("queue-agents")
	checkNames(b)
}

// TestQueueAgents shows all of the agents, though an event names only a hundred.
func TestQueueAgents(t *testing.T) {
	s, _ := startShowcase(t, "--agents", "300", "--tasks", "10")
	b := openTab(t)
	b.open(s.page)
	b.until(`document.getElementById("connection").textContent === "connected" && ` + rows + ` === 10`)
	b.do(chromedp.Click(`nav [data-page=agents]`))
	b.until(`document.querySelectorAll("main tbody tr").length === 300`)
}

// TestQueueLost: the page says that nobody answers, tries again, and shows what is
// there then.
func TestQueueLost(t *testing.T) {
	s, stop := startShowcase(t)
	b := openTab(t)
	b.open(s.page)
	b.until(rows + ` === 100 && document.getElementById("connection").textContent === "connected"`)
	b.expects("net::ERR_")
	stop()
	b.until(notes + `.startsWith("cmdq does not answer. What is shown here is old")`)
	if n := evaluate[int](b, rows); n != 100 {
		t.Errorf("of 100 tasks %d are left", n)
	}
	b.screenshots("queue-lost")
	checkNames(b)
	host := strings.TrimSuffix(strings.TrimPrefix(s.page, "http://"), "/")
	startShowcase(t, "--listen", host, "--tasks", "0")
	b.until(notes + ` === "" && document.getElementById("connection").textContent === "connected"`)
	b.until(`document.querySelector("main").innerText.includes("No tasks are queued.") && ` + rows + ` === 0`)
	b.screenshots("queue-empty")
	b.do(chromedp.Click(`nav [data-page=failures]`))
	b.until(`document.querySelector("main").innerText.includes("No task has failed or was killed.")`)
}
