package local

import (
	"strings"

	"github.com/mesos/mesos-go/api/v1/lib"
)

// counts is what the master has counted since its start.
type counts struct {
	byState                      map[mesos.TaskState]int // tasks by how they ended
	validUpdates, invalidUpdates int
	calls                        int
}

// ended counts a task that has ended.
func (c *counts) ended(state mesos.TaskState) {
	if c.byState == nil {
		c.byState = map[mesos.TaskState]int{}
	}
	c.byState[state]++
}

var endStates = []mesos.TaskState{
	mesos.TASK_FINISHED, mesos.TASK_FAILED, mesos.TASK_KILLED, mesos.TASK_LOST, mesos.TASK_ERROR,
	mesos.TASK_DROPPED, mesos.TASK_GONE, mesos.TASK_GONE_BY_OPERATOR,
}

var liveStates = []mesos.TaskState{mesos.TASK_STAGING, mesos.TASK_STARTING, mesos.TASK_RUNNING, mesos.TASK_KILLING, mesos.TASK_UNREACHABLE}

// viewMetrics is what /metrics/snapshot tells (Mesos: src/master/metrics.cpp).
func (m *master) viewMetrics() map[string]float64 {
	connected := 0
	live := map[mesos.TaskState]int{}
	for _, f := range m.frameworks {
		if f.stream != nil {
			connected++
		}
		for _, t := range f.tasks {
			live[t.state]++
		}
		for _, t := range f.unreachable {
			if t.state == mesos.TASK_UNREACHABLE {
				live[t.state]++
			}
		}
	}
	elected := 0.0
	if m.leads() {
		elected = 1
	}
	v := map[string]float64{
		"master/elected": elected, "master/uptime_secs": m.now.Sub(m.started).Seconds(),
		"master/slaves_active": float64(m.connectedAgents()), "master/slaves_connected": float64(m.connectedAgents()),
		"master/slaves_inactive":     float64(len(m.agents) - m.connectedAgents()),
		"master/slaves_disconnected": float64(len(m.agents) - m.connectedAgents()),
		"master/slaves_unreachable":  float64(len(m.registry.unreachable)),
		"master/frameworks_active":   float64(connected), "master/frameworks_connected": float64(connected),
		"master/frameworks_inactive":     float64(len(m.frameworks) - connected),
		"master/frameworks_disconnected": float64(len(m.frameworks) - connected),
		"master/outstanding_offers":      float64(len(m.offers)),
		"master/messages_received":       float64(m.counts.calls),
		"master/valid_status_updates":    float64(m.counts.validUpdates),
		"master/invalid_status_updates":  float64(m.counts.invalidUpdates),
	}
	for _, s := range liveStates {
		v["master/"+metricName(s)] = float64(live[s])
	}
	for _, s := range endStates {
		v["master/"+metricName(s)] = float64(m.counts.byState[s])
	}
	m.viewUse(v)
	return v
}

// metricName is tasks_running for TASK_RUNNING.
func metricName(s mesos.TaskState) string {
	return "tasks_" + strings.ToLower(strings.TrimPrefix(s.String(), "TASK_"))
}

// viewUse adds how much of what there is is used.
func (m *master) viewUse(v map[string]float64) {
	var used Resources
	for _, a := range m.agents {
		used = used.plus(a.used)
	}
	total := m.total()
	for _, name := range []string{"cpus", "gpus", "mem", "disk"} {
		t, u := float64(total.scalar(name))/1000, float64(used.scalar(name))/1000
		v["master/"+name+"_total"], v["master/"+name+"_used"], v["master/"+name+"_percent"] = t, u, 0
		if t > 0 {
			v["master/"+name+"_percent"] = u / t
		}
	}
}
