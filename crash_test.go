package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"cmdq/store"
	"cmdq/task"
)

// The flags of the crash test; "make crash" has the large figures. A seed gives
// the same plan of kills again; where a kill hits also depends on the machine.
var (
	crashSeed  = flag.Uint64("crash.seed", 0, "first seed of the crash test; 0: a new one")
	crashSeeds = flag.Int("crash.seeds", 1, "how many seeds the crash test tries, one after the other")
	crashTasks = flag.Int("crash.tasks", 200, "tasks of one crash test")
	crashKills = flag.Int("crash.kills", 8, "how often a crash test kills cmdq")
)

// TestCrash kills cmdq run with SIGKILL again and again, at any time of its
// life, and starts it again. On a cluster that lives on, every task ends
// finished and is told of once. No command with retries: 0 is ever started
// twice, and none at all is forgotten.
func TestCrash(t *testing.T) { eachSeed(t, crash) }

// TestCrashEmbedded is the same with --master local, where every kill also ends
// the commands that run, so that they run again, those with retries: 0 too.
func TestCrashEmbedded(t *testing.T) { eachSeed(t, crashEmbedded) }

// TestCrashExecutor is TestCrash with cmdq's own executor, and everything that
// the commands leave is there at the end.
func TestCrashExecutor(t *testing.T) { eachSeed(t, crashExecutor) }

func eachSeed(t *testing.T, crash func(t *testing.T, seed uint64, tasks, kills int)) {
	if *crashSeeds == 1 {
		t.Parallel() // more of them have the machine for themselves
	}
	first := *crashSeed
	if first == 0 {
		first = rand.Uint64N(1 << 32)
	}
	for seed := first; seed < first+uint64(*crashSeeds); seed++ {
		t.Run("seed "+strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Logf("again with: go test -run '%s$' . -crash.seed %d -crash.tasks %d -crash.kills %d",
				strings.Split(t.Name(), "/")[0], seed, *crashTasks, *crashKills)
			crash(t, seed, *crashTasks, *crashKills)
		})
	}
}

func crash(t *testing.T, seed uint64, tasks, kills int) {
	crashSeparate(t, seed, kills, &crashedRun{t: t, tasks: tasks})
}

func crashExecutor(t *testing.T, seed uint64, tasks, kills int) {
	c := &crashedRun{t: t, tasks: tasks, leaves: true, args: []string{"--executor", "cmdq", "--output-dir", "kept"}}
	crashSeparate(t, seed, kills, c)
	c.checkLeft()
}

// crashSeparate kills a cmdq that is not the cluster.
func crashSeparate(t *testing.T, seed uint64, kills int, c *crashedRun) {
	m := startMesos(t, append([]string{"--allocation-interval", "20ms"}, crashResources...)...)
	c.args = append(c.args, "--master", m.addr)
	c.play(seed, kills)
	for id, n := range c.starts {
		if strings.HasPrefix(string(id), "once-") && n > 1 {
			t.Errorf("%s ran %d times, with retries: 0", id, n)
		}
	}
	live, past := m.frameworks()
	if len(live) != 0 || len(past) != 1 {
		t.Errorf("frameworks at the end: %v, torn down: %v; want one, torn down", live, past)
	}
}

func crashEmbedded(t *testing.T, seed uint64, tasks, kills int) {
	// Our own end is no failure of the cluster: it costs a task none of these.
	c := &crashedRun{t: t, tasks: tasks, args: append([]string{"--infra-retries", "0"}, crashResources...)}
	c.play(seed, kills)
}

var crashResources = []string{"--resources", "cpus:4;mem:4000;disk:10000"}

// crashedRun is one run of cmdq and the many starts that it takes.
type crashedRun struct {
	t      *testing.T
	dir    string
	ledger string // gets a line from every command that starts: task and attempt
	tasks  int
	leaves bool     // every command writes to standard output and leaves a file
	args   []string // of cmdq
	last   string   // what the last start said
	starts map[task.ID]int
}

// play starts and kills cmdq until the run is over, and checks what came of it.
func (c *crashedRun) play(seed uint64, kills int) {
	began := time.Now()
	c.dir = c.t.TempDir()
	c.ledger = filepath.Join(c.dir, "ledger")
	rng := rand.New(rand.NewPCG(seed, 0))
	c.write(rng)
	killed, over := 0, false
	for _, k := range planKills(rng, c.tasks, kills) {
		hit, out := c.until(k)
		if hit {
			killed++
		}
		if over = c.over(); over {
			c.last = out
			break
		}
		if !hit {
			c.t.Fatalf("cmdq ended before its run was over:\n%s", out)
		}
	}
	if !over {
		c.last = c.start().ends(exitFinished, 5*time.Minute)
	}
	c.check()
	c.t.Logf("%d kills, %d tasks, %d starts of commands, in %.1f s", killed, c.tasks, len(c.lines()), time.Since(began).Seconds())
}

