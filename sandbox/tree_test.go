package sandbox

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// tree is a sandbox in memory, with links as Mesos shows them: as what they lead
// to. Before each call fail may say that it does not go well.
type tree struct {
	mu      sync.Mutex
	files   map[string]string // by path; "" beside a path that ends in / is a directory
	mode    map[string]fs.FileMode
	changed map[string]time.Time
	reads   int
	lists   int
	opens   []int64                                // offsets
	fail    func(what, name string, n int) error   // n counts the calls; nil: never
	cut     func(name string, offset int64) int64  // bytes after which a stream breaks; negative: never
	entry   func(dir string, list []Entry) []Entry // an agent that lies
	calls   int
}

var errAway = errors.New("agent away")

func newTree(t testing.TB, files map[string]string) *tree {
	t.Helper()
	return &tree{files: files, mode: map[string]fs.FileMode{}, changed: map[string]time.Time{}}
}

func (f *tree) called(what, name string) error {
	f.calls++
	if f.fail != nil {
		return f.fail(what, name, f.calls)
	}
	return nil
}

func (f *tree) set(name, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files[name] = text
}

func (f *tree) List(ctx context.Context, l Launch, dir string) ([]Entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists++
	if err := errors.Join(ctx.Err(), f.called("list", dir)); err != nil {
		return nil, err
	}
	found := map[string]Entry{}
	for name, text := range f.files {
		below, ok := strings.CutPrefix(name, dir+"/")
		if dir == "" {
			below, ok = name, true
		}
		if !ok || below == "" {
			continue
		}
		first, _, isDir := strings.Cut(below, "/")
		e := Entry{Name: first, Size: int64(len(text)), Mode: 0o644 | f.mode[name], Modified: f.changed[name]}
		if isDir {
			e = Entry{Name: first, Size: 4096, Mode: fs.ModeDir | 0o755}
		}
		found[first] = e
	}
	_, isFile := f.files[dir]
	_, isEmpty := f.files[dir+"/"]
	if dir != "" && len(found) == 0 && !isFile && !isEmpty && f.entry == nil {
		return nil, ErrNotFound
	}
	var list []Entry
	for _, e := range found {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	if f.entry != nil {
		list = f.entry(dir, list)
	}
	return list, nil
}

func (f *tree) Read(ctx context.Context, l Launch, name string, offset int64, most int) ([]byte, int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	if err := errors.Join(ctx.Err(), f.called("read", name)); err != nil {
		return nil, 0, err
	}
	text, ok := f.files[path.Clean(name)]
	if !ok {
		return nil, 0, ErrNotFound
	}
	size := int64(len(text))
	data := text[min(offset, size):]
	return []byte(data[:min(len(data), most, PartSize)]), size, nil
}

func (f *tree) Open(ctx context.Context, l Launch, name string, offset int64) (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opens = append(f.opens, offset)
	if err := errors.Join(ctx.Err(), f.called("open", name)); err != nil {
		return nil, err
	}
	text, ok := f.files[name]
	if !ok {
		return nil, ErrNotFound
	}
	var r io.Reader = strings.NewReader(text[min(offset, int64(len(text))):])
	if f.cut != nil {
		if n := f.cut(name, offset); n >= 0 {
			r = io.MultiReader(io.LimitReader(r, n), broken{})
		}
	}
	return io.NopCloser(r), nil
}

// broken is a connection that breaks.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
