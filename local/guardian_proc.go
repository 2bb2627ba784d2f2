package local

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// procKey names a process for good: the kernel uses a pid again, but not with
// the same start time.
type procKey struct {
	pid   int
	start uint64 // clock ticks after boot
}

// procStat is what /proc/PID/stat says of a process (proc_pid_stat(5)).
type procStat struct {
	procKey
	parent  int
	group   int
	session int
	zombie  bool
}

var errProcStat = errors.New("malformed stat")

// readProc reads the stat of a process.
func readProc(pid int) (procStat, error) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return procStat{}, err
	}
	defer unix.Close(fd)
	var buf [1024]byte // 52 numbers and 16 letters at most
	n, err := unix.Read(fd, buf[:])
	if err != nil {
		return procStat{}, err
	}
	return parseProcStat(buf[:n])
}

// parseProcStat reads "PID (NAME) S PARENT GROUP SESSION …"; NAME may hold
// anything, blanks and brackets too.
func parseProcStat(line []byte) (procStat, error) {
	open, shut := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if open < 1 || shut < open {
		return procStat{}, errProcStat
	}
	fields := bytes.Fields(line[shut+1:])
	if len(fields) < 20 || len(fields[0]) != 1 {
		return procStat{}, errProcStat
	}
	start, err := strconv.ParseUint(string(fields[19]), 10, 64)
	if err != nil {
		return procStat{}, fmt.Errorf("%w: %w", errProcStat, err)
	}
	s := procStat{
		procKey: procKey{decimal(string(bytes.TrimSpace(line[:open]))), start},
		parent:  decimal(string(fields[1])),
		group:   decimal(string(fields[2])),
		session: decimal(string(fields[3])),
		zombie:  fields[0][0] == 'Z' || fields[0][0] == 'X',
	}
	if s.pid < 1 || s.parent < 0 || s.group < 0 || s.session < 0 {
		return procStat{}, errProcStat
	}
	return s, nil
}

// decimal reads a number of nothing but digits; anything else is -1.
func decimal(s string) int {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return -1
	}
	return int(n)
}

// procTable is a look at all processes. They start and end while one looks, so
// that it is never the truth of one instant.
type procTable map[int]procStat

// lookAtProcs reads the stat of every process that we may see.
func lookAtProcs() (procTable, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	table := make(procTable, len(names))
	for _, name := range names {
		pid := decimal(name)
		if pid < 1 {
			continue
		}
		if s, err := readProc(pid); err == nil { // else it has just ended
			table[pid] = s
		}
	}
	table.adopt()
	return table, nil
}

// adopt reads those again whose parent ended while we looked: they have
// another one now.
func (t procTable) adopt() {
	for range 3 {
		changed := false
		for pid, s := range t {
			if _, there := t[s.parent]; there || s.parent == 0 {
				continue
			}
			changed = true
			if now, err := readProc(pid); err == nil {
				t[pid] = now
			} else {
				delete(t, pid)
			}
		}
		if !changed {
			return
		}
	}
}

// below returns the processes of the table that descend from pid, without pid itself.
func (t procTable) below(pid int) procTable {
	found := procTable{}
	inside := map[int]bool{pid: true}
	var descends func(p int, depth int) bool
	descends = func(p int, depth int) bool {
		if yes, known := inside[p]; known {
			return yes
		}
		s, there := t[p]
		yes := there && depth < len(t) && descends(s.parent, depth+1) // depth: no loops, whatever changed while we looked
		inside[p] = yes
		return yes
	}
	for p, s := range t {
		if p != pid && descends(p, 0) {
			found[p] = s
		}
	}
	return found
}

// signalProc sends a signal to this very process, not to another that has got
// its pid meanwhile. It tells whether there was something to send it to.
func signalProc(p procKey, sig unix.Signal) bool {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if errors.Is(err, unix.ENOSYS) { // before Linux 5.3
		now, err := readProc(p.pid)
		return err == nil && now.procKey == p && !now.zombie && unix.Kill(p.pid, sig) == nil
	}
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	now, err := readProc(p.pid)
	if err != nil || now.procKey != p || now.zombie {
		return false
	}
	return unix.PidfdSendSignal(fd, sig, nil, 0) == nil
}
