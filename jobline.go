package main

import (
	"bytes"
	"fmt"
	"time"

	"cmdq/task"
)

// jobLine is one line of the joblog. Times are those of the status updates.
type jobLine struct {
	ID        task.ID `json:"id"`
	State     string  `json:"state"`
	Attempts  int     `json:"attempts"` // launches that may have run
	ExitCode  *int    `json:"exit_code,omitempty"`
	Signal    string  `json:"signal,omitempty"`
	Reason    string  `json:"reason,omitempty"`
	Message   string  `json:"message,omitempty"`
	Stderr    string  `json:"stderr_tail,omitempty"` // the last lines of standard error, of a failed task
	Agent     string  `json:"agent,omitempty"`
	Host      string  `json:"host,omitempty"`
	Submitted string  `json:"submitted"`
	Started   string  `json:"started,omitempty"` // of the last attempt
	Ended     string  `json:"ended"`
}

func (l jobLine) encode() ([]byte, error) {
	var buf bytes.Buffer
	if err := writeJSON(&buf, l); err != nil {
		return nil, fmt.Errorf("joblog: %w", err)
	}
	return buf.Bytes(), nil
}

func lineOf(t *task.Task) jobLine {
	line := jobLine{ID: t.ID, State: t.State.String(), Attempts: t.Attempts, Reason: t.End.Reason, Message: t.End.Message,
		Stderr: t.End.Stderr,
		Signal: t.End.Exit.Signal, Submitted: stamp(t.Submitted), Ended: stamp(t.End.At)}
	if t.End.Exit.Known && t.End.Exit.Signal == "" {
		line.ExitCode = &t.End.Exit.Code
	}
	a := t.Attempt(t.End.Launch)
	if a == nil {
		a = t.Current()
	}
	if a != nil {
		line.Agent, line.Host = a.Agent, a.Host
		if !a.Started.IsZero() {
			line.Started = stamp(a.Started)
		}
	}
	return line
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
