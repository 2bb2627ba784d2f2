package store

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFullDisk: a disk that takes no more makes an error of a write, and the same
// batch can be written when it takes some again. A limit of the size of files
// stands for a full disk; it is the whole process's, so a child has it.
func TestFullDisk(t *testing.T) {
	if os.Getenv("STORE_FULL_DISK") != "" {
		signal.Ignore(unix.SIGXFSZ) // an error, not the end
		fullDisk(t)
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
	child.Env = append(os.Environ(), "STORE_FULL_DISK=1", "GOCOVERDIR="+t.TempDir())
	out, err := child.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func fullDisk(t *testing.T) {
	var usual unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &usual); err != nil {
		t.Fatal(err)
	}
	limit := func(most uint64) {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: min(most, usual.Max), Max: usual.Max}); err != nil {
			t.Fatal(err)
		}
	}
	rnd := rand.New(rand.NewPCG(9, 9))
	specs, m, dir := randomSpecs(rnd, 8), newModel(), t.TempDir()
	s := mustOpen(t, dir)
	failed := 0
	for step := range 150 {
		b := randomBatch(rnd, m, specs)
		if limit(3 * pageSize); step%10 == 0 && s.Begin(Run{}) == nil {
			t.Fatal("begun on a full disk")
		}
		limit(rnd.Uint64N(uint64(len(journalOf(t, dir))) * 5 / 4))
		for range rnd.IntN(3) {
			if s.Write(b) != nil {
				failed++
			}
		}
		if step%15 == 0 { // a Close on a full disk
			mustClose(t, s)
			limit(usual.Cur)
			s = mustOpen(t, dir)
		}
		limit(usual.Cur)
		mustWrite(t, s, b)
		m.write(b)
		if what := m.differs(s); what != "" {
			t.Fatalf("step %d: %s", step, what)
		}
	}
	mustClose(t, s)
	s = mustOpen(t, dir)
	if what := m.differs(s); what != "" {
		t.Error(what)
	}
	mustClose(t, s)
	if failed < 50 {
		t.Errorf("only %d writes failed", failed)
	}
}

// TestMemoryFault: a file that somebody cuts while it is mapped makes errors, not
// the end of the process; if what was cut comes back, so does everything.
func TestMemoryFault(t *testing.T) {
	dir, m := sample(t, 10, 60)
	s := mustOpen(t, dir)
	rnd := rand.New(rand.NewPCG(1, 1))
	b := randomBatch(rnd, m, randomSpecs(rnd, 2))
	mustWrite(t, s, b)
	m.write(b)
	whole := journalOf(t, dir)
	if err := os.Truncate(filepath.Join(dir, fileName), 2*pageSize); err != nil {
		t.Fatal(err)
	}
	again := Batch{Tasks: []Task{m.tasks[m.order[0]]}}
	var p *panicked
	if err := s.Write(again); !errors.As(err, &p) {
		t.Errorf("written through a mapping of what is gone: %v", err)
	}
	if err := s.Write(again); !isDamaged(err) {
		t.Errorf("written to a file that is gone: %v", err)
	}
	for _, err := range s.Tasks() {
		if !isDamaged(err) {
			t.Errorf("tasks of a file that is gone: %v", err)
		}
	}
	place(t, dir, whole)
	mustWrite(t, s, again)
	if what := m.differs(s); what != "" {
		t.Error(what)
	}
	mustClose(t, s)
}
