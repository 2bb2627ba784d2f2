package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"cmdq/lock"
	"cmdq/task"
)

// TestModel plays random batches, with starts anew between them, and compares
// with maps.
func TestModel(t *testing.T) {
	for seed := range uint64(4) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		specs, m, dir := randomSpecs(rnd, 8), newModel(), t.TempDir()
		s := mustOpen(t, dir)
		for step := range 200 {
			switch n := rnd.IntN(40); {
			case n < 6:
				mustClose(t, s)
				s = mustOpen(t, dir)
			case n == 6:
				run := randomRun(rnd)
				if err := s.Begin(*run); err != nil {
					t.Fatal(err)
				}
				m = newModel()
				m.run = run
			default:
				b := randomBatch(rnd, m, specs)
				mustWrite(t, s, b)
				m.write(b)
			}
			if step%7 == 0 {
				if what := m.differs(s); what != "" {
					t.Fatalf("seed %d, step %d: %s", seed, step, what)
				}
			}
		}
		mustClose(t, s)
	}
}

// TestFresh: a new directory has an empty journal that nobody else can read.
func TestFresh(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "state")
	s := mustOpen(t, dir)
	if what := newModel().differs(s); what != "" {
		t.Error(what)
	}
	for path, want := range map[string]os.FileMode{dir: fs.ModeDir | 0o700, filepath.Join(dir, fileName): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	before := modTime(t, dir)
	mustWrite(t, s, Batch{})
	if !modTime(t, dir).Equal(before) {
		t.Error("an empty batch was written")
	}
	var held *lock.HeldError
	if _, err := Open(dir); !errors.As(err, &held) || held.PID != os.Getpid() {
		t.Errorf("opened twice: %v", err)
	}
	if _, err := Look(dir); !errors.As(err, &held) {
		t.Errorf("looked at while it is open: %v", err)
	}
	mustClose(t, s)
}

// TestLook: to look changes nothing, not even the time of the file.
func TestLook(t *testing.T) {
	dir, m := sample(t, 3, 20)
	before, data := modTime(t, dir), journalOf(t, dir)
	s, err := Look(dir)
	if err != nil {
		t.Fatal(err)
	}
	if what := m.differs(s); what != "" {
		t.Error(what)
	}
	if s.Begin(Run{}) == nil || s.Write(Batch{Run: &Run{}}) == nil {
		t.Error("it can be written")
	}
	if _, err := Open(dir); err == nil {
		t.Error("opened while somebody looks")
	}
	mustClose(t, s)
	if !modTime(t, dir).Equal(before) || !bytes.Equal(journalOf(t, dir), data) {
		t.Error("the file has changed")
	}
	none := t.TempDir()
	if _, err := Look(none); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no journal: %v", err)
	}
	if left, err := os.ReadDir(none); err != nil || len(left) > 0 {
		t.Errorf("looking left %v, %v", left, err)
	}
}

// TestSpecs: tasks of one spec share it, after a start as before, and equal specs
// are stored once, whoever made them.
func TestSpecs(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	counted := &task.Spec{ID: "c", Command: "true", Series: &task.Series{Count: 3}}
	write := func() {
		var b Batch
		for i := range 3 {
			b.Tasks = append(b.Tasks, Task{Task: &task.Task{ID: task.ID(fmt.Sprintf("c-%d", i)), Spec: counted, Index: i}})
		}
		again := *counted
		b.Tasks = append(b.Tasks, Task{Task: &task.Task{ID: "d", Spec: &again}},
			Task{Task: &task.Task{ID: "e", Spec: &task.Spec{ID: "e", Command: "false"}}})
		mustWrite(t, s, b)
	}
	write()
	mustClose(t, s)
	s = mustOpen(t, dir)
	write()
	var specs []*task.Spec
	for got, err := range s.Tasks() {
		if err != nil {
			t.Fatal(err)
		}
		specs = append(specs, got.Task.Spec)
	}
	if len(specs) != 5 || specs[0] != specs[1] || specs[0] != specs[3] || specs[0] == specs[4] || s.Counts().Specs != 2 {
		t.Errorf("%d tasks of specs %v, counted %+v", len(specs), specs, s.Counts())
	}
	for range s.Tasks() {
		break // must not go on behind our back
	}
	mustClose(t, s)
}

