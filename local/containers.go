package local

import (
	"os"
	"strconv"
	"strings"
)

// containerView is what runs on an agent, as /containers tells it (Mesos:
// src/slave/http.cpp). /monitor/statistics tells the same without the id and
// the status.
type containerView struct {
	ContainerID  string               `json:"container_id,omitempty"`
	ExecutorID   string               `json:"executor_id"`
	ExecutorName string               `json:"executor_name"`
	FrameworkID  string               `json:"framework_id"`
	Source       string               `json:"source"`
	Statistics   statisticsView       `json:"statistics"`
	Status       *containerStatusView `json:"status,omitempty"`
}

type containerStatusView struct {
	ContainerID struct {
		Value string `json:"value"`
	} `json:"container_id"`
	ExecutorPID int `json:"executor_pid"`
}

// statisticsView is what a container may use, which nothing enforces here, and
// what its first process and the children it has waited for have used.
type statisticsView struct {
	CPUs       float64 `json:"cpus_soft_limit"`
	SystemTime float64 `json:"cpus_system_time_secs"`
	UserTime   float64 `json:"cpus_user_time_secs"`
	MemLimit   int64   `json:"mem_limit_bytes"`
	MemRSS     int64   `json:"mem_rss_bytes"`
	MemSoft    int64   `json:"mem_soft_limit_bytes"`
	Timestamp  float64 `json:"timestamp"`
}

// viewContainers is /containers. Tasks of a group run without an executor
// process; each of them is a container.
func (a *agent) viewContainers() []containerView {
	list := []containerView{}
	for _, f := range a.frameworks {
		for _, c := range f.commands {
			if (c.executor == nil || c.executor.builtin()) && c.pid != 0 && !c.ended {
				x := c.view()
				list = append(list, a.viewContainer(x, f.brief.id, c.pid, c.needs()))
			}
		}
		for _, e := range f.executors {
			if !e.builtin() && e.pid != 0 {
				list = append(list, a.viewContainer(e.view(), f.brief.id, e.pid, e.needs()))
			}
		}
	}
	return list
}

// needs is what the task was launched with.
func (c *command) needs() Resources {
	r, _ := fromWire(c.task.Resources, c.role) // the master has checked it
	return r
}

// needs is the executor's own need and that of the tasks it has.
func (e *agentExecutor) needs() Resources {
	sum, _ := fromWire(e.info.Resources, e.role)
	for _, c := range e.tasks {
		if !c.ended {
			sum = sum.plus(c.needs())
		}
	}
	return sum
}

func (a *agent) viewContainer(x executorView, framework string, pid int, needs Resources) containerView {
	v := containerView{ContainerID: x.Container, ExecutorID: x.ID, ExecutorName: x.Name, FrameworkID: framework, Source: x.Source,
		Status: &containerStatusView{ExecutorPID: pid}}
	v.Status.ContainerID.Value = x.Container
	mem := needs.scalar("mem") / 1000 << 20
	v.Statistics = statisticsView{CPUs: float64(needs.scalar("cpus")) / 1000, MemLimit: mem, MemSoft: mem, Timestamp: seconds(a.now)}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err == nil {
		v.Statistics.UserTime, v.Statistics.SystemTime, v.Statistics.MemRSS = parseUsage(string(stat))
	}
	return v
}

// parseUsage reads a /proc/PID/stat (proc(5)): the times of the process and of
// the children it has waited for, in seconds, and its memory in bytes.
func parseUsage(stat string) (user, system float64, rss int64) {
	const ticks = 100 // a second, in every Linux there is
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	at := func(n int) int64 { // field n of the page, from 1
		if n-3 < 0 || n-3 >= len(fields) {
			return 0
		}
		v, err := strconv.ParseInt(fields[n-3], 10, 64)
		if err != nil {
			return 0
		}
		return v
	}
	return float64(at(14)+at(16)) / ticks, float64(at(15)+at(17)) / ticks, at(24) * int64(os.Getpagesize())
}

// viewStatistics is /monitor/statistics.
func (a *agent) viewStatistics() []containerView {
	list := a.viewContainers()
	for i := range list {
		list[i].ContainerID, list[i].Status = "", nil
	}
	return list
}
