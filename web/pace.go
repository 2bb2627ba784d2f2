package web

import (
	"context"
	"net/http"
	"time"
)

// pace is how slow a reader may be: it takes something within every stall, and
// on average so many bytes a second. So it holds a connection for a time that
// the size of the file bounds.
type pace struct {
	stall time.Duration
	rate  int64 // bytes a second, after the first stall
}

var defaultPace = pace{stall: time.Minute, rate: 8 << 10}

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
	due := time.Now().Add(p.stall)
	if slowest := p.began.Add(p.stall + time.Duration(p.sent/p.rate)*time.Second); slowest.Before(due) {
		due = slowest
	}
	_ = p.control.SetWriteDeadline(due) // fails where writing will
	n, err := p.ResponseWriter.Write(data)
	p.sent += int64(n)
	return n, err
}