// TestBeginFails: what cannot be begun leaves the old run as it is.
func TestBeginFails(t *testing.T) {
	dir, m := sample(t, 6, 20)
	s := mustOpen(t, dir)
	if err := os.MkdirAll(filepath.Join(dir, fileName+".new", "in", "the", "way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.Begin(Run{Master: "new"}); err == nil {
		t.Error("begun")
	}
	b := randomBatch(rand.New(rand.NewPCG(1, 2)), m, randomSpecs(rand.New(rand.NewPCG(1, 2)), 2))
	mustWrite(t, s, b)
	m.write(b)
	if what := m.differs(s); what != "" {
		t.Error(what)
	}
	if err := os.RemoveAll(filepath.Join(dir, fileName+".new")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, fileName+".new"), []byte("left by a crash"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Begin(Run{Master: "new"}); err != nil {
		t.Fatal(err)
	}
	if run, ok := s.Run(); !ok || run.Master != "new" || s.Counts().Tasks != 0 {
		t.Errorf("the run is %+v, %v", run, ok)
	}
	mustClose(t, s)
}

// TestTooLarge: what a record cannot hold is refused, without its text, and
// nothing else is lost by it.
func TestTooLarge(t *testing.T) {
	dir, m := sample(t, 7, 20)
	s := mustOpen(t, dir)
	for name, b := range map[string]Batch{
		"a task":   {Tasks: []Task{{Task: &task.Task{ID: "large", Spec: &task.Spec{}, End: &task.End{Message: strings.Repeat("secret", 3<<20)}}}}},
		"a spec":   {Tasks: []Task{{Task: &task.Task{ID: "large", Spec: &task.Spec{Command: strings.Repeat("secret", 3<<20)}}}}},
		"a launch": {Unwanted: []Launch{{ID: strings.Repeat("x", maxKey+1)}}},
		"no id":    {Unwanted: []Launch{{Agent: "a"}}},
	} {
		if err := s.Write(b); err == nil || strings.Contains(err.Error(), "secret") || len(err.Error()) > 300 {
			t.Errorf("%s that is too large: %.300v", name, err)
		}
		if what := m.differs(s); what != "" {
			t.Errorf("after %s that was too large: %s", name, what)
		}
	}
	mustClose(t, s)
}

// TestNumbersGivenInVain: a write that failed has numbered its specs, and the
// next one numbers them otherwise.
func TestNumbersGivenInVain(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	one, two := &task.Spec{ID: "one", Command: "1"}, &task.Spec{ID: "two", Command: "2"}
	first, second := Task{Task: &task.Task{ID: "one", Spec: one}}, Task{Task: &task.Task{ID: "two", Spec: two}}
	large := Task{Task: &task.Task{ID: "large", Spec: one, End: &task.End{Message: strings.Repeat("x", maxPayload)}}}
	if err := s.Write(Batch{Tasks: []Task{first, second, large}}); err == nil {
		t.Fatal("a record that is too large was written")
	}
	m := newModel()
	for _, task := range []Task{second, first} {
		b := Batch{Tasks: []Task{task}}
		mustWrite(t, s, b)
		m.write(b)
	}
	if what := m.differs(s); what != "" {
		t.Error(what)
	}
	mustClose(t, s)
}

// TestForged changes records with bbolt itself, so that all pages are right.
func TestForged(t *testing.T) {
	record := func(bucket, key string, payload ...byte) []byte { return seal(bucket, []byte(key), 1, payload) }
	first := string(numberKey(1))
	for name, forge := range map[string]func(tx *bbolt.Tx) error{
		"an old task": func(tx *bbolt.Tx) error { // as if its page had never been written again
			b := tx.Bucket([]byte(taskBucket))
			payload, _, err := unseal(taskBucket, []byte(first), b.Get([]byte(first)))
			if err != nil {
				return err
			}
			return b.Put([]byte(first), record(taskBucket, first, payload...))
		},
		"a task of another number": func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte(taskBucket))
			return b.Put(numberKey(2), b.Get(numberKey(1)))
		},
		"a task less":         func(tx *bbolt.Tx) error { return tx.Bucket([]byte(taskBucket)).Delete(numberKey(1)) },
		"the last task less":  func(tx *bbolt.Tx) error { return tx.Bucket([]byte(taskBucket)).Delete(numberKey(2)) },
		"a task twice":        func(tx *bbolt.Tx) error { return forgeTask(tx, 3, "a", 1) },
		"a task without spec": func(tx *bbolt.Tx) error { return forgeTask(tx, 2, "b", 9) },
		"no bucket":           func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(unwantedBucket)) },
		"no head":             func(tx *bbolt.Tx) error { return tx.Bucket([]byte(headBucket)).Delete([]byte(headKey)) },
		"no head at all":      func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(headBucket)) },
		"one bucket more": func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket([]byte("more"))
			return errors.Join(err, b.Put([]byte("k"), record("more", "k", 1)))
		},
		"a bucket below": func(tx *bbolt.Tx) error {
			_, err := tx.Bucket([]byte(taskBucket)).CreateBucket([]byte("below"))
			return err
		},
		"a launch more": func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte(unwantedBucket)).Put([]byte("x"), record(unwantedBucket, "x", 'a'))
		},
		"a head that counts too much": func(tx *bbolt.Tx) error { return forgeHead(tx, head{format: format, tasks: 1 << 60, specs: 1}) },
		"a head from before":          func(tx *bbolt.Tx) error { return forgeHead(tx, head{format: format, tasks: 2, specs: 1}) },
		"the future":                  func(tx *bbolt.Tx) error { return forgeHead(tx, head{format: format + 1, sequence: 99}) },
	} {
		dir := t.TempDir()
		s := mustOpen(t, dir)
		spec := &task.Spec{ID: "a", Command: "true"}
		mustWrite(t, s, Batch{Tasks: []Task{{Task: &task.Task{ID: "a", Spec: spec}}, {Task: &task.Task{ID: "b", Spec: spec}}}})
		mustClose(t, s)
		db, err := bbolt.Open(filepath.Join(dir, fileName), 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Update(forge), db.Close()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, err = Open(dir)
		var d *Damaged
		if !errors.As(err, &d) || d.Newer != (name == "the future") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOlderFormat: a journal of the format before is read, and with the first
// write it is of today's, so that the cmdq before does not read it by mistake.
func TestOlderFormat(t *testing.T) {
	for older := range uint64(format - 1) {
		t.Run(fmt.Sprint(older+1), func(t *testing.T) { testOlderFormat(t, older+1) })
	}
}

func testOlderFormat(t *testing.T, before uint64) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	one := Task{Task: &task.Task{ID: "a", Spec: &task.Spec{ID: "a", Command: "true"}}}
	mustWrite(t, s, Batch{Run: &Run{Master: "m"}, Tasks: []Task{one}})
	older := s.head
	older.format = before
	mustClose(t, s)
	db, err := bbolt.Open(filepath.Join(dir, fileName), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(func(tx *bbolt.Tx) error { return forgeHead(tx, older) }), db.Close()); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir)
	run, _ := s.Run()
	if s.head.format != before || run.Master != "m" || s.Counts().Tasks != 1 {
		t.Errorf("format %d, run %+v, %+v", s.head.format, run, s.Counts())
	}
	mustWrite(t, s, Batch{Tasks: []Task{one}})
	mustClose(t, s)
	s = mustOpen(t, dir)
	if s.head.format != format {
		t.Errorf("format %d after a write, want %d", s.head.format, format)
	}
	mustClose(t, s)
}

