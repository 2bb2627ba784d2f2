package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"cmdq/scheduler"
	"cmdq/task"
)

// progress shows how far the queue is, on standard error.
type progress interface {
	show(scheduler.Snapshot)
	finish(scheduler.Snapshot)
	io.Writer // for the log, which must not tear a bar apart
}

// newProgress makes what --progress asks for, on out, which leads to standard
// error.
func newProgress(kind string, out io.Writer) progress {
	if kind == "auto" {
		kind = "plain"
		if term.IsTerminal(int(os.Stderr.Fd())) {
			kind = "bar"
		}
	}
	switch kind {
	case "bar":
		return newBar(out)
	case "plain":
		return &lines{Writer: out, every: plainEvery, began: time.Now()}
	}
	return silence{out}
}

// silence shows nothing.
type silence struct{ io.Writer }

func (silence) show(scheduler.Snapshot)   {}
func (silence) finish(scheduler.Snapshot) {}

// plainEvery is the least time between two plain lines.
const plainEvery = 5 * time.Second

// lines writes a line now and then, if anything has changed.
type lines struct {
	io.Writer
	every time.Duration
	began time.Time
	said  time.Time
	last  scheduler.Snapshot
}

func (l *lines) show(s scheduler.Snapshot) {
	if s.States == l.last.States || time.Since(l.said) < l.every {
		return
	}
	l.write(s)
}

func (l *lines) finish(s scheduler.Snapshot) {
	if s.States != l.last.States {
		l.write(s)
	}
}

func (l *lines) write(s scheduler.Snapshot) {
	l.said, l.last = time.Now(), s // s.At may be long ago: nothing happens in a queue that has drained
	fmt.Fprintf(l.Writer, "progress: %s\n", describeProgress(s, s.At.Sub(l.began)))
}

// describeProgress is the whole of it in a line.
func describeProgress(s scheduler.Snapshot, took time.Duration) string {
	text := fmt.Sprintf("%d of %d done, %d running, %d failed", s.Ended(), s.Tasks,
		s.States[task.Starting]+s.States[task.Running], s.States[task.Failed]+s.States[task.Killed])
	if n := s.States[task.Fetching]; n > 0 {
		text += fmt.Sprintf(", %d being fetched", n)
	}
	if s.Delayed > 0 {
		text += fmt.Sprintf(", %d to be tried again", s.Delayed)
	}
	if !s.Connected && s.Ended() < s.Tasks {
		text += ", no master"
	}
	now := s.Ended() - s.Before // what ended before this start tells nothing of its pace
	if took < time.Second || now <= 0 {
		return text
	}
	rate := float64(now) / took.Seconds()
	text += fmt.Sprintf(", %.3g/s", rate)
	if s.Tasks > s.Ended() && s.LeftKnown && s.Left >= time.Second {
		text += fmt.Sprintf(", about %s left", s.Left.Round(time.Second))
	}
	return text
}

// bar is a progress bar on a terminal.
type bar struct {
	mu  sync.Mutex // the log is written from other goroutines
	out io.Writer
	bar *progressbar.ProgressBar
}

func newBar(out io.Writer) *bar {
	return &bar{out: out, bar: progressbar.NewOptions(1,
		progressbar.OptionSetWriter(out),
		progressbar.OptionSetWidth(24),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("tasks"),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetRenderBlankState(true))}
}

func (b *bar) show(s scheduler.Snapshot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.update(s)
}

// update draws the bar, over what was to do when cmdq was started. A bar that cannot be drawn is no reason to stop.
func (b *bar) update(s scheduler.Snapshot) {
	if s.Tasks == 0 {
		return
	}
	b.bar.ChangeMax(max(1, s.Tasks-s.Before))
	text := fmt.Sprintf("%d running, %d failed", s.States[task.Starting]+s.States[task.Running], s.States[task.Failed]+s.States[task.Killed])
	if !s.Connected && s.Ended() < s.Tasks {
		text = "no master"
	}
	if n := s.States[task.Fetching]; n > 0 {
		text += fmt.Sprintf(", %d being fetched", n)
	}
	if s.Before > 0 {
		text += fmt.Sprintf(", %d done before", s.Before)
	}
	b.bar.Describe(text)
	if err := b.bar.Set(max(0, s.Ended()-s.Before)); err != nil {
		return
	}
}

func (b *bar) finish(s scheduler.Snapshot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.update(s)
	fmt.Fprintln(b.out)
}

// Write puts a line of the log above the bar.
func (b *bar) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.bar.Clear(); err != nil {
		return 0, err
	}
	n, err := b.out.Write(p)
	if err == nil {
		err = b.bar.RenderBlank()
	}
	return n, err
}
