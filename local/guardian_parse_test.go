package local

import (
	"bytes"
	"io"
	"maps"
	"os/exec"
	"reflect"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func FuzzGuardMessage(f *testing.F) {
	start := startMessage(3, process{ID: "a", Path: "/bin/sh", Argv: []string{"sh", "-c", ""}, Env: []string{"A=1"}, Dir: "/", Stdout: "o", Stderr: "e"})
	for _, m := range []guardMessage{start, {kind: guardReady}, {kind: guardExit, seq: 1<<32 - 1, num: -1, texts: []string{"x", ""}}} {
		f.Add(m.append(nil)[4:])
	}
	f.Add([]byte{})
	f.Add([]byte{'s', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := parseGuardMessage(body)
		if err != nil {
			return
		}
		frame := m.append(nil)
		if len(frame) > m.size() {
			t.Errorf("%d bytes, size says %d", len(frame), m.size())
		}
		again, err := readGuardMessage(bytes.NewReader(frame))
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Errorf("%+v became %+v, %v", m, again, err)
		}
		if p, err := startedProcess(m); err == nil {
			if again := startMessage(m.seq, p); !slices.Equal(m.texts, again.texts) || m.num != again.num {
				t.Errorf("%+v became %+v", m, again)
			}
		}
	})
}

func TestGuardFrameBounds(t *testing.T) {
	if _, err := readGuardMessage(bytes.NewReader([]byte{0xff, 0xff, 0xff, 0xff, 's'})); err == nil || err == io.ErrUnexpectedEOF {
		t.Errorf("4 GB: %v", err)
	}
	m := startMessage(1, process{Argv: []string{"a"}})
	frame := m.append(nil)
	for n := range frame {
		if _, err := readGuardMessage(bytes.NewReader(frame[:n])); err == nil {
			t.Errorf("cut at %d: no error", n)
		}
	}
}

func FuzzProcStat(f *testing.F) {
	f.Add([]byte("12 (sh) S 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 8 9\n"))
	f.Add([]byte("12 (a) b ( c)) Z 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 8 9\n"))
	f.Add([]byte("12 (sh S 1 2"))
	f.Fuzz(func(t *testing.T, line []byte) {
		s, err := parseProcStat(line)
		if err == nil && (s.pid < 1 || s.parent < 0 || s.group < 0 || s.session < 0) {
			t.Errorf("%+v", s)
		}
	})
}

func TestProcStat(t *testing.T) {
	s, err := parseProcStat([]byte("12 (a) b ( c)) Z 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 8 9\n"))
	want := procStat{procKey: procKey{12, 4711}, parent: 1, group: 2, session: 3, zombie: true}
	if err != nil || s != want {
		t.Errorf("got %+v, %v", s, err)
	}
}

func FuzzLeaderBook(f *testing.F) {
	f.Add([]byte("cmdq-guardian 1 boot 1f 99\n12 34\n56 78\n9"))
	f.Add([]byte("cmdq-guardian 1  1 10\n5 6\n")) // no boot
	f.Add([]byte("cmdq-guardian 2 boot 1f 99\n12 34\n"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, text []byte) {
		l := parseLeaderBook(text)
		if l.boot == "" && (len(l.leaders) > 0 || l.nonce != 0) {
			t.Errorf("leftovers of no boot: %+v", l)
		}
		for _, p := range l.leaders {
			if p.pid < 2 {
				t.Errorf("%+v", p)
			}
		}
		if torn, _, _ := bytes.Cut(text, []byte("\n")); len(torn) == len(text) && l.boot != "" {
			t.Errorf("a torn head was believed: %+v", l)
		}
	})
}

func TestLeaderBook(t *testing.T) {
	const whole = "cmdq-guardian 1 boot 1f 99\n12 34\nx 5\n1 2\n56  78\n56 78\n"
	want := leftovers{boot: "boot", nonce: 0x1f, pid: 99, leaders: []procKey{{12, 34}, {56, 78}}}
	if got := parseLeaderBook([]byte(whole)); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	for n := range whole { // torn anywhere: fewer leaders, never others
		for _, p := range parseLeaderBook([]byte(whole[:n])).leaders {
			if !slices.Contains(want.leaders, p) {
				t.Errorf("cut at %d: %+v", n, p)
			}
		}
	}
}

func table(stats ...procStat) procTable {
	t := procTable{}
	for _, s := range stats {
		t[s.pid] = s
	}
	return t
}

func stat(pid, parent, session int) procStat {
	return procStat{procKey: procKey{pid, uint64(1000 + pid)}, parent: parent, group: session, session: session}
}

func TestBelow(t *testing.T) {
	procs := table(stat(1, 0, 1), stat(10, 1, 10), stat(11, 10, 10), stat(12, 11, 12), stat(20, 1, 20),
		stat(30, 31, 30), stat(31, 30, 31), stat(40, 999, 40))
	got := slices.Sorted(maps.Keys(procs.below(10)))
	if !slices.Equal(got, []int{11, 12}) {
		t.Errorf("got %v", got)
	}
}

