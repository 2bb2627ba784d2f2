package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	lib "github.com/mesos/mesos-go/api/v1/lib"

	"cmdq/executor"
	"cmdq/local"
)

// many is so many commands of a kind, named NAME-0 and so on.
func many(n int, name, command string) map[string]executor.Command {
	list := map[string]executor.Command{}
	for i := range n {
		list[name+"-"+strconv.Itoa(i)] = executor.Command{Command: command}
	}
	return list
}

// every tells whether something is so of all tasks.
func every(tasks map[string]executor.Command, so func(id string) bool) bool {
	for id := range tasks {
		if !so(id) {
			return false
		}
	}
	return true
}

func (f *testFramework) waitAll(tasks map[string]executor.Command, state lib.TaskState) {
	f.t.Helper()
	f.wait("all "+state.String(), func() bool {
		return every(tasks, func(id string) bool { return f.last(id).State != nil && f.last(id).GetState() == state })
	})
}

// expect checks what was told of all tasks, from the first to the last.
func (f *testFramework) expect(tasks map[string]executor.Command, states string) {
	f.t.Helper()
	wrong := 0
	for id := range tasks {
		if got := f.states(id); got != states {
			if wrong++; wrong <= 5 {
				f.t.Errorf("%s: %s, want %s; %v", id, got, states, f.last(id))
			}
		}
	}
	if wrong > 5 {
		f.t.Errorf("and %d more", wrong-5)
	}
}

// executorPid is the pid of a cmdq executor.
func executorPid(t *testing.T, work string) int {
	t.Helper()
	for _, pid := range processesWith(work) {
		args, err := os.ReadFile("/proc/" + pid + "/cmdline")
		if err == nil && strings.HasPrefix(string(args), "cmdq\x00executor\x00") {
			n, err := strconv.Atoi(pid)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("there is no executor")
	return 0
}

// TestExecutorQuick runs a thousand commands in one executor.
func TestExecutorQuick(t *testing.T) {
	t.Parallel()
	for _, flags := range [][]string{nil, {"--terse-updates"}} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			f := startFramework(t, local.Config{})
			tasks := many(1000, "quick", "true")
			began := time.Now()
			f.run(f.cmdqExecutor("x1", flags...), tasks)
			f.waitAll(tasks, lib.TASK_FINISHED)
			took := time.Since(began)
			t.Logf("1000 commands in %s, %.0f a second", took, 1000/took.Seconds())
			if flags == nil {
				f.expect(tasks, "RUNNING FINISHED")
			} else if every(tasks, func(id string) bool { return f.states(id) != "FINISHED" }) {
				t.Error("not one command was quick enough to end without RUNNING")
			}
			f.shutDown("x1", "quick-0")
			if left := processesWith(f.id.Value); left != nil {
				t.Errorf("left of the executor: %v", left)
			}
		})
	}
}

// TestExecutorLoud has 200 commands that run at the same time write a megabyte
// each, and compares what they wrote.
func TestExecutorLoud(t *testing.T) {
	t.Parallel()
	f := startFramework(t, local.Config{})
	dir := t.TempDir()
	// Lines of 4 KB that tell whose they are, and their place.
	tasks := many(200, "loud", `until [ -e `+dir+`/gate ]; do sleep 1; done
		id=${MESOS_DIRECTORY##*/} i=0; while [ $i -lt 256 ]; do printf '%-4095s\n' "$id $i"; i=$((i+1)); done`)
	f.run(f.cmdqExecutor("x1"), tasks)
	f.waitAll(tasks, lib.TASK_RUNNING) // all are there
	touch(t, dir, "gate")
	f.waitAll(tasks, lib.TASK_FINISHED)
	for id := range tasks {
		var want strings.Builder
		for i := range 256 {
			fmt.Fprintf(&want, "%-4095s\n", id+" "+strconv.Itoa(i))
		}
		if got := f.output("x1", id, "stdout"); got != want.String() {
			t.Errorf("%s wrote something else, of %d bytes", id, len(got))
		}
	}
}

