package wire

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib/agent"
)

// groups opens n groups of field 15 and closes them again.
func groups(n int) []byte {
	return append(bytes.Repeat([]byte{0x7b}, n), bytes.Repeat([]byte{0x7c}, n)...)
}

// nested wraps an empty message n times as the field.
func nested(field, n int) []byte {
	var parts [][]byte // the innermost first
	size := 0
	for range n {
		head := binary.AppendUvarint([]byte{byte(field<<3 | 2)}, uint64(size))
		parts = append(parts, head)
		size += len(head)
	}
	b := make([]byte, 0, size)
	for i := len(parts) - 1; i >= 0; i-- {
		b = append(b, parts[i]...)
	}
	return b
}

func TestNesting(t *testing.T) {
	filler := bytes.Repeat([]byte{0x78, 1}, shallowSize) // a known number, over and over
	for _, tt := range []struct {
		name string
		in   []byte
		deep bool
	}{
		{"flat", filler, false},
		{"text", []byte(strings.Repeat("what a long text ", 1<<16)), false},
		{"one letter", bytes.Repeat([]byte("b"), 1<<20), false},
		{"groups below the limit", groups(maxNesting - 1), false},
		{"groups side by side", bytes.Repeat(groups(3), 1000), false},
		{"groups", groups(maxNesting), true},
		{"groups never closed", bytes.Repeat([]byte{0x0b}, 8<<20), true},
		{"groups of field 0", bytes.Repeat([]byte{0x03}, 8<<20), true},
		{"messages below the limit", nested(2, maxNesting-1), false},
		{"messages", nested(2, maxNesting), true},
		{"many messages", nested(2, 1<<16), true},
		{"behind other fields", append(bytes.Clone(filler), nested(2, 1000)...), true},
		{"groups in a message", append([]byte{0x12, 0xe8, 0x07}, bytes.Repeat([]byte{0x0b}, 1000)...), true},
		{"behind a tag of ten bytes with bits too many",
			append([]byte{0xf8, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7e, 1}, groups(1000)...), true},
	} {
		if got := tooDeep(tt.in, maxNesting); got != tt.deep {
			t.Errorf("%s: too deep is %v", tt.name, got)
		}
	}
}

// TestCheckNesting: what is short cannot hurt, and is not looked at.
func TestCheckNesting(t *testing.T) {
	if err := checkNesting(groups(1 << 17)); err == nil || err.Error() != "nested deeper than 100 messages" {
		t.Errorf("got %v", err)
	}
	for _, in := range [][]byte{nil, groups(1000), bytes.Repeat([]byte("b"), 1<<20)} {
		if err := checkNesting(in); err != nil {
			t.Errorf("%d bytes: %v", len(in), err)
		}
	}
}

// TestUnmarshal: what the generated decoder cannot bear is an error.
func TestUnmarshal(t *testing.T) {
	whole, err := (&agent.Response{Type: agent.Response_LIST_FILES}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var got agent.Response
	if err := Unmarshal(whole, &got); err != nil || got.Type != agent.Response_LIST_FILES {
		t.Errorf("got %v %v", got, err)
	}
	for _, tt := range []struct{ name, in, words string }{
		{"cut", string(whole[:1]), "EOF"},
		{"endless groups", strings.Repeat("\x7b", 8<<20), "nested deeper than 100"}, // ends the process if it reaches the decoder
		{"a hostile length", "\xfb\x07\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "out of range"},
	} {
		if err := Unmarshal([]byte(tt.in), new(agent.Response)); err == nil || !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

func FuzzNesting(f *testing.F) {
	f.Add(groups(10))
	f.Add(nested(2, 10))
	f.Fuzz(func(t *testing.T, in []byte) {
		if tooDeep(in, 1000) && !tooDeep(in, 10) {
			t.Error("a smaller limit finds it less deep")
		}
	})
}
