// Package sandbox finds, reads, follows and fetches what launches of tasks left
// behind on the cluster: the files of their sandboxes.
//
// Sandboxes are read through the agents that hold them, or from the disk of this
// machine once the embedded Mesos that made them has ended. The one thing here
// that lives for long is a Collector; what waits in it is its own. Everything
// else is calls that return.
//
// What an agent says is not trusted: names, sizes and contents are checked and
// bounded, and nothing is written but below the place that the caller named. The
// package never decides what the outcome means for a task.
package sandbox

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Launch names one launch of a task on the cluster.
type Launch struct {
	Framework string // framework id it was made under
	Agent     string // agent id
	Executor  string // id of the cmdq executor it was sent to; empty: Mesos' command executor
	Task      string // Mesos task id
}

// executor is the id of the executor that the sandbox belongs to. For a command
// executor Mesos takes that of the task (src/slave/slave.cpp, getExecutorInfo).
func (l Launch) executor() string {
	if l.Executor == "" {
		return l.Task
	}
	return l.Executor
}

// below is where the launch's own directory is in that sandbox, as a path; empty
// is the sandbox itself. cmdq's executor gives each task a directory.
func (l Launch) below() string {
	if l.Executor == "" {
		return ""
	}
	return "tasks/" + l.Task
}

// virtual is the launch's directory by the name that every agent has for it
// (Mesos: src/slave/paths.cpp, getExecutorVirtualPath).
func (l Launch) virtual() string {
	dir := "/frameworks/" + l.Framework + "/executors/" + l.executor() + "/runs/latest"
	if below := l.below(); below != "" {
		dir += "/" + below
	}
	return dir
}

// check refuses a launch whose ids are no ids: they become parts of paths.
func (l Launch) check() error {
	for _, id := range []string{l.Framework, l.Agent, l.executor(), l.Task} {
		if err := checkName(id); err != nil {
			return refused("id %.300q: %v", id, err)
		}
		if strings.ContainsFunc(id, unicode.IsControl) {
			return refused("id %.300q: it holds control characters", id)
		}
	}
	return nil
}

// maxName is the longest name of a file on Linux, in bytes.
const maxName = 255

// checkName refuses what cannot be the name of one file: it might lead elsewhere.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("an empty name")
	case name == "." || name == "..":
		return errors.New("not a name of its own")
	case len(name) > maxName:
		return fmt.Errorf("longer than %d bytes", maxName)
	case strings.ContainsAny(name, "/\x00"):
		return errors.New("a path and no name")
	}
	return nil
}

// checkPath refuses a path that is not relative, clean and made of names. Empty
// is the directory itself.
func checkPath(path string) error {
	if path == "" {
		return nil
	}
	if len(path) > maxPath {
		return refused("a path longer than %d bytes", maxPath)
	}
	for part := range strings.SplitSeq(path, "/") {
		if err := checkName(part); err != nil {
			return refused("path %.300q: %v", path, err)
		}
	}
	return nil
}

// maxPath bounds a path within a sandbox, in bytes, as Linux does.
const maxPath = 4096
