//go:build integration

package page_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// counted makes the page count how often it asks for an address that contains
// some text, and holds the first such question until let() is called.
const counted = `(part, hold) => {
	const ask = fetch;
	globalThis.asked = 0;
	const held = hold ? new Promise((resolve) => (globalThis.let = resolve)) : null;
	globalThis.fetch = async (to, options) => {
		if (!to.includes(part)) return ask(to, options);
		if (++asked === 1 && held) await held;
		return ask(to, options);
	};
}`

// TestQueueFailureMeanwhile: a failure that comes while the page asks for the
// failures is shown too, though it was the last one.
func TestQueueFailureMeanwhile(t *testing.T) {
	s, _ := startShowcase(t)
	b := openTab(t)
	b.open(s.enter + "#/failures")
	b.until(`document.querySelectorAll("main tbody tr").length > 0 && document.getElementById("connection").textContent === "connected"`)
	b.do(chromedp.Evaluate(`(`+counted+`)("/v1/failures", true)`, nil))
	b.do(chromedp.Evaluate(`globalThis.heard = []; new EventSource("/v1/events").addEventListener("task", (e) => heard.push(JSON.parse(e.data).task.id))`, nil))
	cancel := func(id string) {
		b.do(chromedp.Evaluate(`fetch("/v1/cancel", { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"ids":["`+id+`"]}' }).then(() => 0)`, nil))
		b.until(`heard.includes("` + id + `")`)
	}
	cancel("render-099990")
	b.until(`asked === 1`)
	cancel("render-099991")
	b.do(chromedp.Evaluate(`globalThis.let()`, nil))
	b.until(`asked === 2`)
}

// TestQueueOutputLost: what a command wrote stays there when nobody answers any
// more.
func TestQueueOutputLost(t *testing.T) {
	s, stop := startShowcase(t)
	b := openTab(t)
	b.open(s.page + "#/tasks/render-045150")
	b.until(`document.getElementById("log")?.textContent.includes("tick 3 of render-045150\n")`)
	b.do(chromedp.Evaluate(`(`+counted+`)("/logs?", false)`, nil))
	b.expects("net::ERR_")
	stop()
	b.until(`asked >= 2 && document.getElementById("log-note").textContent === "The output broke off."`)
	if text := evaluate[string](b, `document.getElementById("log").textContent`); !strings.Contains(text, "tick 3 of render-045150\n") {
		t.Errorf("the log is %q", text)
	}
}

// TestQueueStill: a page that is told to be still follows no output either, also
// not of a task that is opened then.
func TestQueueStill(t *testing.T) {
	s, _ := startShowcase(t)
	b := openTab(t)
	b.open(s.page)
	b.until(`document.getElementById("connection").textContent === "connected"`)
	b.do(chromedp.Click("#live"))
	b.until(`document.getElementById("connection").textContent === "paused"`)
	b.do(chromedp.Evaluate(`location.hash = "#/tasks/render-045150"`, nil))
	b.until(`document.getElementById("log")?.textContent && document.getElementById("log-note").textContent === "It is not followed now."`)
	if open := evaluate[[]string](b, `performance.getEntriesByType("resource").map((e) => e.name).filter((name) => name.includes("follow=1"))`); len(open) > 0 {
		t.Errorf("it follows %q", open)
	}
	b.do(chromedp.Click("#live"))
	b.until(`document.getElementById("log-note").textContent === "Going on as it comes."`)
}
