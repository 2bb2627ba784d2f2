package local

import (
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// owners says for each process below us whose it is, by the first of these
// that gives an answer; 0: nobody knows.
//
//  1. it is a leader
//  2. its mark
//  3. what an earlier look found
//  4. its session is the leader's
//  5. its parent's owner
//  6. the name in its environment
//  7. its directory or an open file is in the command's directory
func (w *warden) owners(below procTable) map[int]uint32 {
	sessions := make(map[int]uint32, len(w.wards))
	for seq, c := range w.wards {
		sessions[c.pid] = seq
	}
	owner := make(map[int]uint32, len(below))
	known := make(map[procKey]uint32, len(below))
	var find func(p procStat) uint32
	find = func(p procStat) uint32 {
		if seq, done := owner[p.pid]; done {
			return seq
		}
		owner[p.pid] = 0 // no loops
		seq := w.evidence(p, sessions)
		if parent, there := below[p.parent]; seq == 0 && there {
			seq = find(parent)
		}
		if seq == 0 && !w.unborn(p) {
			seq = w.circumstance(p)
		}
		owner[p.pid] = seq
		if seq != 0 {
			known[p.procKey] = seq
		}
		return seq
	}
	for _, p := range below {
		find(p)
	}
	w.known = known
	return owner
}

// evidence is what a process itself tells, cheaply and without doubt.
func (w *warden) evidence(p procStat, sessions map[int]uint32) uint32 {
	if c := w.leaders[p.pid]; c != nil {
		return c.seq
	}
	if seq, ours := w.nonce.seq(guardMarkOf(p.pid)); ours {
		return seq
	}
	if seq := w.known[p.procKey]; seq != 0 {
		return seq
	}
	return sessions[p.session]
}

// unborn tells whether it may be a leader whose start we have not been told of.
func (w *warden) unborn(p procStat) bool {
	return p.parent == w.self && w.leaders[p.pid] == nil && w.forks.busy()
}

// circumstance is the weakest evidence: what surrounds a process. Of several
// directories the deepest counts.
func (w *warden) circumstance(p procStat) uint32 {
	proc := "/proc/" + strconv.Itoa(p.pid)
	environ, _ := os.ReadFile(proc + "/environ") // unreadable: another user's now
	for _, v := range bytes.Split(environ, []byte{0}) {
		value, ok := strings.CutPrefix(string(v), containerEnv+"=")
		if !ok {
			continue
		}
		for seq, c := range w.wards {
			if c.container == value {
				return seq
			}
		}
	}
	files := []string{proc + "/cwd"}
	fds, _ := os.ReadDir(proc + "/fd")
	for _, fd := range fds {
		files = append(files, proc+"/fd/"+fd.Name())
	}
	best, depth := uint32(0), 0
	for _, f := range files {
		at, err := os.Readlink(f)
		if err != nil {
			continue
		}
		for seq, c := range w.wards {
			if len(c.dir) > depth && within(at, c.dir) {
				best, depth = seq, len(c.dir)
			}
		}
	}
	return best
}

// within tells whether path is dir or below it.
func within(path, dir string) bool {
	rest, ok := strings.CutPrefix(path, filepath.Clean(dir))
	return ok && (rest == "" || rest[0] == '/')
}

// killProcs sends SIGKILL to these and to their process groups: a process that
// forks and ends all the time is not caught one by one, but a signal to a group
// and a fork in it exclude each other. A group here is never ours nor a
// stranger's: it lies within a session, which a process below us has made.
// The oldest go first: a parent that is dead does not act on its child's death.
func killProcs(procs []procStat) {
	slices.SortFunc(procs, func(a, b procStat) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.pid, b.pid))
	})
	groups := map[int]bool{}
	self := unix.Getpgrp()
	for _, p := range procs {
		if p.zombie || !signalProc(p.procKey, unix.SIGKILL) {
			continue
		}
		if p.group > 1 && p.group != self && !groups[p.group] {
			groups[p.group] = true
			_ = unix.Kill(-p.group, unix.SIGKILL) // gone: fine
		}
	}
}

// deliver sends the signals that were asked for to whole commands, after one
// look. Not to those whose leader has ended: they are being killed.
func (w *warden) deliver() {
	if len(w.signal) == 0 {
		return
	}
	members, _ := w.members()
	for _, m := range w.signal {
		if c := w.wards[m.seq]; c != nil && w.leaders[c.pid] == c {
			signalTree(c.pid, members[m.seq], unix.Signal(m.num))
		}
	}
	w.signal = w.signal[:0]
}

// signalTree signals a leader, which is not waited for yet and thus is who it
// was, and then all that belongs to it: the leader first, lest it act on a
// child's death. What is stopped gets SIGCONT behind it, else it could not
// act on it.
func signalTree(leader int, members []procStat, sig unix.Signal) {
	send := func(sig unix.Signal) {
		_ = unix.Kill(leader, sig) // gone: fine, its end is on the way
		for _, p := range members {
			if p.pid != leader && !p.zombie {
				signalProc(p.procKey, sig)
			}
		}
	}
	send(sig)
	switch sig {
	case unix.SIGKILL, unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGCONT:
	default:
		send(unix.SIGCONT)
	}
}
