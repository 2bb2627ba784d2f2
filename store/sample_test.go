package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"cmdq/task"
)

// randomTask is a task in any state, with any history, of one of the specs.
func randomTask(rnd *rand.Rand, id task.ID, specs []*task.Spec) Task {
	t := &task.Task{ID: id, Spec: specs[rnd.IntN(len(specs))], Index: rnd.IntN(5) - 1, Seq: rnd.Uint64(),
		State: task.State(rnd.IntN(task.NumStates)), Stop: task.Stop(rnd.IntN(3)), Submitted: randomTime(rnd),
		Launches: rnd.IntN(30), Attempts: rnd.IntN(30), Base: rnd.IntN(3), Charged: rnd.IntN(4), Infra: rnd.IntN(4), Held: rnd.IntN(2) == 0, Given: rnd.IntN(2) == 0, Alone: rnd.IntN(2) == 0}
	for n := range rnd.IntN(4) {
		a := task.Attempt{Number: n + 1, Agent: fmt.Sprintf("agent-%d", rnd.IntN(5)), Host: "10.0.0.1",
			Launched: randomTime(rnd), Started: randomTime(rnd), Seen: rnd.IntN(2) == 0, State: "TASK_RUNNING", Message: randomText(rnd, 40)}
		if rnd.IntN(2) == 0 {
			a.Executor = "cmdq-1-" + randomText(rnd, 8)
		}
		if rnd.IntN(2) == 0 {
			a.Queued, a.Starting, a.Ports = randomTime(rnd), randomTime(rnd), []uint16{uint16(rnd.IntN(1 << 16)), 31000}
		}
		for range rnd.IntN(3) {
			var id [16]byte
			binary.NativeEndian.PutUint64(id[:], rnd.Uint64())
			a.Updates = append(a.Updates, id)
		}
		t.History = append(t.History, a)
	}
	if t.State.Terminal() || t.State == task.Fetching {
		t.End = &task.End{State: task.Finished + task.State(rnd.IntN(3)), At: randomTime(rnd), Launch: len(t.History), Reason: "COMMAND_EXECUTOR_FAILED", Exit: task.Exit{Known: true, Code: rnd.IntN(3)},
			Stderr: randomText(rnd, 100)}
	}
	return Task{Task: t, Wake: randomTime(rnd)}
}

// randomSpecs has specs of all sizes, one larger than a page.
func randomSpecs(rnd *rand.Rand, n int) []*task.Spec {
	specs := make([]*task.Spec, n)
	for i := range specs {
		specs[i] = &task.Spec{ID: task.ID(fmt.Sprintf("s%d", i)), Line: i + 1, Command: "echo " + randomText(rnd, 30),
			Resources: task.Resources{CPUs: 100, Mem: int64(rnd.IntN(1000))}, Retries: rnd.IntN(4) - 1, Priority: -i,
			Env: map[string]string{"A": randomText(rnd, 10), "B": "b"}}
	}
	specs[n-2].Series = &task.Series{First: 3, Lines: []string{"line", "", randomText(rnd, 200), "last"}}
	specs[n-2].Files = []task.Input{{Path: "/home/" + randomText(rnd, 9), Name: "a/b", Executable: true}, {Path: "/x", Name: "x"}}
	specs[n-2].Outputs = []task.Output{{Path: "*.log", Optional: true}, {Path: randomText(rnd, 30)}}
	specs[n-2].Executor = task.ByCmdq
	specs[0].Rules = &task.Rules{After: []task.ID{"s0", "s1-2"}, Group: "g", Ports: rnd.IntN(9), Role: "r",
		Constraints: []task.Constraint{{Attribute: "rack", Op: task.Is, Value: randomText(rnd, 9)}, {Attribute: "gpu", Op: task.Exists}},
		Container: &task.Container{Type: "docker", Image: "alpine",
			Volumes: []task.Volume{{Host: "/a", Container: "/b", ReadOnly: true}, {Host: "/c", Container: "/c"}}}}
	specs[n-1].Argv = []string{"/bin/echo", "", randomText(rnd, 3*pageSize)}
	specs[n-1].Command = ""
	return specs
}

func randomTime(rnd *rand.Rand) time.Time {
	if rnd.IntN(3) == 0 {
		return time.Time{}
	}
	return time.Unix(rnd.Int64N(4e9), rnd.Int64N(1e9))
}

func randomText(rnd *rand.Rand, n int) string {
	b := make([]byte, rnd.IntN(n/2+1)+n/2)
	for i := range b {
		b[i] = byte('a' + rnd.IntN(26))
	}
	return string(b)
}

// model is what a journal should hold.
type model struct {
	run      *Run
	order    []task.ID
	tasks    map[task.ID]Task
	unwanted map[string]string
}

func newModel() *model {
	return &model{tasks: map[task.ID]Task{}, unwanted: map[string]string{}}
}

