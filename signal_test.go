package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is a running cmdq.
type program struct {
	t   testing.TB
	cmd *exec.Cmd
	dir string
	out watched // both standard output and standard error
}

// watched is an output that can be waited for.
type watched struct {
	mu  sync.Mutex
	buf bytes.Buffer
	add chan struct{} // closed and renewed at every write
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.add != nil {
		close(w.add)
		w.add = nil
	}
	return w.buf.Write(p)
}

func (w *watched) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf.Reset()
}

// next is what has been written so far, and what to wait on for more.
func (w *watched) next() (string, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.add == nil {
		w.add = make(chan struct{})
	}
	return w.buf.String(), w.add
}

// start runs cmdq in an empty directory that holds this tasks.yaml.
func start(t *testing.T, tasks string, args ...string) *program {
	t.Helper()
	dir := t.TempDir()
	writeTasks(t, dir, tasks)
	return startIn(t, dir, args...)
}

// again starts cmdq once more in the same directory.
func (p *program) again(args ...string) {
	p.t.Helper()
	p.out.reset()
	p.command(args...)
	p.run()
}

// write replaces tasks.yaml as an editor does.
func (p *program) write(tasks string) {
	p.t.Helper()
	name := filepath.Join(p.dir, "tasks.yaml")
	if err := os.WriteFile(name+"~", []byte(tasks), 0o644); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Rename(name+"~", name); err != nil {
		p.t.Fatal(err)
	}
}

// says waits until cmdq has printed this so many times.
func (p *program) says(text string, times int) {
	p.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		out, more := p.out.next()
		if strings.Count(out, text) >= times {
			return
		}
		select {
		case <-more:
		case <-deadline:
			p.t.Fatalf("never said %q %d times:\n%s", text, times, out)
		}
	}
}

func (p *program) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// exits waits for the end and checks the status.
func (p *program) exits(status int) string {
	p.t.Helper()
	return p.ends(status, 30*time.Second)
}

const longTask = "tasks: [{id: long, command: 'echo $$ >pid; exec sleep 1000', cpus: 0.1, mem: 10}]\n"

// TestSignals: SIGINT kills what runs and tears the framework down; after the
// others all goes on with the next start. With a cluster of our own the commands
// end in any case. The exit status says which signal it was.
func TestSignals(t *testing.T) {
	// Whoever runs the tests may have SIGHUP ignored; a signal that is caught is
	// at its default again in the programs we start.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hangups) })
	for _, tt := range []struct {
		signal  syscall.Signal
		status  int
		says    []string
		summary bool
	}{
		{syscall.SIGINT, 130, []string{"interrupted: killing 1 task,", `"framework removed"`, "idle again: interrupted", "cmdq: interrupted with 1 task to go; the next start goes on with that"}, true},
		{syscall.SIGTERM, 143, []string{"leaving; with the cluster end 1 task", "ended with 1 task to go", "the next start runs them again"}, false},
		{syscall.SIGHUP, 143, []string{"ended with 1 task to go"}, false},
	} {
		for _, verb := range [][]string{{"run"}, {}} {
			t.Run(strings.Join(append([]string{tt.signal.String()}, verb...), " "), func(t *testing.T) {
				t.Parallel()
				p := start(t, longTask, append(verb, "--progress", "none")...)
				p.says("msg=running", 1)
				pid := p.pid()
				p.signal(tt.signal)
				out := p.exits(tt.status)
				for _, want := range tt.says {
					if !strings.Contains(out, want) {
						t.Errorf("did not say %q:\n%s", want, out)
					}
				}
				if summary := "1 task: 0 finished, 0 failed, 0 killed, 1 not ended"; strings.Contains(out, summary) != (tt.summary && len(verb) > 0) {
					t.Errorf("summary: want one of cmdq run only, and only after SIGINT:\n%s", out)
				}
				p.gone(pid)
				p.again(append(verb, "--progress", "none")...)
				p.says("going on with 1 task", 1)
				p.says("attempt=2", 1)
				p.signal(syscall.SIGINT)
				p.exits(130)
			})
		}
	}
}

// pid waits until the command of longTask has written down its number, which it
// tells nobody.
func (p *program) pid() string {
	p.t.Helper()
	pattern := filepath.Join(p.dir, ".cmdq/local/slaves/*/frameworks/*/executors/long/runs/*/pid")
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		files, err := filepath.Glob(pattern)
		if err != nil {
			p.t.Fatal(err)
		}
		if len(files) == 0 {
			continue
		}
		if data, err := os.ReadFile(files[0]); err == nil && strings.HasSuffix(string(data), "\n") {
			return strings.TrimSpace(string(data))
		}
	}
	p.t.Fatal("the command never wrote its pid")
	return ""
}

// gone checks that the command of longTask does not run any more.
func (p *program) gone(pid string) {
	p.t.Helper()
	cmdline, err := os.ReadFile("/proc/" + pid + "/cmdline")
	if err == nil && strings.Contains(string(cmdline), "sleep\x001000") {
		p.t.Errorf("the command still runs as %s", pid)
	}
}

