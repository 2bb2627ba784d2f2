package local

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The pause between two looks at /proc while something is being killed.
const (
	firstPause = time.Millisecond
	longPause  = 50 * time.Millisecond
	strayPause = time.Second // for what does not end
)

// reap waits for what has ended and reports the commands of which nothing is
// left. It takes a few system calls if nobody left anything behind.
func (w *warden) reap() {
	now := time.Now()
	if w.reapLeaders(now) {
		w.look, w.pause = now, firstPause
	}
	if !w.reapOrphans() && !w.siblings() {
		// What descends from a leader that has ended descends from an orphan,
		// and there is none.
		for _, c := range w.ending {
			w.report(c)
		}
		if !w.idle() || !w.siblings() { // asked again, the last command may just have been reported
			w.look, w.strays, w.noted = time.Time{}, time.Time{}, false
			if w.idle() {
				w.book.tidy()
			}
			return
		}
	}
	switch {
	case len(w.ending) == 0 && !w.idle():
		w.look = time.Time{} // daemons of commands that still run may stay
	case w.look.IsZero():
		w.look, w.pause = now, firstPause
	}
	if !w.look.IsZero() && !now.Before(w.look) {
		w.clear(now)
	}
}

// idle tells whether no command runs or is about to.
func (w *warden) idle() bool { return len(w.wards) == 0 && !w.forks.busy() }

// reapLeaders waits for the leaders that have ended and tells whether any has.
// What is left of a leader's process group gets SIGKILL while the leader's
// zombie still keeps the number: nothing in it can fork its way out.
func (w *warden) reapLeaders(now time.Time) (some bool) {
	for pid, c := range w.leaders {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT|unix.WALL, nil)
		if err != nil || info.Signo == 0 {
			continue // it runs
		}
		_ = unix.Kill(-pid, unix.SIGKILL)
		var status unix.WaitStatus
		if _, err := unix.Wait4(pid, &status, unix.WNOHANG|unix.WALL, nil); err != nil {
			continue
		}
		c.status, c.ended = syscall.WaitStatus(status), now
		delete(w.leaders, pid)
		w.ending[c.seq] = c
		w.book.drop(pid)
		some = true
	}
	return some
}

// reapOrphans waits for the orphans that have ended and tells whether any is alive.
func (w *warden) reapOrphans() bool {
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG|unix.WALL|unix.WNOTHREAD, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return false // ECHILD: no child of this thread
		case pid == 0:
			return true
		}
	}
}

// siblings tells whether a leader that has ended left children of ours in its
// process group: clone(CLONE_PARENT) makes such, and they are no orphans.
func (w *warden) siblings() bool {
	for _, c := range w.ending {
		if w.leaders[c.pid] == nil && hasChild(unix.P_PGID, c.pid) {
			return true
		}
	}
	return w.idle() && hasChild(unix.P_ALL, 0)
}

func hasChild(kind, id int) bool {
	var info unix.Siginfo
	return unix.Waitid(kind, id, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT|unix.WALL, nil) == nil
}

// report says that nothing is left of a command.
func (w *warden) report(c *ward) {
	w.say(guardMessage{kind: guardExit, seq: c.seq, num: int64(c.status)})
	delete(w.ending, c.seq)
	delete(w.wards, c.seq)
}

// clear looks through /proc, kills what belongs to commands whose leader has
// ended, and reports those that have nothing left. When no command runs it
// kills everything.
func (w *warden) clear(now time.Time) {
	first, doubt := w.members()
	idle := w.idle() // after the look: no start can be among what was seen
	if idle {
		w.clearStrays(now, first)
	}
	var again map[uint32][]procStat
	var doubtAgain bool
	for seq, c := range w.ending {
		alive := living(first[seq])
		if len(alive) == 0 {
			// One look may miss a process that was just born to one that just
			// died. It will not be missed twice.
			if again == nil {
				again, doubtAgain = w.members()
			}
			alive = living(again[seq])
		}
		switch late := now.Sub(c.ended) >= w.timeout; {
		case len(alive) == 0 && (late || !doubt && !doubtAgain):
			w.report(c)
		case late:
			w.note("command %s: %d of its processes do not end, such as %d", c.container, len(alive), alive[0].pid)
			w.report(c)
		default:
			killProcs(alive)
		}
	}
	w.look = time.Time{}
	if len(w.ending) > 0 || w.idle() {
		w.look = now.Add(w.pause)
		w.pause = min(2*w.pause, longPause)
	}
	if w.noted && w.idle() {
		w.look = now.Add(strayPause)
	}
}

// members is one look: the processes below us by the command they belong to.
// In doubt one of them may be a leader that was just started, or a command's
// own; the next look will know.
func (w *warden) members() (found map[uint32][]procStat, doubt bool) {
	table, err := lookAtProcs()
	if err != nil {
		w.note("look at processes: %v", err)
		doubt = true // nothing seen is not nothing there
	}
	below := table.below(w.self)
	found = map[uint32][]procStat{}
	for pid, seq := range w.owners(below) {
		found[seq] = append(found[seq], below[pid])
		doubt = doubt || seq == 0 && w.unborn(below[pid])
	}
	return found, doubt
}

// clearStrays kills everything below us.
func (w *warden) clearStrays(now time.Time, members map[uint32][]procStat) {
	if w.strays.IsZero() {
		w.strays = now
	}
	left := 0
	for _, procs := range members {
		for _, p := range procs {
			if p.zombie && p.parent == w.self && w.leaders[p.pid] == nil {
				_, _ = unix.Wait4(p.pid, nil, unix.WNOHANG|unix.WALL, nil) // not an orphan: a sibling
			}
		}
		alive := living(procs)
		left += len(alive)
		killProcs(alive)
	}
	if left > 0 && !w.noted && now.Sub(w.strays) >= w.timeout {
		w.noted = true
		w.note("%d processes do not end", left)
	}
}

func living(procs []procStat) []procStat {
	var alive []procStat
	for _, p := range procs {
		if !p.zombie {
			alive = append(alive, p)
		}
	}
	return alive
}

// endAll kills everything below us until nothing is left, and returns the
// guardian's exit status. Nothing can be started any more.
func (w *warden) endAll() int {
	w.forks.closing.Store(true)
	deadline := time.Now().Add(w.timeout)
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		w.drain()
		for pid := range w.leaders { // first, or it could act on a child's death
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		w.reapLeaders(time.Now())
		w.reapOrphans()
		if len(w.leaders) == 0 && !w.forks.busy() && !hasChild(unix.P_ALL, 0) {
			for _, c := range w.ending {
				w.report(c)
			}
			w.flush()
			w.book.finish()
			return 0
		}
		if time.Now().After(deadline) {
			w.note("processes are left that do not end")
			w.flush()
			return 1
		}
		members, _ := w.members()
		if !w.forks.busy() { // asked after the look
			w.clearStrays(time.Now(), members)
		} else {
			for _, procs := range members {
				killProcs(living(procs))
			}
		}
		w.flush()
		w.timer.Reset(pause)
		select {
		case <-w.children:
		case <-w.timer.C:
		}
	}
}
