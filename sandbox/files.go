package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"cmdq/wire"
)

// Files reads what launches left. Names are paths relative to the launch's own
// directory, without "." and ".." and empty parts; "" is that directory itself.
//
// Errors: ErrNotFound (by errors.Is) if there is no such file or no such
// sandbox; a *Refused if asking again gives the same; any other may be gone the
// next time.
type Files interface {
	// List gives what is in a directory, sorted by name; nothing for a file. A
	// link may be told as a link or as what it leads to.
	List(ctx context.Context, l Launch, dir string) ([]Entry, error)

	// Read gives at most so many bytes of a file from offset on, perhaps fewer
	// (PartSize is a good number), and how large the file is now. At its end and
	// behind it there are none.
	Read(ctx context.Context, l Launch, name string, offset int64, most int) (data []byte, size int64, err error)

	// Open reads a file from offset to its end. It is the quick way for large
	// ones. The reader ends with ctx.
	Open(ctx context.Context, l Launch, name string, offset int64) (io.ReadCloser, error)
}

// PartSize is the most that an agent gives in one Read, in bytes (Mesos:
// src/files/files.cpp, 16 pages).
const PartSize = 64 << 10

// Entry is one of a directory.
type Entry struct {
	Name     string // one part of a path
	Size     int64  // bytes
	Mode     fs.FileMode
	Modified time.Time
}

// ErrNotFound says that there is no such file, or that its agent knows no such
// sandbox.
var ErrNotFound = errors.New("there is no such file")

// Refused says that asking again gives the same answer: an agent does not let us
// read that, or what it says cannot be used.
type Refused struct {
	Status int    // HTTP status; 0: it was us who refused
	Words  string // one printable line of at most 1 KB
}

func (e *Refused) Error() string {
	words := wire.OneLine(e.Words, maxWords)
	switch {
	case e.Status == 0:
		return words
	case words == "":
		return fmt.Sprintf("refused with status %d", e.Status)
	}
	return fmt.Sprintf("refused with status %d: %s", e.Status, words)
}

func refused(format string, args ...any) error { return &Refused{Words: fmt.Sprintf(format, args...)} }

// final tells whether trying again is of no use.
func final(err error) bool {
	var refused *Refused
	return errors.As(err, &refused)
}

// maxWords bounds what is kept of an agent's words, in bytes.
const maxWords = 1 << 10
