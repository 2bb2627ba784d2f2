package local

import (
	"os"
	"strconv"
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib"
)

// TestContainers: what runs on an agent, and what it may use and has used.
func TestContainers(t *testing.T) {
	c := startCluster(t, Config{Eager: true})
	s := subscribe(t, c, codecProtobuf, modern)
	agent := "http://" + c.Agents()[0].Addr
	if idle := get[[]containerView](t, agent+"/containers"); len(idle) != 0 {
		t.Errorf("an idle agent has %v", idle)
	}
	o := s.offer()
	s.accept(0, []mesos.Offer{o}, command1("t1", o, "sleep 1000"))
	running := s.until("t1", mesos.TASK_RUNNING)
	var x containerView
	eventually(t, "a command that the kernel counts memory for", func() bool { // it counts none at first
		list := get[[]containerView](t, agent+"/slave(1)/containers")
		if len(list) != 1 {
			t.Fatalf("one command runs, containers: %+v", list)
		}
		x = list[0]
		return x.Statistics.MemRSS > 0
	})
	if x.ContainerID != running[len(running)-1].ContainerStatus.ContainerID.GetValue() || x.ExecutorID != "t1" || x.Source != "t1" ||
		x.FrameworkID != s.id || x.Status == nil || x.Status.ExecutorPID <= 1 {
		t.Errorf("the container is %+v", x)
	}
	if u := x.Statistics; u.CPUs <= 0 || u.MemLimit < 1<<20 || u.Timestamp <= 0 {
		t.Errorf("its statistics are %+v", u)
	}
	stats := get[[]containerView](t, agent+"/monitor/statistics")
	if len(stats) != 1 || stats[0].ExecutorID != "t1" || stats[0].ContainerID != "" || stats[0].Status != nil {
		t.Errorf("/monitor/statistics is %+v", stats)
	}
}

func TestParseUsage(t *testing.T) {
	page := strconv.Itoa(os.Getpagesize())
	user, system, rss := parseUsage("7 (a b) c) S 1 7 7 0 -1 4194304 1 2 3 4 150 25 50 75 20 0 1 0 999 8192 3 18446744073709551615")
	if user != 2 || system != 1 || rss != 3*int64(os.Getpagesize()) {
		t.Errorf("user %g, system %g, rss %d (pages of %s)", user, system, rss, page)
	}
	for _, odd := range []string{"", "7", "7 (x)", "7 (x) S", ")"} {
		if user, system, rss := parseUsage(odd); user != 0 || system != 0 || rss != 0 {
			t.Errorf("%q: %g %g %d", odd, user, system, rss)
		}
	}
}
