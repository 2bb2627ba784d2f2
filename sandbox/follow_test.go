package sandbox

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestFollowOnce(t *testing.T) {
	long := strings.Repeat("0123456789\n", 300_000)
	noEnd := strings.Repeat("x", 150_000) + "\nlast"
	for _, tt := range []struct {
		name string
		text string
		tail int
		want string
	}{
		{"all", "a\x00\xff\r\n", -1, "a\x00\xff\r\n"},
		{"nothing", "", -1, ""},
		{"large", long, -1, long},
		{"no lines", "a\nb\n", 0, ""},
		{"the last", "a\nb\n", 1, "b\n"},
		{"the last without an end", "a\nb", 1, "b"},
		{"the last two", "a\nb\nc\n", 2, "b\nc\n"},
		{"empty lines", "a\n\n\n", 2, "\n\n"},
		{"more than there are", "a\nb\n", 9, "a\nb\n"},
		{"of a large one", long, 2, "0123456789\n0123456789\n"},
		{"many of a large one", long, 10_000, strings.Repeat("0123456789\n", 10_000)},
		{"a long line", noEnd, 2, noEnd},
		{"of one line", strings.Repeat("y", 200_000), 1, strings.Repeat("y", 200_000)},
		{"lines that begin at a part", strings.Repeat("z", 2*PartSize-1) + "\n" + strings.Repeat("q", PartSize), 1, strings.Repeat("q", PartSize)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got bytes.Buffer
			err := Follow(t.Context(), &got, newTree(t, map[string]string{"stdout": tt.text}), testLaunch, "stdout", FollowOptions{Tail: tt.tail})
			if got.String() != tt.want || err != nil {
				t.Errorf("%.50q (%d bytes), %v; want %.50q (%d)", got.String(), got.Len(), err, tt.want, len(tt.want))
			}
		})
	}
}

// TestLastLinesAt compares with the plain search through the whole text.
func TestLastLinesAt(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		text := make([]byte, rnd.IntN(4*PartSize))
		for i := range text {
			text[i] = 'a'
		}
		for range rnd.IntN(20) {
			if len(text) > 0 {
				text[rnd.IntN(len(text))] = '\n'
			}
		}
		lines := rnd.IntN(25)
		parts := strings.SplitAfter(string(text), "\n")
		if parts[len(parts)-1] == "" {
			parts = parts[:len(parts)-1]
		}
		want := strings.Join(parts[max(0, len(parts)-lines):], "")
		at, err := lastLinesAt(t.Context(), newTree(t, map[string]string{"x": string(text)}), testLaunch, "x", int64(len(text)), lines)
		if err != nil || string(text[at:]) != want {
			t.Fatalf("%d lines of %d bytes begin at %d, %v; want %d", lines, len(text), at, err, len(text)-len(want))
		}
	}
}

// buffer is written by a Follow while a test reads it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestFollow: a file that is not there yet, that grows, that cannot be read for a
// while, and that is cut, until the launch is over.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTree(t, map[string]string{})
		var out buffer
		var over bool
		ended := make(chan error)
		go func() {
			ended <- Follow(t.Context(), &out, f, testLaunch, "stdout", FollowOptions{Tail: -1, Follow: true, Ended: func(context.Context) (bool, error) {
				f.mu.Lock()
				defer f.mu.Unlock()
				return over, nil
			}})
		}()
		see := func(what, want string) {
			t.Helper()
			time.Sleep(6 * time.Second) // the longest pause; the clock is the bubble's
			if got := out.String(); got != want {
				t.Fatalf("%s: %.100q (%d), want %.100q (%d)", what, got, len(got), want, len(want))
			}
		}
		see("no file", "")
		f.set("stdout", "")
		see("an empty file", "")
		f.set("stdout", "a\x00")
		see("the first bytes", "a\x00")
		big := "a\x00" + strings.Repeat("b", 3<<20)
		f.set("stdout", big)
		see("many bytes", big)
		if len(f.opens) != 1 {
			t.Errorf("%d downloads", len(f.opens))
		}
		f.mu.Lock()
		f.fail = func(string, string, int) error { return errAway }
		f.files["stdout"] = big + "c"
		f.mu.Unlock()
		see("the agent is away", big)
		time.Sleep(time.Hour)
		f.mu.Lock()
		f.fail = nil
		f.mu.Unlock()
		see("it is back", big+"c")
		f.set("stdout", "new")
		see("the file was cut", big+"cnew")
		f.mu.Lock()
		f.files["stdout"], over = "new, and the end", true
		f.mu.Unlock()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if got := out.String(); got != big+"cnew, and the end" {
			t.Errorf("%d bytes", len(got))
		}
	})
}

// TestFollowResumes: a download that breaks is gone on with.
func TestFollowResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := strings.Repeat("0123456789", 500_000)
		f := newTree(t, map[string]string{"stdout": text})
		f.cut = func(string, int64) int64 { return 700_000 }
		var out buffer
		if err := Follow(t.Context(), &out, f, testLaunch, "stdout", FollowOptions{Tail: -1}); err != nil {
			t.Error(err)
		}
		if out.String() != text || len(f.opens) < 5 {
			t.Errorf("%d bytes in %d downloads", len(out.String()), len(f.opens))
		}
	})
}

func TestFollowErrors(t *testing.T) {
	never := func(context.Context) (bool, error) { return false, nil }
	always := func(context.Context) (bool, error) { return true, nil }
	boom := errors.New("boom")
	for _, tt := range []struct {
		name string
		o    FollowOptions
		fail error
		file bool
		want error
	}{
		{"no file", FollowOptions{}, nil, false, ErrNotFound},
		{"no file and over", FollowOptions{Follow: true, Ended: always}, nil, false, ErrNotFound},
		{"away", FollowOptions{}, errAway, true, errAway},
		{"away and over", FollowOptions{Follow: true, Ended: always}, errAway, true, errAway},
		{"refused", FollowOptions{Follow: true, Ended: never}, &Refused{Words: "no"}, true, nil},
		{"is it over", FollowOptions{Follow: true, Ended: func(context.Context) (bool, error) { return false, boom }}, nil, true, boom},
		{"is it over, away", FollowOptions{Follow: true, Ended: func(context.Context) (bool, error) { return false, boom }}, errAway, true, boom},
		{"waiting for nothing", FollowOptions{Follow: true}, nil, false, context.DeadlineExceeded},
		{"waiting at the end", FollowOptions{Follow: true, Ended: never}, nil, true, context.DeadlineExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newTree(t, map[string]string{})
				if tt.file {
					f.files["stdout"] = "x"
				}
				f.fail = func(string, string, int) error { return tt.fail }
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				err := Follow(ctx, new(buffer), f, testLaunch, "stdout", tt.o)
				if tt.want != nil && !errors.Is(err, tt.want) || tt.want == nil && !final(err) {
					t.Errorf("%v, want %v", err, tt.want)
				}
			})
		})
	}
	f := newTree(t, map[string]string{"stdout": strings.Repeat("x", 3<<20)})
	if err := Follow(t.Context(), full{3 << 16, boom}, f, testLaunch, "stdout", FollowOptions{Tail: -1}); !errors.Is(err, boom) || f.calls > 6 {
		t.Errorf("a full disk: %v after %d calls", err, f.calls)
	}
}

// full is a place for so many bytes a write.
type full struct {
	most int
	err  error
}

func (w full) Write(b []byte) (int, error) {
	if len(b) < w.most {
		return 0, w.err
	}
	return len(b), nil
}
