package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// startIn runs cmdq in a directory that may have been used before.
func startIn(t testing.TB, dir string, args ...string) *program {
	t.Helper()
	p := &program{t: t, dir: dir}
	p.command(args...)
	p.run()
	return p
}

func (p *program) command(args ...string) {
	p.t.Helper()
	p.cmd = exec.Command(cmdqBinary(p.t), args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = p.dir, &p.out, &p.out
}

func (p *program) run() {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	cmd := p.cmd // there may be another one later
	p.t.Cleanup(func() { cmd.Process.Kill(); cmd.Process.Wait() })
}

// ends waits for the end, for so long at most, and checks the status.
func (p *program) ends(status int, most time.Duration) string {
	p.t.Helper()
	timer := time.AfterFunc(most, func() { p.cmd.Process.Kill() })
	defer timer.Stop()
	p.cmd.Wait() // the status says it all
	out, _ := p.out.next()
	if got := p.cmd.ProcessState.ExitCode(); got != status {
		p.t.Fatalf("exit %d, want %d:\n%s", got, status, out)
	}
	return out
}

// killed ends cmdq with SIGKILL.
func (p *program) killed() {
	p.t.Helper()
	p.signal(os.Kill)
	p.cmd.Wait()
	if code := p.cmd.ProcessState.ExitCode(); code != -1 {
		out, _ := p.out.next()
		p.t.Fatalf("exit %d before it was killed:\n%s", code, out)
	}
}

var registered = regexp.MustCompile(`registered with the master" framework=(\S+)`)

// framework is the id that cmdq said it has.
func (p *program) framework() string {
	p.t.Helper()
	p.says("registered with the master", 1)
	out, _ := p.out.next()
	m := registered.FindStringSubmatch(out)
	if m == nil {
		p.t.Fatalf("no framework id:\n%s", out)
	}
	return m[1]
}

func wants(t testing.TB, out string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(out, text) {
			t.Errorf("did not say %q:\n%s", text, out)
		}
	}
}

// mesos is a cluster that outlives cmdq: cmdq local, as a process of its own.
type mesos struct {
	*program
	addr string
}

func startMesos(t testing.TB, args ...string) *mesos {
	t.Helper()
	m := &mesos{program: startIn(t, t.TempDir(), append([]string{"local", "--port", "0", "--work-dir", "mesos"}, args...)...)}
	m.says("ready: master ", 1)
	out, _ := m.out.next()
	_, rest, _ := strings.Cut(out, "ready: master ")
	m.addr, _, _ = strings.Cut(rest, ",")
	t.Cleanup(func() { // its commands end with it, and its directory can go
		m.cmd.Process.Signal(os.Interrupt)
		m.exits(exitFinished)
	})
	return m
}

// frameworks are the ids of those that the master knows, and of those that it
// knew.
func (m *mesos) frameworks() (live, past []string) {
	m.t.Helper()
	type named struct{ ID string }
	var state struct {
		Frameworks []named
		Completed  []named `json:"completed_frameworks"`
	}
	m.get("/state", &state)
	for _, f := range state.Frameworks {
		live = append(live, f.ID)
	}
	for _, f := range state.Completed {
		past = append(past, f.ID)
	}
	return live, past
}

// tasksYAML is a tasks file of these tasks.
func tasksYAML(tasks ...string) string {
	return "defaults: {cpus: 0.1, mem: 32}\ntasks:\n  - " + strings.Join(tasks, "\n  - ") + "\n"
}

func writeTasks(t testing.TB, dir, tasks string) {
	t.Helper()
	(&program{t: t, dir: dir}).write(tasks)
}

// waiting is a task that writes its name and its pid into the file starts, and
// runs until there is a file named go.
func waiting(dir, id, more string) string {
	return fmt.Sprintf(`{id: %s, command: 'echo "$CMDQ_TASK $$" >>%s/starts; until [ -e %s/go ]; do sleep 0.02; done', env: {MARK: %q}, %s}`,
		id, dir, dir, dir, more)
}

func pidText(line string) string { return line[strings.LastIndexByte(line, ' ')+1:] }

func pidOf(t testing.TB, line string) int {
	t.Helper()
	pid, err := strconv.Atoi(pidText(line))
	if err != nil {
		t.Fatalf("no pid in %q", line)
	}
	return pid
}

func touch(t testing.TB, dir, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}
