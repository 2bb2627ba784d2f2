package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startIn runs cmdq in a directory that may have been used before.
func startIn(t *testing.T, dir string, args ...string) *program {
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
	p.t.Cleanup(func() { p.cmd.Process.Kill(); p.cmd.Process.Wait() })
}

// ends waits longer for the end than exits does.
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

func wants(t *testing.T, out string, texts ...string) {
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

func startMesos(t *testing.T, args ...string) *mesos {
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
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + m.addr + "/state")
	if err != nil {
		m.t.Fatal(err)
	}
	defer resp.Body.Close()
	type named struct{ ID string }
	var state struct {
		Frameworks []named
		Completed  []named `json:"completed_frameworks"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&state); err != nil {
		m.t.Fatal(err)
	}
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

func writeTasks(t *testing.T, dir, tasks string) {
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

func pidOf(t *testing.T, line string) int {
	t.Helper()
	pid, err := strconv.Atoi(pidText(line))
	if err != nil {
		t.Fatalf("no pid in %q", line)
	}
	return pid
}

func touch(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestTakenOver: what runs on a cluster of its own goes on while cmdq is away,
// whether that was asked to go or killed, and the next start follows it to its
// end, under the same framework id.
func TestTakenOver(t *testing.T) {
	for _, tt := range []struct {
		signal syscall.Signal
		status int
	}{{syscall.SIGTERM, exitSIGTERM}, {syscall.SIGKILL, -1}} {
		t.Run(tt.signal.String(), func(t *testing.T) {
			t.Parallel()
			m := startMesos(t, "--allocation-interval", "50ms")
			dir := t.TempDir()
			writeTasks(t, dir, tasksYAML(waiting(dir, "long", "retries: 0"), "{id: quick, command: 'echo quick >>"+dir+"/starts'}"))
			args := []string{"run", "--master", m.addr, "--progress", "none", "--joblog", "joblog"}
			p := startIn(t, dir, args...)
			p.says("finished: ", 1)
			p.says("msg=running", 2)
			id := p.framework()
			p.signal(tt.signal)
			if out := p.exits(tt.status); tt.status == exitSIGTERM {
				wants(t, out, "detached with 1 task to go; what runs goes on, and the next start takes it over")
			}

			p = startIn(t, dir, append(args, "--progress", "plain")...)
			p.says("going on with 2 tasks, of which 1 have ended and 1 were active", 1)
			p.says("progress: 1 of 2 done, 1 running, 0 failed", 1)
			if now := p.framework(); now != id {
				t.Errorf("framework %s, was %s", now, id)
			}
			for _, line := range waitLines(t, filepath.Join(dir, "starts"), 2) {
				if strings.HasPrefix(line, "long ") && !processOf(t, pidText(line), dir) {
					t.Errorf("%s is not there any more", line)
				}
			}
			touch(t, dir, "go")
			wants(t, p.exits(exitFinished), "2 tasks: 2 finished")
			if got := waitLines(t, filepath.Join(dir, "starts"), 2); len(got) != 2 {
				t.Errorf("commands ran: %q", got)
			}
			for _, l := range readJoblog(t, filepath.Join(dir, "joblog")) {
				if l.State != "finished" || l.Attempts != 1 || l.ExitCode == nil || *l.ExitCode != 0 {
					t.Errorf("joblog: %+v", l)
				}
			}
			if live, past := m.frameworks(); len(live) != 0 || len(past) != 1 {
				t.Errorf("frameworks %v, torn down %v; want one, torn down", live, past)
			}
		})
	}
}

// TestInterruptedGoesOn: after SIGINT the run goes on under a new framework id.
// What was killed by it runs again, and not at the cost of its retries.
func TestInterruptedGoesOn(t *testing.T) {
	t.Parallel()
	m := startMesos(t, "--allocation-interval", "50ms")
	dir := t.TempDir()
	writeTasks(t, dir, tasksYAML(waiting(dir, "long", "retries: 0"), "{id: quick, command: 'echo quick >>"+dir+"/starts'}"))
	args := []string{"run", "--master", m.addr, "--progress", "none"}
	p := startIn(t, dir, args...)
	p.says("finished: ", 1)
	p.says("msg=running", 2)
	id := p.framework()
	p.signal(os.Interrupt)
	wants(t, p.exits(exitSIGINT), "idle again: interrupted", "2 tasks: 1 finished, 0 failed, 0 killed, 1 not ended")
	if live, _ := m.frameworks(); len(live) != 0 {
		t.Errorf("frameworks %v, want none", live)
	}

	p = startIn(t, dir, args...)
	waitLines(t, filepath.Join(dir, "starts"), 3)
	touch(t, dir, "go")
	wants(t, p.exits(exitFinished), "going on with 2 tasks, of which 1 have ended and 0 were active", "2 tasks: 2 finished")
	if now := p.framework(); now == id {
		t.Error("the framework that was torn down is used again")
	}
	if got := waitLines(t, filepath.Join(dir, "starts"), 3); len(got) != 3 {
		t.Errorf("commands ran: %q", got)
	}
}
