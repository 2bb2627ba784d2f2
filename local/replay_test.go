package local

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// TestReplay does to a cluster what the recordings say was done to a real one,
// and compares what a scheduler sees.
func TestReplay(t *testing.T) {
	files, err := filepath.Glob("../testdata/recordings/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no recordings", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".jsonl"), func(t *testing.T) {
			t.Parallel()
			newReplay(t, name).run()
		})
	}
}

// recordedLine is a line of a recording: what was done, asked or seen.
type recordedLine struct {
	At    float64         `json:"t"`
	Do    string          `json:"do"`
	Call  json.RawMessage `json:"call"`
	Event json.RawMessage `json:"event"`
}

// replay plays one recording.
type replay struct {
	t     *testing.T
	lines []recordedLine
	info  mesos.FrameworkInfo
	c     *Cluster
	s     *client
	ends  *exitWatch
	gates map[string]*gate // by task
	late  bool             // the agent has not come back to the new master

	offers   []mesos.Offer            // outstanding, and not named yet
	names    map[string]mesos.OfferID // ours, by the recording's
	agents   map[string]mesos.AgentID
	want     map[string][]string // steps of tasks, of the lines so far
	got      map[string][]string
	seen     map[string]bool // uuids
	failures []string        // FAILURE and RESCIND, those that are awaited
	happened []string        // the same, those that came
}