// write writes the tasks: every other one is not to be tried again. Of the
// others, some fail when they are tried first.
func (c *crashedRun) write(rng *rand.Rand) {
	var b strings.Builder
	b.WriteString("defaults: {cpus: 0.1, mem: 32}\ntasks:\n")
	note := `echo "$CMDQ_TASK $CMDQ_ATTEMPT" >>` + c.ledger // a short append is one write
	for i := range c.tasks {
		rest, more := fmt.Sprintf("sleep 0.0%d", 1+rng.IntN(9)), ""
		if c.leaves {
			rest, more = rest+"; echo $CMDQ_TASK | tee out", ", outputs: [out]"
		}
		switch {
		case i%2 == 0:
			fmt.Fprintf(&b, "  - {id: once-%d, command: '%s; %s', retries: 0%s}\n", i, note, rest, more)
		case rng.IntN(10) == 0:
			fmt.Fprintf(&b, "  - {id: more-%d, command: '%s; %s; test $CMDQ_ATTEMPT -gt 1', retries: 5%s}\n", i, note, rest, more)
		default:
			fmt.Fprintf(&b, "  - {id: more-%d, command: '%s; %s', retries: 5%s}\n", i, note, rest, more)
		}
	}
	if err := os.WriteFile(filepath.Join(c.dir, "tasks.yaml"), []byte(b.String()), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// kill is when to kill: some time after so many commands have started, in all.
type kill struct {
	lines int
	after time.Duration
}

// planKills spreads kills over a run: a third come while cmdq starts, most of
// the others somewhere in the middle, some near the end, and the last one
// about when everything has ended and the summary is due.
func planKills(rng *rand.Rand, tasks, kills int) []kill {
	plan := make([]kill, kills)
	for i := range plan {
		share := tasks * i / kills
		switch {
		case i == kills-1:
			plan[i] = kill{tasks, time.Duration(rng.IntN(150)) * time.Millisecond}
		case i >= kills-max(2, kills/10):
			plan[i] = kill{tasks - 1 - rng.IntN(min(tasks, 40)), time.Duration(rng.IntN(20)) * time.Millisecond}
		case i%3 == 0:
			plan[i] = kill{0, time.Duration(rng.IntN(150_000)) * time.Microsecond}
		default:
			plan[i] = kill{share + rng.IntN(max(1, tasks/kills)), time.Duration(rng.IntN(20_000)) * time.Microsecond}
		}
	}
	return plan
}

func (c *crashedRun) start() *program {
	return startIn(c.t, c.dir, append([]string{"run", "--joblog", "joblog", "--progress", "none", "--log-level", "warn"}, c.args...)...)
}

// until starts cmdq and kills it when its time has come. It tells whether the
// kill hit, and what cmdq had said.
func (c *crashedRun) until(k kill) (hit bool, out string) {
	p := c.start()
	ended := make(chan struct{})
	go func() { p.cmd.Wait(); close(ended) }()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	deadline := time.After(2 * time.Minute)
	for k.lines > 0 && len(c.lines()) < k.lines {
		select {
		case <-ended:
			out, _ = p.out.next()
			return false, out
		case <-poll.C:
		case <-deadline:
			out, _ = p.out.next()
			c.t.Fatalf("%d of %d commands have started, and no more:\n%s", len(c.lines()), c.tasks, out)
		}
	}
	select {
	case <-ended:
	case <-time.After(k.after): // the instant that the seed chose
	}
	p.cmd.Process.Kill()
	<-ended
	out, _ = p.out.next()
	return p.cmd.ProcessState.ExitCode() == -1, out
}

// lines are what the commands have written so far.
func (c *crashedRun) lines() []string {
	data, err := os.ReadFile(c.ledger)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.t.Fatal(err)
	}
	return strings.FieldsFunc(string(data), func(r rune) bool { return r == '\n' })
}

// over tells whether the run is done, so that another start would be a new one.
// Whatever the kill hit, the journal can be read.
func (c *crashedRun) over() bool {
	s, err := store.Look(filepath.Join(c.dir, ".cmdq"))
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		c.t.Fatal(err)
	}
	defer s.Close()
	run, _ := s.Run()
	return run.Stage == store.Done
}

// checkLeft looks for what each command left.
func (c *crashedRun) checkLeft() {
	for _, name := range []string{"outputs/%s/out", "kept/%s/stdout"} {
		for id := range c.starts {
			file := filepath.Join(c.dir, fmt.Sprintf(name, id))
			if data, err := os.ReadFile(file); err != nil || string(data) != string(id)+"\n" {
				c.t.Errorf("%s: %q, %v", file, data, err)
			}
		}
	}
	for _, dir := range []string{"outputs", "kept"} {
		if found, err := os.ReadDir(filepath.Join(c.dir, dir)); err != nil || len(found) != c.tasks {
			c.t.Errorf("%d tasks left something in %s, want %d (%v)", len(found), dir, c.tasks, err)
		}
	}
}

// check adds up what happened.
func (c *crashedRun) check() {
	c.starts = map[task.ID]int{}
	attempts := map[string]bool{}
	for _, line := range c.lines() {
		id, _, _ := strings.Cut(line, " ")
		c.starts[task.ID(id)]++
		if attempts[line] {
			c.t.Errorf("one attempt ran twice: %s", line)
		}
		attempts[line] = true
	}
	told := map[task.ID]bool{}
	for _, l := range readJoblog(c.t, filepath.Join(c.dir, "joblog")) {
		switch {
		case told[l.ID]:
			c.t.Errorf("%s has two lines in the joblog", l.ID)
		case l.State != "finished":
			c.t.Errorf("%s is %s after %d attempts: %s", l.ID, l.State, l.Attempts, l.Message)
		case c.starts[l.ID] == 0:
			c.t.Errorf("%s never ran", l.ID)
		case c.starts[l.ID] > l.Attempts:
			c.t.Errorf("%s ran %d times and tells of %d", l.ID, c.starts[l.ID], l.Attempts)
		}
		told[l.ID] = true
	}
	if len(told) != c.tasks || len(c.starts) != c.tasks {
		c.t.Errorf("%d tasks in the joblog, %d have run, want %d", len(told), len(c.starts), c.tasks)
	}
	if want := fmt.Sprintf("%d tasks: %d finished, 0 failed, 0 killed", c.tasks, c.tasks); !strings.Contains(c.last, want) {
		c.t.Errorf("the last start did not say %q:\n%s", want, c.last)
	}
}