// TestSecondSignal: whoever cannot wait for a stubborn command asks twice.
func TestSecondSignal(t *testing.T) {
	stubborn := "tasks: [{id: long, command: \"trap '' TERM; echo $$ >pid; sleep 1000 & wait; sleep 1000\", cpus: 0.1, mem: 10, kill_grace: 60s}]\n"
	p := start(t, stubborn, "run", "--progress", "none")
	p.pid() // its trap stands by then
	p.signal(syscall.SIGINT)
	p.says("interrupted: killing 1 task,", 1)
	p.signal(syscall.SIGINT)
	if out := p.exits(130); strings.Contains(out, "1 not ended") {
		t.Errorf("it waited for the command all the same:\n%s", out)
	}
}

// TestReaderOfTheLogIsGone: Ctrl-C ends "cmdq 2>&1 | tee log" from both ends. The
// run still ends as it should.
func TestReaderOfTheLogIsGone(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := &program{t: t, dir: t.TempDir()}
	p.write(longTask)
	p.command("run", "--progress", "none")
	p.cmd.Stdout, p.cmd.Stderr = w, w
	p.run()
	w.Close()
	for log := bufio.NewScanner(r); log.Scan() && !strings.Contains(log.Text(), "msg=running"); {
	}
	r.Close()
	pid := p.pid()
	p.signal(syscall.SIGINT)
	p.exits(130)
	p.gone(pid)
}

// TestStandardInputIsNotFollowed: it can be read once only.
func TestStandardInputIsNotFollowed(t *testing.T) {
	p := &program{t: t, dir: t.TempDir()}
	p.command("--tasks", "-", "--progress", "none")
	p.cmd.Stdin = strings.NewReader(longTask)
	p.run()
	p.says("msg=running", 1)
	p.signal(syscall.SIGINT)
	if out := p.exits(130); strings.Contains(out, "is not used") {
		t.Errorf("it was read again:\n%s", out)
	}
}

// TestFollowsTheFile: plain cmdq goes quiet when the queue has drained and takes
// up what is added to the file.
func TestFollowsTheFile(t *testing.T) {
	one := "tasks:\n  - {id: a, command: 'true', cpus: 0.1, mem: 10}\n"
	p := start(t, one, "--progress", "none")
	p.says("framework suppressed offers (SUPPRESS)", 1)
	p.says("msg=\"finished: Command exited with status 0\"", 1)

	p.write(one + "  - {id: b, command: 'true', cpus: 0.1, mem: 10}\n")
	p.says("tasks file read again: 1 new, 0 changed, 0 removed", 1)
	p.says("framework revived offers (REVIVE)", 1)
	p.says("msg=\"finished: Command exited with status 0\"", 2)

	p.write("tasks:\n  - {id: a, comand: 'true'}\n") // a slip changes nothing
	p.says("the queue goes on as it was", 1)
	status := func() string {
		out, err := exec.Command(cmdqBinary(t), "status", "--state", filepath.Join(p.dir, ".cmdq")).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if out := status(); !strings.Contains(out, `not used as it is now: tasks.yaml:2: task "a": found the unknown field "comand"`) {
		t.Errorf("the slip is not in the status:\n%s", out)
	}

	p.write("tasks:\n" + strings.Repeat("  - {id: a}\n", maxErrors+1)) // nor do many
	p.says("and 3003 more", 1)

	p.write(one) // b has ended; taking it out changes nothing
	p.says("tasks file read again: 0 new, 0 changed, 0 removed", 1)
	if out := status(); strings.Contains(out, "not used") {
		t.Errorf("the slip is still in the status:\n%s", out)
	}
	p.signal(syscall.SIGINT)
	wants(t, p.exits(130), "all tasks had ended, so the next start begins a new run")
	p.again("--progress", "none")
	p.says("msg=\"finished: Command exited with status 0\"", 1)
	p.signal(syscall.SIGTERM)
	wants(t, p.exits(143), "ended; so had all tasks, and the next start goes on with this run")
}

// TestFollowsTheFolder: the tasks file is followed also when the folder that it is
// in is exchanged as a whole, or goes and comes back.
func TestFollowsTheFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	conf := filepath.Join(dir, "conf")
	text := "tasks:\n  - {id: a, command: 'true', cpus: 0.1, mem: 10}\n"
	folder := func(path, more string) {
		t.Helper()
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		text += more
		writeTasks(t, path, text)
	}
	folder(conf, "")
	p := startIn(t, dir, "--tasks", "conf/tasks.yaml", "--log-level", "info", "--progress", "none")
	p.says("msg=\"finished: Command exited with status 0\"", 1)
	folder(conf+"2", "  - {id: b, command: 'true', cpus: 0.1, mem: 10}\n")
	for _, step := range [][2]string{{conf, conf + "1"}, {conf + "2", conf}} {
		if err := os.Rename(step[0], step[1]); err != nil {
			t.Fatal(err)
		}
	}
	p.says("tasks file read again: 1 new, 0 changed, 0 removed", 1)
	if err := os.RemoveAll(conf); err != nil {
		t.Fatal(err)
	}
	p.says("the queue goes on as it was", 1)
	folder(conf, "  - {id: c, command: 'true', cpus: 0.1, mem: 10}\n")
	p.says("tasks file read again: 1 new, 0 changed, 0 removed", 2)
	text += "  - {id: d, command: 'true', cpus: 0.1, mem: 10}\n"
	writeTasks(t, conf, text)
	p.says("tasks file read again: 1 new, 0 changed, 0 removed", 3)
	p.signal(syscall.SIGINT)
	p.exits(130)
}
