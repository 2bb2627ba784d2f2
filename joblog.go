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

	"golang.org/x/sys/unix"

	"cmdq/scheduler"
	"cmdq/task"
)

// joblog writes a line of JSON for every task that ends.
type joblog struct {
	path    string
	file    *os.File
	regular bool    // a pipe or a terminal can be neither cut nor read again
	pipe    *outlet // to what is not regular: its reader may stop
	torn    bool    // its last line is, for a disk that was full
	pending []byte  // what could not be written yet
	most    int     // bytes of it
	short   bool    // there was more: the file lacks ends that are not pending either
}

// maxPending bounds what waits for a disk or a reader, in bytes. What does not fit
// is appended at the end of the run, or by the next start: both compare the file
// with the tasks.
const maxPending = 64 << 20

// begin begins the file anew.
func (j *joblog) begin() error {
	if !j.regular {
		return nil
	}
	if err := j.file.Truncate(0); err != nil {
		return fmt.Errorf("joblog: %w", err)
	}
	return nil
}

// goOn takes up the file of a run that goes on: a torn last line is cut, and the
// ends that the journal knows and the file lacks are appended; lines are of ends
// that tasks do not show any more.
func (j *joblog) goOn(lines []string, tasks iter.Seq[*task.Task]) error {
	written, err := j.read()
	if err != nil {
		return err
	}
	for _, line := range lines {
		if e, ok := endIn([]byte(line)); ok && !written[e] {
			j.pending = append(j.pending, line...)
		}
	}
	return j.append(missing(tasks, written))
}

// openJoblog opens the file, to append to it; what is in it stays. Two runs
// cannot have the same one. It waits for nobody: a pipe without a reader is an
// error. Where the path is our own standard output or error, that is what is
// written to, so that lines and summary do not overwrite each other.
func openJoblog(path string) (*joblog, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, fmt.Errorf("joblog: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("joblog: %w", err), f.Close())
	}
	for _, own := range []*os.File{os.Stdout, os.Stderr} {
		if its, err := own.Stat(); err == nil && os.SameFile(info, its) && own.Fd() != f.Fd() {
			return &joblog{path: path, file: own, most: maxPending, pipe: newOutlet(own, maxPending+maxWaiting, false)}, f.Close()
		}
	}
	j := &joblog{path: path, file: f, regular: info.Mode().IsRegular(), most: maxPending}
	if j.regular {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("another run writes %s", path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("joblog: %w", err), f.Close())
	}
	if !j.regular {
		j.pipe = newOutlet(f, maxPending+maxWaiting, false)
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

// read finds the ends in the file, and cuts a torn last line. Lines that are not
// ours are left alone.
func (j *joblog) read() (map[end]bool, error) {
	written := map[end]bool{}
	if !j.regular {
		return written, nil
	}
	f, err := os.Open(j.path)
	if err != nil {
		return nil, fmt.Errorf("joblog: %w", err)
	}
	defer f.Close() // it was only read
	size := int64(0)
	in := bufio.NewReaderSize(f, 64<<10)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("joblog: %w", err)
		}
		size += int64(len(line))
		if e, ok := endIn(line); ok {
			written[e] = true
		}
	}
	if err := j.file.Truncate(size); err != nil {
		return nil, fmt.Errorf("joblog: %w", err)
	}
	return written, nil
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
		if len(j.pending) > j.most {
			if err := j.flush(); err != nil {
				j.short = true
				return err
			}
		}
		line, err := lineOf(t).encode()
		if err != nil {
			return err
		}
		j.pending = append(j.pending, line...)
	}
	return j.flush()
}

// flush writes what waits. What a full disk tore of a line is cut off; if it
// cannot be, it is ended before the next one, which then stands there whole.
func (j *joblog) flush() error {
	if len(j.pending) == 0 {
		return nil
	}
	if j.pipe != nil {
		_, _ = j.pipe.Write(j.pending) // an outlet never fails
		j.pending = j.pending[:0]
		return nil
	}
	text := j.pending
	if j.torn {
		text = append([]byte("\n"), text...)
	}
	n, err := j.file.Write(text)
	if err == nil {
		j.pending, j.torn = j.pending[:0], false
		return nil
	}
	if n > 0 {
		whole := bytes.LastIndexByte(text[:n], '\n') + 1
		j.pending = text[whole:]
		j.torn = n > whole && !j.cut(int64(n-whole))
	}
	return fmt.Errorf("joblog: %w", err)
}

// cut takes the last so many bytes off the file, if that can be done.
func (j *joblog) cut(n int64) bool {
	info, err := j.file.Stat()
	return err == nil && j.regular && info.Size() >= n && j.file.Truncate(info.Size()-n) == nil
}

// complete writes all that is not written yet: after it no end of a task is
// missing.
func (j *joblog) complete(lines []string, tasks iter.Seq[*task.Task]) error {
	if err := j.flush(); err != nil || !j.short {
		return err
	}
	j.short = false
	return j.goOn(lines, tasks)
}

// behind tells whether something could not be written yet.
func (j *joblog) behind() bool { return len(j.pending) > 0 }

// close gives the file back, unless it is that of everybody. A reader of a pipe
// has time; who cannot wait for it asks twice.
func (j *joblog) close() error {
	if j.pipe != nil {
		j.pipe.close(time.Hour)
	}
	if j.file == os.Stdout || j.file == os.Stderr {
		return nil
	}
	return j.file.Close()
}
