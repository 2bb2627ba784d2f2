package mesosapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// maxDrain is how much of a good answer's body is read so that its connection
// can be used again. Mesos sends none.
const maxDrain = 64 << 10

// send posts one call and reads its answer. The error is a *NotSubscribed,
// *Refused or *Unreachable.
func (e *epoch) send(call *scheduler.Call) error {
	body, err := e.c.codec.encode(call)
	if err != nil {
		return &Refused{Addr: e.sub.master, Message: oneLine(fmt.Sprintf("encode %s: %v", call.Type, err))}
	}
	ctx, cancel := context.WithTimeout(e.calls, e.c.timeout)
	defer cancel()
	resp, err := e.c.post(ctx, e.sub.master, e.c.callHeader(e.sub.streamID, call.Type), body)
	if err != nil {
		if ctx.Err() == context.DeadlineExceeded {
			err = fmt.Errorf("no answer to %s within %s: %w", call.Type, seconds(e.c.timeout), ctx.Err())
		}
		return &Unreachable{Addr: e.sub.master, Err: err}
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusAccepted || resp.StatusCode == http.StatusOK {
		if resp.ContentLength != 0 {
			// What it says does not matter, nor whether it can be read.
			_, _ = io.CopyN(io.Discard, resp.Body, maxDrain)
		}
		return nil
	}
	err = e.c.answer(e.sub.master, resp)
	if moved, isRedirect := err.(*redirect); isRedirect {
		return &NotSubscribed{Addr: e.sub.master, Status: resp.StatusCode, Message: moved.Error()}
	}
	return err
}

// post sends one request and waits for the header of its answer. It follows
// nothing and keeps no cookies: that is why it is a transport and no client.
func (c *Conn) post(ctx context.Context, addr string, header http.Header, body []byte) (*http.Response, error) {
	req := (&http.Request{
		Method:        http.MethodPost,
		URL:           &url.URL{Scheme: c.scheme, Host: addr, Path: apiPath},
		Header:        header,
		Body:          io.NopCloser(bytes.NewReader(body)),
		GetBody:       func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
		ContentLength: int64(len(body)),
	}).WithContext(ctx)
	if c.authorize != nil {
		c.authorize(req)
	}
	return c.transport.RoundTrip(req)
}

func (c *Conn) subscribeHeader() http.Header {
	return http.Header{"Content-Type": {c.codec.mediaType}, "Accept": {c.codec.mediaType}}
}

func (c *Conn) callHeader(streamID string, call scheduler.Call_Type) http.Header {
	h := http.Header{"Content-Type": {c.codec.mediaType}, "Mesos-Stream-Id": {streamID}}
	switch call {
	case scheduler.Call_ACKNOWLEDGE, scheduler.Call_DECLINE, scheduler.Call_KILL, scheduler.Call_RECONCILE,
		scheduler.Call_REVIVE, scheduler.Call_SUPPRESS:
		// Doing these twice does no harm, so net/http may try again when a
		// kept-alive connection turns out to be closed. A key without a value
		// says so and is not sent. ACCEPT is not among them: a second one
		// would find its offers used up and drop the tasks that it launched.
		h["Idempotency-Key"] = nil
	}
	return h
}

// redirect is a 307: to a leader, or to nowhere of use.
type redirect struct {
	to  string // host:port
	err error
}

func (r *redirect) Error() string {
	if r.err != nil {
		return r.err.Error()
	}
	return "the leader moved to " + r.to
}

// answer reads an answer that is no success: a *redirect, *NotSubscribed,
// *Refused or *Unreachable. Codes and words are those of Mesos'
// src/master/http.cpp.
func (c *Conn) answer(addr string, resp *http.Response) error {
	code := resp.StatusCode
	if code == http.StatusTemporaryRedirect {
		to, err := leaderIn(resp.Header.Get("Location"), c.scheme)
		return &redirect{to, err}
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxWords)) // what there is of it
	words := oneLine(string(body))
	switch {
	case code == http.StatusUnauthorized:
		return &Refused{Addr: addr, Status: code, Realm: realm(resp.Header.Get("WWW-Authenticate")), Message: words}
	case code == http.StatusForbidden, code == http.StatusBadRequest && aboutSubscription(words):
		return &NotSubscribed{Addr: addr, Status: code, Message: words}
	case code == http.StatusNotFound, code == http.StatusRequestTimeout, code == http.StatusTooManyRequests:
		// 404 is what a master says while it starts (src/scheduler/scheduler.cpp).
	case code >= 400 && code < 500:
		return &Refused{Addr: addr, Status: code, Message: words}
	}
	return &Unreachable{Addr: addr, Err: errors.New("answered " + status(code, words))}
}

// aboutSubscription tells a 400 that means "subscribe again" by its words, as
// the code does not.
func aboutSubscription(words string) bool {
	words = strings.ToLower(words)
	return strings.Contains(words, "framework cannot be found") ||
		strings.Contains(words, "mesos-stream-id") || strings.Contains(words, "stream id")
}

// realm reads the realm of a challenge such as: Basic realm="mesos-master-scheduler"
func realm(challenge string) string {
	_, rest, ok := strings.Cut(challenge, "realm=")
	if !ok {
		return ""
	}
	if quoted, isQuoted := strings.CutPrefix(rest, `"`); isQuoted {
		rest, _, _ = strings.Cut(quoted, `"`)
	} else {
		rest, _, _ = strings.Cut(rest, ",")
	}
	return oneLine(rest)
}
