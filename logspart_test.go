package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"cmdq/sandbox"
)

// oneFile are the files of a launch that wrote one, or none.
type oneFile struct {
	text string
	err  error
}

func (f *oneFile) List(context.Context, sandbox.Launch, string) ([]sandbox.Entry, error) {
	return nil, f.err
}

func (f *oneFile) Read(_ context.Context, _ sandbox.Launch, _ string, offset int64, most int) ([]byte, int64, error) {
	from := min(offset, int64(len(f.text)))
	to := min(from+int64(most), int64(len(f.text)))
	return []byte(f.text[from:to]), int64(len(f.text)), f.err
}

func (f *oneFile) Open(_ context.Context, _ sandbox.Launch, _ string, offset int64) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(f.text[offset:])), f.err
}

// cutFile is a file that is another one once so many bytes of it were printed.
type cutFile struct {
	oneFile
	printed *bytes.Buffer
	most    int
	then    string
}

func (f *cutFile) Read(ctx context.Context, l sandbox.Launch, name string, offset int64, most int) ([]byte, int64, error) {
	if f.printed.Len() >= f.most {
		f.text = f.then
	}
	return f.oneFile.Read(ctx, l, name, offset, most)
}

// TestBehindCut: a file that was cut, and is written anew, is read from its beginning,
// also if it has grown beyond the byte that was begun with.
func TestBehindCut(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, then := range []string{"ab", "abcdef", "abcdefghi"} {
		var out bytes.Buffer
		want := "456789" + then
		f := &cutFile{oneFile: oneFile{text: "0123456789"}, printed: &out, most: 6, then: then}
		ended := func(context.Context) (bool, error) { return out.Len() >= len(want), nil }
		err := sandbox.Follow(ctx, &out, behind(f, 4), sandbox.Launch{Task: "a"}, "stdout",
			sandbox.FollowOptions{Tail: -1, Follow: true, Ended: ended})
		if err != nil || out.String() != want {
			t.Errorf("then %q: %q, want %q; %v", then, out.String(), want, err)
		}
	}
}

func TestTailFrom(t *testing.T) {
	long := strings.Repeat("x", 2*sandbox.PartSize) + "\n"
	for _, tt := range []struct {
		text  string
		err   error
		lines int
		want  int64
	}{
		{"", nil, 0, 0}, {"", nil, 3, 0}, {"a\nb\nc\n", nil, 0, 6}, {"a\nb\nc\n", nil, 1, 4}, {"a\nb\nc", nil, 2, 2}, {"a\nb\n", nil, 9, 0},
		{long + "end\n", nil, 1, int64(len(long))}, {long + "end\n", nil, 2, 0},
		{"", sandbox.ErrNotFound, 1, 0}, {"", &sandbox.Refused{Words: "no"}, 1, -1},
	} {
		if got := tailFrom(t.Context(), &oneFile{tt.text, tt.err}, sandbox.Launch{Task: "a"}, "stdout", tt.lines); got != tt.want {
			t.Errorf("the last %d lines of %.20q (%v) begin at %d, want %d", tt.lines, tt.text, tt.err, got, tt.want)
		}
	}
}

// TestBehind: of a file is left what stands behind a byte, and of one that was cut
// before that all of it.
func TestBehind(t *testing.T) {
	large := strings.Repeat("0123456789\n", 300_000) // is downloaded
	for _, tt := range []struct {
		text string
		from int64
		want string
	}{{"abc", 0, "abc"}, {"abc", 1, "bc"}, {"abc", 3, ""}, {"abc", 4, "abc"}, {large, 11, large[11:]}} {
		var out bytes.Buffer
		ended := func(context.Context) (bool, error) { return true, nil }
		err := sandbox.Follow(t.Context(), &out, behind(&oneFile{text: tt.text}, tt.from), sandbox.Launch{Task: "a"}, "stdout",
			sandbox.FollowOptions{Tail: -1, Follow: true, Ended: ended})
		if err != nil || out.String() != tt.want {
			t.Errorf("%.20q from %d on: %d bytes, %.20q, %v", tt.text, tt.from, out.Len(), out.String(), err)
		}
	}
	if _, _, err := behind(&oneFile{err: sandbox.ErrNotFound}, 5).Read(t.Context(), sandbox.Launch{}, "stdout", 0, 1); !errors.Is(err, sandbox.ErrNotFound) {
		t.Error(err)
	}
}
