package local

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// moment is a time as a page shows it: how long ago, and exactly on hover.
type moment struct{ at, now time.Time }

// Known tells whether there is a time to show.
func (t moment) Known() bool { return !t.at.IsZero() }

// ISO is the time for programs.
func (t moment) ISO() string { return t.at.Format(time.RFC3339Nano) }

// Exact is the time for people, in the server's zone.
func (t moment) Exact() string { return t.at.Format("2006-01-02 15:04:05.000 MST") }

// Ago is the time that has passed; page/script.js writes it the same way.
func (t moment) Ago() string {
	d := t.now.Sub(t.at)
	switch {
	case d < 2*time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}

// formatBytes writes a size: 512 B, 1.5 KB, 7.8 GB, in powers of 1024 as Mesos
// counts memory.
func formatBytes(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	v, unit := float64(n)/1024, 0
	for v >= 1023.95 && unit < 4 {
		v, unit = v/1024, unit+1
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0") + " " + []string{"KB", "MB", "GB", "TB", "PB"}[unit]
}

// amount is one resource for a page.
type amount struct{ Name, Text string }

// formatAmount writes a scalar: megabytes as a size.
func formatAmount(name string, milli int64) string {
	if name == "mem" || name == "disk" {
		return formatBytes(milli * (1 << 20) / 1000)
	}
	return formatScalar(milli)
}

// amounts lists what there is of resources; cpus and mem first.
func amounts(v resourcesView) []amount {
	r := Resources(v)
	var out []amount
	for _, name := range scalarNames {
		if n := r.scalar(name); n > 0 {
			out = append(out, amount{name, formatAmount(name, n)})
		}
	}
	for _, x := range r {
		switch {
		case x.ranges != nil || x.set != nil:
			out = append(out, amount{x.name, x.value()})
		case x.name != "cpus" && x.name != "gpus" && x.name != "mem" && x.name != "disk":
			out = append(out, amount{x.name, formatScalar(x.scalar)})
		}
	}
	return out
}

// scalarNames are the resources a page always counts.
var scalarNames = []string{"cpus", "gpus", "mem", "disk"}

// printable is a part of a file as text. Colours are left out, and what is not
// text is shown as U+FFFD, so that neither a binary file nor a control sequence
// does anything.
func printable(data []byte) string {
	var out strings.Builder
	out.Grow(len(data))
	for len(data) > 0 {
		if n := controlSequence(data); n > 0 {
			data = data[n:]
			continue
		}
		r, size := utf8.DecodeRune(data)
		data = data[size:]
		switch {
		case r == '\r':
			if len(data) == 0 || data[0] != '\n' {
				out.WriteByte('\n')
			}
		case r < 0x20 && r != '\n' && r != '\t', r == 0x7f:
			out.WriteRune(utf8.RuneError)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// controlSequence is the length of the terminal's control sequence (ECMA-48:
// CSI, parameters, a final byte) that data begins with; 0 if there is none.
func controlSequence(data []byte) int {
	if len(data) < 3 || data[0] != 0x1b || data[1] != '[' {
		return 0
	}
	for i, c := range data[2:min(len(data), 32)] {
		switch {
		case c >= 0x40 && c <= 0x7e:
			return i + 3
		case c < 0x20 || c > 0x7e:
			return 0
		}
	}
	return 0
}
