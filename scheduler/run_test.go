package scheduler

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/sirupsen/logrus"

	"cmdq/mesosapi"
	"cmdq/task"
)

// scripted is a master that answers every call at once, and a journal; both
// write down what reached them, in one order.
type scripted struct {
	mu       sync.Mutex
	seen     []string
	incoming chan mesosapi.Incoming
	fail     error // of Append
	onAccept func([]mesos.TaskInfo)
}

func (m *scripted) note(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen = append(m.seen, what)
}

func (m *scripted) event(e *sched.Event) { m.incoming <- mesosapi.Incoming{Epoch: 1, Event: e} }

func (m *scripted) Subscribe(*sched.Call) int {
	m.note("SUBSCRIBE")
	m.incoming <- mesosapi.Incoming{Epoch: 0, Down: errors.New("of an older stream: must not count")}
	m.event(&sched.Event{Type: sched.Event_SUBSCRIBED, Subscribed: &sched.Event_Subscribed{}})
	m.event(&sched.Event{Type: sched.Event_HEARTBEAT})
	o := parseOffer(nil, "o1 agent=a1 cpus=4 mem=1000")
	m.event(&sched.Event{Type: sched.Event_OFFERS, Offers: &sched.Event_Offers{Offers: []mesos.Offer{o}}})
	return 1
}

func (m *scripted) Send(c *sched.Call) {
	m.note(c.Type.String())
	if c.Type == sched.Call_ACCEPT {
		m.onAccept(c.Accept.Operations[0].Launch.TaskInfos)
	}
}

func (m *scripted) Acknowledge(c *sched.Call)   { m.note("ACKNOWLEDGE " + c.Acknowledge.TaskID.Value) }
func (m *scripted) Flush(context.Context) error { m.note("flush"); return nil }

func (m *scripted) Append(records []Record) error {
	for _, r := range records {
		m.note("store " + r.Kind.String() + " " + subject(r))
	}
	return m.fail
}

func newScripted() *scripted {
	m := &scripted{incoming: make(chan mesosapi.Incoming, 64)}
	m.onAccept = func(infos []mesos.TaskInfo) {
		for _, info := range infos {
			for _, state := range []mesos.TaskState{mesos.TASK_RUNNING, mesos.TASK_FINISHED} {
				st := mesos.TaskStatus{TaskID: info.TaskID, AgentID: &info.AgentID, State: &state, UUID: make([]byte, 16)}
				st.UUID[0] = byte(state)
				m.event(&sched.Event{Type: sched.Event_UPDATE, Update: &sched.Event_Update{Status: st}})
			}
		}
	}
	return m
}

func quietLog() *logrus.Entry {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return logrus.NewEntry(l)
}

func oneTask() Load {
	spec := &task.Spec{ID: "a", Command: "true", Resources: task.Resources{CPUs: 1000, Mem: 10}}
	return Load{Tasks: []task.Task{{ID: "a", Spec: spec, Index: -1, Submitted: time.Now()}}}
}

func runScripted(t *testing.T, m *scripted) (Over, error) {
	t.Helper()
	return runJournaled(t, m, m)
}

func runJournaled(t *testing.T, m *scripted, j Journal) (Over, error) {
	t.Helper()
	cfg := DefaultConfig()
	cfg.FrameworkID, cfg.Once = "f", true
	s := New(cfg, m, m.incoming, j, quietLog())
	if full, ok := j.(*full); ok && full.start != nil {
		full.start <- s
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if err := s.Post(ctx, oneTask()); err != nil {
		t.Fatal(err)
	}
	return s.Run(ctx)
}

// TestRunStoresFirst: every decision is stored before anybody hears of it, every
// update before it is acknowledged, and the TEARDOWN comes after all else.
func TestRunStoresFirst(t *testing.T) {
	m := newScripted()
	over, err := runScripted(t, m)
	if err != nil || over.Why != Drained || !over.Torn {
		t.Fatalf("over %+v, %v", over, err)
	}
	before := func(first, second string) {
		t.Helper()
		i, j := index(m.seen, first), index(m.seen, second)
		if i < 0 || j < 0 || i > j {
			t.Errorf("want %q before %q in %q", first, second, m.seen)
		}
	}
	before("store queued a", "SUBSCRIBE")
	before("store launched a", "ACCEPT")
	before("store changed a", "ACKNOWLEDGE a")
	before("store ended a", "TEARDOWN")
	before("ACKNOWLEDGE a", "TEARDOWN")
	before("TEARDOWN", "flush") // the last flush: the answer was waited for
}

// index finds the first store or call, but the last flush.
func index(seen []string, what string) int {
	at := -1
	for i, s := range seen {
		if s == what {
			if at = i; what != "flush" {
				return at
			}
		}
	}
	return at
}

// TestDiskTrouble: while nothing can be stored nothing leaves, and no event is
// taken; then everything goes on.
func TestDiskTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &full{scripted: newScripted(), fails: map[int]int{0: 3, 3: 5}}
		over, err := runJournaled(t, m.scripted, m)
		if err != nil || over.Why != Drained || !over.Torn {
			t.Fatalf("over %+v, %v", over, err)
		}
		if m.fails[0]+m.fails[3] > 0 {
			t.Errorf("the disk was asked too seldom: %v", m.fails)
		}
		for i, what := range m.seen {
			if what == "disk full" && i+1 < len(m.seen) && m.seen[i+1] != "disk full" && !strings.HasPrefix(m.seen[i+1], "store ") {
				t.Errorf("%q followed a batch that was not stored: %q", m.seen[i+1], m.seen)
			}
		}
	})
}

