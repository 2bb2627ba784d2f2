package local

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxScalar bounds a scalar, in thousandths, so that sums stay exact.
const maxScalar = 1 << 52

// ParseResources reads one agent's resources in Mesos' notation,
// name:value;name:value, where a value is a number (cpus:8, mem:8192 in MB),
// ranges (ports:[31000-32000]) or a set (disks:{a,b}). Roles, as in
// cpus(ads):1, are not supported.
func ParseResources(s string) (Resources, error) {
	var out Resources
	for _, part := range strings.Split(s, ";") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		r, err := parseResource(part)
		if err != nil {
			return nil, fmt.Errorf("resources %q: %w", s, err)
		}
		if !out.named(r.name).empty() {
			return nil, fmt.Errorf("resources %q: %s is there twice", s, r.name)
		}
		out = out.plus(Resources{r})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("resources %q: nothing in it; want something like cpus:8;mem:8192;disk:10000;ports:[31000-32000]", s)
	}
	return out, nil
}

func parseResource(part string) (resource, error) {
	name, value, ok := strings.Cut(part, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	r := resource{name: name}
	switch {
	case !ok || name == "" || value == "":
		return r, fmt.Errorf("%q is not name:value", part)
	case strings.ContainsAny(name, "()"):
		return r, fmt.Errorf("%q: a role is not supported", part)
	case strings.ContainsAny(name, "[]{},; \t\n"):
		return r, fmt.Errorf("%q is not a name", name)
	}
	var err error
	switch {
	case strings.HasPrefix(value, "["):
		r.ranges, err = parseRanges(value)
	case strings.HasPrefix(value, "{"):
		r.set, err = parseSet(value)
	default:
		r.scalar, err = parseScalar(value)
	}
	if err != nil {
		return r, fmt.Errorf("%s: %w", name, err)
	}
	return r, checkKind(r)
}

// checkKind refuses the resources Mesos knows with a value of another kind.
func checkKind(r resource) error {
	switch r.name {
	case "cpus", "mem", "disk", "gpus":
		if r.ranges != nil || r.set != nil {
			return fmt.Errorf("%s must be a number", r.name)
		}
		if r.name == "gpus" && r.scalar%1000 != 0 {
			return fmt.Errorf("gpus must be a whole number")
		}
	case "ports":
		if r.ranges == nil {
			return fmt.Errorf("ports must be ranges, such as [31000-32000]")
		}
	}
	return nil
}

// parseScalar reads a number to a thousandth.
func parseScalar(s string) (int64, error) {
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	n, ok := toMilli(x)
	if !ok {
		return 0, fmt.Errorf("%q must be at least 0 and not that large", s)
	}
	return n, nil
}

// toMilli is a scalar in thousandths; not ok if it is negative, no number or
// too large.
func toMilli(x float64) (int64, bool) {
	if !(x >= 0 && x*1000 < maxScalar) {
		return 0, false
	}
	return int64(math.Round(x * 1000)), true
}

func parseRanges(s string) ([]span, error) {
	inner, ok := strings.CutSuffix(s[1:], "]")
	if !ok {
		return nil, fmt.Errorf("%q does not end with ]", s)
	}
	var out []span
	for _, part := range strings.Split(inner, ",") {
		lo, hi, _ := strings.Cut(part, "-")
		begin, err1 := strconv.ParseUint(strings.TrimSpace(lo), 10, 32)
		end, err2 := strconv.ParseUint(strings.TrimSpace(hi), 10, 32)
		if err1 != nil || err2 != nil || end < begin {
			return nil, fmt.Errorf("%q is not a range such as 31000-32000", part)
		}
		out = joinSpans(out, []span{{begin, end}})
	}
	return out, nil
}

func parseSet(s string) ([]string, error) {
	inner, ok := strings.CutSuffix(s[1:], "}")
	if !ok {
		return nil, fmt.Errorf("%q does not end with }", s)
	}
	var out []string
	for _, item := range strings.Split(inner, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			return nil, fmt.Errorf("%q has an empty item", s)
		}
		out = joinSets(out, []string{item})
	}
	return out, nil
}

// MachineResources is what each of the agents gets when nothing is said: what
// the machine has by Mesos' rules (src/slave/containerizer/containerizer.cpp),
// shared evenly. dir is where the disk is looked at.
func MachineResources(dir string, agents int) (Resources, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return nil, fmt.Errorf("look up memory: %w", err)
	}
	const mb = 1 << 20
	mem := int64(uint64(info.Totalram) * uint64(info.Unit) / mb)
	disk, err := diskSize(dir)
	if err != nil {
		return nil, err
	}
	n := int64(max(1, agents))
	share := Resources{
		{name: "cpus", scalar: int64(runtime.NumCPU()) * 1000 / n},
		{name: "disk", scalar: keepBack(disk, 5*1024) / n * 1000},
		{name: "mem", scalar: keepBack(mem, 1024) / n * 1000},
	}
	return share, nil
}

// keepBack leaves some MB to the system: reserve, or half of what is little.
func keepBack(total, reserve int64) int64 {
	if total >= 2*reserve {
		return total - reserve
	}
	return total / 2
}

// diskSize is the size in MB of the file system that holds dir, or its
// nearest parent that exists.
func diskSize(dir string) (int64, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return 0, fmt.Errorf("look up disk: %w", err)
	}
	var fs unix.Statfs_t
	for {
		err = unix.Statfs(dir, &fs)
		if err == nil || !os.IsNotExist(err) || dir == "/" {
			break
		}
		dir = filepath.Dir(dir)
	}
	if err != nil {
		return 0, fmt.Errorf("look up disk of %s: %w", dir, err)
	}
	return int64(fs.Blocks * uint64(fs.Bsize) >> 20), nil
}

// portsOf is the i-th of n equal parts of Mesos' default ports.
func portsOf(i, n int) Resources {
	const first, count = 31000, 1001
	begin, end := first+count*i/n, first+count*(i+1)/n-1
	if end < begin {
		return nil
	}
	return Resources{{name: "ports", ranges: []span{{uint64(begin), uint64(end)}}}}
}
