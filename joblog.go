package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"cmdq/scheduler"
	"cmdq/task"
)

// joblog writes a line of JSON for every task that ends.
type joblog struct {
	file *os.File
	w    *bufio.Writer
}

// jobLine is one line of the joblog. Times are those of the status updates.
type jobLine struct {
	ID        task.ID `json:"id"`
	State     string  `json:"state"`
	Attempts  int     `json:"attempts"` // launches that may have run
	ExitCode  *int    `json:"exit_code,omitempty"`
	Signal    string  `json:"signal,omitempty"`
	Reason    string  `json:"reason,omitempty"`
	Message   string  `json:"message,omitempty"`
	Agent     string  `json:"agent,omitempty"`
	Host      string  `json:"host,omitempty"`
	Submitted string  `json:"submitted"`
	Started   string  `json:"started,omitempty"` // of the last attempt
	Ended     string  `json:"ended"`
}

// createJoblog begins the file anew.
func createJoblog(path string) (*joblog, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("joblog: %w", err)
	}
	return &joblog{f, bufio.NewWriter(f)}, nil
}

// add writes the ends among these records.
func (j *joblog) add(records []scheduler.Record) error {
	enc := json.NewEncoder(j.w)
	enc.SetEscapeHTML(false)
	for _, r := range records {
		if r.Kind != scheduler.Ended {
			continue
		}
		if err := enc.Encode(lineOf(&r.Task)); err != nil {
			return fmt.Errorf("joblog: %w", err)
		}
	}
	if err := j.w.Flush(); err != nil {
		return fmt.Errorf("joblog: %w", err)
	}
	return nil
}

func (j *joblog) close() error { return j.file.Close() }

func lineOf(t *task.Task) jobLine {
	line := jobLine{ID: t.ID, State: t.State.String(), Attempts: t.Attempts, Reason: t.End.Reason, Message: t.End.Message,
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