// Evidence that needs no /proc, in its order; the pids are above any real one.
func TestOwners(t *testing.T) {
	const base = 1 << 23
	leader, ended := &ward{seq: 1, pid: base + 10}, &ward{seq: 2, pid: base + 20}
	w := &warden{
		self: base, nonce: 1, forks: &forkers{},
		wards:   map[uint32]*ward{1: leader, 2: ended},
		leaders: map[int]*ward{leader.pid: leader},
		known:   map[procKey]uint32{stat(base+40, 0, 0).procKey: 1},
	}
	procs := table(
		stat(base+10, base, base+10),    // the leader
		stat(base+11, base+10, base+11), // its child, with a session of its own
		stat(base+12, base+11, base+12), // and its child
		stat(base+21, base, base+20),    // an orphan in the session of an ended leader
		stat(base+22, base+21, base+22), // its child
		stat(base+30, base, base+30),    // nothing is known of it
		stat(base+40, base, base+40),    // seen before
	)
	want := map[int]uint32{base + 10: 1, base + 11: 1, base + 12: 1, base + 21: 2, base + 22: 2, base + 30: 0, base + 40: 1}
	for range 2 { // what the first found is remembered
		if got := w.owners(procs); !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		delete(procs, base+10)
		delete(want, base+10)
	}
}

func TestFindLeftovers(t *testing.T) {
	const nonce, other = guardNonce(5), guardNonce(6)
	zombie := stat(50, 1, 50)
	zombie.zombie = true
	job := stat(14, 1, 10)
	job.group = 14
	procs := table(
		job, // an orphan in its session, in a group of its own
		stat(1, 0, 1),
		stat(10, 1, 10),         // a leader that is in the book
		stat(11, 10, 10),        // its child
		stat(12, 1, 10),         // an orphan in its session
		stat(13, 11, 13),        // a grandchild with a session of its own
		stat(20, 1, 20),         // has the pid of a leader, but began later
		stat(21, 1, 20),         // in that one's session
		stat(30, 1, 30),         // carries the mark
		stat(31, 30, 30),        // child of that
		stat(40, 1, 40),         // carries another guardian's mark
		zombie, stat(51, 1, 50), // a leader's zombie, and one of its session
		stat(60, 1, 60), stat(61, 60, 60), // us, below one with the mark
	)
	marks := map[int]uint64{30: nonce.mark(1), 40: other.mark(1), 60: nonce.mark(2), 61: nonce.mark(2)}
	l := leftovers{boot: "b", nonce: nonce, leaders: []procKey{{10, 1010}, {20, 1}, {50, 1050}, {77, 1}}}
	var got []int
	for _, p := range l.find(procs, 61, func(pid int) uint64 { return marks[pid] }) {
		got = append(got, p.pid)
	}
	slices.Sort(got)
	if want := []int{10, 11, 12, 13, 14, 30, 31, 51}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestMark(t *testing.T) {
	n := newGuardNonce()
	for _, seq := range []uint32{1, 1<<32 - 1} {
		if got, ok := n.seq(n.mark(seq)); got != seq || !ok {
			t.Errorf("%d became %d, %v", seq, got, ok)
		}
		if _, ok := (n ^ 1).seq(n.mark(seq)); ok {
			t.Error("another guardian's mark is taken for ours")
		}
	}
	for _, limit := range []uint64{0, 1024, 1<<64 - 1} {
		if _, ok := n.seq(limit); ok {
			t.Errorf("%#x is taken for a mark", limit)
		}
	}
}

// TestMarkOf: both ways to read a mark find it.
func TestMarkOf(t *testing.T) {
	child := exec.Command("sleep", "1000")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = child.Process.Kill() // fails if it has ended, which Wait tells
		_ = child.Wait()         // by SIGKILL
	}()
	pid, want := child.Process.Pid, newGuardNonce().mark(7)
	var limit unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_LOCKS, nil, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Max < want {
		t.Skipf("the hard limit of %d has no room for a mark", limit.Max)
	}
	limit.Cur = want
	if err := unix.Prlimit(pid, unix.RLIMIT_LOCKS, &limit, nil); err != nil {
		t.Fatal(err)
	}
	if fast, open := guardMarkOf(pid), limitOf(pid); fast != want || open != want {
		t.Errorf("%#x, by its file %#x, want %#x", fast, open, want)
	}
}

// A start that hangs holds up no other.
func TestForkersRelieve(t *testing.T) {
	f := newForkers(1)
	f.marking <- struct{}{} // somebody hangs between its mark and the end of its execve
	began := time.Now()
	if f.lockMarking() {
		t.Error("two hold the lock")
	}
	if took := time.Since(began); took < forkPatience {
		t.Errorf("it waited only %v", took)
	}
	<-f.marking
	if !f.lockMarking() {
		t.Error("nobody holds it")
	}

	f = &forkers{requests: make(chan forkRequest, 1), results: make(chan forkResult, 1), marking: make(chan struct{}, 1), started: 1}
	f.taken.Store(time.Now().Add(-forkPatience).UnixNano()) // the only one hangs
	f.request(9, process{Stdout: "/nonexistent/x"})
	f.relieve()
	if r := <-f.results; r.seq != 9 || r.refused == nil || !f.busy() {
		t.Errorf("got %+v", r)
	}
	f.settled()
	if f.busy() {
		t.Error("busy with nothing")
	}
	f.relieve()
	if f.started != 2 {
		t.Errorf("%d forkers", f.started)
	}
}
