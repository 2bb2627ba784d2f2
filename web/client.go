package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
)

// ErrNotRunning tells that no cmdq answers for a state directory.
var ErrNotRunning = errors.New("no cmdq is running here")

// Bounds of a Client.
const (
	dialTimeout   = 5 * time.Second
	answerTimeout = 15 * time.Second // until an answer begins
	maxAnswer     = 64 << 20         // bytes, of JSON
	maxWord       = 64 << 10         // bytes, of an error
)

// Client asks the cmdq that uses a state directory, on a connection of its own
// for each request. It may be used by many goroutines.
type Client struct{ dir string }

// DialControl finds out that a cmdq answers for a state directory: ErrNotRunning
// if none does. It may end at any later call; that is ErrNotRunning too.
func DialControl(dir string) (*Client, error) {
	conn, err := dialControl(context.Background(), dir)
	if err != nil {
		return nil, err
	}
	if err := conn.Close(); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return &Client{dir}, nil
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

// Log asks for what a command wrote. An *Error, from here or from Read, is
// cmdq's word; io.EOF comes only behind all of it. When ctx ends, so does a Read
// that waits.
func (c *Client) Log(ctx context.Context, r LogRequest) (*Output, error) {
	at, err := taskPath(r.Task)
	if err != nil {
		return nil, err
	}
	a, err := c.get(ctx, at+"/logs?"+r.query())
	if err != nil {
		return nil, err
	}
	from, err := strconv.ParseInt(a.Header.Get(fromHeader), 10, 64)
	if err != nil || from < 0 {
		from = -1
	}
	return &Output{&log{a}, a.Header.Get(launchHeader), from}, nil
}

// get asks, and makes an error of what is not 200.
func (c *Client) get(ctx context.Context, path string) (*answer, error) {
	return c.ask(ctx, http.MethodGet, path, nil, answerTimeout)
}

// ask sends a request, and makes an error of what is not 200.
func (c *Client) ask(ctx context.Context, method, path string, body []byte, most time.Duration) (*answer, error) {
	a, err := c.send(ctx, method, path, body, most)
	if err != nil || a.StatusCode == http.StatusOK {
		return a, err
	}
	defer a.Close()
	text, err := io.ReadAll(io.LimitReader(a, maxWord))
	if err != nil {
		return nil, fmt.Errorf("ask cmdq: %s, and then %w", a.Status, err)
	}
	if e := parseError(text); e != nil {
		return nil, e
	}
	return nil, fmt.Errorf("ask cmdq: %s", a.Status)
}

// send sends a request and reads the head of its answer, which has to begin
// within so long. net/http's own client would not say whether the other end had
// gone.
func (c *Client) send(ctx context.Context, method, path string, body []byte, most time.Duration) (*answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://cmdq"+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask cmdq: %w", err)
	}
	request.Close = true
	conn, err := dialControl(ctx, c.dir)
	if err != nil {
		return nil, err
	}
	a := &answer{ctx: ctx, conn: conn, stop: context.AfterFunc(ctx, func() { _ = conn.Close() })}
	err = conn.SetDeadline(time.Now().Add(most))
	if err == nil {
		// Where this fails, there is an answer already, such as that it is too
		// much, or reading it fails too.
		_ = request.Write(conn)
		a.Response, err = http.ReadResponse(bufio.NewReader(conn), request)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err == nil {
		return a, nil
	}
	a.hangUp()
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return nil, fmt.Errorf("%s: %w any more", c.dir, ErrNotRunning) // it ended before it answered
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fmt.Errorf("ask cmdq: it did not answer within %s", most)
	}
	return nil, fmt.Errorf("ask cmdq: %w", err)
}

// answer is what cmdq answers, with the connection that it comes on.
type answer struct {
	*http.Response
	ctx  context.Context
	conn net.Conn
	stop func() bool
}

// Read reads the body; when the context has ended, that is its error.
func (a *answer) Read(p []byte) (int, error) {
	n, err := a.Body.Read(p)
	if err != nil && err != io.EOF && a.ctx.Err() != nil {
		err = context.Cause(a.ctx)
	}
	return n, err
}

// Close hangs up, also on what has not come yet.
func (a *answer) Close() error {
	a.hangUp()
	return nil
}

func (a *answer) hangUp() {
	a.stop()
	_ = a.conn.Close() // all that was to be sent has been
}

// parseError reads an Error; nil if it is none.
func parseError(text []byte) *Error {
	var w errorBody
	if json.Unmarshal(text, &w) != nil || w.Error == nil || w.Error.Code == "" {
		return nil
	}
	return w.Error
}

// log is the output of a command on its way.
type log struct{ *answer }

func (l *log) Read(p []byte) (int, error) {
	n, err := l.answer.Read(p)
	switch {
	case err == nil:
		return n, nil
	case err != io.EOF:
		return n, fmt.Errorf("read what cmdq sends: %w", err)
	}
	end := l.Trailer.Get(endTrailer)
	if end == endWhole {
		return n, io.EOF
	}
	if e := parseError([]byte(end)); e != nil {
		return n, e
	}
	return n, fmt.Errorf("read what cmdq sends: %w", io.ErrUnexpectedEOF)
}
