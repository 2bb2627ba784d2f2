package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// What the server and its guardian say to each other: frames of a length
// (4 bytes, little endian, of what follows) and a guardMessage.

// Kinds of a guardMessage.
const (
	guardStart   = 's' // to the guardian: texts are id, path, dir, stdout, stderr, num args, the environment
	guardSignal  = 'k' // to the guardian: send signal num to the tree of command seq
	guardReady   = 'r' // to the server, once: it can begin
	guardStarted = 'b' // to the server: command seq runs as pid num
	guardRefused = 'n' // to the server: command seq was not started, texts[0] says why; seq 0: the guardian itself cannot work
	guardExit    = 'x' // to the server: command seq is gone with wait status num; texts[0], if there, is what went wrong
	guardNote    = 'l' // to the server: texts[0] is for the log
)

// guardMessage is one thing said. What its fields mean depends on its kind.
type guardMessage struct {
	kind  byte
	seq   uint32 // the command; 0 none
	num   int64
	texts []string
}

// maxGuardFrame bounds a frame in bytes. The kernel takes at most 6 MB of
// arguments and environment (execve(2)), so that no command is lost by it.
const maxGuardFrame = 8 << 20

var errGuardFrame = errors.New("malformed frame")

// append adds the frame of m to buf.
func (m *guardMessage) append(buf []byte) []byte {
	start := len(buf)
	buf = append(buf, 0, 0, 0, 0, m.kind)
	buf = binary.AppendUvarint(buf, uint64(m.seq))
	buf = binary.AppendVarint(buf, m.num)
	buf = binary.AppendUvarint(buf, uint64(len(m.texts)))
	for _, t := range m.texts {
		buf = binary.AppendUvarint(buf, uint64(len(t)))
		buf = append(buf, t...)
	}
	binary.LittleEndian.PutUint32(buf[start:], uint32(len(buf)-start-4))
	return buf
}

// size is at least what append adds.
func (m *guardMessage) size() int {
	n := 4 + 1 + 3*binary.MaxVarintLen64
	for _, t := range m.texts {
		n += binary.MaxVarintLen32 + len(t)
	}
	return n
}

// readGuardMessage reads one frame. io.EOF means that the other end closed
// between two frames.
func readGuardMessage(r io.Reader) (guardMessage, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return guardMessage{}, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > maxGuardFrame {
		return guardMessage{}, fmt.Errorf("%w: %d bytes, at most %d allowed", errGuardFrame, n, maxGuardFrame)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return guardMessage{}, fmt.Errorf("read frame: %w", err)
	}
	return parseGuardMessage(body)
}

// parseGuardMessage reads what follows the length of a frame.
func parseGuardMessage(body []byte) (guardMessage, error) {
	if len(body) == 0 {
		return guardMessage{}, errGuardFrame
	}
	m := guardMessage{kind: body[0]}
	rest := body[1:]
	seq, n := binary.Uvarint(rest)
	if n <= 0 || seq > 1<<32-1 {
		return guardMessage{}, errGuardFrame
	}
	m.seq, rest = uint32(seq), rest[n:]
	if m.num, n = binary.Varint(rest); n <= 0 {
		return guardMessage{}, errGuardFrame
	}
	rest = rest[n:]
	count, n := binary.Uvarint(rest)
	if n <= 0 || count > uint64(len(rest)-n) { // each text takes a byte at least
		return guardMessage{}, errGuardFrame
	}
	rest = rest[n:]
	if count > 0 {
		m.texts = make([]string, 0, count)
	}
	for range count {
		size, n := binary.Uvarint(rest)
		if n <= 0 || size > uint64(len(rest)-n) {
			return guardMessage{}, errGuardFrame
		}
		m.texts = append(m.texts, string(rest[n:n+int(size)]))
		rest = rest[n+int(size):]
	}
	if len(rest) != 0 {
		return guardMessage{}, errGuardFrame
	}
	return m, nil
}

// startMessage says a process; startedProcess is its inverse.
func startMessage(seq uint32, p process) guardMessage {
	texts := make([]string, 0, 5+len(p.Argv)+len(p.Env))
	texts = append(texts, p.ID, p.Path, p.Dir, p.Stdout, p.Stderr)
	texts = append(texts, p.Argv...)
	texts = append(texts, p.Env...)
	return guardMessage{kind: guardStart, seq: seq, num: int64(len(p.Argv)), texts: texts}
}

func startedProcess(m guardMessage) (process, error) {
	if m.kind != guardStart || len(m.texts) < 5 || m.num < 1 || m.num > int64(len(m.texts)-5) {
		return process{}, errGuardFrame
	}
	args, env := m.texts[5:5+m.num], m.texts[5+m.num:]
	return process{ID: m.texts[0], Path: m.texts[1], Dir: m.texts[2], Stdout: m.texts[3], Stderr: m.texts[4], Argv: args, Env: env}, nil
}
