package main

import (
	"errors"
	"time"

	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"cmdq/mesosapi"
	"cmdq/metrics"
	"cmdq/scheduler"
	"cmdq/task"
)

// meter tells metrics how the scheduler and its calls do.
type meter struct{ *metrics.Recorder }

// Stepped implements scheduler.Meter.
func (m meter) Stepped(t scheduler.Tally) { m.Add(metrics.Batch(t)) }

// Stored implements scheduler.Meter.
func (m meter) Stored(took time.Duration, err error) { m.Committed(took, err) }

// called is mesosapi.Config.Called.
func (m meter) called(kind sched.Call_Type, err error) {
	result := "unreachable"
	var refused *mesosapi.Refused
	var not *mesosapi.NotSubscribed
	switch {
	case err == nil:
		result = "ok"
	case errors.As(err, &refused):
		result = "refused"
	case errors.As(err, &not):
		result = "not_subscribed"
	}
	m.Called(kind.String(), result)
}

// standing is what metrics ask for at each scrape.
func (s *session) standing() metrics.Standing {
	if s.sched == nil {
		return metrics.Standing{}
	}
	return standingOf(s.sched.Snapshot())
}

func standingOf(snap scheduler.Snapshot) metrics.Standing {
	st := metrics.Standing{States: map[string]int{}, Delayed: snap.Delayed, Agents: snap.Agents, Connected: snap.Connected}
	for state, n := range snap.States {
		st.States[task.State(state).String()] = n
	}
	return st
}
