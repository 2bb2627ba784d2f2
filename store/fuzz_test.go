package store

import (
	"bytes"
	"reflect"
	"testing"

	"cmdq/task"
)

// FuzzDecode: no payload makes a decoder panic or take much memory, and what one
// accepts comes back from what is written of it.
func FuzzDecode(f *testing.F) {
	var e encoder
	encodeTask(&e, Task{Task: &task.Task{ID: "a", History: []task.Attempt{{Number: 1, Updates: make([][16]byte, 2)}}, End: &task.End{Exit: task.Exit{Known: true}}}}, 1)
	f.Add(uint8(0), e.b)
	e.b = nil
	encodeSpec(&e, &task.Spec{ID: "a", Argv: []string{"x"}, Env: map[string]string{"A": "b"}, URIs: []task.URI{{Value: "http://h"}}})
	f.Add(uint8(1), e.b)
	e.b = nil
	encodeSpec(&e, &task.Spec{ID: "a", Series: &task.Series{First: 1, Lines: []string{"x", "", "y"}}})
	f.Add(uint8(1), e.b)
	e.b = nil
	encodeRun(&e, &Run{Master: "m", Owed: []Owed{{ID: "f"}}, Lines: []string{"{}"}})
	f.Add(uint8(2), e.b)
	e.b = nil
	(&head{format: format, sequence: 3, run: true, sums: 1 << 40}).encode(&e)
	f.Add(uint8(3), e.b)
	f.Fuzz(func(t *testing.T, kind uint8, payload []byte) {
		var first, second any
		var err, again error
		var e encoder
		switch kind % 4 {
		case 0:
			one, spec, err1 := decodeTask(new(task.Task), payload, &texts{})
			if first, err = one, err1; err == nil {
				encodeTask(&e, one, spec)
				second, _, again = decodeTask(new(task.Task), e.b, &texts{})
			}
		case 1:
			one, err1 := newSpec(payload, &texts{})
			if first, err = one, err1; err == nil {
				encodeSpec(&e, one)
				second, again = newSpec(e.b, &texts{})
			}
		case 2:
			one, err1 := decodeRun(payload)
			if first, err = one, err1; err == nil {
				encodeRun(&e, &one)
				second, again = decodeRun(e.b)
			}
		case 3:
			one, err1 := decodeHead(payload)
			if first, err = one, err1; err == nil {
				one.encode(&e)
				second, again = decodeHead(e.b)
			}
		}
		if err != nil {
			return
		}
		// What was read may hold empty lists and maps, which are not written.
		var canonical encoder
		if again != nil {
			t.Fatalf("what was written of %+v: %v", first, again)
		}
		switch x := second.(type) {
		case Task:
			encodeTask(&canonical, x, 1)
			e.b = nil
			encodeTask(&e, first.(Task), 1)
		case *task.Spec:
			encodeSpec(&canonical, x)
		case Run:
			encodeRun(&canonical, &x)
		case head:
			x.encode(&canonical)
			if !reflect.DeepEqual(first, second) {
				t.Errorf("%+v came back as %+v", first, second)
			}
		}
		if !bytes.Equal(e.b, canonical.b) {
			t.Errorf("%+v came back as %+v", first, second)
		}
	})
}

// FuzzOpen: no file makes the reader panic, read outside of it or go round in
// circles; that it agrees with bbolt is what TestDamage shows.
func FuzzOpen(f *testing.F) {
	dir, _ := sample(f, 8, 40)
	whole := journalOf(f, dir)
	m, err := readMeta(bytes.NewReader(whole), int64(len(whole)))
	if err != nil {
		f.Fatal(err)
	}
	whole = whole[:m.pages*pageSize]
	f.Add(uint32(0), []byte{}, uint32(0))
	f.Add(uint32(3*pageSize), []byte{1, 2, 3}, uint32(7))
	f.Fuzz(func(t *testing.T, at uint32, change []byte, cut uint32) {
		data := bytes.Clone(whole)
		for i, c := range change {
			data[(int(at)+i)%len(data)] ^= c
		}
		data = data[:len(data)-int(cut)%len(data)]
		r := newReader()
		r.most = uint64(len(data)) / minElement
		if _, err := checkPages(bytes.NewReader(data), int64(len(data)), r.record); err == nil && r.end() == nil && len(data) < len(whole) {
			t.Error("a file that was cut passes")
		}
	})
}
