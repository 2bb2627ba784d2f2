package executor

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nurseryEnv makes the test binary a process with a nursery that runs the
// shell command in it: a nursery waits for all children of its process, so there
// is none among the tests. It prints what it is told, and ends with its input.
const nurseryEnv = "CMDQ_TEST_NURSERY"

func actAsNursery(command string) int {
	n, err := newNursery(func(ev event) {
		switch ev := ev.(type) {
		case started:
			fmt.Println("started", ev.id, ev.err)
		case exited:
			fmt.Println("exited", ev.id, describe(ev.status))
		}
	})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	jobs := map[string]*job{}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		verb, arg, _ := strings.Cut(in.Text(), " ")
		switch verb {
		case "start": // ID
			dir := filepath.Join(os.Getenv("TMPDIR"), arg)
			j := &job{id: arg, command: &Command{Command: command}, dir: dir, env: environment(os.Environ(), nil, dir)}
			if err := os.Mkdir(dir, 0o755); err != nil {
				fmt.Println(err)
			}
			jobs[arg] = j
			n.start(j)
		case "withdraw":
			n.withdraw(jobs[arg])
		case "hold": // what is being started does not get on
			n.mu.Lock()
		case "release":
			n.mu.Unlock()
		case "signal":
			n.signal(arg, syscall.SIGTERM)
		}
	}
	n.close()
	fmt.Println("closed")
	return 0
}

// nurseryProcess is such a process, seen from the test.
type nurseryProcess struct {
	t   *testing.T
	cmd *exec.Cmd
	in  interface {
		Write([]byte) (int, error)
		Close() error
	}
	out *bufio.Scanner
	dir string
}

func startNursery(t *testing.T, command string) *nurseryProcess {
	t.Helper()
	p := &nurseryProcess{t: t, dir: t.TempDir(), cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), nurseryEnv+"="+command, "TMPDIR="+p.dir)
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in, p.out = in, bufio.NewScanner(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	return p
}

func (p *nurseryProcess) say(text string) {
	p.t.Helper()
	if _, err := p.in.Write([]byte(text + "\n")); err != nil {
		p.t.Fatal(err)
	}
}

func (p *nurseryProcess) hear(want string) {
	p.t.Helper()
	if !p.out.Scan() || p.out.Text() != want {
		p.t.Fatalf("it says %q, want %q", p.out.Text(), want)
	}
}

// hearAll hears these in any order: a quick command may have ended before it is
// told that it was started.
func (p *nurseryProcess) hearAll(want ...string) {
	p.t.Helper()
	var got []string
	for range want {
		if !p.out.Scan() {
			p.t.Fatalf("it ended after %q, want %q", got, want)
		}
		got = append(got, p.out.Text())
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		p.t.Fatalf("it says %q, want %q", got, want)
	}
}

// pids waits for the processes that a command wrote down in its stdout: it has
// nothing else to tell us by.
func (p *nurseryProcess) pids(id string, n int) []int {
	p.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		text, err := os.ReadFile(filepath.Join(p.dir, id, "stdout"))
		if err != nil || strings.Count(string(text), "\n") < n {
			continue
		}
		var pids []int
		for _, f := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(f)
			if err != nil {
				p.t.Fatal(err)
			}
			pids = append(pids, pid)
		}
		return pids
	}
	p.t.Fatalf("%s wrote no %d pids", id, n)
	return nil
}

