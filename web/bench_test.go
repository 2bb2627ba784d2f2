package web

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// readers lets so many clients read events on a control socket. received gets
// one for each reader and chunk that ends in a last event "end".
func readers(b *testing.B, n int) (h *Hub, received <-chan struct{}, bytesRead *atomic.Int64) {
	h = NewHub()
	dir, _, _ := serveQueue(b, full(), h)
	ends := make(chan struct{}, n)
	bytesRead = new(atomic.Int64)
	for range n {
		conn, err := net.Dial("unix", filepath.Join(dir, "control"))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conn.Close() })
		if _, err := fmt.Fprint(conn, "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			b.Fatal(err)
		}
		r := bufio.NewReaderSize(conn, 64<<10)
		for { // the head and the status
			line, err := r.ReadSlice('\n')
			if err != nil {
				b.Fatal(err)
			}
			if bytes.HasPrefix(line, []byte("id: ")) {
				break
			}
		}
		go func() {
			for {
				line, err := r.ReadSlice('\n')
				bytesRead.Add(int64(len(line)))
				if err != nil {
					return
				}
				if bytes.Contains(line, []byte(`"id":"end"`)) {
					ends <- struct{}{}
				}
			}
		}()
	}
	return h, ends, bytesRead
}

// cpu is what this process has used.
func cpu(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkEvents is a second in which 200 tasks end: each is started, runs and
// ends, and so changes three times. loop-ns/event is what that costs who
// publishes, share-% what all of it, readers and all, takes of one core.
func BenchmarkEvents(b *testing.B) {
	for _, n := range []int{0, 1, 50, 250} {
		b.Run(fmt.Sprintf("readers=%d", n), func(b *testing.B) {
			h, received, _ := readers(b, n)
			var inLoop time.Duration
			began, events := cpu(b), 0
			for b.Loop() {
				for tenth := range 10 {
					start := time.Now()
					for i := range 60 {
						if events++; h.Watched() {
							r := sample(fmt.Sprintf("task-%d", tenth*20+i%20))
							h.Publish(Event{Task: &r})
						}
					}
					if h.Watched() {
						h.Publish(Event{Task: &Row{ID: "end"}})
					}
					inLoop += time.Since(start)
					for range n {
						<-received
					}
				}
			}
			b.ReportMetric(float64(inLoop.Nanoseconds())/float64(events), "loop-ns/event")
			b.ReportMetric(100*float64(cpu(b)-began)/float64(time.Duration(b.N)*time.Second), "share-%")
		})
	}
}

// BenchmarkFlood is a loop that does some 100 µs of work a task and has 3
// changes to tell of, as fast as it can. cpu-ns/task is for the loop and readers.
func BenchmarkFlood(b *testing.B) {
	for _, n := range []int{0, 50} {
		b.Run(fmt.Sprintf("readers=%d", n), func(b *testing.B) {
			h, _, read := readers(b, n)
			work, began := make([]byte, 128<<10), cpu(b)
			for i := 0; b.Loop(); i++ {
				sha256.Sum256(work)
				for range 3 {
					if h.Watched() {
						r := sample(fmt.Sprintf("task-%d", i))
						h.Publish(Event{Task: &r})
					}
				}
			}
			b.ReportMetric(float64((cpu(b)-began).Nanoseconds())/float64(b.N), "cpu-ns/task") // a wall clock sees all that this machine does
			b.ReportMetric(float64(read.Load())/float64(max(n, 1)*b.N), "B/task")
		})
	}
}

// BenchmarkAPI is a page of a list of 100 tasks, and the status, through the
// control socket; what the Queue does comes on top.
func BenchmarkAPI(b *testing.B) {
	f := full()
	f.tasks.Tasks = nil
	for i := range 100 {
		f.tasks.Tasks = append(f.tasks.Tasks, sample(fmt.Sprintf("task-%d", i)))
	}
	_, c, _ := serveQueue(b, f, nil)
	b.Run("status", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.Status(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("tasks", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.Tasks(b.Context(), Query{Match: "task-*"}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
