package local

import (
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// BenchmarkTrue runs 2,000 times the command true at 0.05 cpus on 2 cpus,
// each update acknowledged over HTTP, and tells how long that takes compared
// to xargs, which does nothing but start as many shells.
func BenchmarkTrue(b *testing.B) {
	const count = 2000
	for b.Loop() {
		c := startCluster(b, Config{Resources: "cpus:2;mem:2000;disk:1000", Eager: true})
		s := subscribe(b, c, codecProtobuf, modern)
		begin := time.Now()
		runTrue(s, count)
		took := time.Since(begin)
		begin = time.Now()
		if err := exec.Command("sh", "-c", "seq "+strconv.Itoa(count)+" | xargs -P 2 -I{} sh -c true").Run(); err != nil {
			b.Skip("no xargs: ", err)
		}
		xargs := time.Since(begin)
		b.ReportMetric(float64(count)/took.Seconds(), "tasks/s")
		b.ReportMetric(float64(count)/xargs.Seconds(), "xargs/s")
		b.ReportMetric(took.Seconds()/xargs.Seconds(), "ratio")
	}
}

// runTrue runs count tasks as a scheduler that always has work does.
func runTrue(s *client, count int) {
	var acks sync.WaitGroup
	todo := make(chan mesos.TaskStatus, 4*count)
	for range 4 {
		acks.Go(func() {
			for st := range todo {
				s.ack(st)
			}
		})
	}
	launched, finished := 0, 0
	for finished < count {
		e := s.next()
		switch e.Type {
		case scheduler.Event_OFFERS:
			for _, o := range e.Offers.Offers {
				var tasks []mesos.TaskInfo
				for left := offered(o, "cpus"); left >= 0.0499 && launched < count; left -= 0.05 {
					t := command1("t"+strconv.Itoa(launched), o, "true")
					t.Resources[0] = scalarResource("cpus", 0.05)
					t.Resources[1] = scalarResource("mem", 1)
					tasks = append(tasks, t)
					launched++
				}
				if len(tasks) == 0 {
					s.decline(1, o)
				} else {
					s.accept(0, []mesos.Offer{o}, tasks...)
				}
			}
		case scheduler.Event_UPDATE:
			st := e.Update.Status
			if terminal(st.GetState()) {
				finished++
			}
			todo <- st
		}
	}
	close(todo)
	acks.Wait()
}
