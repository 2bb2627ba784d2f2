package task

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

const (
	maxKept     = 1 << 16 // strings, and maps, that are looked up to be shared
	maxKeptText = 512     // bytes of a string worth sharing
)

// keep gives one string for all equal ones: a million tasks often have few
// different commands.
func (r *reader) keep(s string) string {
	if len(s) > maxKeptText {
		return s
	}
	if kept, ok := r.texts[s]; ok {
		return kept
	}
	if len(r.texts) < maxKept {
		r.texts[s] = s
	}
	return s
}

// text is a string that is not empty; a number or a boolean is taken as written.
func (r *reader) text(name string, n *yaml.Node) string {
	s, ok := r.scalar(name, n, "text")
	if ok && s == "" {
		r.fail(deref(n), "%s: found an empty text, allowed is one that is not", name)
	}
	return r.keep(s)
}

func (r *reader) command(n *yaml.Node) string {
	s, ok := r.scalar("command", n, "a shell command")
	if ok && strings.TrimSpace(s) == "" {
		r.fail(deref(n), "command: found an empty text, allowed is a shell command")
	}
	return r.keep(s)
}

func (r *reader) argv(n *yaml.Node) []string {
	const allowed = "a list of the program and its arguments"
	items, ok := r.items("argv", n, allowed)
	if !ok {
		return nil
	}
	if len(items) == 0 {
		r.fail(deref(n), "argv: found an empty list, allowed is %s", allowed)
		return nil
	}
	argv := make([]string, len(items))
	for i, item := range items {
		s, ok := r.scalar("argv", item, "text for each item")
		if i == 0 && ok && s == "" {
			r.fail(deref(item), "argv: found an empty program, allowed is %s", allowed)
		}
		argv[i] = r.keep(s)
	}
	return argv
}

// executor reads who is to run the command.
func (r *reader) executor(n *yaml.Node) Executor {
	const allowed = "command (Mesos' own) or cmdq"
	s, ok := r.scalar("executor", n, allowed)
	if !ok {
		return ""
	}
	x := Executor(s)
	if x != ByCommand && x != ByCmdq {
		r.wrong(deref(n), "executor", allowed)
		return ""
	}
	return x
}

// cpus gives thousandths, or -1 after an error.
func (r *reader) cpus(n *yaml.Node) int64 {
	const allowed = "a number >= 0, to a thousandth"
	s, ok := r.scalar("cpus", n, allowed)
	if !ok {
		return -1
	}
	milli, err := scaled(s, 1000, maxCPUs*1000)
	switch {
	case err == nil:
		return milli
	case errors.Is(err, errTooFine):
		r.fail(deref(n), "cpus: found %s, which is finer than a thousandth, allowed is %s", quote(s, 60), allowed)
	case errors.Is(err, errTooLarge):
		r.fail(deref(n), "cpus: found %s, allowed are at most %d", quote(s, 60), maxCPUs)
	default:
		r.wrong(deref(n), "cpus", allowed)
	}
	return -1
}

// megabytes gives MB, or -1 after an error.
func (r *reader) megabytes(name string, n *yaml.Node) int64 {
	const allowed = "a whole number of MB >= 0, or one with a unit: 512MB, 2GB, 1TB"
	s, ok := r.scalar(name, n, allowed)
	if !ok {
		return -1
	}
	mb, err := megabytes(s)
	switch {
	case err == nil:
		return mb
	case errors.Is(err, errTooFine):
		r.fail(deref(n), "%s: found %s, which is not a whole number of MB, allowed is %s", name, quote(s, 60), allowed)
	case errors.Is(err, errTooLarge):
		r.fail(deref(n), "%s: found %s, allowed are at most %d MB", name, quote(s, 60), int64(maxMB))
	default:
		r.wrong(deref(n), name, allowed)
	}
	return -1
}

// span is what an integer may be.
type span struct {
	least, most int64
	allowed     string
}

func newSpan(least, most int64) span {
	return span{least, most, fmt.Sprintf("a whole number from %d to %d", least, most)}
}

var (
	gpuSpan      = newSpan(0, maxGPUs)
	retrySpan    = newSpan(-1, math.MaxInt32)
	prioritySpan = newSpan(math.MinInt32, math.MaxInt32)
	countSpan    = newSpan(1, MaxCount)
)

// whole reads an integer; after an error it gives the least.
func (r *reader) whole(name string, n *yaml.Node, in span) int64 {
	s, ok := r.scalar(name, n, in.allowed)
	if !ok {
		return in.least
	}
	v, ok := integer(s)
	if !ok || v < in.least || v > in.most {
		r.wrong(deref(n), name, in.allowed)
		return in.least
	}
	return v
}

// duration reads one of at least least; after an error it gives least.
func (r *reader) duration(name string, n *yaml.Node, least time.Duration) time.Duration {
	allowed := "a duration >= 0, such as 3s, 1m30s or 2d"
	if least > 0 {
		allowed = "a duration > 0, such as 30s, 10m, 1h30m or 2d"
	}
	s, ok := r.scalar(name, n, allowed)
	if !ok {
		return least
	}
	d, err := duration(s)
	switch {
	case err == nil && d >= least:
		return d
	case errors.Is(err, errTooLarge):
		r.fail(deref(n), "%s: found %s, allowed are at most %d years", name, quote(s, 60), maxYears)
	case allDigits(s) && len(s) < 19 && strings.Trim(s, "0") != "":
		r.fail(deref(n), "%s: found %s without a unit, write %ss", name, quote(s, 60), s)
	default:
		r.wrong(deref(n), name, allowed)
	}
	return least
}
