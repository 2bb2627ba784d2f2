package executor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"sync"
	"time"
)

// What a Fetcher's zero fields stand for.
const (
	DefaultCacheSize    = 2 << 30     // bytes (Mesos: --fetcher_cache_size)
	DefaultMaxUnpacked  = 4 << 30     // bytes
	DefaultStallTimeout = time.Minute // (Mesos: --fetcher_stall_timeout)
)

// URI is one thing that a command wants in its sandbox (Mesos:
// CommandInfo.URI). Mesos' default for Extract is true; the caller sets it.
type URI struct {
	Value      string // an absolute path, file://, http:// or https://
	OutputFile string // where it goes, relative to the sandbox; "" is the last part of Value
	Extract    bool   // unpack it if its name ends like an archive's
	Executable bool   // give it mode 0755, and do not unpack it
	Cache      bool   // keep it in the cache directory, and take it from there
}

// Fetcher brings the URIs of a command into its sandbox before the command
// starts, by the rules of the Mesos fetcher (Mesos: src/launcher/fetcher.cpp and
// src/slave/containerizer/fetcher.cpp). Its only state is its cache, guarded by a
// mutex; everything else belongs to the one call of Fetch that made it. What
// comes from outside, the URI, the bytes and every name in an archive, is not
// trusted: all writing below a sandbox goes through an os.Root, into a new file
// that is renamed when it is whole. It never writes outside the sandbox and the
// cache directory, never changes user, and never logs. The zero value works,
// without a cache. It may be used by many goroutines, and must not be copied or
// changed once used.
type Fetcher struct {
	// CacheDir holds what was fetched with Cache set, and belongs to this
	// Fetcher alone: at first use it is made, mode 0700, and rid of what an
	// earlier Fetcher left. "" fetches everything afresh. It must not be below
	// a sandbox. There is no folder a user: all is fetched as one user.
	CacheDir string
	// CacheSize bounds the bytes in CacheDir; 0 is DefaultCacheSize. What does
	// not fit beside what is in use is fetched into the sandbox directly.
	CacheSize int64
	// MaxUnpacked bounds the bytes that one archive may unpack to; 0 is
	// DefaultMaxUnpacked. Its entries are bounded to 1000 and one more for
	// every 4 KB of it.
	MaxUnpacked int64
	// StallTimeout ends a download that brings no byte for so long; 0 is
	// DefaultStallTimeout.
	StallTimeout time.Duration
	// Client downloads; nil is one without kept connections that follows ten
	// redirects. A limit of its own on redirects or time also holds.
	Client *http.Client

	cache         cache
	ownClientOnce sync.Once
	ownClient     *http.Client
}

// Fetch brings uris, one after another, into the directory dir, which exists.
// All of them are checked before the first is fetched. An error names the URI,
// without its password and query, and why; what was fetched before it stays,
// an archive that cannot be unpacked whole leaves nothing behind but itself.
// Files get the mode of the file they are a copy of, or 0644, less the umask.
func (f *Fetcher) Fetch(ctx context.Context, dir string, uris []URI) error {
	items := make([]item, len(uris))
	for i, u := range uris {
		var err error
		if items[i], err = parse(u); err != nil {
			return fmt.Errorf("fetch %q: %w", Redacted(u.Value), err)
		}
	}
	if len(items) == 0 {
		return nil
	}
	sandbox, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	defer sandbox.Close()
	for _, it := range items {
		if err := f.fetch(ctx, sandbox, it); err != nil {
			return fmt.Errorf("fetch %q: %w", Redacted(it.uri), err)
		}
	}
	return nil
}

// fetch brings one URI into the sandbox.
func (f *Fetcher) fetch(ctx context.Context, sandbox *os.Root, it item) error {
	if dir := path.Dir(it.name); dir != "." {
		if err := sandbox.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if !it.cache || f.CacheDir == "" {
		return f.direct(ctx, sandbox, it)
	}
	hit, err := f.cached(ctx, it)
	if err != nil {
		return err
	}
	if hit == nil {
		return f.direct(ctx, sandbox, it)
	}
	defer f.cache.release(hit)
	return f.fromCache(ctx, sandbox, it, hit)
}

// direct fetches into the sandbox, and unpacks what lies there then.
func (f *Fetcher) direct(ctx context.Context, sandbox *os.Root, it item) error {
	src, err := f.open(ctx, it)
	if err != nil {
		return err
	}
	defer src.body.Close()
	from := io.Reader(src.body)
	if it.executable && it.local == "" {
		whole, err := spool(sandbox, src.body)
		if err != nil {
			return err
		}
		defer whole.Close()
		from = patient{ctx, whole}
	}
	if err := place(sandbox, it.name, from, it.attributes(src.mode)); err != nil {
		return err
	}
	if it.pack == notPacked {
		return nil
	}
	archive, err := sandbox.Open(it.name)
	if err != nil {
		return err
	}
	defer archive.Close()
	return f.unpack(ctx, sandbox, archive, it)
}

// fromCache brings the cache's copy into the sandbox. Of an archive only the
// content comes (Mesos: fetcher.cpp, fetchFromCache).
func (f *Fetcher) fromCache(ctx context.Context, sandbox *os.Root, it item, hit *cached) error {
	dir, err := os.OpenRoot(f.CacheDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	src, err := dir.Open(hit.file)
	if err != nil {
		return err
	}
	defer src.Close()
	if it.pack != notPacked {
		return f.unpack(ctx, sandbox, src, it)
	}
	info, err := src.Stat()
	if err != nil {
		return err
	}
	return place(sandbox, it.name, patient{ctx, src}, it.attributes(info.Mode()))
}
