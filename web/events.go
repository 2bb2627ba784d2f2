package web

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"
)

// How a reader of events is kept.
const (
	heartbeat  = 15 * time.Second // between signs of life
	eventStall = 10 * time.Second // until a reader that takes nothing is cut off
	retryAfter = 2 * time.Second  // until a browser asks again
)

// getEvents streams what changes as server-sent events, whose names are task,
// status and reset, and whose data is an Event. The first is the status.
func (a *API) getEvents(w http.ResponseWriter, r *http.Request) error {
	most := maxReaders
	if !callerOf(r.Context()).remote {
		most *= 2
	}
	last := r.Header.Get("Last-Event-ID")
	at, resumed, err := a.Hub.join(last, most)
	if err != nil {
		return err
	}
	defer a.Hub.leave()
	s, err := timely(r, a.getStatus)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // a proxy passes it on at once
	reader := &eventReader{hub: a.Hub, w: w, control: http.NewResponseController(w)}
	if reader.begin(s, at, last != "" && !resumed) == nil {
		reader.follow(r.Context(), at)
	}
	return nil
}

// eventReader writes events to a client.
type eventReader struct {
	hub     *Hub
	w       http.ResponseWriter
	control *http.ResponseController
}

// begin sends the status, with the place of which it is; lost: some events
// before that were missed.
func (e *eventReader) begin(s Status, at uint64, lost bool) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "retry: %d\n", retryAfter.Milliseconds())
	writeEvent(&b, Event{Status: brief(&s)})
	if lost {
		writeEvent(&b, Event{Reset: true})
	}
	return e.write(e.hub.end(b.Bytes(), at-1))
}

// follow sends what comes until the client goes, or stops taking it, or there is
// no more to come.
func (e *eventReader) follow(ctx context.Context, at uint64) {
	timer := time.NewTicker(heartbeat)
	defer timer.Stop()
	for {
		texts, next, lost, wake := e.hub.read(at)
		at = next
		switch {
		case lost:
			texts = []chunk{e.hub.end(encode([]Event{{Reset: true}}, nil), at-1)}
		case len(texts) == 0 && wake == nil:
			return
		case len(texts) == 0:
			select {
			case <-wake:
				continue
			case <-timer.C:
				texts = []chunk{chunk(":\n\n")}
			case <-ctx.Done():
				return
			}
		}
		if e.write(texts...) != nil {
			return
		}
	}
}

func (e *eventReader) write(texts ...chunk) error {
	_ = e.control.SetWriteDeadline(time.Now().Add(eventStall)) // fails where writing will
	for _, text := range texts {
		if _, err := e.w.Write(text); err != nil {
			return err
		}
	}
	return e.control.Flush()
}
