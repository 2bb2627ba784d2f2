package web

import (
	"context"
	"net/http"
	"time"
)

// pace is how slow the other end may be: something moves within every stall, and
// on average so many bytes a second. So a connection is held for a time that the
// size of the file or body bounds.
type pace struct {
	stall time.Duration
	rate  int64 // bytes a second, after the first stall
}

var (
	defaultPace = pace{stall: time.Minute, rate: 8 << 10}      // of who reads a file
	bodyPace    = pace{stall: 15 * time.Second, rate: 8 << 10} // of who sends a body
)

// most is the time that so many bytes may take in all.
func (p pace) most(bytes int64) time.Duration {
	return p.stall + time.Duration(bytes/p.rate)*time.Second
}

// due is when the next bytes must have moved, of a transfer that has moved so
// many since it began.
func (p pace) due(began time.Time, moved int64) time.Time {
	due := time.Now().Add(p.stall)
	if slowest := began.Add(p.most(moved)); slowest.Before(due) {
		return slowest
	}
	return due
}

// writer answers a request at this pace, until the request's context ends.
func (p pace) writer(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	return &paced{ResponseWriter: w, pace: p, ctx: r.Context(), control: http.NewResponseController(w), began: time.Now()}
}

type paced struct {
	http.ResponseWriter
	pace
	ctx     context.Context
	control *http.ResponseController
	began   time.Time
	sent    int64
}

// Write moves the deadline before it writes. It has no ReadFrom beside it, so
// io.Copy comes here with some 32 KB each time.
func (p *paced) Write(data []byte) (int, error) {
	if p.ctx.Err() != nil {
		return 0, context.Cause(p.ctx)
	}
	_ = p.control.SetWriteDeadline(p.due(p.began, p.sent)) // fails where writing will
	n, err := p.ResponseWriter.Write(data)
	p.sent += int64(n)
	return n, err
}
