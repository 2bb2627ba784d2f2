package scheduler

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"cmdq/mesosapi"
	"cmdq/task"
)

// TestRecordings replays what a scheduler saw of a real Mesos while parts of it
// failed (../testdata/recordings), and compares what ours does with
// testdata/recordings/*.txt, call by call and state by state. The clock is the
// recorded one, and the events come through the client, as they stood on the
// wire.
//
// A file there holds blocks: comments that say what happened, a line "replay"
// with settings, and under four dashes what is to be seen. A line that stands at
// the margin is an event, or a fault that was made; one that is set in is a call
// of ours, or a task that is not as it was. Change an output only when you know
// why it changed.
func TestRecordings(t *testing.T) {
	files, err := filepath.Glob("../testdata/recordings/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no recordings", err)
	}
	for _, recording := range files {
		name := strings.TrimSuffix(filepath.Base(recording), ".jsonl")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join("testdata/recordings", name+".txt")
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replayBlocks(t, recording, string(want))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(want) {
				t.Errorf("%s differs; got:\n%s", file, firstDifference(string(want), got))
			}
		})
	}
}

// replayBlocks replays a recording with the settings of each block, and gives
// the blocks with what is to be seen now.
func replayBlocks(t *testing.T, recording, text string) string {
	lines := readRecording(t, recording)
	var out strings.Builder
	replays := 0
	for _, block := range strings.Split(strings.TrimRight(text, "\n"), "\n\n") {
		head, _, _ := strings.Cut(block, "\n----")
		out.WriteString(head + "\n")
		for _, line := range strings.Split(head, "\n") {
			if settings, ok := strings.CutPrefix(line, "replay"); ok {
				out.WriteString("----\n" + newReplay(t, lines, settings).run())
				replays++
			}
		}
		out.WriteString("\n")
	}
	if replays == 0 {
		t.Fatal("nothing was replayed")
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}

// recordedLine is a line of a recording: what was done, called or seen.
type recordedLine struct {
	At    float64         `json:"t"` // seconds
	Do    string          `json:"do"`
	Call  *sched.Call     `json:"call"`
	Event json.RawMessage `json:"event"`
}

func readRecording(t *testing.T, file string) []recordedLine {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var lines []recordedLine
	for scan := bufio.NewScanner(bytes.NewReader(data)); scan.Scan(); {
		var l recordedLine
		if err := json.Unmarshal(scan.Bytes(), &l); err != nil {
			t.Fatalf("%s: %v", scan.Text(), err)
		}
		lines = append(lines, l)
	}
	return lines
}

// replay is one scheduler that lives through one recording.
type replay struct {
	t       *testing.T
	lines   []recordedLine
	s       *state
	conn    *mesosapi.Conn
	retries int

	zero time.Time     // second 0 of the recording
	now  time.Time     // never before what a line says
	late time.Duration // how much later than recorded we subscribed again
	out  strings.Builder

	subscribes int
	offers     map[string]int // recorded offers: how often we answered each
	acks       []string       // ours
	launched   []mesos.TaskInfo
	shown      map[task.ID]string // how each task was shown last
	over       *Over
}

func newReplay(t *testing.T, lines []recordedLine, settings string) *replay {
	t.Helper()
	r := &replay{t: t, lines: lines, conn: replayMaster(t, lines), retries: task.DefaultRetries,
		offers: map[string]int{}, shown: map[task.ID]string{}, zero: secondZero(t, lines)}
	cfg := DefaultConfig()
	cfg.FrameworkID, cfg.User = "f-1", "ann"
	for _, f := range strings.Fields(settings) {
		k, v, _ := strings.Cut(f, "=")
		var err error
		switch k {
		case "once":
			cfg.Once = true
		case "retries":
			_, err = fmt.Sscan(v, &r.retries)
		case "unreachable-timeout":
			cfg.UnreachableTimeout, err = time.ParseDuration(v)
		default:
			err = fmt.Errorf("unknown")
		}
		if err != nil {
			t.Fatalf("setting %s: %v", f, err)
		}
	}
	r.s = newState(cfg)
	r.now = r.zero
	r.s.step(r.now, Tick{}) // its clock begins
	return r
}

// secondZero is the master's time at second 0 of a recording: no update came
// before the time that stands in it.
func secondZero(t *testing.T, lines []recordedLine) time.Time {
	t.Helper()
	var zero time.Time
	for _, l := range lines {
		var e struct{ Update sched.Event_Update }
		if l.Event == nil || !bytes.Contains(l.Event, []byte(`"type": "UPDATE"`)) {
			continue
		}
		if err := json.Unmarshal(l.Event, &e); err != nil {
			t.Fatal(err)
		}
		sent := time.Unix(0, int64((e.Update.Status.GetTimestamp()-l.At)*1e9)).UTC()
		if sent.After(zero) {
			zero = sent
		}
	}
	if zero.IsZero() {
		t.Fatal("no update is recorded")
	}
	return zero
}

// run plays all lines and gives what was to be seen.
func (r *replay) run() string {
	r.t.Helper()
	for _, l := range r.lines {
		at := r.zero.Add(time.Duration(l.At*float64(time.Second)) + r.late)
		switch {
		case l.Do == "subscribe again with the same framework id":
			for r.subscribes < 2 {
				r.advance(r.s.nextDue().Add(1))
			}
			r.late += r.now.Sub(at)
			r.print("(%s)", l.Do)
		case l.Do != "":
			r.advance(at)
			r.print("(%s)", l.Do)
			r.do(l.Do)
		case l.Call != nil:
			r.advance(at) // the last one is the end of the recording
		default:
			r.advance(at)
			in := r.next()
			if in.Event == nil {
				r.t.Fatalf("%v, want the event %s", in.Down, l.Event)
			}
			r.print("%s", eventText(in.Event))
			r.step(fromWire(in))
		}
	}
	r.compare()
	for _, id := range sortedTasks(r.s) {
		fmt.Fprintf(&r.out, "%s: %s\n", id, r.shown[id])
	}
	if r.over != nil {
		fmt.Fprintf(&r.out, "over\n")
	}
	return r.out.String()
}

func (r *replay) do(what string) {
	r.t.Helper()
	switch what {
	case "subscribe":
		r.step(Load{Tasks: r.recordedTasks()})
	case "the stream was closed by the master":
		in := r.next()
		if in.Down == nil {
			r.t.Fatalf("an event %v, want the end of the stream", in.Event)
		}
		r.step(fromWire(in))
	}
}

// recordedTasks are the tasks that were launched then. The recorded ids are
// those of first launches.
func (r *replay) recordedTasks() []task.Task {
	r.t.Helper()
	var tasks []task.Task
	for _, info := range recordedLaunches(r.lines) {
		spec := &task.Spec{ID: task.ID(info.TaskID.Value), Command: info.Command.GetValue(),
			Retries: r.retries, KillGrace: task.DefaultKillGrace}
		if info.Executor != nil {
			spec.Command = string(info.Data) // for the executor that was recorded
		}
		for _, res := range info.Resources {
			switch res.Name {
			case "cpus":
				spec.Resources.CPUs = thousandths(res.Scalar.Value)
			case "mem":
				spec.Resources.Mem = int64(res.Scalar.Value)
			default:
				r.t.Fatalf("task %s needs %s", spec.ID, res.Name)
			}
		}
		tasks = append(tasks, task.Task{ID: spec.ID, Spec: spec, Index: -1, Seq: uint64(len(tasks)), Submitted: r.zero})
	}
	return tasks
}

func recordedLaunches(lines []recordedLine) []mesos.TaskInfo {
	var infos []mesos.TaskInfo
	for _, l := range lines {
		if l.Call.GetAccept() == nil {
			continue
		}
		for _, op := range l.Call.Accept.Operations {
			infos = append(infos, op.Launch.TaskInfos...)
		}
	}
	return infos
}

// advance lets time pass, waking the scheduler whenever it asked for it.
func (r *replay) advance(until time.Time) {
	r.t.Helper()
	for next := r.s.nextDue(); next.Before(until) && r.over == nil; next = r.s.nextDue() {
		r.now = next
		r.step(Tick{})
	}
	r.now = until
}

func (r *replay) step(ev Event) {
	r.t.Helper()
	if r.over != nil {
		r.t.Fatalf("%T, though the run is over", ev)
	}
	if ev == nil {
		r.t.Fatal("the scheduler hears of an event as of nothing")
	}
	eff := r.s.step(r.now, ev)
	if eff.Over != nil {
		r.over = eff.Over
	} else if err := r.s.check(); err != nil {
		r.t.Fatalf("after %T: %v\n%s", ev, err, r.out.String())
	}
	for _, c := range eff.Calls {
		r.print("    %s", r.call(c))
	}
	for _, id := range sortedTasks(r.s) {
		if text := taskText(r.s, id, r.zero); text != r.shown[id] {
			r.shown[id] = text
			r.print("    %s: %s", id, text)
		}
	}
	for _, c := range eff.Calls {
		switch c.Type {
		case sched.Call_SUBSCRIBE:
			r.subscribes++
			r.conn.Subscribe(c)
		case sched.Call_ACKNOWLEDGE: // is only heard of again if it fails
		default:
			r.step(Answered{Call: c})
		}
	}
}

func (r *replay) print(format string, args ...any) {
	fmt.Fprintf(&r.out, "%.3f ", r.now.Sub(r.zero).Seconds())
	fmt.Fprintf(&r.out, format+"\n", args...)
}

// next is what came next through the client.
func (r *replay) next() mesosapi.Incoming {
	r.t.Helper()
	select {
	case in := <-r.conn.Incoming():
		return in
	case <-time.After(10 * time.Second):
		r.t.Fatal("nothing comes from the master")
	}
	panic("not reached")
}

// compare holds what we called against what the recorded scheduler called. It
// held offers back and asked about tasks when it liked, so that only launches,
// acknowledgements and answers to offers can be compared.
func (r *replay) compare() {
	r.t.Helper()
	var acks, offers []string
	for _, l := range r.lines {
		switch c := l.Call; {
		case c.GetAcknowledge() != nil:
			acks = append(acks, ackText(c.Acknowledge))
		case c.GetAccept() != nil:
			for _, id := range c.Accept.OfferIDs {
				offers = append(offers, id.Value)
			}
		case c.GetDecline() != nil:
			for _, id := range c.Decline.OfferIDs {
				offers = append(offers, id.Value)
			}
		}
	}
	if !slices.Equal(acks, r.acks) {
		r.t.Errorf("acknowledged\n%q\nwant\n%q", r.acks, acks)
	}
	for _, id := range offers {
		if r.offers[id] != 1 {
			r.t.Errorf("offer %s was answered %d times", id, r.offers[id])
		}
		delete(r.offers, id)
	}
	if len(r.offers) > 0 {
		r.t.Errorf("offers were answered that were never made: %v", r.offers)
	}
	want := recordedLaunches(r.lines)
	if len(r.launched) < len(want) {
		r.t.Fatalf("%d launches, recorded are %d", len(r.launched), len(want))
	}
	for i := range want {
		if got, want := launchText(&r.launched[i]), launchText(&want[i]); got != want {
			r.t.Errorf("launched %s, recorded is %s", got, want)
		}
	}
}
