package notice

import (
	"encoding/json"
	"fmt"
	"time"

	"cmdq/task"
)

// The kinds of notices.
const (
	Finish  = "finish"  // every task of the run, or of the group, has ended
	Failure = "failure" // the first one has failed for good
)

// Message is the JSON that a notice carries. "text" is what chat programs show of
// a JSON that is posted to them.
type Message struct {
	ID        string         `json:"id"` // the same for every try: who gets one twice sees that by it
	Kind      string         `json:"kind"`
	Text      string         `json:"text"`            // one sentence
	Group     string         `json:"group,omitempty"` // empty: the whole run
	File      string         `json:"file"`            // the tasks file
	Framework string         `json:"framework,omitempty"`
	Began     string         `json:"began"` // when the run did; RFC 3339 in UTC
	At        string         `json:"at"`    // when it came to this
	Tasks     int            `json:"tasks"`
	States    map[string]int `json:"states"`         // tasks by state, those of the group if it is about one
	Task      *Failed        `json:"task,omitempty"` // of a failure: who failed
}

// Failed is the task that a notice of a failure is about.
type Failed struct {
	ID       string `json:"id"`
	Reason   string `json:"reason,omitempty"`
	Message  string `json:"message,omitempty"`
	ExitCode *int   `json:"exit_code,omitempty"`
	Signal   string `json:"signal,omitempty"`
	Host     string `json:"host,omitempty"`
	Stderr   string `json:"stderr_tail,omitempty"`
}

// Stamp writes a time as messages do.
func Stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// Owe makes a notice of a message, to be delivered from now on.
func Owe(to task.Notice, m Message, now time.Time) (Owed, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return Owed{}, fmt.Errorf("notice %s: %w", m.ID, err)
	}
	return Owed{ID: m.ID, Kind: m.Kind, Notice: to, Body: body, Since: now, Next: now}, nil
}