// TestExecutorKillIgnored: a command that ignores SIGTERM, and what it started,
// get SIGKILL when the grace is over, and not before.
func TestExecutorKillIgnored(t *testing.T) {
	t.Parallel()
	f := startFramework(t, local.Config{})
	grace := executor.Duration(500 * time.Millisecond)
	f.run(f.cmdqExecutor("x1"), map[string]executor.Command{
		"stubborn": {Command: "trap 'echo TERM' TERM; sh -c \"trap '' TERM; sleep 1000\" & echo up; while :; do sleep 0.02; done", KillGrace: &grace},
		"docile":   {Command: "echo up; sleep 1000", KillGrace: &grace},
	})
	for _, id := range []string{"stubborn", "docile"} {
		f.waitState(id, lib.TASK_RUNNING)
		f.waitOutput("x1", id, "up\n")
	}
	if f.processesOf("stubborn") == nil {
		t.Error("it runs, and has no process")
	}
	began := time.Now()
	f.kill("stubborn")
	f.kill("docile")
	f.waitState("stubborn", lib.TASK_KILLED)
	if took := time.Since(began); took < time.Duration(grace) {
		t.Errorf("SIGKILL after %s, before the grace of %s was over", took, time.Duration(grace))
	}
	f.waitState("docile", lib.TASK_KILLED)
	for id, message := range map[string]string{"stubborn": "Command terminated with signal Killed", "docile": "Command terminated with signal Terminated"} {
		if got := f.states(id); got != "RUNNING KILLING KILLED" || f.last(id).GetMessage() != message {
			t.Errorf("%s: %s %q, want %q", id, got, f.last(id).GetMessage(), message)
		}
	}
	if out := f.output("x1", "stubborn", "stdout"); out != "up\nTERM\n" {
		t.Errorf("it wrote %q: not one SIGTERM", out)
	}
	if left := f.processesOf("stubborn"); left != nil {
		t.Errorf("left: %v", left)
	}
}

