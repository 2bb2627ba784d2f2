package main

import (
	"bufio"
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
func TestCrash(t *testing.T) {
	first := *crashSeed
	if first == 0 {
		first = rand.Uint64N(1 << 32)
	}
	for seed := first; seed < first+uint64(*crashSeeds); seed++ {
		t.Run("seed "+strconv.FormatUint(seed, 10), func(t *testing.T) {
			if *crashSeeds == 1 {
				t.Parallel()
			}
			crash(t, seed, *crashTasks, *crashKills)
		})
	}
}

func crash(t *testing.T, seed uint64, tasks, kills int) {
	t.Logf("again with: go test -run TestCrash . -crash.seed %d -crash.tasks %d -crash.kills %d", seed, tasks, kills)
	began := time.Now()
	m := startMesos(t, "--resources", "cpus:4;mem:4000;disk:10000", "--allocation-interval", "20ms")
	run := &crashedRun{t: t, dir: t.TempDir(), mesos: m, tasks: tasks}
	run.ledger = filepath.Join(run.dir, "ledger")
	rng := rand.New(rand.NewPCG(seed, 0))
	run.write(rng)
	killed, over := 0, false
	for _, k := range planKills(rng, tasks, kills) {
		hit, out := run.until(k)
		if hit {
			killed++
		}
		if over = run.over(); over {
			run.last = out
			break
		}
		if !hit {
			t.Fatalf("cmdq ended before its run was over:\n%s", out)
		}
	}
	if !over {
		run.last = run.start().ends(exitFinished, 5*time.Minute)
	}
	run.check(killed, began)
}

// crashedRun is one run of cmdq and the many starts that it takes.
type crashedRun struct {
	t      *testing.T
	dir    string
	ledger string // gets a line from every command that starts: task and attempt
	mesos  *mesos
	tasks  int
	last   string // what the last start said
}

// write writes the tasks: every other one is not to be tried again. Of the
// others, some fail when they are tried first.
func (c *crashedRun) write(rng *rand.Rand) {
	var b strings.Builder
	b.WriteString("defaults: {cpus: 0.1, mem: 32}\ntasks:\n")
	note := `echo "$CMDQ_TASK $CMDQ_ATTEMPT" >>` + c.ledger // a short append is one write
	for i := range c.tasks {
		rest := fmt.Sprintf("sleep 0.0%d", 1+rng.IntN(9))
		switch {
		case i%2 == 0:
			fmt.Fprintf(&b, "  - {id: once-%d, command: '%s; %s', retries: 0}\n", i, note, rest)
		case rng.IntN(10) == 0:
			fmt.Fprintf(&b, "  - {id: more-%d, command: '%s; %s; test $CMDQ_ATTEMPT -gt 1', retries: 5}\n", i, note, rest)
		default:
			fmt.Fprintf(&b, "  - {id: more-%d, command: '%s; %s', retries: 5}\n", i, note, rest)
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
			plan[i] = kill{share + rng.IntN(tasks/kills), time.Duration(rng.IntN(20_000)) * time.Microsecond}
		}
	}
	return plan
}

func (c *crashedRun) start() *program {
	return startIn(c.t, c.dir, "run", "--master", c.mesos.addr, "--joblog", "joblog", "--progress", "none", "--log-level", "warn")
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

// check adds up what happened.
func (c *crashedRun) check(killed int, began time.Time) {
	starts := map[task.ID]int{}
	for _, line := range c.lines() {
		id, _, _ := strings.Cut(line, " ")
		starts[task.ID(id)]++
	}
	twice, missing, attempts := 0, 0, 0
	seen := map[task.ID]bool{}
	for _, l := range readJoblog(c.t, filepath.Join(c.dir, "joblog")) {
		once := strings.HasPrefix(string(l.ID), "once-")
		attempts += l.Attempts
		switch {
		case seen[l.ID]:
			c.t.Errorf("%s has two lines in the joblog", l.ID)
		case l.State != "finished":
			c.t.Errorf("%s is %s after %d attempts: %s", l.ID, l.State, l.Attempts, l.Message)
		case starts[l.ID] == 0:
			missing++
			c.t.Errorf("%s never ran", l.ID)
		case once && starts[l.ID] > 1:
			twice++
			c.t.Errorf("%s ran %d times, with retries: 0", l.ID, starts[l.ID])
		case starts[l.ID] > l.Attempts:
			c.t.Errorf("%s ran %d times and tells of %d", l.ID, starts[l.ID], l.Attempts)
		}
		seen[l.ID] = true
	}
	if len(seen) != c.tasks || len(starts) != c.tasks {
		c.t.Errorf("%d tasks in the joblog, %d have run, want %d", len(seen), len(starts), c.tasks)
	}
	if want := fmt.Sprintf("%d tasks: %d finished, 0 failed, 0 killed", c.tasks, c.tasks); !strings.Contains(c.last, want) {
		c.t.Errorf("the last start did not say %q:\n%s", want, c.last)
	}
	live, past := c.mesos.frameworks()
	if len(live) != 0 || len(past) != 1 {
		c.t.Errorf("frameworks at the end: %v, torn down: %v; want one, torn down", live, past)
	}
	c.t.Logf("%d kills, %d tasks, %d starts of commands, %d attempts told, %d twice, %d missing, in %.1f s",
		killed, c.tasks, len(c.lines()), attempts, twice, missing, time.Since(began).Seconds())
	c.checkLedgerLines()
}

// checkLedgerLines: no attempt has the number of another one.
func (c *crashedRun) checkLedgerLines() {
	seen := map[string]bool{}
	for in := bufio.NewScanner(strings.NewReader(strings.Join(c.lines(), "\n"))); in.Scan(); {
		if seen[in.Text()] {
			c.t.Errorf("one attempt ran twice: %s", in.Text())
		}
		seen[in.Text()] = true
	}
}