func newReplay(t *testing.T, name string) *replay {
	r := &replay{
		t: t, gates: map[string]*gate{}, names: map[string]mesos.OfferID{}, agents: map[string]mesos.AgentID{},
		want: map[string][]string{}, got: map[string][]string{}, seen: map[string]bool{},
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for scan := bufio.NewScanner(bytes.NewReader(data)); scan.Scan(); {
		var l recordedLine
		if err := json.Unmarshal(scan.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		r.lines = append(r.lines, l)
	}
	// The recordings do not hold the SUBSCRIBE. All its frameworks checkpoint.
	r.info = modern
	if strings.Contains(name, "_plain") {
		r.info = plain
		r.info.Checkpoint = new(true)
	}
	work := t.TempDir()
	g, err := startGuardian(work, quiet)
	if err != nil {
		t.Fatal(err)
	}
	r.ends = &exitWatch{launcher: g, gone: map[string]chan struct{}{}}
	r.c = startCluster(t, Config{
		WorkDir: work, Resources: "cpus:8;mem:8192;disk:10000;ports:[31000-32000]", Chaos: true, launcher: r.ends,
		AgentPingTimeout: 300 * time.Millisecond, MaxAgentPingTimeouts: 3,
		timing: timing{backoff: 10 * time.Millisecond, reregistration: 50 * time.Millisecond},
	})
	return r
}

func (r *replay) run() {
	for _, l := range r.lines {
		r.openGates(l.At)
		switch {
		case l.Do != "":
			r.do(l.Do)
		case l.Call != nil:
			c := &scheduler.Call{}
			r.decode(l.Call, c)
			r.call(l.At, c)
		default:
			e := &scheduler.Event{}
			r.decode(l.Event, e)
			r.event(e)
		}
	}
	r.drain()
	for task := range r.got {
		if r.want[task] == nil {
			r.want[task] = nil
		}
	}
	for task, want := range r.want {
		if got := r.got[task]; !slices.Equal(got, want) {
			r.t.Errorf("task %s\n got %s\nwant %s", task, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
	}
	isFailure := func(s string) bool { return strings.HasPrefix(s, "FAILURE") }
	for _, want := range r.failures {
		if !slices.Contains(r.happened, want) {
			r.t.Errorf("there was no %s in %q", want, r.happened)
		}
	}
	for _, got := range r.happened {
		if isFailure(got) && !slices.Contains(r.failures, got) {
			r.t.Errorf("there was %s", got)
		}
	}
	r.ends.awaitAll(r.t)
}

func (r *replay) decode(raw []byte, v any) {
	r.t.Helper()
	if err := codecJSON.decode(raw, v.(interface {
		Reset()
		String() string
		ProtoMessage()
	})); err != nil {
		r.t.Fatalf("%s: %v", raw, err)
	}
}

// do does what the recording says.
func (r *replay) do(what string) {
	r.t.Helper()
	r.settle()
	must := func(err error) {
		r.t.Helper()
		if err != nil {
			r.t.Fatalf("%s: %v", what, err)
		}
	}
	switch what {
	case "subscribe", "subscribe again with the same framework id":
		if r.s != nil {
			r.info.ID = &mesos.FrameworkID{Value: r.s.id}
		}
		r.s = subscribe(r.t, r.c, codecJSON, r.info)
	case "the agent hangs (SIGSTOP): it answers no ping":
		must(r.c.HangAgent(0))
	case "the agent goes on (SIGCONT)":
		must(r.c.ResumeAgent(0))
	case "the agent process is killed with SIGKILL", "the agent of an outstanding offer is killed with SIGKILL":
		must(r.c.KillAgent(0))
	case "the agent is started again with the same work directory", "the agent is started again", "an agent is started again":
		must(r.c.StartAgent(0, false))
	case "the agent is shut down for good (SIGUSR1: it unregisters)":
		must(r.c.ShutdownAgent(0))
	case "the task's command executor process is killed with SIGKILL":
		must(r.c.KillExecutor(r.s.id, "t1"))
	case "the executor process is killed with SIGKILL":
		must(r.c.KillExecutor(r.s.id, "cmdq-1"))
	case "the master process is killed with SIGKILL":
		// The recorded agent noticed only seconds later; ours waits as long.
		must(r.c.HangAgent(0))
		r.late = true
		must(r.c.RestartMaster())
	case "the stream was closed by the master":
		r.drain()
		http.DefaultClient.CloseIdleConnections() // they are closed too, but a POST on one is not tried again
	case "a new master is started on the same address and registry": // it was, at once
	default:
		r.t.Fatalf("what is %q?", what)
	}
}

// settle lets the agent hear of what was acknowledged, if it listens.
func (r *replay) settle() {
	if a := r.c.agents[0]; r.c.AgentStates()[0].State == "running" {
		a.box.call(func() {})
	}
}

// call makes a recorded call, with our ids in the place of the recorded ones.
// Updates are acknowledged as they come.
func (r *replay) call(at float64, c *scheduler.Call) {
	r.t.Helper()
	switch c.Type {
	case scheduler.Call_ACKNOWLEDGE:
		return
	case scheduler.Call_ACCEPT:
		for i, id := range c.Accept.OfferIDs {
			c.Accept.OfferIDs[i] = r.name(id)
		}
		for _, op := range c.Accept.Operations {
			for i := range op.Launch.TaskInfos {
				r.adapt(at, &op.Launch.TaskInfos[i])
			}
		}
	case scheduler.Call_DECLINE:
		for i, id := range c.Decline.OfferIDs {
			c.Decline.OfferIDs[i] = r.name(id)
		}
	case scheduler.Call_RECONCILE:
		for i := range c.Reconcile.Tasks {
			c.Reconcile.Tasks[i].AgentID = new(r.agents[c.Reconcile.Tasks[i].AgentID.Value])
		}
	}
	r.s.call(c)
}

var recordedSleep = regexp.MustCompile(`sleep (\d+)`)

// adapt makes a recorded task one of ours. It does not sleep, but waits for a
// gate to be opened; the recorded executor is the test binary.
func (r *replay) adapt(at float64, t *mesos.TaskInfo) {
	r.t.Helper()
	t.AgentID = r.agents[t.AgentID.Value]
	if t.Executor != nil {
		self, err := os.Executable()
		if err != nil {
			r.t.Fatal(err)
		}
		json := "json"
		t.Executor.Command = &mesos.CommandInfo{Value: &self, Shell: new(false), Environment: &mesos.Environment{
			Variables: []mesos.Environment_Variable{{Name: testExecutorEnv, Value: &json}}}}
		return
	}
	sleep := recordedSleep.FindStringSubmatch(t.Command.GetValue())
	if sleep == nil {
		return
	}
	seconds, _ := strconv.Atoi(sleep[1])
	g := newGate(r.t, at+float64(seconds))
	r.gates[t.TaskID.Value] = g
	t.Command.Value = new(strings.Replace(t.Command.GetValue(), sleep[0], "read line < '"+g.path+"'", 1))
}

// openGates ends the commands that had ended by some time of the recording.
func (r *replay) openGates(now float64) {
	r.t.Helper()
	for task, g := range r.gates {
		if g.at < now && !g.opened {
			g.opened = true
			if _, err := g.file.WriteString("\n"); err != nil {
				r.t.Fatal(err)
			}
			r.ends.await(r.t, task)
		}
	}
}

// event waits for a recorded event, or for one that says the same.
func (r *replay) event(e *scheduler.Event) {
	r.t.Helper()
	switch e.Type {
	case scheduler.Event_OFFERS:
		if r.late {
			r.late = false
			if err := r.c.ResumeAgent(0); err != nil {
				r.t.Fatal(err)
			}
		}
		r.await(e, func() bool { return len(r.offers) > 0 })
		recorded, ours := e.Offers.Offers[0], r.offers[0]
		r.offers = r.offers[1:]
		r.names[recorded.ID.Value], r.agents[recorded.AgentID.Value] = ours.ID, ours.AgentID
	case scheduler.Event_UPDATE:
		st := e.Update.Status
		if r.again(st) {
			return
		}
		task := st.TaskID.Value
		r.want[task] = append(r.want[task], step(st))
		r.await(e, func() bool { return len(r.got[task]) >= len(r.want[task]) })
	case scheduler.Event_FAILURE, scheduler.Event_RESCIND:
		if e.Type == scheduler.Event_RESCIND {
			e.Rescind.OfferID = r.name(e.Rescind.OfferID)
		} else {
			e.Failure.AgentID = new(r.agents[e.Failure.AgentID.Value])
		}
		text := fault(e)
		r.failures = append(r.failures, text)
		r.await(e, func() bool { return slices.Contains(r.happened, text) })
	}
}

// name is our offer for a recorded one.
func (r *replay) name(recorded mesos.OfferID) mesos.OfferID {
	r.t.Helper()
	ours, ok := r.names[recorded.Value]
	if !ok {
		r.t.Fatalf("offer %s was never recorded", recorded.Value)
	}
	return ours
}

// await takes events until something is so.
func (r *replay) await(e *scheduler.Event, isSo func() bool) {
	r.t.Helper()
	for !isSo() {
		next := r.s.next()
		if next == nil {
			r.t.Fatalf("the stream ended while waiting for %v; got %q %q", e, r.got, r.happened)
		}
		r.take(next)
	}
}

// drain takes events until the stream ends.
func (r *replay) drain() {
	r.t.Helper()
	for e := r.s.next(); e != nil; e = r.s.next() {
		r.take(e)
	}
}

// take notes an event, and acknowledges an update.
func (r *replay) take(e *scheduler.Event) {
	r.t.Helper()
	switch e.Type {
	case scheduler.Event_OFFERS:
		r.offers = append(r.offers, e.Offers.Offers...)
	case scheduler.Event_RESCIND:
		r.offers = slices.DeleteFunc(r.offers, func(o mesos.Offer) bool { return o.ID == e.Rescind.OfferID })
		r.happened = append(r.happened, fault(e))
	case scheduler.Event_FAILURE:
		r.happened = append(r.happened, fault(e))
	case scheduler.Event_UPDATE:
		st := e.Update.Status
		if !r.again(st) {
			task := st.TaskID.Value
			r.got[task] = append(r.got[task], step(st))
		}
		r.s.ack(st)
	case scheduler.Event_ERROR:
		r.t.Fatal(e.Error.Message)
	}
}

// again tells whether an update was seen before.
func (r *replay) again(st mesos.TaskStatus) bool {
	if len(st.UUID) == 0 {
		return false
	}
	was := r.seen[string(st.UUID)]
	r.seen[string(st.UUID)] = true
	return was
}

// step is what is compared of an update.
func step(st mesos.TaskStatus) string {
	text := st.GetState().String() + " " + st.GetSource().String()
	if st.Reason != nil {
		text += " " + st.Reason.String()
	}
	if len(st.UUID) > 0 {
		text += " with uuid"
	}
	if st.UnreachableTime != nil {
		text += " since some time"
	}
	if st.Message != nil && !strings.Contains(*st.Message, " is no longer valid") {
		text += ": " + *st.Message
	}
	return text
}

// fault is what is compared of a FAILURE or RESCIND.
func fault(e *scheduler.Event) string {
	if e.Type == scheduler.Event_RESCIND {
		return "RESCIND " + e.Rescind.OfferID.Value
	}
	text := "FAILURE " + e.Failure.AgentID.Value
	if e.Failure.ExecutorID != nil {
		text += fmt.Sprintf(" %s %d", e.Failure.ExecutorID.Value, e.Failure.GetStatus())
	}
	return text
}

// gate is a pipe that a command waits for.
type gate struct {
	at     float64 // when the recorded command had ended
	path   string
	file   *os.File // open for both, so that nobody waits to open it
	opened bool
}

func newGate(t *testing.T, at float64) *gate {
	t.Helper()
	g := &gate{at: at, path: filepath.Join(t.TempDir(), "gate")}
	if err := syscall.Mkfifo(g.path, 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if g.file, err = os.OpenFile(g.path, os.O_RDWR, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.file.Close() })
	return g
}

// exitWatch is a launcher that knows which processes have ended.
type exitWatch struct {
	launcher
	mu   sync.Mutex
	gone map[string]chan struct{} // by the directory of the executor's id
}

func (w *exitWatch) Run(p process) (<-chan processExit, int, error) {
	exit, pid, err := w.launcher.Run(p)
	if err != nil {
		return nil, 0, err
	}
	gone, told := make(chan struct{}), make(chan processExit, 1)
	w.mu.Lock()
	w.gone[filepath.Base(filepath.Dir(filepath.Dir(p.Dir)))] = gone
	w.mu.Unlock()
	go func() {
		told <- <-exit
		close(gone)
	}()
	return told, pid, nil
}

// await waits until the process of a task is gone.
func (w *exitWatch) await(t *testing.T, id string) {
	t.Helper()
	w.mu.Lock()
	gone := w.gone[id]
	w.mu.Unlock()
	select {
	case <-gone:
	case <-time.After(patience):
		t.Fatalf("the process of %s does not end", id)
	}
}

func (w *exitWatch) awaitAll(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	var ids []string
	for id := range w.gone {
		ids = append(ids, id)
	}
	w.mu.Unlock()
	for _, id := range ids {
		w.await(t, id)
	}
}
