package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// errChanged says that a file is not what it was when it was listed.
var errChanged = errors.New("it changed meanwhile")

// errVanished says that what was listed is not there.
var errVanished = fmt.Errorf("%w: %w", errChanged, ErrNotFound)

// copyPart copies the bytes of a file between two offsets and says how far it
// came. An error of w is a *writeError.
func copyPart(ctx context.Context, w io.Writer, f Files, l Launch, name string, from, to int64) (at int64, err error) {
	if to <= from {
		return from, nil
	}
	var r io.ReadCloser = &partReader{ctx: ctx, files: f, launch: l, name: name, at: from}
	if to-from > PartSize {
		if r, err = f.Open(ctx, l, name, from); err != nil {
			return from, err
		}
	}
	defer r.Close()
	n, err := io.CopyN(checkedWriter{w}, r, to-from)
	if errors.Is(err, io.EOF) { // not the unexpected one, which is a connection that broke
		err = fmt.Errorf("%q: %w", name, errChanged)
	}
	return from + n, err
}

// writeError is an error of where we write to.
type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }
func (e *writeError) Unwrap() error { return e.err }

// checkedWriter tells its errors from those of the other side.
type checkedWriter struct{ w io.Writer }

func (c checkedWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	if err != nil {
		err = &writeError{err}
	}
	return n, err
}
