package queue

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"testing"

	"cmdq/task"
)

const benchShapes = 1000

// benchNeed is the need of shape i: 0.1 to 4 cpus, 256 to 6400 MB.
func benchNeed(i int) task.Resources {
	return task.Resources{CPUs: int64(100 * (1 + i%40)), Mem: int64(256 * (1 + i/40))}
}

// crowd is a queue that is kept at one size: what is matched comes in again at
// the end, as a new task of the same spec.
type crowd struct {
	queue   *Queue
	seq     uint64
	rand    *rand.Rand
	matched []*task.Task
}

func newCrowd(n int) *crowd {
	c := &crowd{queue: New(), rand: rand.New(rand.NewPCG(1, 2))}
	for i := range n {
		shape := i
		if i >= benchShapes {
			shape = c.rand.IntN(benchShapes)
		}
		c.add(distinct(i, benchNeed(shape%benchShapes)))
	}
	return c
}

// distinct makes a task that shares no memory with another.
func distinct(i int, need task.Resources) task.Task {
	id := task.ID(fmt.Sprintf("task-%07d", i))
	spec := &task.Spec{
		ID: id, Line: i + 1, Command: fmt.Sprintf("work --on %07d", i), Resources: need,
		Retries: task.DefaultRetries, KillGrace: task.DefaultKillGrace,
	}
	return task.Task{ID: id, Spec: spec, Index: -1}
}

func (c *crowd) add(t task.Task) {
	c.seq++
	t.Seq = c.seq
	if _, err := c.queue.Add(t); err != nil {
		panic(err)
	}
}

// fill matches at most limit tasks into one offer: First and Launch until
// nothing fits any more.
func (c *crowd) fill(free task.Resources, limit int, admit func(*task.Task) bool) int {
	for n := range limit {
		t := c.queue.First(free, admit)
		if t == nil {
			return n
		}
		free = free.Sub(t.Spec.Resources)
		c.queue.Launch(t.ID)
		c.matched = append(c.matched, t)
	}
	return limit
}

// refill puts back as many tasks of each shape as were matched.
func (c *crowd) refill() {
	for _, t := range c.matched {
		c.queue.End(t.ID, task.Finished)
		again := *c.queue.Remove(t.ID)
		again.State = task.Idle
		c.add(again)
	}
	clear(c.matched)
	c.matched = c.matched[:0]
}

// crowds are kept between benchmarks: a million tasks take their time.
var crowds = map[int]*crowd{}

func crowdOf(n int) *crowd {
	if crowds[n] == nil {
		crowds[n] = newCrowd(n)
	}
	return crowds[n]
}

var benchSizes = []int{10_000, 1_000_000}

// BenchmarkMatch is the time a matched task, with First and Launch and the
// First that finds no more at the end of each offer. The collector does not run
// meanwhile: neither call allocates, so that its work is not theirs.
func BenchmarkMatch(b *testing.B) {
	offers := []struct {
		name string
		next func(*rand.Rand) task.Resources
	}{
		{"8cpus", func(*rand.Rand) task.Resources { return task.Resources{CPUs: 8000, Mem: 32_000} }},
		{"64cpus", func(*rand.Rand) task.Resources { return task.Resources{CPUs: 64_000, Mem: 256_000} }},
		{"any", func(r *rand.Rand) task.Resources {
			return task.Resources{CPUs: 500 + r.Int64N(8000), Mem: 1000 + r.Int64N(32_000)}
		}},
		{"onetask", func(r *rand.Rand) task.Resources { return benchNeed(r.IntN(benchShapes)) }},
		{"fewfit", func(*rand.Rand) task.Resources { return task.Resources{CPUs: 500, Mem: 1300} }}, // 25 shapes of the 1000
	}
	for _, offer := range offers {
		for _, n := range benchSizes {
			b.Run(fmt.Sprintf("offer=%s/tasks=%d", offer.name, n), func(b *testing.B) {
				c := crowdOf(n)
				benchMatch(b, c, nil, func() task.Resources { return offer.next(c.rand) })
			})
		}
	}
}

// BenchmarkMatchAdmit is the same with an admit that refuses nine shapes of ten.
func BenchmarkMatchAdmit(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprintf("tasks=%d", n), func(b *testing.B) {
			admit := func(t *task.Task) bool { return (t.Spec.Resources.CPUs/100+t.Spec.Resources.Mem/256)%10 == 0 }
			benchMatch(b, crowdOf(n), admit, func() task.Resources { return task.Resources{CPUs: 8000, Mem: 32_000} })
		})
	}
}

func benchMatch(b *testing.B, c *crowd, admit func(*task.Task) bool, offer func() task.Resources) {
	const batch = 50
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	runtime.GC()
	b.ReportAllocs()
	b.ResetTimer()
	for done, batches := 0, 1; done < b.N; batches++ {
		for want := min(batch, b.N-done); want > 0; {
			n := c.fill(offer(), want, admit)
			want -= n
			done += n
		}
		b.StopTimer()
		c.refill()
		if batches%5000 == 0 {
			runtime.GC()
		}
		b.StartTimer()
	}
}

// BenchmarkNothingFits is one First that finds nothing: an offer with less of
// one resource than any task needs, one that is short of both in turn, and one
// under needs of which more cpus mean less memory.
func BenchmarkNothingFits(b *testing.B) {
	opposed := New()
	for i := range benchShapes {
		t := distinct(i, task.Resources{CPUs: int64(10 * (1 + i)), Mem: int64(10 * (benchShapes - i))})
		t.Seq = uint64(i)
		if _, err := opposed.Add(t); err != nil {
			b.Fatal(err)
		}
	}
	tests := []struct {
		name  string
		queue *Queue
		free  task.Resources
	}{
		{"nomem", crowdOf(1_000_000).queue, task.Resources{CPUs: 8000, Mem: 200}},
		{"nocpus", crowdOf(1_000_000).queue, task.Resources{CPUs: 50, Mem: 32_000}},
		{"opposed", opposed, task.Resources{CPUs: 5000, Mem: 4990}},
	}
	for _, tt := range tests {
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if t := tt.queue.First(tt.free, nil); t != nil {
					b.Fatalf("%s fits", t.ID)
				}
			}
		})
	}
}

// BenchmarkMemory is what a queued task keeps, all in: the task, a Spec and
// strings of its own, and the index.
func BenchmarkMemory(b *testing.B) {
	const n = 1_000_000
	clear(crowds)
	for b.Loop() {
		before := heapInUse()
		c := newCrowd(n)
		after := heapInUse()
		runtime.KeepAlive(c)
		b.ReportMetric(float64(after-before)/n, "bytes/task")
	}
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkAdd is the time to queue a task, with 1000 shapes.
func BenchmarkAdd(b *testing.B) {
	tasks := make([]task.Task, 100_000)
	for i := range tasks {
		tasks[i] = distinct(i, benchNeed(i%benchShapes))
		tasks[i].Seq = uint64(i)
	}
	b.ReportAllocs()
	q := New()
	for i := 0; b.Loop(); i++ {
		if i > 0 && i%len(tasks) == 0 {
			q = New()
		}
		if _, err := q.Add(tasks[i%len(tasks)]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRetry is the time for a task that is launched and comes back, among
// 10,000 others.
func BenchmarkRetry(b *testing.B) {
	c := newCrowd(10_000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		t := c.queue.First(benchNeed(i*7%benchShapes), nil)
		c.queue.Launch(t.ID)
		c.queue.Retry(t.ID, noon)
		c.queue.Wake(noon)
	}
}
