package executor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"

	api "github.com/mesos/mesos-go/api/v1/lib/executor"
)

const (
	maxFrame   = 64 << 20 // bytes of the longest event
	maxDigits  = 10       // of a length
	firstChunk = 64 << 10 // taken for a frame before any of it has come
	keepBuffer = 1 << 20  // a larger buffer is not kept for the next frame

	maxNesting  = 100      // messages within messages
	shallowSize = 64 << 10 // bytes that cannot nest deep enough to hurt
)

var errBadFrame = errors.New("bad RecordIO frame")

// frames reads RecordIO: a length in decimal digits, a newline, as many bytes
// (Mesos: docs/recordio.md). Memory grows as data comes, never by what a length
// claims.
type frames struct {
	r   *bufio.Reader
	buf []byte
}

func newFrames(r io.Reader) *frames { return &frames{r: bufio.NewReaderSize(r, 32<<10)} }

// next gives the next frame, valid until the call after; io.EOF only between
// frames.
func (f *frames) next() ([]byte, error) {
	n, err := f.length()
	if err != nil {
		return nil, err
	}
	buf := f.buf[:0]
	for len(buf) < n {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, min(n-len(buf), max(len(buf), firstChunk)))
		}
		k, err := f.r.Read(buf[len(buf):min(n, cap(buf))])
		buf = buf[:len(buf)+k]
		if err != nil && len(buf) < n {
			return nil, within(err)
		}
	}
	f.buf = buf
	if cap(buf) > keepBuffer {
		f.buf = nil
	}
	return buf, nil
}

func (f *frames) length() (int, error) {
	n := 0
	for digits := 0; ; digits++ {
		b, err := f.r.ReadByte()
		switch {
		case err != nil && digits > 0:
			return 0, within(err)
		case err != nil:
			return 0, err
		case b == '\n' && n > 0:
			return n, nil
		case b < '0' || b > '9' || digits == maxDigits:
			return 0, fmt.Errorf("%w: byte %q in the length", errBadFrame, b)
		}
		if n = n*10 + int(b-'0'); n > maxFrame {
			return 0, fmt.Errorf("%w: event longer than %d bytes", errBadFrame, maxFrame)
		}
	}
}

func within(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// decode reads an event; nil without an error is one that nobody here knows.
func decode(frame []byte) (ev *api.Event, err error) {
	// The generated decoders are of 2020 and index out of range on some hostile
	// lengths (CVE-2021-3121). Nothing else can panic in here.
	defer func() {
		if r := recover(); r != nil {
			ev, err = nil, fmt.Errorf("decode an event: %v", r)
		}
	}()
	if len(frame) > shallowSize && tooDeep(frame, maxNesting) {
		return nil, errors.New("decode an event: nested too deep")
	}
	ev = new(api.Event)
	if err := ev.Unmarshal(frame); err != nil {
		return nil, fmt.Errorf("decode an event: %w", err)
	}
	return ev, nil
}

// tooDeep tells whether b, read as a protobuf message, nests deeper than limit.
// The generated decoders call themselves without a bound, and no recover helps
// against a stack that has outgrown Go's limit. Whatever can be read as a
// message counts as one; text and numbers cannot be read so by chance.
func tooDeep(b []byte, limit int) bool {
	groups := 0
	for len(b) > 0 {
		tag, ok := varint(&b)
		if !ok {
			return false // here the decoder gives up as well
		}
		skip := 0
		switch tag & 7 {
		case 0:
			if _, ok = varint(&b); !ok {
				return false
			}
		case 1:
			skip = 8
		case 2:
			n, ok := varint(&b)
			if !ok || n > uint64(len(b)) {
				return false
			}
			if groups+1 >= limit || tooDeep(b[:n], limit-groups-1) {
				return true
			}
			skip = int(n)
		case 3:
			if groups++; groups >= limit {
				return true
			}
		case 4:
			groups--
		case 5:
			skip = 4
		default:
			return false
		}
		if skip > len(b) || groups < 0 {
			return false
		}
		b = b[skip:]
	}
	return false
}

// varint takes a number off b as the generated code does: bits beyond 64 of a
// tenth byte are let go.
func varint(b *[]byte) (n uint64, ok bool) {
	for i, c := range *b {
		if i == 10 {
			return 0, false
		}
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			*b = (*b)[i+1:]
			return n, true
		}
	}
	return 0, false
}
