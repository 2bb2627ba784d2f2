package task

import (
	"fmt"
	"strconv"
	"strings"
)

// Resources is a need, or what an agent has left. All parts are integers, so
// that 0.1 + 0.2 + 0.7 fills a cpu exactly.
type Resources struct {
	CPUs int64 // thousandths of a cpu
	Mem  int64 // MB
	Disk int64 // MB
	GPUs int64 // whole
}

// Fits tells whether r is at most free in every part.
func (r Resources) Fits(free Resources) bool {
	return r.CPUs <= free.CPUs && r.Mem <= free.Mem && r.Disk <= free.Disk && r.GPUs <= free.GPUs
}

// Add is r + o.
func (r Resources) Add(o Resources) Resources {
	return Resources{r.CPUs + o.CPUs, r.Mem + o.Mem, r.Disk + o.Disk, r.GPUs + o.GPUs}
}

// Sub is r - o; it may go below zero.
func (r Resources) Sub(o Resources) Resources {
	return Resources{r.CPUs - o.CPUs, r.Mem - o.Mem, r.Disk - o.Disk, r.GPUs - o.GPUs}
}

// Max is the larger of both in every part.
func (r Resources) Max(o Resources) Resources {
	return Resources{max(r.CPUs, o.CPUs), max(r.Mem, o.Mem), max(r.Disk, o.Disk), max(r.GPUs, o.GPUs)}
}

// String is for people: "0.1 cpus, 100 MB", with disk and gpus where there are any.
func (r Resources) String() string {
	parts := []string{FormatCPUs(r.CPUs) + " cpus", fmt.Sprintf("%d MB", r.Mem)}
	if r.Disk != 0 {
		parts = append(parts, fmt.Sprintf("%d MB disk", r.Disk))
	}
	if r.GPUs != 0 {
		parts = append(parts, FormatGPUs(r.GPUs))
	}
	return strings.Join(parts, ", ")
}

// FormatGPUs is a number of gpus in words: "1 gpu", "2 gpus".
func FormatGPUs(n int64) string {
	if n == 1 {
		return "1 gpu"
	}
	return fmt.Sprintf("%d gpus", n)
}

// FormatCPUs writes thousandths as a decimal without trailing zeros: 100 is "0.1".
func FormatCPUs(milli int64) string {
	return strconv.FormatFloat(float64(milli)/1000, 'f', -1, 64)
}
