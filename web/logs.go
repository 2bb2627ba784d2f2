package web

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// The streams of a command.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

// LogRequest asks for what a command wrote:
//
//	GET /v1/tasks/{id}/logs?stream=stdout|stderr&attempt=N&tail=N&follow=1
//	GET /v1/tasks/{id}/logs?stream=stdout|stderr&launch=NAME&from=N&follow=1
//
// Every parameter may be left out.
type LogRequest struct {
	Task    string
	Stream  string // Stdout, or Stderr; empty is Stdout
	Attempt int    // from 1; 0 is the last one
	Tail    int    // that many lines from the end; All is everything
	Follow  bool   // go on with what it writes, until it has ended

	// Launch and From are for who goes on with an Output that broke off.
	Launch string // as Output.Launch says it, and no other; empty: any
	From   int64  // so many bytes at its beginning are left out
}

// All is the Tail of who wants everything.
const All = -1

// Output is what a command wrote, on its way.
type Output struct {
	io.ReadCloser
	Launch string // names the launch, in all runs; empty: it is not known
	From   int64  // where in the file it begins; negative: it is not known
}

// Logs is where the output of commands comes from.
type Logs interface {
	// Log opens the output of a command. It does not wait for any of it, but may
	// look for a moment where the last lines begin. The
	// reader ends with io.EOF when there is no more to come; when ctx ends, so
	// does a Read that waits. What is not there is a NotFound, from Log or from
	// Read.
	Log(ctx context.Context, r LogRequest) (*Output, error)
}

// What is said before the output, so that who was cut off can go on.
const (
	launchHeader = "Cmdq-Launch"
	fromHeader   = "Cmdq-From"
)

// endTrailer comes behind the output: endWhole, or the error that cut it short,
// as JSON. Without it a stream that broke off would look like one that ended.
const (
	endTrailer = "Cmdq-End"
	endWhole   = "whole"
)

// getLog streams what a command wrote, byte by byte, as it comes. On the control
// socket it waits for a slow reader as a pipe does: who reads has stopped on
// purpose. Over TCP it does not: there a reader may have gone.
func (a *API) getLog(w http.ResponseWriter, r *http.Request) error {
	if !r.ProtoAtLeast(1, 1) {
		return BadRequest("HTTP/1.1 is needed, to tell that the output is whole")
	}
	id, err := idOf(r)
	if err != nil {
		return err
	}
	request, err := parseLogRequest(id, r.URL.RawQuery)
	if err != nil {
		return err
	}
	to := &logWriter{ResponseWriter: w, control: http.NewResponseController(w)}
	if callerOf(r.Context()).remote {
		to.stall = logStall
		select {
		case a.logs <- struct{}{}:
			defer func() { <-a.logs }()
		default:
			return Busy("too many read logs already")
		}
	}
	output, err := a.Logs.Log(r.Context(), request)
	if err != nil {
		return err
	}
	defer output.Close()
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Trailer", endTrailer)
	if output.Launch != "" {
		h.Set(launchHeader, output.Launch)
	}
	if output.From >= 0 {
		h.Set(fromHeader, strconv.FormatInt(output.From, 10))
	}
	w.WriteHeader(http.StatusOK)
	if to.flush() != nil {
		return nil // the client has gone
	}
	if err, gone := stream(to, output); gone {
		return nil
	} else if err != nil {
		text := marshal(errorBody{a.tell(r.Context(), err)})
		h.Set(endTrailer, string(bytes.TrimSpace(text)))
	} else {
		h.Set(endTrailer, endWhole)
	}
	return nil
}

// logStall is how long a reader over TCP may take nothing of what there is.
const logStall = time.Minute

// logWriter sends what it is given at once.
type logWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration // that a client may take nothing; 0: any time
}

func (l *logWriter) Write(p []byte) (int, error) {
	var due time.Time
	if l.stall > 0 {
		due = time.Now().Add(l.stall)
	}
	_ = l.control.SetWriteDeadline(due) // fails where writing will
	n, err := l.ResponseWriter.Write(p)
	if err == nil {
		err = l.control.Flush()
	}
	return n, err
}

func (l *logWriter) flush() error {
	_, err := l.Write(nil)
	return err
}

// stream copies what comes, at once. gone tells that there is nobody to write to.
func stream(to io.Writer, from io.Reader) (err error, gone bool) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return nil, true
			}
		}
		if err == io.EOF {
			return nil, false
		}
		if err != nil {
			return err, false
		}
	}
}

// parseLogRequest reads the query of a request. What it does not know is an
// error: it may be a slip.
func parseLogRequest(task, query string) (LogRequest, error) {
	r := LogRequest{Task: task, Stream: Stdout, Tail: All}
	values, err := url.ParseQuery(query)
	if err != nil {
		return r, BadRequest("the query cannot be read")
	}
	for name, given := range values {
		value := given[0]
		if len(given) > 1 {
			return r, BadRequest("%s is given %d times", cut(name, 50), len(given))
		}
		var ok bool
		switch name {
		case "stream":
			r.Stream, ok = value, value == Stdout || value == Stderr
		case "attempt":
			r.Attempt, ok = number(value, 1)
		case "tail":
			r.Tail, ok = number(value, 0)
		case "follow":
			r.Follow, ok = value == "1", value == "1" || value == "0"
		case "launch":
			r.Launch, ok = value, value != ""
		case "from":
			r.From, err = strconv.ParseInt(value, 10, 64)
			ok = err == nil && r.From >= 0
		default:
			return r, BadRequest("there is no parameter %s; want stream, attempt, tail, follow, launch or from", cut(name, 50))
		}
		if !ok {
			return r, BadRequest("%s=%s makes no sense", name, cut(value, 50))
		}
	}
	return r, nil
}

func number(text string, least int) (int, bool) {
	n, err := strconv.ParseInt(text, 10, 32)
	return int(n), err == nil && int(n) >= least
}

// query is what parseLogRequest reads.
func (r LogRequest) query() string {
	q := url.Values{}
	if r.Stream != "" {
		q.Set("stream", r.Stream)
	}
	if r.Attempt != 0 {
		q.Set("attempt", strconv.Itoa(r.Attempt))
	}
	if r.Tail != All {
		q.Set("tail", strconv.Itoa(r.Tail))
	}
	if r.Follow {
		q.Set("follow", "1")
	}
	if r.Launch != "" {
		q.Set("launch", r.Launch)
	}
	if r.From > 0 {
		q.Set("from", strconv.FormatInt(r.From, 10))
	}
	return q.Encode()
}
