package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"cmdq/scheduler"
	"cmdq/task"
)

// joblog writes a line of JSON for every task that ends.
type joblog struct {
	file    *os.File
	regular bool   // a pipe or a terminal can be neither cut nor read again
	size    int64  // of what was written whole
	pending []byte // what could not be written yet
}

// maxPending bounds what waits for a disk, in bytes. What does not fit is
// appended by the next start, which compares the file with the journal.
const maxPending = 64 << 20

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
	return openedJoblog(f)
}

// openedJoblog is the joblog of an open file.
func openedJoblog(f *os.File) (*joblog, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("joblog: %w", err), f.Close())
	}
	return &joblog{file: f, regular: info.Mode().IsRegular()}, nil
}

// continueJoblog goes on with the file of a run that goes on: a torn last line
// is cut, and the ends that the journal knows and the file lacks are appended;
// lines are of ends that tasks do not show any more.
func continueJoblog(path string, lines []string, tasks iter.Seq[*task.Task]) (*joblog, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("joblog: %w", err)
	}
	j, err := openedJoblog(f)
	if err != nil {
		return nil, err
	}
	written, err := j.read()
	if err == nil {
		for _, line := range lines {
			if e, ok := endIn([]byte(line)); ok && !written[e] {
				j.pending = append(j.pending, line...)
			}
		}
		err = j.append(missing(tasks, written))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

// end is what tells one end of a task from another one.
type end struct {
	id           task.ID
	state, ended string
}

func endIn(line []byte) (end, bool) {
	var l jobLine
	err := json.Unmarshal(line, &l)
	return end{l.ID, l.State, l.Ended}, err == nil
}

// read finds the ends in the file, and where its last whole line ends. Lines
// that are not ours are left alone.
func (j *joblog) read() (map[end]bool, error) {
	written := map[end]bool{}
	if !j.regular {
		return written, nil
	}
	in := bufio.NewReaderSize(j.file, 64<<10)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return written, nil
		}
		if err != nil {
			return nil, fmt.Errorf("joblog: %w", err)
		}
		j.size += int64(len(line))
		if e, ok := endIn(line); ok {
			written[e] = true
		}
	}
}

// missing are the tasks whose end is not among those written, in file order.
func missing(tasks iter.Seq[*task.Task], written map[end]bool) []*task.Task {
	var out []*task.Task
	for t := range tasks {
		if t.State.Terminal() && !written[end{t.ID, t.State.String(), stamp(t.End.At)}] {
			out = append(out, t)
		}
	}
	bySeq(out)
	return out
}

// add writes the ends among these records.
func (j *joblog) add(records []scheduler.Record) error {
	var ended []*task.Task
	for _, r := range records {
		if r.Kind == scheduler.Ended {
			ended = append(ended, r.Task)
		}
	}
	if len(ended) == 0 {
		return nil
	}
	return j.append(ended)
}

// append writes a line a task. What cannot be written waits for the next time,
// and a line is never left torn before another one.
func (j *joblog) append(ended []*task.Task) error {
	for _, t := range ended {
		if len(j.pending) > maxPending {
			break
		}
		line, err := lineOf(t).encode()
		if err != nil {
			return err
		}
		j.pending = append(j.pending, line...)
	}
	if err := j.write(); err != nil {
		return fmt.Errorf("joblog: %w", err)
	}
	j.size += int64(len(j.pending))
	j.pending = j.pending[:0]
	return nil
}

func (j *joblog) write() error {
	if !j.regular {
		_, err := j.file.Write(j.pending)
		return err
	}
	if err := j.file.Truncate(j.size); err != nil {
		return err
	}
	_, err := j.file.WriteAt(j.pending, j.size)
	return err
}

func (j *joblog) close() error { return j.file.Close() }

func (l jobLine) encode() ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(l); err != nil {
		return nil, fmt.Errorf("joblog: %w", err)
	}
	return buf.Bytes(), nil
}

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
