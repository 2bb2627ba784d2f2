//go:build integration

package page_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// cutOff lists what cannot be read of a table without moving it: the table, if it is
// wider than its box; cells with more than they show, but for the ends of commands and
// of long results; and words of results that are torn apart.
const cutOff = `(() => {
	const out = [], box = document.querySelector("main .scroll"), cells = document.querySelectorAll("#tasks th, #tasks td");
	if (box.scrollWidth > box.clientWidth) out.push("the table is " + box.scrollWidth + " wide, its box " + box.clientWidth);
	const right = box.getBoundingClientRect().right;
	for (const c of cells) {
		if (c.scrollWidth > c.clientWidth || c.getBoundingClientRect().right > right) out.push(c.className + ": " + c.textContent);
	}
	for (const code of document.querySelectorAll("#tasks .command code")) if (code.clientWidth < 120) out.push("command: " + code.textContent + " in " + code.clientWidth);
	for (const span of document.querySelectorAll("#tasks .result span")) {
		const word = document.createRange(), text = span.firstChild;
		word.setStart(text, 0);
		word.setEnd(text, text.data.split(" ")[0].length);
		if (word.getClientRects().length > 1) out.push("result: " + text.data);
	}
	return [...new Set(out)].slice(0, 20);
})()`

// TestQueueTable: at a desk all columns are there to be read, in every state.
func TestQueueTable(t *testing.T) {
	s, _ := startShowcase(t)
	b := openTab(t)
	for _, state := range []string{"killed", "failed", "finished", "running", "idle"} {
		b.open(s.page + "#/?state=" + state)
		b.until(rows + ` > 0 && [...document.querySelectorAll("#tasks tbody .state")].every((e) => e.textContent.startsWith("` + state + `"))`)
		if state == "killed" {
			b.until(`["DEPENDENCY_FAILED", "GROUP_STOPPED", "Terminated"].every((word) => document.getElementById("tasks").textContent.includes(word))`)
			b.screenshots("queue-killed")
		}
		for _, width := range []int64{1400, 1600} {
			b.do(chromedp.EmulateViewport(width, 900))
			if cut := evaluate[[]string](b, cutOff); len(cut) > 0 {
				t.Errorf("%s at %d: cut off: %q", state, width, cut)
			}
		}
		var image []byte
		b.do(chromedp.CaptureScreenshot(&image))
		keep(t, fmt.Sprintf("queue-%s-1600", state), image)
	}
}

// TestQueueMatches: how many tasks fit is not told of a question that was none.
func TestQueueMatches(t *testing.T) {
	s, _ := startShowcase(t)
	b := openTab(t)
	b.open(s.page + "#/?state=failed")
	b.until(matches + `?.endsWith(" tasks fit")`)
	b.expects("400 (Bad Request)")
	b.do(chromedp.Evaluate(`location.hash = "#/?match=%5B"`, nil))
	b.until(`document.querySelector("[role=alert]")?.textContent.includes("is no pattern")`)
	if text := evaluate[string](b, matches); text != "" {
		t.Errorf("beside the error it says %q", text)
	}
	b.do(chromedp.Evaluate(`location.hash = "#/?state=failed"`, nil))
	b.until(matches + `?.endsWith(" tasks fit")`)
}
