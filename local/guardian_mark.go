package local

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Every process below a command must be known as that command's, whatever it
// did: setsid, a double fork, a new environment, another directory. Few things
// are inherited by all of these. A resource limit is, and RLIMIT_LOCKS has no
// effect since Linux 2.4.25 (getrlimit(2)), so its soft limit carries a mark:
//
//	0100 | 28 random bits of this guardian | 32 bits: the command
//
// Where the hard limit does not allow it there is no mark, and the weaker
// evidence of guardian_tree.go has to do.

// guardNonce tells one guardian's marks from another's. It is never zero.
type guardNonce uint32

const guardMarkTag = 0x4 << 60

func newGuardNonce() guardNonce { return guardNonce(rand.Uint32N(1<<28-1) + 1) }

// mark is what the processes of command seq carry.
func (n guardNonce) mark(seq uint32) uint64 {
	return guardMarkTag | uint64(n)<<32 | uint64(seq)
}

// seq is the command of a mark; ok tells whether it is one of this guardian's.
func (n guardNonce) seq(mark uint64) (seq uint32, ok bool) {
	return uint32(mark), mark>>32 == guardMarkTag>>32|uint64(n)
}

// setGuardMark marks ourselves, for what is forked next.
func setGuardMark(mark uint64) {
	var limit unix.Rlimit
	if unix.Prlimit(0, unix.RLIMIT_LOCKS, nil, &limit) != nil || limit.Max < mark {
		return
	}
	limit.Cur = mark
	_ = unix.Prlimit(0, unix.RLIMIT_LOCKS, &limit, nil) // no mark then, see above
}

// guardMarkOf reads the mark, or whatever else the limit is, of a process.
// Zero: it is gone, or nothing of ours.
func guardMarkOf(pid int) uint64 {
	var limit unix.Rlimit
	switch err := unix.Prlimit(pid, unix.RLIMIT_LOCKS, nil, &limit); err {
	case nil:
		return limit.Cur
	case unix.EPERM: // it changed its user
		return limitOf(pid)
	default:
		return 0
	}
}

// limitOf reads the same where everybody may.
func limitOf(pid int) uint64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/limits")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "Max file locks")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	n, err := strconv.ParseUint(fields[0], 10, 64)
	if err != nil {
		return 0
	}
	return n
}
