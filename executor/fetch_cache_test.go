package executor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// counted serves a file of so many bytes as its path says, "/4b" for 4, and
// counts.
type counted struct {
	url  string
	hits sync.Map // path to *atomic.Int64
}

func newCounted(t *testing.T) *counted {
	c := &counted{}
	c.url = server(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := c.hits.LoadOrStore(r.URL.Path, new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
		var size int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &size); err != nil {
			http.NotFound(w, r)
			return
		}
		if strings.Contains(r.URL.Path, "chunked") {
			w.(http.Flusher).Flush()
		}
		fmt.Fprint(w, strings.Repeat("x", size))
	})
	return c
}

func (c *counted) want(t *testing.T, path string, want int64) {
	t.Helper()
	n, _ := c.hits.LoadOrStore(path, new(atomic.Int64))
	if got := n.(*atomic.Int64).Load(); got != want {
		t.Errorf("%s was asked for %d times, want %d", path, got, want)
	}
}

// get fetches path through the cache into a new sandbox.
func (c *counted) get(t *testing.T, f *Fetcher, path string) string {
	t.Helper()
	dir := t.TempDir()
	if err := f.Fetch(t.Context(), dir, []URI{{Value: c.url + path, Cache: true}}); err != nil {
		t.Error(err)
	}
	return dir
}

// audit checks the cache's book against its directory; nothing is in use.
func audit(t *testing.T, f *Fetcher) {
	t.Helper()
	var used int64
	for uri, e := range f.cache.entries {
		used += e.size
		if info, err := os.Stat(filepath.Join(f.CacheDir, e.file)); err != nil || info.Size() != e.size || e.users != 0 || e.uri != uri {
			t.Errorf("%+v: %v, %v", e, info, err)
		}
	}
	files, err := os.ReadDir(f.CacheDir)
	if err != nil || len(files) != len(f.cache.entries) || f.cache.order.Len() != len(files) {
		t.Errorf("%d files, %d entries, %d in order, %v", len(files), len(f.cache.entries), f.cache.order.Len(), err)
	}
	if used != f.cache.used || f.CacheSize > 0 && used > f.CacheSize {
		t.Errorf("%d bytes are there, %d in the book, %d allowed", used, f.cache.used, f.CacheSize)
	}
}

func TestCacheOneDownload(t *testing.T) {
	c, f := newCounted(t), &Fetcher{CacheDir: filepath.Join(t.TempDir(), "a/cache")}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { wantTree(t, c.get(t, f, "/5"), "5 644 xxxxx") })
	}
	all.Wait()
	c.want(t, "/5", 1)
	audit(t, f)
}

