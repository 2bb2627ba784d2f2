//go:build integration

package page_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSandboxAddress: the address that cmdq show has of a sandbox leads a browser
// there. It is that of Mesos' own page, which that of cmdq local takes too.
func TestSandboxAddress(t *testing.T) {
	c := startCluster(t)
	state := filepath.Join(c.dir, "state")
	file := c.file("tasks.yaml", "tasks: [{id: hello, command: echo HelloWorld, cpus: 0.1, mem: 16}]")
	run := exec.Command(cmdq, "run", "--master", c.master, "--state", state, "--progress", "none", "--log-level", "warn", file)
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("cmdq run: %v\n%s", err, out)
	}
	out, err := exec.Command(cmdq, "show", "hello", "--state", state, "--json").Output()
	var shown struct{ Launches []struct{ Sandbox string } }
	if err == nil {
		err = json.Unmarshal(out, &shown)
	}
	if err != nil || len(shown.Launches) != 1 || !strings.HasPrefix(shown.Launches[0].Sandbox, c.url("/#/agents/")) {
		t.Fatalf("cmdq show: %v\n%s", err, out)
	}
	b := openTab(t)
	b.open(shown.Launches[0].Sandbox)
	b.until(`location.pathname.endsWith("/tasks/hello") && document.querySelector("pre")?.textContent.includes("HelloWorld\n")`)
}
