package metrics

import "time"

// Batch is what a batch of the scheduler's events came to.
type Batch struct {
	Lag time.Duration // from the arrival of the first event until all of the batch was stepped

	Launches                  int
	Charged, Infra, Uncharged int // tasks that are idle again: for a failure of theirs, of the cluster, of nobody
	Received, Used, Declined  int // offers
	Suppressed, Revived       int // calls
	Reconnected               int // times that a master was subscribed with again

	Waits   []time.Duration   // from queued to up, of first launches
	Updates map[[2]string]int // how many of this state and reason, as mesos.proto names them; no reason: ""
}

// Add counts a batch.
func (r *Recorder) Add(b Batch) {
	r.lag.Observe(b.Lag.Seconds())
	r.launches.Add(float64(b.Launches))
	r.retries.WithLabelValues("charged").Add(float64(b.Charged))
	r.retries.WithLabelValues("infra").Add(float64(b.Infra))
	r.retries.WithLabelValues("uncharged").Add(float64(b.Uncharged))
	r.offers.WithLabelValues("received").Add(float64(b.Received))
	r.offers.WithLabelValues("used").Add(float64(b.Used))
	r.offers.WithLabelValues("declined").Add(float64(b.Declined))
	r.suppressed.Add(float64(b.Suppressed))
	r.revived.Add(float64(b.Revived))
	r.reconnects.Add(float64(b.Reconnected))
	for _, wait := range b.Waits {
		r.queue.Observe(max(wait, 0).Seconds()) // clocks are set back
	}
	for u, n := range b.Updates {
		r.updates.WithLabelValues(stateLabel(u[0]), reasonLabel(u[1])).Add(float64(n))
	}
}

// Committed counts a try to store a batch, and how long it took if it went well.
func (r *Recorder) Committed(took time.Duration, err error) {
	if err != nil {
		r.journalFailures.Inc()
		return
	}
	r.commit.Observe(took.Seconds())
}

// Called counts a call to the master: its type as scheduler.proto names it, and
// ok, refused, not_subscribed or unreachable.
func (r *Recorder) Called(kind, result string) {
	r.calls.WithLabelValues(callLabel(kind), resultLabel(result)).Inc()
}
