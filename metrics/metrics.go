// Package metrics tells Prometheus how a queue does.
//
// A Recorder owns its registry; its counters are only added to, by whoever has
// something to count, and what stands at a moment (tasks by state) is asked for
// at every scrape. The package decides nothing, waits for nobody, and takes no
// label value from the wire that is not of a list it knows, so that no cluster
// can make it grow. It imports nothing of ours.
package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Config is what a Recorder is told.
type Config struct {
	Version string // of this cmdq
	// Now tells how the queue stands. Every scrape calls it, on a goroutine of its
	// own; it must be quick. Nil: those metrics are not there.
	Now func() Standing
}

// Recorder counts. Its methods may be called by many goroutines, and never block.
type Recorder struct {
	registry *prometheus.Registry

	launches, reconnects, suppressed, revived prometheus.Counter
	retries, offers, updates, calls           *prometheus.CounterVec
	journalFailures                           prometheus.Counter
	queue, commit, lag                        prometheus.Histogram
}

// New makes a Recorder with a registry of its own, which also has the metrics of
// the Go runtime and of the process.
func New(cfg Config) *Recorder {
	r := &Recorder{
		registry: prometheus.NewRegistry(),

		launches:   counter("cmdq_launches_total", "Launches that were decided."),
		reconnects: counter("cmdq_reconnects_total", "Times that a master was subscribed with again."),
		suppressed: counter("cmdq_suppress_total", "SUPPRESS calls: nothing waited."),
		revived:    counter("cmdq_revive_total", "REVIVE calls: offers were wanted at once."),
		retries: counters("cmdq_retries_total", "Tasks that became idle again after a launch, by what that was counted as: "+
			"charged to their retries, to the infrastructure, or to nobody.", "class"),
		offers: counters("cmdq_offers_total", "Offers that were received, and what became of them.", "what"),
		updates: counters("cmdq_status_updates_total", "Status updates that came, by the task state and the reason that Mesos gives, "+
			"repeated ones too.", "state", "reason"),
		calls: counters("cmdq_calls_total", "Calls to the master that were answered or failed, by type and result.", "type", "result"),

		journalFailures: counter("cmdq_journal_failures_total", "Tries to store that failed; nothing is launched until one succeeds."),

		queue: histogram("cmdq_queue_seconds", "Time from when a task was queued until its first launch was up.",
			.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 4*3600, 24*3600),
		commit: histogram("cmdq_journal_commit_seconds", "Time to store a batch of changes on disk.",
			.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15),
		lag: histogram("cmdq_loop_lag_seconds", "Time from the arrival of the first event of a batch until all of the batch was decided on.",
			.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5),
	}
	r.begin()
	r.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(cfg.Version),
		r.launches, r.reconnects, r.suppressed, r.revived, r.retries, r.offers, r.updates, r.calls,
		r.journalFailures, r.queue, r.commit, r.lag)
	if cfg.Now != nil {
		r.registry.MustRegister(standing{cfg.Now})
	}
	return r
}

// begin makes series start at 0 where their labels are known beforehand: a rate
// from the first count on needs one before it.
func (r *Recorder) begin() {
	for _, class := range []string{"charged", "infra", "uncharged"} {
		r.retries.WithLabelValues(class)
	}
	for _, what := range []string{"received", "used", "declined"} {
		r.offers.WithLabelValues(what)
	}
	for _, kind := range []string{"SUBSCRIBE", "ACCEPT", "DECLINE", "ACKNOWLEDGE"} {
		for _, result := range results {
			r.calls.WithLabelValues(kind, result)
		}
	}
}

// maxScrapes bounds the answers of a Handler at a time; more get a 503.
const maxScrapes = 4

// Handler answers /metrics, in the text format or as OpenMetrics.
func (r *Recorder) Handler() http.Handler {
	return promhttp.HandlerFor(r.registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes, EnableOpenMetrics: true})
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets ...float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
}

// buildInfo is 1, and says which cmdq this is, as others of the ecosystem do.
func buildInfo(version string) prometheus.Collector {
	info := prometheus.NewGauge(prometheus.GaugeOpts{Name: "cmdq_build_info", Help: "1; the version of cmdq is a label.",
		ConstLabels: prometheus.Labels{"version": version}})
	info.Set(1)
	return info
}
