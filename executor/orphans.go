package executor

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// directoryVariable is in the environment of every command, and so in that of
// all it starts, unless that takes care not to have it. It says whose a process
// is that has left its group.
const directoryVariable = "MESOS_DIRECTORY"

// orphans are the children of our first thread: what commands left behind.
// Commands themselves are another thread's children.
func orphans() []int {
	self := strconv.Itoa(os.Getpid())
	text, err := os.ReadFile("/proc/self/task/" + self + "/children")
	if err != nil {
		return adopted(self) // a kernel without CONFIG_PROC_CHILDREN
	}
	var pids []int
	for _, field := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(field); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// adopted finds them by looking at all processes. It cannot tell orphans from
// leaders, of which it finds those that lead the group of their own pid.
func adopted(self string) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		// "pid (name) state ppid pgrp …", and the name may hold anything.
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) > 3 && fields[1] == self && fields[2] != e.Name() {
			pids = append(pids, pid)
		}
	}
	return pids
}

// trace is what can be seen of a process.
type trace struct {
	alive bool
	clear bool   // it has an environment; else it is in the middle of an exec or of its end, or hides
	dir   string // of the command it belongs to; "": it does not say
}

// endOrphan kills an orphan if it is meant, and tells whether it did; unclear
// asks for another look.
func endOrphan(pid int, ours func(trace) bool) (killed, unclear bool) {
	fd, err := unix.PidfdOpen(pid, 0) // first: then the pid cannot become another's
	if err != nil {
		return false, false
	}
	defer unix.Close(fd)
	t := traceOf(pid)
	switch {
	case !t.alive:
		return false, false
	case ours(t):
		return unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == nil, false
	}
	return false, !t.clear
}

// traceOf looks at a process (proc(5)).
func traceOf(pid int) trace {
	proc := "/proc/" + strconv.Itoa(pid)
	env, err := os.ReadFile(proc + "/environ")
	if err == nil && len(env) > 0 {
		for _, v := range strings.Split(string(env), "\x00") {
			if dir, ok := strings.CutPrefix(v, directoryVariable+"="); ok {
				return trace{alive: true, clear: true, dir: dir}
			}
		}
		return trace{alive: true, clear: true}
	}
	text, err := os.ReadFile(proc + "/stat")
	if err != nil {
		return trace{}
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // behind "pid (name)"
	return trace{alive: len(fields) > 0 && fields[0] != "Z" && fields[0] != "X"}
}
