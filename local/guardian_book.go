package local

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// leaderBook is the file in the work directory that says which leaders live,
// for the next guardian, should this one be killed:
//
//	cmdq-guardian 1 BOOT-ID NONCE PID     the guardian itself, hex nonce
//	PID START                             a leader; perhaps dead by now
//
// A line is written at each start, without fsync: the file need not outlive the
// machine. A line without its newline does not count. The file is locked while
// its guardian lives, and so is the work directory.
type leaderBook struct {
	earlier leftovers // what the book of the last guardian said

	file *os.File
	head string
	size int64
	live map[int]uint64 // start time of the leaders that live
}

// leftovers is what an earlier guardian may have left behind.
type leftovers struct {
	boot    string // the boot they belong to; "" nothing is known
	nonce   guardNonce
	pid     int // of that guardian
	leaders []procKey
}

const (
	leaderBookName = "guardian"
	bookTitle      = "cmdq-guardian 1"
	maxBook        = 1 << 20 // bytes, then it is written anew
	tidyBook       = 64 << 10
	maxBookRead    = 64 << 20
)

// openLeaderBook opens and locks the book. It waits for an earlier guardian
// that is still ending its commands, but not longer than patience.
func openLeaderBook(workDir string, patience time.Duration) (*leaderBook, error) {
	path := filepath.Join(workDir, leaderBookName)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open guardian's book: %w", err)
	}
	locked := lockFile(file, patience)
	text, err := io.ReadAll(io.LimitReader(file, maxBookRead))
	earlier := parseLeaderBook(text)
	if locked != nil {
		err = fmt.Errorf("work directory %s is in use by another cmdq (its guardian is process %d): %w", workDir, earlier.pid, locked)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return &leaderBook{earlier: earlier, file: file, size: int64(len(text)), live: map[int]uint64{}}, nil
}

// lockFile takes the lock that the kernel gives back when its holder ends,
// however it does. There is nothing to wait on, so it tries again and again.
func lockFile(file *os.File, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || (!errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR)) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// parseLeaderBook reads as much of a book as makes sense.
func parseLeaderBook(text []byte) leftovers {
	var l leftovers
	for n := 0; ; n++ {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if !whole {
			return l
		}
		text = rest
		fields := strings.Split(string(line), " ")
		if n == 0 {
			nonce, err := uint64(0), error(nil)
			if len(fields) == 5 {
				nonce, err = strconv.ParseUint(fields[3], 16, 28)
			}
			if len(fields) != 5 || strings.Join(fields[:2], " ") != bookTitle || fields[2] == "" || err != nil || decimal(fields[4]) < 1 {
				return leftovers{}
			}
			l.boot, l.nonce, l.pid = fields[2], guardNonce(nonce), decimal(fields[4])
			continue
		}
		if len(fields) != 2 {
			continue
		}
		start, err := strconv.ParseUint(fields[1], 10, 64)
		if pid := decimal(fields[0]); pid > 1 && err == nil {
			l.leaders = append(l.leaders, procKey{pid, start})
		}
	}
}

// bootID tells one boot of the machine from another; start times and marks
// mean nothing beyond it.
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// begin makes the book ours.
func (b *leaderBook) begin(nonce guardNonce) error {
	b.head = fmt.Sprintf("%s %s %x %d\n", bookTitle, bootID(), uint32(nonce), os.Getpid())
	return b.rewrite()
}

// rewrite writes the head and the leaders that live. The new text goes over
// the old before the rest is cut off: whatever the instant of our death, the
// head is whole, and a line made of two halves names no living process.
func (b *leaderBook) rewrite() error {
	text := []byte(b.head)
	for pid, start := range b.live {
		text = appendLeader(text, procKey{pid, start})
	}
	if _, err := b.file.WriteAt(text, 0); err != nil {
		return fmt.Errorf("write guardian's book: %w", err)
	}
	b.size = int64(len(text))
	if err := b.file.Truncate(b.size); err != nil {
		return fmt.Errorf("write guardian's book: %w", err)
	}
	return nil
}

func appendLeader(text []byte, p procKey) []byte {
	text = strconv.AppendInt(text, int64(p.pid), 10)
	text = append(text, ' ')
	text = strconv.AppendUint(text, p.start, 10)
	return append(text, '\n')
}

// add notes a leader that has not been waited for. That the book cannot be
// written stops no command: it is only the second net.
func (b *leaderBook) add(pid int) {
	s, err := readProc(pid)
	if err != nil {
		return
	}
	b.live[pid] = s.start
	line := appendLeader(nil, s.procKey)
	if n, err := b.file.WriteAt(line, b.size); err == nil {
		b.size += int64(n)
	}
	if b.size > maxBook && len(b.live) < maxBook/64 {
		_ = b.rewrite()
	}
}

// drop notes that a leader has ended. Its line stays; it names nobody.
func (b *leaderBook) drop(pid int) { delete(b.live, pid) }

// tidy is called when no command runs.
func (b *leaderBook) tidy() {
	if b.size > tidyBook {
		_ = b.rewrite()
	}
}

// finish says that nothing is left behind.
func (b *leaderBook) finish() {
	_ = b.file.Truncate(0)
	_ = b.file.Close()
}
