package metrics

import "github.com/prometheus/client_golang/prometheus"

// Standing is how the queue stands at one moment.
type Standing struct {
	States    map[string]int // tasks by state, those with none too
	Delayed   int            // of the idle ones: wait for their next attempt
	Agents    int            // that are known
	Connected bool           // a master has us subscribed
}

// standing is a collector that asks at every scrape.
type standing struct{ now func() Standing }

var (
	tasksDesc     = prometheus.NewDesc("cmdq_tasks", "Tasks of the queue, by state.", []string{"state"}, nil)
	delayedDesc   = prometheus.NewDesc("cmdq_tasks_delayed", "Idle tasks that wait for their next attempt.", nil, nil)
	agentsDesc    = prometheus.NewDesc("cmdq_agents", "Agents that are known.", nil, nil)
	connectedDesc = prometheus.NewDesc("cmdq_connected", "1 while a master has us subscribed, else 0.", nil, nil)
)

func (s standing) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{tasksDesc, delayedDesc, agentsDesc, connectedDesc} {
		to <- d
	}
}

func (s standing) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	now := s.now()
	for state, n := range now.States {
		gauge(tasksDesc, float64(n), state)
	}
	gauge(delayedDesc, float64(now.Delayed))
	gauge(agentsDesc, float64(now.Agents))
	connected := 0.0
	if now.Connected {
		connected = 1
	}
	gauge(connectedDesc, connected)
}
