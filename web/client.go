package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"time"
)

// ErrNotRunning tells that no cmdq answers for a state directory.
var ErrNotRunning = errors.New("no cmdq is running here")

// Bounds of a Client.
const (
	dialTimeout   = 5 * time.Second
	answerTimeout = 15 * time.Second // until an answer begins
	maxAnswer     = 64 << 10         // bytes, of what is not output
)

// Client asks the cmdq that uses a state directory.
type Client struct{ http http.Client }

// DialControl finds out that a cmdq answers for a state directory: ErrNotRunning
// if none does. It may end at any later call; that is ErrNotRunning too.
func DialControl(dir string) (*Client, error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return dialControl(ctx, dir) }
	conn, err := dial(context.Background(), "", "")
	if err != nil {
		return nil, err
	}
	if err := conn.Close(); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return &Client{http.Client{Transport: &http.Transport{
		DialContext: dial, DisableKeepAlives: true, DisableCompression: true,
		ResponseHeaderTimeout: answerTimeout, MaxResponseHeaderBytes: maxAnswer,
	}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// dialControl connects to the socket of a directory, and makes sure of who
// listens there.
func dialControl(ctx context.Context, dir string) (net.Conn, error) {
	at, err := controlPath(dir)
	if err == nil {
		at, err = followLink(at)
	}
	var conn net.Conn
	if err == nil {
		conn, err = (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "unix", at)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return nil, fmt.Errorf("%s: %w", dir, ErrNotRunning)
	case err != nil:
		return nil, fmt.Errorf("control socket: %w", err)
	}
	uid, err := peer(conn.(*net.UnixConn))
	if err == nil && !trusted(uid) && os.Geteuid() != 0 {
		err = fmt.Errorf("the cmdq of %s is user %d's", dir, uid)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("control socket: %w", err), conn.Close())
	}
	return conn, nil
}

// followLink is the socket's path, where ListenControl left a link to it.
func followLink(name string) (string, error) {
	to, err := os.Readlink(name)
	if errors.Is(err, syscall.EINVAL) {
		return name, nil // no link
	}
	return to, err
}

// Version asks who answers.
func (c *Client) Version(ctx context.Context) (Version, error) {
	var v Version
	answer, err := c.get(ctx, "/v1/version")
	if err != nil {
		return v, err
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(&v); err != nil {
		return v, fmt.Errorf("ask cmdq for its version: %w", err)
	}
	return v, nil
}

// Log asks for what a command wrote. An *Error, from here or from Read, is
// cmdq's word; io.EOF comes only behind all of it. When ctx ends, so does a Read
// that waits.
func (c *Client) Log(ctx context.Context, r LogRequest) (io.ReadCloser, error) {
	if r.Task == "" || r.Task == "." || r.Task == ".." {
		return nil, NotFound("there is no task %q", r.Task) // no path could say it
	}
	answer, err := c.get(ctx, "/v1/tasks/"+url.PathEscape(r.Task)+"/logs?"+r.query())
	if err != nil {
		return nil, err
	}
	return &log{answer}, nil
}

// get asks, and makes an error of what is not 200.
func (c *Client) get(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://cmdq"+path, nil)
	if err != nil {
		return nil, fmt.Errorf("ask cmdq: %w", err)
	}
	answer, err := c.http.Do(request)
	var failed *url.Error
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return nil, fmt.Errorf("%w any more", ErrNotRunning) // it ended before it answered
	case errors.As(err, &failed):
		return nil, fmt.Errorf("ask cmdq: %w", failed.Err)
	case err != nil:
		return nil, fmt.Errorf("ask cmdq: %w", err)
	case answer.StatusCode == http.StatusOK:
		return answer, nil
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("ask cmdq: %s, and then %w", answer.Status, err)
	}
	if e := parseError(text); e != nil {
		return nil, e
	}
	return nil, fmt.Errorf("ask cmdq: %s", answer.Status)
}

// parseError reads an Error; nil if it is none.
func parseError(text []byte) *Error {
	var w wire
	if json.Unmarshal(text, &w) != nil || w.Error == nil || w.Error.Code == "" {
		return nil
	}
	return w.Error
}

// log is the output of a command on its way.
type log struct{ answer *http.Response }

func (l *log) Read(p []byte) (int, error) {
	n, err := l.answer.Body.Read(p)
	switch {
	case err == nil:
		return n, nil
	case err != io.EOF:
		return n, fmt.Errorf("read what cmdq sends: %w", err)
	}
	end := l.answer.Trailer.Get(endTrailer)
	if end == endWhole {
		return n, io.EOF
	}
	if e := parseError([]byte(end)); e != nil {
		return n, e
	}
	return n, fmt.Errorf("read what cmdq sends: %w", io.ErrUnexpectedEOF)
}

func (l *log) Close() error { return l.answer.Body.Close() }