// TestExecutorKilled: SIGKILL for the executor alone takes everything along
// that it runs, also what left its group.
func TestExecutorKilled(t *testing.T) {
	t.Parallel()
	f := startFramework(t, local.Config{})
	tasks := many(20, "sleep", "sleep 1000 & setsid sleep 1000 & echo up; sleep 1000; true")
	f.run(f.cmdqExecutor("x1"), tasks)
	f.waitAll(tasks, lib.TASK_RUNNING)
	for id := range tasks {
		f.waitOutput("x1", id, "up\n")
	}
	if err := syscall.Kill(executorPid(t, f.id.Value), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	f.waitAll(tasks, lib.TASK_FAILED)
	for id := range tasks {
		if r := f.last(id).Reason; r == nil || *r != lib.REASON_EXECUTOR_TERMINATED {
			t.Errorf("%s: reason %v", id, r)
		}
	}
	f.wait("end of the executor", func() bool { _, gone := f.failed["x1"]; return gone })
	if left := processesWith(f.id.Value); left != nil {
		t.Errorf("left of the executor: %v", left)
	}
}

// TestExecutorAgentRestarts: while the agent is dead, commands end and go on.
// When it is back it hears of all of it, once.
func TestExecutorAgentRestarts(t *testing.T) {
	t.Parallel()
	f := startFramework(t, local.Config{Chaos: true})
	dir := t.TempDir()
	gate := filepath.Join(dir, "gate")
	wait := func(gate string) string { return "echo up; until [ -e " + gate + " ]; do sleep 0.02; done" }
	short, long := many(20, "short", wait(gate)), many(20, "long", wait(gate+"2"))
	f.run(f.cmdqExecutor("x1"), short)
	f.run(f.cmdqExecutor("x1"), long)
	for id := range long {
		f.waitState(id, lib.TASK_RUNNING)
		f.waitOutput("x1", id, "up\n")
	}
	f.waitAll(short, lib.TASK_RUNNING)
	for range 3 {
		if err := f.cluster.KillAgent(0); err != nil {
			t.Fatal(err)
		}
		touch(t, dir, "gate") // the short ones end now
		f.waitGone("short-")
		if err := f.cluster.StartAgent(0, false); err != nil {
			t.Fatal(err)
		}
		f.waitAll(short, lib.TASK_FINISHED)
	}
	touch(t, dir, "gate2")
	f.waitAll(long, lib.TASK_FINISHED)
	f.expect(short, "RUNNING FINISHED")
	f.expect(long, "RUNNING FINISHED")
	for id := range long {
		if n := len(f.output("x1", id, "stdout")); n != 3 {
			t.Errorf("%s ran again, or not to its end: %d bytes", id, n)
		}
	}
}

// TestExecutorAgentRestartsBusy kills the agent again and again while thousands
// of launches and updates are on their way. Each command runs once and is told to
// have finished, or was lost before it was started, and that is told.
func TestExecutorAgentRestartsBusy(t *testing.T) {
	t.Parallel()
	n := 3000
	if testing.Short() {
		n = 500
	}
	f := startFramework(t, local.Config{Chaos: true})
	log := filepath.Join(t.TempDir(), "log")
	tasks := many(n, "t", `echo ${MESOS_DIRECTORY##*/} >>`+log)
	f.run(f.cmdqExecutor("x1"), tasks)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for _, share := range []int{1, 20, 40, 60, 80} { // percent of the tasks
		f.wait(strconv.Itoa(share)+"%", func() bool { return len(f.told) > n*share/100 })
		for range random.IntN(100) {
			f.take(<-f.conn.Incoming())
		}
		if err := f.cluster.KillAgent(0); err != nil {
			t.Fatal(err)
		}
		if err := f.cluster.StartAgent(0, false); err != nil {
			t.Fatal(err)
		}
	}
	f.wait("end of all", func() bool { return every(tasks, f.ended) })
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	ran := map[string]int{}
	for id := range strings.FieldsSeq(string(text)) {
		ran[id]++
	}
	finished, wrong := 0, 0
	for id := range tasks {
		switch s := f.last(id); {
		case s.GetState() == lib.TASK_FINISHED && ran[id] == 1:
			finished++
		case s.GetState() != lib.TASK_FINISHED && ran[id] == 0 && !strings.Contains(f.states(id), "RUNNING"):
		default:
			if wrong++; wrong <= 5 {
				t.Errorf("seed %d: %s: %s, ran %d times: %v", seed, id, f.states(id), ran[id], s)
			}
		}
	}
	t.Logf("%d of %d finished, %d wrong", finished, n, wrong)
	if finished == 0 {
		t.Error("not one finished")
	}
}

// waitGone waits until no process of these tasks is left. Nobody tells us: the
// agent is dead or hangs, or we are away.
func (f *testFramework) waitGone(task string) {
	f.t.Helper()
	for end := time.Now().Add(executorPatience); f.processesOf(task) != nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			f.t.Fatalf("still there: %v", f.processesOf(task))
		}
	}
}

// TestExecutorAgentUnreachable: an agent that answers nothing for so long that
// the master gives it up, and then goes on: what ended meanwhile and what still
// runs is told of.
func TestExecutorAgentUnreachable(t *testing.T) {
	t.Parallel()
	f := startFramework(t, local.Config{Chaos: true, AgentPingTimeout: 100 * time.Millisecond, MaxAgentPingTimeouts: 3})
	dir := t.TempDir()
	gate := filepath.Join(dir, "gate")
	wait := func(gate string) string { return "echo up; until [ -e " + gate + " ]; do sleep 0.02; done" }
	short, long := many(20, "short", wait(gate)), many(20, "long", wait(gate+"2"))
	all := maps.Clone(short)
	maps.Copy(all, long)
	f.run(f.cmdqExecutor("x1"), all)
	f.waitAll(all, lib.TASK_RUNNING)
	if err := f.cluster.HangAgent(0); err != nil {
		t.Fatal(err)
	}
	f.waitAll(all, lib.TASK_UNREACHABLE)
	touch(t, dir, "gate")
	f.waitGone("short-")
	if err := f.cluster.ResumeAgent(0); err != nil {
		t.Fatal(err)
	}
	f.waitAll(short, lib.TASK_FINISHED)
	f.waitAll(long, lib.TASK_RUNNING)
	touch(t, dir, "gate2")
	f.waitAll(long, lib.TASK_FINISHED)
	for id := range all {
		if out := f.output("x1", id, "stdout"); out != "up\n" {
			t.Errorf("%s wrote %q: it ran again", id, out)
		}
	}
}