func (m *model) write(b Batch) {
	if b.Run != nil {
		m.run = b.Run
	}
	for _, t := range b.Tasks {
		if _, ok := m.tasks[t.Task.ID]; !ok {
			m.order = append(m.order, t.Task.ID)
		}
		m.tasks[t.Task.ID] = t
	}
	for _, l := range b.Unwanted {
		delete(m.unwanted, l.ID)
		if !l.Gone {
			m.unwanted[l.ID] = l.Agent
		}
	}
}

func (m *model) copy() *model {
	c := &model{run: m.run, order: slices.Clone(m.order), tasks: maps.Clone(m.tasks), unwanted: maps.Clone(m.unwanted)}
	return c
}

// differs says where a journal is not what the model is, or nothing.
func (m *model) differs(s *Store) string {
	run, ok := s.Run()
	if ok != (m.run != nil) || ok && !reflect.DeepEqual(run, *m.run) {
		return fmt.Sprintf("the run is %+v, %v", run, ok)
	}
	unwanted, err := s.Unwanted()
	if err != nil || !maps.Equal(unwanted, m.unwanted) {
		return fmt.Sprintf("unwanted are %v, %v", unwanted, err)
	}
	n := 0
	for got, err := range s.Tasks() {
		if err != nil {
			return err.Error()
		}
		if n >= len(m.order) {
			return fmt.Sprintf("%s is one too many", got.Task.ID)
		}
		if want := m.tasks[m.order[n]]; !reflect.DeepEqual(got, want) {
			return fmt.Sprintf("task %d is %+v, want %+v", n, got.Task, want.Task)
		}
		n++
	}
	if n != len(m.order) || s.Counts().Tasks != n {
		return fmt.Sprintf("%d tasks, the head says %d, want %d", n, s.Counts().Tasks, len(m.order))
	}
	return ""
}

// randomBatch changes some tasks, adds some, and now and then the rest.
func randomBatch(rnd *rand.Rand, m *model, specs []*task.Spec) Batch {
	var b Batch
	for range rnd.IntN(8) {
		id := task.ID(fmt.Sprintf("task-%d", len(m.order)+rnd.IntN(3)))
		if len(m.order) > 0 && rnd.IntN(3) > 0 {
			id = m.order[rnd.IntN(len(m.order))]
		}
		b.Tasks = append(b.Tasks, randomTask(rnd, id, specs))
	}
	if rnd.IntN(4) == 0 {
		b.Unwanted = append(b.Unwanted, Launch{ID: fmt.Sprintf("task-%d.2", rnd.IntN(20)), Agent: "a1", Gone: rnd.IntN(2) == 0})
	}
	if rnd.IntN(10) == 0 {
		b.Run = randomRun(rnd)
	}
	return b
}

func randomRun(rnd *rand.Rand) *Run {
	r := &Run{Began: randomTime(rnd), Master: "10.0.0.1:5050", File: randomText(rnd, 20), Stage: Stage(rnd.IntN(3)),
		Applied:   randomText(rnd, 9),
		Policy:    []byte(randomText(rnd, 30)),
		Secret:    []byte(randomText(rnd, 16)),
		Listen:    randomText(rnd, 20),
		Framework: Framework{ID: randomText(rnd, 36), User: "ann", Subscribed: true, Seen: randomTime(rnd)}}
	for range rnd.IntN(3) {
		r.Owed = append(r.Owed, Owed{ID: randomText(rnd, 36), Master: "m", Since: randomTime(rnd), Earlier: true})
	}
	for range rnd.IntN(3) {
		r.Notices = append(r.Notices, Notice{ID: randomText(rnd, 9), Kind: "finish", URL: "http://x", Body: []byte(randomText(rnd, 90)),
			Tries: rnd.IntN(9), Since: randomTime(rnd), Next: randomTime(rnd)})
	}
	for range rnd.IntN(3) {
		r.Lines = append(r.Lines, randomText(rnd, 50))
	}
	return r
}

// sample writes a journal of some hundred tasks in that many writes, and closes it.
func sample(t testing.TB, seed uint64, writes int) (dir string, m *model) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 0))
	specs := randomSpecs(rnd, 12)
	dir, m = t.TempDir(), newModel()
	s := mustOpen(t, dir)
	for range writes {
		b := randomBatch(rnd, m, specs)
		mustWrite(t, s, b)
		m.write(b)
	}
	mustClose(t, s)
	return dir, m
}

func mustOpen(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustWrite(t testing.TB, s *Store, b Batch) {
	t.Helper()
	if err := s.Write(b); err != nil {
		t.Fatal(err)
	}
}

func mustClose(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// place puts a journal into a directory, over the one that is there: to cut that
// to nothing first makes some file systems write it to disk at once.
func place(t testing.TB, dir string, data []byte) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, fileName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(data, 0)
	if err := errors.Join(err, f.Truncate(int64(len(data))), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func journalOf(t testing.TB, dir string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func modTime(t testing.TB, dir string) time.Time {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}

func isDamaged(err error) bool {
	var d *Damaged
	return errors.As(err, &d) && !errors.Is(err, fs.ErrNotExist)
}
