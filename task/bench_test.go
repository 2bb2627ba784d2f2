package task

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"time"
)

// tasksFile is a file of n tasks, each with its own command and of four lines.
func tasksFile(n int) []byte {
	var b bytes.Buffer
	b.WriteString("tasks:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - id: task%06d\n    command: echo %d\n    cpus: 0.%d\n    mem: %d\n", i, i, i%9+1, 100+i%7)
	}
	return b.Bytes()
}

// BenchmarkLoad100k is what the start of cmdq pays: bytes to tasks. The bound
// that docs/benchmarks.md holds it to is 2 s.
func BenchmarkLoad100k(b *testing.B) {
	const n = 100_000
	data := tasksFile(n)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		f, err := Parse("tasks.yaml", data)
		if err != nil {
			b.Fatal(err)
		}
		if tasks := f.Tasks(time.Time{}); len(tasks) != n {
			b.Fatalf("%d tasks", len(tasks))
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
}

// BenchmarkSpecMemory says what a spec keeps of the heap, with its strings.
func BenchmarkSpecMemory(b *testing.B) {
	const n = 100_000
	data := tasksFile(n)
	var perSpec float64
	for b.Loop() {
		before := heap()
		f, err := Parse("tasks.yaml", data)
		if err != nil {
			b.Fatal(err)
		}
		perSpec = float64(heap()-before) / n
		runtime.KeepAlive(f)
	}
	b.ReportMetric(perSpec, "B/spec")
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