// TestExecutorSchedulerAway: 10,000 updates that nobody acknowledges while the
// scheduler is away, which hears all of them when it is back.
func TestExecutorSchedulerAway(t *testing.T) {
	t.Parallel()
	n := 5000 // of two updates each: as many as the agent has to keep
	if testing.Short() {
		n = 500
	}
	f := startFramework(t, local.Config{})
	tasks := many(n, "t", "true")
	f.deaf = true
	f.run(f.cmdqExecutor("x1"), tasks)
	f.wait("first update", func() bool { return len(f.told) > 0 })
	f.conn.Close()
	f.waitGone("t-")
	f.deaf = false
	f.connect()
	f.waitAll(tasks, lib.TASK_FINISHED)
	f.expect(tasks, "RUNNING FINISHED")
}

// TestExecutorToken: on a guarded cluster the executor has a token, and the
// commands do not.
func TestExecutorToken(t *testing.T) {
	t.Parallel()
	const secret = "a secret of the cluster"
	f := startFramework(t, local.Config{Secret: secret}, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secret) })
	f.run(f.cmdqExecutor("x1"), map[string]executor.Command{
		"own":    {Command: "env | grep AUTHENTICATION_TOKEN"},
		"parent": {Command: "tr '\\0' '\\n' </proc/$PPID/environ | grep AUTHENTICATION_TOKEN"},
	})
	for _, id := range []string{"own", "parent"} {
		f.wait("end of "+id, func() bool { return f.ended(id) })
		out := f.output("x1", id, "stdout")
		t.Run(id, func(t *testing.T) {
			if id == "parent" && os.Geteuid() == 0 {
				t.Skip("nothing is hidden from root")
			}
			if out != "" {
				t.Error("it sees a token")
			}
		})
	}
}

// TestExecutorIdle: an executor with nothing to do ends, with status 0. A
// launch that finds it ending is told to have failed and has not run; every
// command runs once or never.
func TestExecutorIdle(t *testing.T) {
	t.Parallel()
	f := startFramework(t, local.Config{})
	log := filepath.Join(t.TempDir(), "log")
	executors, lost, finished := 1, 0, 0
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	id := func() string { return "x" + strconv.Itoa(executors) }
	for i := range 60 {
		if _, gone := f.failed[id()]; gone {
			executors++
		}
		task := "t" + strconv.Itoa(i)
		f.run(f.cmdqExecutor(id(), "--executor-idle", "60ms"), map[string]executor.Command{task: {Command: "echo " + task + " >>" + log}})
		f.wait("end of "+task, func() bool { return f.ended(task) })
		ran := 0
		if text, err := os.ReadFile(log); err == nil {
			ran = strings.Count(string(text), task+"\n")
		}
		switch s := f.last(task); {
		case s.GetState() == lib.TASK_FINISHED && ran == 1:
			finished++
		case (s.GetState() == lib.TASK_FAILED || s.GetState() == lib.TASK_DROPPED) && len(f.told[task]) == 1 && ran == 0:
			lost++ // and it was said
		default:
			t.Errorf("seed %d: %s: %s, ran %d times", seed, task, f.states(task), ran)
		}
		for timer := time.After(time.Duration(40+random.IntN(40)) * time.Millisecond); timer != nil; { // about when it ends
			select {
			case <-timer:
				timer = nil
			case in := <-f.conn.Incoming():
				f.take(in)
			}
		}
	}
	t.Logf("%d finished, %d found an executor that ended, of %d executors", finished, lost, executors)
	if finished == 0 {
		t.Error("not one finished")
	}
	f.wait("end of "+id(), func() bool { _, gone := f.failed[id()]; return gone })
	for x, status := range f.failed {
		if status != 0 {
			t.Errorf("%s ended with status %d", x, status)
		}
	}
	if len(f.failed) < 2 {
		t.Error("no executor ended for lack of work while there was more to come")
	}
}
