package executor

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"sync"
)

// errNoRoom is why something is not put into the cache.
var errNoRoom = errors.New("no room in the fetcher cache")

// leftover matches what is ours in a cache directory.
var leftover = regexp.MustCompile(`^(c[0-9]+|\.fetch-[A-Z2-7]+)$`)

// cached is a file in the cache, or one that is on its way there. Fields are
// protected by the cache's mutex, but uri and file never change, and failed and
// abandoned not once done is closed.
type cached struct {
	uri  string
	file string        // its name in the cache directory
	done chan struct{} // closed when the file is whole or given up
	at   *list.Element // its place in the cache's order; nil is out of the cache

	size      int64 // bytes charged so far
	users     int   // calls of Fetch that need the file; only unused ones make room
	failed    bool
	abandoned bool // failed because the call that fetched it was cancelled
}

// cache is the book of the files in a cache directory: one for each URI, as in
// Mesos, which never asks whether the original has changed. Its zero value is
// empty.
type cache struct {
	mu      sync.Mutex
	ready   bool // the directory is there and clean
	serial  int
	used    int64 // bytes charged to entries
	entries map[string]*cached
	order   list.List // of *cached, the longest unused first
}

// cached returns the cache's file for an item, fetched first if need be, to be
// released after use; nil if it does not fit or another call failed to fetch it,
// and the item is better fetched past the cache (as Mesos does). However many
// calls ask at the same time, one fetches.
func (f *Fetcher) cached(ctx context.Context, it item) (*cached, error) {
	for {
		e, isNew, err := f.cache.claim(f.CacheDir, it.uri)
		if err != nil {
			return nil, err
		}
		if isNew {
			err := f.fill(ctx, it, e)
			f.cache.settle(e, err != nil, ctx.Err() != nil)
			if errors.Is(err, errNoRoom) {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			return e, nil
		}
		select {
		case <-e.done:
		case <-ctx.Done():
			f.cache.release(e)
			return nil, context.Cause(ctx)
		}
		if !e.failed {
			return e, nil
		}
		if !e.abandoned {
			return nil, nil
		}
	}
}

// fill fetches an item into the cache directory.
func (f *Fetcher) fill(ctx context.Context, it item, e *cached) error {
	limit := f.CacheSize
	if limit <= 0 {
		limit = DefaultCacheSize
	}
	src, err := f.open(ctx, it)
	if err != nil {
		return err
	}
	defer src.body.Close()
	if src.size > limit {
		return errNoRoom
	}
	dir, err := os.OpenRoot(f.CacheDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	paying := readerFunc(func(p []byte) (int, error) {
		n, err := src.body.Read(p)
		if n > 0 && !f.cache.reserve(dir, e, int64(n), limit) {
			return 0, errNoRoom
		}
		return n, err
	})
	return place(dir, e.file, paying, attributes{perm: src.mode.Perm() | 0o400})
}

// readerFunc is an io.Reader.
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// claim returns the entry of a URI with the caller as one more user, and
// whether it is a new one, which the caller must fill and settle.
func (c *cache) claim(dir, uri string) (e *cached, isNew bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.prepare(dir); err != nil {
		return nil, false, fmt.Errorf("fetcher cache: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, false, fmt.Errorf("fetcher cache: %w", err)
	}
	defer root.Close()
	if e := c.entries[uri]; e != nil {
		if e.sound(root) {
			e.users++
			c.order.MoveToBack(e.at)
			return e, false, nil
		}
		c.drop(root, e)
	}
	c.serial++
	e = &cached{uri: uri, file: fmt.Sprintf("c%d", c.serial), done: make(chan struct{}), users: 1}
	e.at = c.order.PushBack(e)
	c.entries[uri] = e
	return e, true, nil
}

// prepare makes the directory and clears away an earlier life's files, once.
func (c *cache) prepare(dir string) error {
	if c.ready {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if n.Type().IsRegular() && leftover.MatchString(n.Name()) {
			if err := root.Remove(n.Name()); err != nil {
				return err
			}
		}
	}
	c.entries = make(map[string]*cached)
	c.ready = true
	return nil
}

// sound says whether an entry is on its way, or its file still as it was
// written (Mesos: fetcher.cpp, Cache::validate).
func (e *cached) sound(root *os.Root) bool {
	select {
	case <-e.done:
	default:
		return true
	}
	info, err := root.Lstat(e.file)
	return err == nil && info.Mode().IsRegular() && info.Size() == e.size
}

// reserve charges n more bytes to an entry on its way, and makes room for them
// by dropping the files longest unused; false is that there is none.
func (c *cache) reserve(root *os.Root, e *cached, n, limit int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := c.order.Front(); at != nil && c.used+n > limit; {
		old := at.Value.(*cached)
		at = at.Next()
		if old.users == 0 {
			c.drop(root, old)
		}
	}
	if c.used+n > limit {
		return false
	}
	c.used += n
	e.size += n
	return true
}

// settle ends the wait for an entry. One that failed is out of the cache, so
// that the next call tries again.
func (c *cache) settle(e *cached, failed, abandoned bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.failed, e.abandoned = failed, failed && abandoned
	if failed {
		c.forget(e)
	}
	close(e.done)
}

// release ends one use of an entry.
func (c *cache) release(e *cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.users--
}

// drop takes an entry and its file out of the cache. Who reads the file still
// has it open. With the mutex held.
func (c *cache) drop(root *os.Root, e *cached) {
	c.forget(e)
	_ = root.Remove(e.file) // it may be gone, which is why it is dropped; else the next start clears it away
}

// forget takes an entry out of the book. With the mutex held.
func (c *cache) forget(e *cached) {
	if e.at == nil {
		return
	}
	c.order.Remove(e.at)
	e.at = nil
	c.used -= e.size
	delete(c.entries, e.uri)
}
