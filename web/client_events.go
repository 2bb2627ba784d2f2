package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// Events are what changes, as it comes. It may be used by one goroutine.
type Events struct {
	answer *answer
	lines  *bufio.Scanner
}

// Events asks for what changes from now on; the first is the status. So who then
// asks for a list misses nothing. A Reset says that something was left out: ask
// again. When ctx ends, so does a Next that waits.
func (c *Client) Events(ctx context.Context) (*Events, error) {
	a, err := c.get(ctx, "/v1/events")
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(a)
	lines.Buffer(make([]byte, 0, 16<<10), maxKept)
	return &Events{a, lines}, nil
}

// Next waits for the next event. It is io.EOF when cmdq has ended and told all.
func (e *Events) Next() (Event, error) {
	for e.lines.Scan() {
		data, ok := bytes.CutPrefix(e.lines.Bytes(), []byte("data: "))
		if !ok {
			continue // its name, its id, a sign of life
		}
		var event Event
		if err := json.Unmarshal(data, &event); err != nil {
			return Event{}, fmt.Errorf("read what cmdq sends: %w", err)
		}
		return event, nil
	}
	if err := e.lines.Err(); err != nil {
		return Event{}, fmt.Errorf("read what cmdq sends: %w", err)
	}
	return Event{}, io.EOF
}

// Close hangs up.
func (e *Events) Close() error { return e.answer.Close() }
