package local

import (
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// What the load may leave in memory: 20 MB and 4 KB for each task that is kept.
const (
	loadHeap     = 20 << 20
	loadTaskHeap = 4 << 10
)

// TestLoad runs many frameworks on ten agents, each with many short tasks.
// Every task finishes, and what is kept of them is bounded; in the end no
// goroutine, descriptor or process is left.
func TestLoad(t *testing.T) {
	frameworks, tasks := 50, 200
	if testing.Short() || raceEnabled {
		frameworks, tasks = 10, 20
	}
	transport := http.DefaultTransport.(*http.Transport)
	idle := transport.MaxIdleConnsPerHost
	transport.MaxIdleConnsPerHost = 4 * frameworks
	defer func() { transport.MaxIdleConnsPerHost = idle }()
	transport.CloseIdleConnections()
	atFirst, opened := runtime.NumGoroutine(), countDescriptors(t)

	t.Run("cluster", func(t *testing.T) {
		c := startCluster(t, Config{Agents: 10, Resources: "cpus:1;mem:1000;disk:1000", Eager: true})
		goroutines, descriptors, processes := runtime.NumGoroutine(), countDescriptors(t), countDescendants(t, os.Getpid())
		before := heapInUse()
		var finished atomic.Int64
		t.Run("frameworks", func(t *testing.T) {
			var all sync.WaitGroup
			for range frameworks {
				s := subscribe(t, c, codecProtobuf, modern)
				all.Go(func() { finished.Add(int64(s.runLoad(tasks))) })
			}
			all.Wait()
			if got := int(finished.Load()); got != frameworks*tasks {
				t.Fatalf("%d tasks of %d finished", got, frameworks*tasks)
			}
			kept := 0
			c.master.box.call(func() {
				for _, f := range c.master.frameworks {
					kept += len(f.completed) + len(f.tasks)
				}
			})
			grown, bound := heapInUse()-before, int64(loadHeap+kept*loadTaskHeap)
			t.Logf("%d tasks kept; the heap has grown by %d KB, %d bytes a task", kept, grown>>10, grown/int64(kept))
			if kept != frameworks*tasks || grown > bound {
				t.Errorf("%d tasks kept, and the heap has grown by %d bytes; at most %d", kept, grown, bound)
			}
		})
		transport.CloseIdleConnections()
		awaitAtMost(t, "goroutines", goroutines, runtime.NumGoroutine)
		awaitAtMost(t, "descriptors", descriptors, func() int { return countDescriptors(t) })
		awaitAtMost(t, "processes", processes, func() int { return countDescendants(t, os.Getpid()) })
	})
	transport.CloseIdleConnections()
	awaitAtMost(t, "goroutines", atFirst, runtime.NumGoroutine)
	awaitAtMost(t, "descriptors", opened, func() int { return countDescriptors(t) })
}

// runLoad launches a framework's tasks, and returns how many finished.
func (s *client) runLoad(count int) int {
	launched, ended, finished := 0, 0, 0
	for ended < count {
		e := s.next()
		switch {
		case e == nil:
			s.t.Error("the stream ended")
			return finished
		case e.Type == scheduler.Event_OFFERS:
			for _, o := range e.Offers.Offers {
				var tasks []mesos.TaskInfo
				for left := offered(o, "cpus"); left >= 0.0499 && launched < count; left -= 0.05 {
					task := command1("t"+strconv.Itoa(launched), o, "true")
					task.Resources = []mesos.Resource{scalarResource("cpus", 0.05), scalarResource("mem", 1)}
					tasks = append(tasks, task)
					launched++
				}
				if len(tasks) == 0 {
					s.decline(1000, o)
				} else {
					s.accept(0.001, []mesos.Offer{o}, tasks...)
				}
			}
			if launched == count {
				s.call(&scheduler.Call{Type: scheduler.Call_SUPPRESS})
			}
		case e.Type == scheduler.Event_UPDATE:
			st := e.Update.Status
			if terminal(st.GetState()) {
				ended++
			}
			if st.GetState() == mesos.TASK_FINISHED {
				finished++
			}
			s.ack(st)
		}
	}
	return finished
}

func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func countDescriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err) // such as EMFILE, which is what they are counted for
	}
	return len(list)
}

// countDescendants counts the processes below one.
func countDescendants(t *testing.T, pid int) int {
	t.Helper()
	files, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		for child := range strings.FieldsSeq(string(text)) {
			if id, err := strconv.Atoi(child); err == nil {
				n += 1 + countDescendants(t, id)
			}
		}
	}
	return n
}

// awaitAtMost waits until there are no more of something than there were; what
// is closed goes a little later.
func awaitAtMost(t *testing.T, what string, before int, count func() int) {
	t.Helper()
	n := 0
	if !comes(func() bool { n = count(); return n <= before }) {
		t.Errorf("%d %s, %d before", n, what, before)
	}
}