// TestDiskTroubleAtTheEnd: who asks us to go while nothing can be stored is
// heard, and nothing more leaves.
func TestDiskTroubleAtTheEnd(t *testing.T) {
	for _, ev := range []Event{Interrupt{}, Detach{}} {
		synctest.Test(t, func(t *testing.T) {
			m := &full{scripted: newScripted(), fails: map[int]int{0: 1 << 30}, start: make(chan *Scheduler, 1)}
			go func() {
				s := <-m.start
				time.Sleep(time.Minute) // of the bubble's clock
				s.requests <- cancelOf("a")
				s.requests <- ev
			}()
			_, err := runJournaled(t, m.scripted, m)
			if !errors.Is(err, errGoing) || !errors.Is(err, errFull) {
				t.Errorf("%T: %v", ev, err)
			}
			if i := slices.IndexFunc(m.seen, func(s string) bool { return s != "disk full" }); i >= 0 {
				t.Errorf("%T: %s left although nothing could be stored", ev, m.seen[i])
			}
		})
	}
}

// full is a journal on a disk that is full now and then: before batch n it fails
// that many times.
type full struct {
	*scripted
	start chan *Scheduler // gets the scheduler that uses it, if not nil
	fails map[int]int
	n     int
}

var errFull = errors.New("disk full")

func (m *full) Append(records []Record) error {
	if m.fails[m.n] > 0 {
		m.fails[m.n]--
		m.note("disk full")
		return errFull
	}
	m.n++
	return m.scripted.Append(records)
}

func TestRunEndsWithItsContext(t *testing.T) {
	m := newScripted()
	s := New(DefaultConfig(), m, m.incoming, m, quietLog())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	for range cap(s.requests) {
		s.requests <- Tick{}
	}
	if err := s.Post(ctx, Interrupt{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("post to nobody: %v", err)
	}
}

// stuck is a master that leaves an acknowledgement unanswered.
type stuck struct {
	*scripted
	torn bool // the TEARDOWN was sent, and there was time left to wait for its answer
}

func (m *stuck) Flush(ctx context.Context) error {
	m.mu.Lock()
	last := m.seen[len(m.seen)-1]
	m.mu.Unlock()
	if last == "TEARDOWN" {
		m.torn = ctx.Err() == nil
		return ctx.Err()
	}
	<-ctx.Done()
	return ctx.Err()
}

// TestTeardownHasItsOwnTime: whatever came before it may be waited for in vain.
func TestTeardownHasItsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &stuck{scripted: newScripted()}
		cfg := DefaultConfig()
		cfg.FrameworkID, cfg.Once = "f", true
		s := New(cfg, m, m.incoming, m, quietLog())
		if err := s.Post(t.Context(), oneTask()); err != nil {
			t.Fatal(err)
		}
		over, err := s.Run(t.Context())
		if err != nil || !over.Torn || !m.torn {
			t.Errorf("over %+v, %v; TEARDOWN waited for: %v", over, err, m.torn)
		}
	})
}

// TestLeaderInTheLog: behind ZooKeeper or a list, a person wants to know who
// took us.
func TestLeaderInTheLog(t *testing.T) {
	s := newState(DefaultConfig())
	s.cfg.Master = "zk://z/mesos"
	ip := "10.0.0.2"
	for _, tt := range []struct {
		info *mesos.MasterInfo
		want string
	}{
		{nil, "zk://z/mesos"},
		{&mesos.MasterInfo{ID: "m"}, "zk://z/mesos"},
		{&mesos.MasterInfo{ID: "m", Address: &mesos.Address{IP: &ip, Port: 5050}}, "10.0.0.2:5050"},
	} {
		if got := s.leader(Subscribed{&sched.Event_Subscribed{MasterInfo: tt.info}}); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
