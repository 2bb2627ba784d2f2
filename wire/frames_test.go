package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

func record(payload string) string { return fmt.Sprintf("%d\n%s", len(payload), payload) }

// readAll reads frames to the first error; io.EOF is none.
func readAll(r io.Reader) (got []string, err error) {
	f := NewFrames(r)
	for {
		frame, err := f.Next()
		if err == io.EOF {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		got = append(got, string(frame))
	}
}

func TestFrames(t *testing.T) {
	long := strings.Repeat("x", keepBuffer+1)
	for _, tt := range []struct {
		name string
		in   string
		want []string
		err  error
	}{
		{"nothing", "", nil, nil},
		{"two", record("a") + record("bc"), []string{"a", "bc"}, nil},
		{"newlines within", record("\n1\n"), []string{"\n1\n"}, nil},
		{"leading zeros", "001\nx", []string{"x"}, nil},
		{"long, then short", record(long) + record("s"), []string{long, "s"}, nil},
		{"cut in the length", record("a") + "12", []string{"a"}, io.ErrUnexpectedEOF},
		{"cut before the payload", "12\n", nil, io.ErrUnexpectedEOF},
		{"cut in the payload", "12\nabc", nil, io.ErrUnexpectedEOF},
		{"empty frame", "0\n", nil, ErrBadFrame},
		{"no digits", "\n", nil, ErrBadFrame},
		{"negative", "-1\n", nil, ErrBadFrame},
		{"hex", "0x1\n", nil, ErrBadFrame},
		{"spaces", " 1\nx", nil, ErrBadFrame},
		{"carriage return", "1\r\nx", nil, ErrBadFrame},
		{"too long", "67108865\n", nil, ErrBadFrame},
		{"overflow", "18446744073709551617\nx", nil, ErrBadFrame},
		{"endless zeros", strings.Repeat("0", 100), nil, ErrBadFrame},
	} {
		for how, r := range map[string]io.Reader{
			"whole":        strings.NewReader(tt.in),
			"byte by byte": iotest.OneByteReader(strings.NewReader(tt.in)),
			"data and EOF": iotest.DataErrReader(strings.NewReader(tt.in)),
		} {
			t.Run(tt.name+" "+how, func(t *testing.T) {
				got, err := readAll(r)
				if !errors.Is(err, tt.err) || fmt.Sprint(got) != fmt.Sprint(tt.want) {
					t.Errorf("got %.100q %v, not %.100q %v", got, err, tt.want, tt.err)
				}
			})
		}
	}
}

// A length that is only claimed costs nothing.
func TestFramesGrowAsDataComes(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := readAll(strings.NewReader("67108864\n" + strings.Repeat("x", 1000)))
	runtime.ReadMemStats(&after)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("1,000 bytes of a claimed 64 MiB took %d bytes of memory", took)
	}
}

// The memory of a large event is not kept for the small ones after it.
func TestFramesLetGo(t *testing.T) {
	f := NewFrames(strings.NewReader(record(strings.Repeat("x", keepBuffer+1)) + record("s")))
	for range 2 {
		if _, err := f.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if cap(f.buf) > keepBuffer {
		t.Errorf("%d bytes are kept", cap(f.buf))
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte(record("a") + record("bc")))
	f.Add([]byte("12\nabc"))
	f.Add([]byte("99999999999\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := readAll(bytes.NewReader(in))
		// What was read, written again, is how the input begins, but for zeros
		// in front of a length.
		written := ""
		for _, frame := range got {
			written += record(frame)
		}
		if again, errAgain := readAll(strings.NewReader(written)); errAgain != nil || fmt.Sprint(again) != fmt.Sprint(got) {
			t.Fatalf("%q was read as %q and then as %q %v", in, got, again, errAgain)
		}
		if err == nil && !bytes.Contains(in, []byte("0")) && written != string(in) {
			t.Fatalf("%q was read as %q", in, got)
		}
		// How it comes in pieces changes nothing.
		pieces, errPieces := readAll(iotest.OneByteReader(bytes.NewReader(in)))
		if fmt.Sprint(pieces) != fmt.Sprint(got) || (errPieces == nil) != (err == nil) {
			t.Fatalf("byte by byte %q %v, whole %q %v", pieces, errPieces, got, err)
		}
	})
}