func TestCacheFirstUse(t *testing.T) {
	c, f := newCounted(t), &Fetcher{CacheDir: t.TempDir()}
	for _, name := range []string{"c1", "c22", temporary(), "mine"} {
		if err := os.WriteFile(filepath.Join(f.CacheDir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.get(t, f, "/5")
	wantTree(t, f.CacheDir, "c1 644 xxxxx", "mine 600 ")
}

func TestCacheUnpacksFromThere(t *testing.T) {
	f, dir := &Fetcher{CacheDir: t.TempDir()}, t.TempDir()
	uris := []URI{
		{Value: write(t, "a.tgz", gz(t, tarOf(t, entry{name: "f", body: "packed"})), 0o644), Extract: true, Cache: true, OutputFile: "d/b.tgz"},
		{Value: write(t, "g.gz", gz(t, []byte("gunzipped")), 0o644), Extract: true, Cache: true},
		{Value: write(t, "run", []byte("run"), 0o600), Executable: true, Cache: true},
		{Value: write(t, "plain", []byte("plain"), 0o600), Extract: true, Cache: true, OutputFile: "not.tgz"},
	}
	for range 2 {
		if err := f.Fetch(t.Context(), dir, uris); err != nil {
			t.Fatal(err)
		}
		// As in Mesos: no archive, and the URI's own name says what it is.
		wantTree(t, dir, "d/ 755", "f 644 packed", "g 644 gunzipped", "not.tgz 600 plain", "run 755 run")
		audit(t, f)
	}
}

func TestCacheMakesRoom(t *testing.T) {
	c, f := newCounted(t), &Fetcher{CacheDir: t.TempDir(), CacheSize: 10}
	for _, path := range []string{"/4a", "/4b", "/4a", "/4c", "/4a", "/4b"} { // c puts out b, b puts out c
		c.get(t, f, path)
		audit(t, f)
	}
	c.want(t, "/4a", 1)
	c.want(t, "/4b", 2)
	c.want(t, "/4c", 1)
}

func TestCacheTooSmall(t *testing.T) {
	c, f := newCounted(t), &Fetcher{CacheDir: t.TempDir(), CacheSize: 10}
	for range 2 {
		wantTree(t, c.get(t, f, "/11"), "11 644 xxxxxxxxxxx")
		wantTree(t, c.get(t, f, "/11chunked"), "11chunked 644 xxxxxxxxxxx")
	}
	wantTree(t, c.get(t, f, "/10chunked"), "10chunked 644 xxxxxxxxxx")
	c.want(t, "/11", 4)
	c.want(t, "/11chunked", 4)
	c.want(t, "/10chunked", 1)
	audit(t, f)
}

// What is in use is not put out.
func TestCacheInUse(t *testing.T) {
	c, f := newCounted(t), &Fetcher{CacheDir: t.TempDir(), CacheSize: 10}
	held, err := f.cached(t.Context(), item{uri: c.url + "/8"})
	if err != nil || held == nil {
		t.Fatal(held, err)
	}
	c.get(t, f, "/4")
	wantFile(t, filepath.Join(f.CacheDir, held.file), "xxxxxxxx")
	c.want(t, "/4", 2) // once for the cache, once past it
	f.cache.release(held)
	c.get(t, f, "/4")
	c.get(t, f, "/4")
	c.want(t, "/4", 3)
	audit(t, f)
}

func TestCacheSpoiled(t *testing.T) {
	c, f := newCounted(t), &Fetcher{CacheDir: t.TempDir()}
	spoil := []func(name string) error{
		os.Remove,
		func(name string) error { return os.WriteFile(name, []byte("longer than it was"), 0o600) },
		func(name string) error { return errors.Join(os.Remove(name), os.Symlink("/etc/passwd", name)) },
	}
	for i, how := range spoil {
		c.get(t, f, "/5")
		if err := how(filepath.Join(f.CacheDir, f.cache.entries[c.url+"/5"].file)); err != nil {
			t.Fatal(err)
		}
		wantTree(t, c.get(t, f, "/5"), "5 644 xxxxx")
		c.want(t, "/5", int64(i)+2)
		audit(t, f)
	}
}

func TestCacheKeepsNoFailure(t *testing.T) {
	c, f := newCounted(t), &Fetcher{CacheDir: t.TempDir()}
	for range 2 {
		err := f.Fetch(t.Context(), t.TempDir(), []URI{{Value: c.url + "/none", Cache: true}})
		if err == nil || !strings.Contains(err.Error(), "404") {
			t.Errorf("got %v", err)
		}
	}
	c.want(t, "/none", 2)
	audit(t, f)
	f = &Fetcher{CacheDir: write(t, "file", nil, 0o600)}
	if err := f.Fetch(t.Context(), t.TempDir(), []URI{{Value: c.url + "/5", Cache: true}}); err == nil || !strings.Contains(err.Error(), "fetcher cache") {
		t.Errorf("a file as directory: %v", err)
	}
}

// gate is a server that says when it is asked, and answers when it is told to.
type gate struct{ asked, answer chan int }

func (g gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.asked <- 1
	select {
	case code := <-g.answer:
		w.WriteHeader(code)
		fmt.Fprint(w, "body")
	case <-r.Context().Done():
	}
}

// wantUsers waits until so many calls wait for the one entry of a cache.
func wantUsers(t *testing.T, f *Fetcher, n int) {
	t.Helper()
	users := func() (sum int) {
		f.cache.mu.Lock()
		defer f.cache.mu.Unlock()
		for _, e := range f.cache.entries {
			sum += e.users
		}
		return sum
	}
	for end := time.Now().Add(10 * time.Second); users() != n; {
		if time.Now().After(end) {
			t.Fatalf("%d users, want %d", users(), n)
		}
		time.Sleep(time.Millisecond) // there is no signal for "now it waits"
	}
}

// Who waits for another's download goes on alone if that fails, and takes it
// over if the other is cancelled.
func TestCacheWaiting(t *testing.T) {
	for _, cancelled := range []bool{true, false} {
		g := gate{make(chan int, 10), make(chan int, 10)}
		url := server(t, g.ServeHTTP) + "/f"
		f := &Fetcher{CacheDir: t.TempDir()}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		first, second := make(chan error, 1), make(chan error, 1)
		dirs := []string{t.TempDir(), t.TempDir()}
		go func() { first <- f.Fetch(ctx, dirs[0], []URI{{Value: url, Cache: true}}) }()
		<-g.asked
		go func() { second <- f.Fetch(t.Context(), dirs[1], []URI{{Value: url, Cache: true}}) }()
		wantUsers(t, f, 2)
		if cancelled {
			cancel()
		} else {
			g.answer <- http.StatusNotFound
		}
		if err := <-first; err == nil || errors.Is(err, context.Canceled) != cancelled {
			t.Errorf("cancelled %v: the first got %v", cancelled, err)
		}
		<-g.asked
		g.answer <- http.StatusOK
		if err := <-second; err != nil {
			t.Errorf("cancelled %v: the second got %v", cancelled, err)
		}
		wantTree(t, dirs[0])
		wantTree(t, dirs[1], "f 644 body")
		if kept := len(f.cache.entries) == 1; kept != cancelled {
			t.Errorf("cancelled %v: in the cache: %v", cancelled, kept)
		}
		audit(t, f)
	}
}

func TestCacheWaiterCancelled(t *testing.T) {
	g := gate{make(chan int, 10), make(chan int, 10)}
	url := server(t, g.ServeHTTP) + "/f"
	f := &Fetcher{CacheDir: t.TempDir()}
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	firstDir, secondDir := t.TempDir(), t.TempDir()
	go func() { first <- f.Fetch(t.Context(), firstDir, []URI{{Value: url, Cache: true}}) }()
	<-g.asked
	go func() { second <- f.Fetch(ctx, secondDir, []URI{{Value: url, Cache: true}}) }()
	wantUsers(t, f, 2)
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("the second got %v", err)
	}
	g.answer <- http.StatusOK
	if err := <-first; err != nil {
		t.Errorf("the first got %v", err)
	}
	audit(t, f)
}

// Many at once, some of whom give up, in a cache that is too small.
func TestCacheRandom(t *testing.T) {
	c, f := newCounted(t), &Fetcher{CacheDir: t.TempDir(), CacheSize: 300}
	var all sync.WaitGroup
	for i := range 8 {
		rng := rand.New(rand.NewPCG(1, uint64(i)))
		all.Go(func() {
			for range 40 {
				ctx, cancel := context.WithCancel(t.Context())
				size := 20 * (1 + rng.IntN(10))
				if rng.IntN(4) == 0 {
					time.AfterFunc(time.Duration(rng.IntN(500))*time.Microsecond, cancel)
				}
				dir := t.TempDir()
				err := f.Fetch(ctx, dir, []URI{{Value: fmt.Sprintf("%s/%d", c.url, size), Cache: true, OutputFile: "f"}})
				info, missing := os.Stat(filepath.Join(dir, "f"))
				switch {
				case err == nil && (missing != nil || info.Size() != int64(size)):
					t.Errorf("fetched %v, %v, want %d bytes", info, missing, size)
				case err != nil && (ctx.Err() == nil || !errors.Is(missing, fs.ErrNotExist)):
					t.Errorf("%v, and then %v", err, missing)
				}
				cancel()
			}
		})
	}
	all.Wait()
	audit(t, f)
}
