package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"time"
)

// errStalled is why a download ended that brought nothing for too long.
var errStalled = errors.New("download stalled")

// source is what a URI leads to, being read. Its body ends with the context it
// was opened with.
type source struct {
	body io.ReadCloser
	mode fs.FileMode
	size int64 // bytes; -1 is not known
}

// open starts to read what the item's URI names.
func (f *Fetcher) open(ctx context.Context, it item) (source, error) {
	if it.local == "" {
		return f.download(ctx, it.uri)
	}
	// O_NONBLOCK: a pipe without a writer must not hold us before it is refused.
	file, err := os.OpenFile(it.local, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return source{}, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		file.Close()
		return source{}, err
	}
	return source{body: struct {
		io.Reader
		io.Closer
	}{patient{ctx, file}, file}, mode: info.Mode(), size: info.Size()}, nil
}

// patient reads a file until its context ends. (A file's Read cannot be
// interrupted, but none takes long.)
type patient struct {
	ctx  context.Context
	file *os.File
}

func (p patient) Read(b []byte) (int, error) {
	if p.ctx.Err() != nil {
		return 0, context.Cause(p.ctx)
	}
	return p.file.Read(b)
}

func (p patient) ReadAt(b []byte, at int64) (int, error) {
	if p.ctx.Err() != nil {
		return 0, context.Cause(p.ctx)
	}
	return p.file.ReadAt(b, at)
}

// download asks for uri and returns its body once the answer is 200, the only
// code that Mesos takes.
func (f *Fetcher) download(ctx context.Context, uri string) (source, error) {
	stall := f.StallTimeout
	if stall <= 0 {
		stall = DefaultStallTimeout
	}
	ctx, cancel := context.WithCancelCause(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		cancel(nil)
		return source{}, bare(err)
	}
	// The file itself is wanted: left to itself, net/http asks for gzip and
	// unpacks it on the way.
	req.Header.Set("Accept-Encoding", "identity")
	d := &body{ctx: ctx, cancel: cancel, stall: stall}
	d.timer = time.AfterFunc(stall, func() { cancel(fmt.Errorf("%w: nothing came for %v", errStalled, stall)) })
	resp, err := f.client().Do(req)
	d.timer.Stop()
	if err != nil {
		err = d.why(bare(err))
		cancel(nil)
		return source{}, err
	}
	d.body = resp.Body
	if resp.StatusCode != http.StatusOK {
		d.Close()
		return source{}, fmt.Errorf("the server answered %d", resp.StatusCode)
	}
	return source{body: d, mode: 0o644, size: resp.ContentLength}, nil
}

// body is that of a download. Its timer runs while a byte is waited for, not
// while one is written to a slow disk.
type body struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	stall  time.Duration
	body   io.ReadCloser
}

// Read returns io.ErrUnexpectedEOF if the body is shorter than announced.
func (d *body) Read(p []byte) (int, error) {
	d.timer.Reset(d.stall)
	n, err := d.body.Read(p)
	d.timer.Stop()
	if err != nil && err != io.EOF {
		err = d.why(err)
	}
	return n, err
}

func (d *body) Close() error {
	d.timer.Stop()
	d.cancel(nil)
	return d.body.Close()
}

// why prefers the reason for which the download was ended to what it looked
// like from below.
func (d *body) why(err error) error {
	if d.ctx.Err() != nil {
		return context.Cause(d.ctx)
	}
	return err
}

// bare takes off the URL that net/http puts around an error: it may hold secrets,
// and Fetch says it already.
func bare(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// client is the one to download with.
func (f *Fetcher) client() *http.Client {
	if f.Client != nil {
		return f.Client
	}
	f.ownClientOnce.Do(func() {
		f.ownClient = &http.Client{Transport: &http.Transport{
			Proxy:             http.ProxyFromEnvironment, // as libcurl in Mesos
			DisableKeepAlives: true,
			ForceAttemptHTTP2: true,
		}}
	})
	return f.ownClient
}