func forgeTask(tx *bbolt.Tx, number uint64, id string, spec uint64) error {
	var e encoder
	encodeTask(&e, Task{Task: &task.Task{ID: task.ID(id)}}, spec)
	return tx.Bucket([]byte(taskBucket)).Put(numberKey(number), seal(taskBucket, numberKey(number), 1, e.b))
}

func forgeHead(tx *bbolt.Tx, h head) error {
	var e encoder
	h.encode(&e)
	return tx.Bucket([]byte(headBucket)).Put([]byte(headKey), seal(headBucket, []byte(headKey), h.sequence, e.b))
}

// TestCopiesStay: a copy of a task that was given is good for ever, and what it
// points to is its own.
func TestCopiesStay(t *testing.T) {
	dir, want := sample(t, 7, 60)
	s := mustOpen(t, dir)
	defer mustClose(t, s)
	var all []Task
	for got, err := range s.Tasks() {
		if err != nil {
			t.Fatal(err)
		}
		one := *got.Task
		all = append(all, Task{Task: &one, Wake: got.Wake})
	}
	if len(all) != len(want.order) {
		t.Fatalf("%d tasks, want %d", len(all), len(want.order))
	}
	for i, got := range all {
		if !reflect.DeepEqual(got, want.tasks[want.order[i]]) {
			t.Errorf("task %d is %+v, want %+v", i, got.Task, want.tasks[want.order[i]].Task)
		}
	}
}
