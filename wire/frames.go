// Package wire reads what masters and agents of Mesos send, before anything of
// theirs is believed: the frames of RecordIO, messages that may nest too deep or
// lie about a length, and words that are to go into a log.
//
// It keeps no state beyond a Frames, and takes no more memory than what has come.
package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	maxFrame   = 64 << 20 // longest event, in bytes; OFFERS of a large cluster pass mesos-go's 4 MiB
	maxDigits  = 10       // of a length
	firstChunk = 64 << 10 // taken for a frame before any of it has come
	keepBuffer = 1 << 20  // a larger buffer is not kept for the next frame
)

// ErrBadFrame is what is no RecordIO.
var ErrBadFrame = errors.New("bad RecordIO frame")

// Frames reads RecordIO: the length in decimal digits, a newline, as many bytes
// (Mesos: docs/recordio.md). Memory grows as data comes, never by what a
// length claims.
type Frames struct {
	r   *bufio.Reader
	buf []byte
}

// NewFrames reads the frames of r.
func NewFrames(r io.Reader) *Frames { return &Frames{r: bufio.NewReaderSize(r, 32<<10)} }

// Next gives the next frame, valid until the call after. The error is io.EOF
// between frames, io.ErrUnexpectedEOF within one, ErrBadFrame for what is no
// RecordIO, or the reader's own.
func (f *Frames) Next() ([]byte, error) {
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
			return nil, unexpected(err)
		}
	}
	f.buf = buf
	if cap(buf) > keepBuffer {
		f.buf = nil
	}
	return buf, nil
}

func (f *Frames) length() (int, error) {
	n := 0
	for digits := 0; ; digits++ {
		b, err := f.r.ReadByte()
		switch {
		case err != nil && digits > 0:
			return 0, unexpected(err)
		case err != nil:
			return 0, err
		case b == '\n' && n > 0:
			return n, nil
		case b < '0' || b > '9':
			return 0, fmt.Errorf("%w: byte %q in the length", ErrBadFrame, b)
		case digits == maxDigits:
			return 0, fmt.Errorf("%w: length of more than %d digits", ErrBadFrame, maxDigits)
		}
		if n = n*10 + int(b-'0'); n > maxFrame {
			return 0, fmt.Errorf("%w: event longer than %d bytes", ErrBadFrame, maxFrame)
		}
	}
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
