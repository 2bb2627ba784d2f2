package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"

	"cmdq/notice"
	"cmdq/scheduler"
	"cmdq/store"
	"cmdq/task"
)

// Bounds of what is owed at a time. All of it is written whenever anything of the
// run is, and a receiver that is away for a day is no reason to hold up a queue.
const (
	maxOwed      = 1000
	maxOwedBytes = 1 << 20 // of texts, addresses and commands
)

// owing is the run with one more notice owed, unless that would be too many.
func owing(run store.Run, r scheduler.Record) store.Run {
	if len(run.Notices) == maxOwed {
		return run
	}
	o, err := notice.Owe(r.Notice.To, messageOf(run, r), r.At)
	if err != nil {
		panic("journal: " + err.Error()) // texts and numbers
	}
	n := store.Notice{ID: o.ID, Kind: o.Kind, Command: o.Notice.Command, URL: o.Notice.URL, Body: o.Body, Since: o.Since, Next: o.Next}
	size := sizeOf(n)
	for _, other := range run.Notices {
		size += sizeOf(other)
	}
	if size <= maxOwedBytes {
		run.Notices = append(slices.Clip(run.Notices), n)
	}
	return run
}

func sizeOf(n store.Notice) int { return len(n.Command) + len(n.URL) + len(n.Body) }

// tried is the run after something became of the delivery of a notice.
func tried(run store.Run, d scheduler.Delivery) store.Run {
	run.Notices = slices.Clone(run.Notices)
	i := slices.IndexFunc(run.Notices, func(n store.Notice) bool { return n.ID == d.ID })
	switch {
	case i < 0: // it was delivered by another start
	case d.Over:
		run.Notices = slices.Delete(run.Notices, i, i+1)
	default:
		run.Notices[i].Tries, run.Notices[i].Next = d.Tries, d.Next
	}
	return run
}

// owedOf are notices of the journal for who delivers them.
func owedOf(kept []store.Notice) []notice.Owed {
	var owed []notice.Owed
	for _, n := range kept {
		owed = append(owed, notice.Owed{ID: n.ID, Kind: n.Kind, Notice: task.Notice{Command: n.Command, URL: n.URL}, Body: n.Body,
			Tries: n.Tries, Since: n.Since, Next: n.Next})
	}
	return owed
}

// messageOf is what a notice says.
func messageOf(run store.Run, r scheduler.Record) notice.Message {
	n := r.Notice
	m := notice.Message{ID: n.ID, Kind: notice.Finish, Group: n.Group, File: run.File, Framework: n.Framework,
		Began: notice.Stamp(run.Began), At: notice.Stamp(r.At), States: map[string]int{}}
	for state, of := range n.States {
		if m.Tasks += of; of > 0 {
			m.States[task.State(state).String()] = of
		}
	}
	file := filepath.Base(run.File)
	if run.File == "-" {
		file = "standard input"
	}
	if n.Cause == scheduler.FirstFailed {
		m.Kind, m.Task = notice.Failure, failedOf(n.Failed)
		m.Text = fmt.Sprintf("cmdq: %s failed%s (%s)", n.Failed.ID, whyFailed(n.Failed.End), file)
		return m
	}
	m.Text = fmt.Sprintf("cmdq: %s ended: %d finished, %d failed, %d killed (%s)", count(m.Tasks, "task"),
		n.States[task.Finished], n.States[task.Failed], n.States[task.Killed], file)
	if n.Group != "" {
		m.Text = fmt.Sprintf("cmdq: group %s: %s", n.Group, m.Text[len("cmdq: "):])
	}
	return m
}

func failedOf(t *task.Task) *notice.Failed {
	line := lineOf(t)
	return &notice.Failed{ID: string(line.ID), Reason: line.Reason, Message: line.Message, ExitCode: line.ExitCode, Signal: line.Signal,
		Host: line.Host, Stderr: line.Stderr}
}

// whyFailed is the shortest way to say it.
func whyFailed(e *task.End) string {
	switch {
	case e.Exit.Signal != "":
		return ": signal " + e.Exit.Signal
	case e.Exit.Known && e.Exit.Code != 0:
		return fmt.Sprintf(": exit status %d", e.Exit.Code)
	case e.Message != "":
		return ": " + e.Message
	case e.Reason != "":
		return ": " + e.Reason
	}
	return ""
}

// fileOf is the tasks file that a notice is about, which may be that of an
// earlier run; empty if it came from standard input.
func fileOf(o notice.Owed) string {
	var m notice.Message
	if json.Unmarshal(o.Body, &m) != nil || !filepath.IsAbs(m.File) {
		return ""
	}
	return m.File
}
