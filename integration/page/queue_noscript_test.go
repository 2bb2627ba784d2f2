//go:build integration

package page_test

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
)

// TestQueueNoScript: where no script runs, the page says what it needs and what
// does without.
func TestQueueNoScript(t *testing.T) {
	s, _ := startShowcase(t, "--tasks", "10")
	b := openTab(t)
	b.do(emulation.SetScriptExecutionDisabled(true))
	b.open(s.page)
	if text := evaluate[string](b, "document.querySelector('main').innerText"); !strings.Contains(text, "This page needs JavaScript. cmdq status") {
		t.Errorf("it says %q", text)
	}
}
