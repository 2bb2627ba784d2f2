package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// FollowOptions say what Follow copies.
type FollowOptions struct {
	Tail   int  // only the last so many lines of what is there; negative: all of it
	Follow bool // go on until the launch is over and all is read

	// Ended tells whether the launch is over, so that nothing is written any more.
	// It is asked when all is read that is there. Nil: never.
	Ended func(ctx context.Context) (bool, error)
}

// How Follow waits.
const (
	pollFirst  = 250 * time.Millisecond // at the end of the file, doubling
	pollLast   = time.Second
	awayTries  = 5 // failures in a row that are borne of an agent while nothing is awaited
	awayFirst  = 250 * time.Millisecond
	awayLast   = 5 * time.Second
	streamFrom = 1 << 20 // from so many bytes on a file is downloaded and not read in parts
)

// Follow copies a file of a launch to w, byte by byte as it is: what is there,
// and with FollowOptions.Follow also what comes. A file that is not there yet is
// waited for, and so is an agent that is away; without Follow, or when the launch
// is over, an agent is tried five times. A file that was cut is read again from
// its beginning, as tail -F does.
//
// The error is ErrNotFound (by errors.Is), a *Refused, that of ctx, of Ended or
// of w, or the last one of the agent.
func Follow(ctx context.Context, w io.Writer, f Files, l Launch, name string, o FollowOptions) error {
	c := &follower{w: w, files: f, launch: l, name: name, FollowOptions: o, poll: pollFirst, over: !o.Follow}
	for {
		more, err := c.turn(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			if err := c.bear(ctx, err); err != nil {
				return fmt.Errorf("%s of %s: %w", name, l.Task, err)
			}
		case more:
		case c.over:
			return nil
		default:
			c.over, err = c.ended(ctx)
			if err != nil {
				return err
			}
			if c.over {
				break // what was written until then has to be read
			}
			if err := wait(ctx, c.poll); err != nil {
				return err
			}
			c.poll = min(2*c.poll, pollLast)
		}
	}
}

// follower is a Follow under way.
type follower struct {
	FollowOptions
	w      io.Writer
	files  Files
	launch Launch
	name   string

	begun  bool          // at is where to begin
	at     int64         // what was copied ends here
	limit  int64         // without Follow: the size that was seen first; else 0
	over   bool          // nothing comes any more
	poll   time.Duration // how long to wait at the end of the file
	failed int           // in a row
}

// turn copies what is there; more tells whether it was anything.
func (c *follower) turn(ctx context.Context) (more bool, err error) {
	if !c.begun {
		if err := c.begin(ctx); err != nil {
			return false, err
		}
	}
	most := int64(PartSize)
	if !c.Follow {
		most = min(most, c.limit-c.at)
	}
	if most <= 0 {
		return false, nil
	}
	data, size, err := c.files.Read(ctx, c.launch, c.name, c.at, int(most))
	if err != nil {
		return false, err
	}
	c.failed = 0
	if size < c.at { // it was cut
		if !c.Follow {
			return false, nil
		}
		c.at = 0
		return true, nil
	}
	if _, err := c.w.Write(data); err != nil {
		return false, &writeError{err}
	}
	c.at += int64(len(data))
	if !c.Follow {
		size = min(size, c.limit)
	}
	if size-c.at > streamFrom {
		before := c.at
		c.at, err = copyPart(ctx, c.w, c.files, c.launch, c.name, c.at, size)
		if c.at > before && !final(err) {
			c.failed = 0
		}
		if errors.Is(err, errChanged) {
			err = nil // the next turn sees how
		}
	}
	if len(data) > 0 {
		c.poll = pollFirst
	}
	return len(data) > 0, err
}

// begin finds where to begin.
func (c *follower) begin(ctx context.Context) error {
	_, size, err := c.files.Read(ctx, c.launch, c.name, 0, 0)
	if err != nil {
		return err
	}
	c.limit = size
	if c.Tail >= 0 {
		if c.at, err = lastLinesAt(ctx, c.files, c.launch, c.name, size, c.Tail); err != nil {
			return err
		}
	}
	c.begun = true
	return nil
}

// bear waits after an error, or gives it back if there is nothing to wait for.
func (c *follower) bear(ctx context.Context, err error) error {
	var write *writeError
	switch {
	case errors.As(err, &write):
		return write.err
	case final(err):
		return err
	case errors.Is(err, ErrNotFound):
		if c.over {
			return err
		}
		over, ended := c.ended(ctx)
		if ended != nil {
			return ended
		}
		if c.over = over; over {
			return nil // it may have been made just now: looked at once more
		}
		pause := c.poll
		c.poll = min(2*c.poll, pollLast)
		return wait(ctx, pause)
	}
	c.failed++
	if c.over && c.failed >= awayTries {
		return err
	}
	if !c.over {
		over, ended := c.ended(ctx)
		if ended != nil {
			return ended
		}
		if over {
			c.over, c.failed = true, 0
		}
	}
	return wait(ctx, min(awayFirst<<min(c.failed, 10), awayLast))
}

func (c *follower) ended(ctx context.Context) (bool, error) {
	if c.Ended == nil {
		return false, nil
	}
	over, err := c.Ended(ctx)
	if err != nil {
		return false, fmt.Errorf("has %s ended: %w", c.launch.Task, err)
	}
	return over, nil
}

// lastLinesAt finds where the last lines of a file begin, reading backwards. A
// newline at its very end ends the last one.
func lastLinesAt(ctx context.Context, f Files, l Launch, name string, size int64, lines int) (int64, error) {
	if lines == 0 {
		return size, nil
	}
	for end := size; end > 0; {
		begin := max(0, end-PartSize)
		data, err := readBetween(ctx, f, l, name, begin, end)
		if err != nil {
			return 0, err
		}
		if int64(len(data)) < end-begin {
			return 0, nil // it was cut meanwhile, or is not as large as the agent says
		}
		at := len(data)
		if end == size && bytes.HasSuffix(data, []byte{'\n'}) {
			at--
		}
		for {
			at = bytes.LastIndexByte(data[:at], '\n')
			if at < 0 {
				break
			}
			if lines--; lines == 0 {
				return begin + int64(at) + 1, nil
			}
		}
		end = begin
	}
	return 0, nil
}

// readBetween gives the bytes between two offsets, fewer if the file was cut.
func readBetween(ctx context.Context, f Files, l Launch, name string, begin, end int64) ([]byte, error) {
	var data []byte
	for at := begin; at < end; {
		more, _, err := f.Read(ctx, l, name, at, int(end-at))
		if err != nil {
			return nil, err
		}
		if len(more) == 0 {
			break
		}
		data = append(data, more...)
		at += int64(len(more))
	}
	return data, nil
}

// wait waits, or gives the error of ctx.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