// gone waits until processes have ended; at once says that they must have. They
// are no children of ours, so nobody tells us.
func gone(t *testing.T, pids []int, atOnce bool) {
	t.Helper()
	end := time.Now().Add(10 * time.Second)
	for _, pid := range pids {
		for {
			if !traceOf(pid).alive {
				break
			}
			if atOnce || time.Now().After(end) {
				t.Fatalf("process %d is still there", pid)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// TestNurseryEnd: the end of a command is told when all that it left is gone,
// whatever that did to hide.
func TestNurseryEnd(t *testing.T) {
	for name, leave := range map[string]string{
		"group":         "sleep 1000 & echo $!;",
		"session":       "setsid sh -c 'echo $$; exec sleep 1000' &",
		"double fork":   "setsid sh -c 'sh -c \"echo \\$\\$; exec sleep 1000\" &' &",
		"clean":         "setsid env -i sh -c 'echo $$; exec sleep 1000' & ",
		"ignores TERM":  "setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.1; done' & ",
		"forks forever": "setsid sh -c 'echo $$; while :; do sleep 0.01 & done' & ",
	} {
		t.Run(name, func(t *testing.T) {
			p := startNursery(t, leave+" while [ ! -s stdout ]; do sleep 0.01; done; exit 3")
			p.say("start a")
			p.hearAll("started a <nil>", "exited a exited with status 3")
			gone(t, p.pids("a", 1), true)
		})
	}
}

// TestNurseryNeighbours: the end of one command harms no other, nor what that
// has put aside.
func TestNurseryNeighbours(t *testing.T) {
	p := startNursery(t, `echo $$; setsid sleep 1000 & echo $!; case $PWD in */short) exit 0;; esac; wait`)
	p.say("start long")
	p.hear("started long <nil>")
	long := p.pids("long", 2)
	for range 3 {
		p.say("start short")
		p.hearAll("started short <nil>", "exited short exited with status 0")
		gone(t, p.pids("short", 2), true)
		if err := os.RemoveAll(filepath.Join(p.dir, "short")); err != nil {
			t.Fatal(err)
		}
	}
	for _, pid := range long {
		if !traceOf(pid).alive {
			t.Errorf("process %d of another command ended", pid)
		}
	}
	p.say("signal long")
	p.hear("exited long terminated with signal Terminated")
	gone(t, long, true)
}

// TestNurseryWithdraw: a command that waits for another one's start need not be
// started any more, which is told at once; one that has started is.
func TestNurseryWithdraw(t *testing.T) {
	p := startNursery(t, "pwd >&2; exit 3")
	p.say("hold")
	p.say("start a")
	p.say("start b")
	p.say("withdraw b")
	p.hear("started b withdrawn")
	p.say("withdraw b") // nothing comes of it
	p.say("release")
	p.hearAll("started a <nil>", "exited a exited with status 3")
	p.say("withdraw a")
	p.say("start c")
	p.hearAll("started c <nil>", "exited c exited with status 3")
	if text, err := os.ReadFile(filepath.Join(p.dir, "b", "stderr")); len(text) > 0 {
		t.Errorf("b has run: %q, %v", text, err)
	}
}

// TestNurseryClose: nothing is left when it is closed.
func TestNurseryClose(t *testing.T) {
	p := startNursery(t, `trap '' TERM; echo $$; setsid env -i sleep 1000 & echo $!; wait`)
	p.say("start a")
	p.hear("started a <nil>")
	pids := p.pids("a", 2)
	if err := p.in.Close(); err != nil {
		t.Fatal(err)
	}
	p.hear("exited a terminated with signal Killed")
	p.hear("closed")
	gone(t, pids, true)
}

// TestNurseryDies: a command does not outlive a nursery that is killed with
// SIGKILL. What the command started is ended by who ends the container.
func TestNurseryDies(t *testing.T) {
	p := startNursery(t, `echo $$; exec sleep 1000`)
	for _, id := range []string{"a", "b", "c"} {
		p.say("start " + id)
		p.hear("started " + id + " <nil>")
	}
	pids := append(append(p.pids("a", 1), p.pids("b", 1)...), p.pids("c", 1)...)
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	gone(t, pids, false)
}

// TestNurserySession: commands are groups of their own in our session, so that
// the end of the container is theirs.
func TestNurserySession(t *testing.T) {
	p := startNursery(t, `read -r text </proc/self/stat; set -- $text; echo $$; echo $5; echo $6; exec sleep 1000`)
	p.say("start a")
	p.hear("started a <nil>")
	pids := p.pids("a", 3)
	session, err := sessionOf(p.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if pids[1] != pids[0] || pids[2] != session {
		t.Errorf("pid %d, group %d, session %d; ours is %d", pids[0], pids[1], pids[2], session)
	}
}

func sessionOf(pid int) (int, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.Fields(string(text))[5])
}
