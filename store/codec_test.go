package store

import (
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"cmdq/task"
)

// fill sets every field of a value to something of its own, whatever fields it
// has today.
func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = time.Unix(int64(*n), int64(*n))
		return
	case *task.State:
		*x = task.Killed
		return
	case *task.Stop:
		*x = task.Interrupted
		return
	case *Stage:
		*x = Done
		return
	case **task.Spec:
		return // a record of its own
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(t, v.Index(0), n)
		fill(t, v.Index(1), n)
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{fmt.Sprint("k", *n): "v", "k": ""}).Convert(v.Type()))
	case reflect.String:
		v.SetString(fmt.Sprint("text ", *n))
	case reflect.Int, reflect.Int64:
		v.SetInt(-int64(*n))
	case reflect.Uint64, reflect.Uint16, reflect.Uint8:
		v.SetUint(uint64(*n % 256))
	case reflect.Bool:
		v.SetBool(true)
	default:
		t.Fatalf("%s: this test does not know %s", v.Type(), v.Kind())
	}
}

// newSpec decodes a spec of its own.
func newSpec(payload []byte, texts *texts) (*task.Spec, error) {
	s := new(task.Spec)
	err := decodeSpec(s, payload, texts)
	return s, err
}

// TestEveryField: whatever a task, a spec or a run has comes back, so that nobody
// can add a field that a restart forgets.
func TestEveryField(t *testing.T) {
	var n int
	var one Task
	fill(t, reflect.ValueOf(&one).Elem(), &n)
	var e encoder
	encodeTask(&e, one, 7)
	got, spec, err := decodeTask(new(task.Task), e.b, &texts{})
	if err != nil || spec != 7 || !reflect.DeepEqual(got, one) {
		t.Errorf("a task: %v\n%+v\n%+v", err, got.Task, one.Task)
	}
	var s task.Spec
	fill(t, reflect.ValueOf(&s).Elem(), &n)
	e.b = nil
	encodeSpec(&e, &s)
	if got, err := newSpec(e.b, &texts{}); err != nil || !reflect.DeepEqual(got, &s) {
		t.Errorf("a spec: %v\n%+v\n%+v", err, got, &s)
	}
	var r Run
	fill(t, reflect.ValueOf(&r).Elem(), &n)
	e.b = nil
	encodeRun(&e, &r)
	if got, err := decodeRun(e.b); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("a run: %v\n%+v\n%+v", err, got, r)
	}
}

// TestExtremes: what the fields can hold at their ends, and nothing at all.
func TestExtremes(t *testing.T) {
	for _, want := range []Task{
		{Task: &task.Task{ID: "a"}},
		{Task: &task.Task{ID: "a", Index: math.MinInt, Seq: math.MaxUint64, Launches: math.MaxInt, History: []task.Attempt{{}, {}}, End: &task.End{}}},
		{Task: &task.Task{ID: "\xff\x00", Submitted: time.Unix(-62135596801, 999999999)}, Wake: time.Unix(1<<40, 0)},
	} {
		var e encoder
		encodeTask(&e, want, math.MaxUint64)
		got, spec, err := decodeTask(new(task.Task), e.b, &texts{})
		if err != nil || spec != math.MaxUint64 || !reflect.DeepEqual(got, want) {
			t.Errorf("%v\n%+v\n%+v", err, got.Task, want.Task)
		}
	}
}

// TestCutRecord: no part of a record passes for all of it, but where it ends
// between two fields, which the checksum tells.
func TestCutRecord(t *testing.T) {
	var n int
	var one Task
	fill(t, reflect.ValueOf(&one).Elem(), &n)
	var e encoder
	encodeTask(&e, one, 7)
	record := seal(taskBucket, numberKey(1), 300, e.b)
	if payload, sequence, err := unseal(taskBucket, numberKey(1), record); err != nil || sequence != 300 || string(payload) != string(e.b) {
		t.Errorf("unsealed: %d, %v", sequence, err)
	}
	for i := range record {
		if _, _, err := unseal(taskBucket, numberKey(1), record[:i]); err == nil {
			t.Errorf("a record of %d bytes passes when cut at %d", len(record), i)
		}
	}
	if _, _, err := unseal(taskBucket, numberKey(2), record); err == nil {
		t.Error("a record passes under another key")
	}
	if _, _, err := unseal(specBucket, numberKey(1), record); err == nil {
		t.Error("a record passes in another bucket")
	}
	fields := 0
	for i := range e.b {
		if _, _, err := decodeTask(new(task.Task), e.b[:i], &texts{}); err == nil {
			fields++
		}
	}
	if all := reflect.TypeFor[task.Task]().NumField() + 2; fields > all {
		t.Errorf("%d prefixes of a task pass, it has %d fields", fields, all)
	}
}

// TestSharedTexts: equal texts and maps are one after a start.
func TestSharedTexts(t *testing.T) {
	shared := &texts{}
	var e encoder
	encodeSpec(&e, &task.Spec{Command: "true", Env: map[string]string{"A": "a"}, Rules: &task.Rules{Group: "g"}})
	one, err1 := newSpec(e.b, shared)
	two, err2 := newSpec(e.b, shared)
	if err1 != nil || err2 != nil || reflect.ValueOf(one.Env).Pointer() != reflect.ValueOf(two.Env).Pointer() {
		t.Errorf("%v, %v: maps are not shared", err1, err2)
	}
	if one.Rules != two.Rules || one.Rules == nil {
		t.Error("rules are not shared")
	}
	shared.keep(make([]byte, maxKeptText+1))
	for i := range maxKept + 10 {
		shared.keep(fmt.Append(nil, i))
	}
	if len(shared.m) > maxKept {
		t.Errorf("%d texts are kept, want at most %d", len(shared.m), maxKept)
	}
}

// TestLines: lists come back as they were; what is no list is refused, and one
// that would take much more memory than its record too.
func TestLines(t *testing.T) {
	for _, want := range [][]string{nil, {""}, {"a"}, {"", "a", "", "\x00\n", string(make([]byte, 300)), ""}, make([]string, task.MaxCount)} {
		var e encoder
		encodeSpec(&e, &task.Spec{Series: &task.Series{First: 2, Lines: want}})
		got, err := newSpec(e.b, &texts{})
		if err != nil || !reflect.DeepEqual(got.Series, &task.Series{First: 2, Lines: want}) {
			t.Errorf("%d lines: %v", len(want), err)
		}
	}
	for name, bad := range map[string][]byte{"cut": {5, 'a'}, "no length": {0x80}, "large": {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"many": make([]byte, task.MaxCount+1)} {
		var e encoder
		e.message(20, func() { e.b = append(e.b, bad...) })
		if _, err := newSpec(e.b, &texts{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
