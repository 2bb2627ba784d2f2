package main

import (
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"cmdq/mesosapi"
	"cmdq/metrics"
	"cmdq/scheduler"
	"cmdq/task"
)

// What the scheduler tallies and the connection hears comes out of /metrics.
func TestMeter(t *testing.T) {
	var snap scheduler.Snapshot
	snap.States[task.Idle], snap.States[task.Fetching], snap.Connected = 3, 2, true
	recorder := metrics.New(metrics.Config{Version: "v1", Now: func() metrics.Standing { return standingOf(snap) }})
	m := meter{recorder}
	m.Stepped(scheduler.Tally{Launches: 4, Declined: 5, Updates: map[[2]string]int{{"TASK_RUNNING", ""}: 6}})
	m.Stored(1, nil)
	m.called(sched.Call_ACCEPT, nil)
	m.called(sched.Call_ACCEPT, fmt.Errorf("send: %w", &mesosapi.Refused{Status: 403}))
	m.called(sched.Call_KILL, &mesosapi.NotSubscribed{})
	m.called(sched.Call_SUBSCRIBE, &mesosapi.Unreachable{Err: errors.New("no route")})

	w := httptest.NewRecorder()
	recorder.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	text, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`cmdq_launches_total 4`,
		`cmdq_offers_total{what="declined"} 5`,
		`cmdq_status_updates_total{reason="none",state="RUNNING"} 6`,
		`cmdq_journal_commit_seconds_count 1`,
		`cmdq_calls_total{result="ok",type="ACCEPT"} 1`,
		`cmdq_calls_total{result="refused",type="ACCEPT"} 1`,
		`cmdq_calls_total{result="not_subscribed",type="KILL"} 1`,
		`cmdq_calls_total{result="unreachable",type="SUBSCRIBE"} 1`,
		`cmdq_tasks{state="idle"} 3`,
		`cmdq_tasks{state="fetching"} 2`,
		`cmdq_tasks{state="killed"} 0`,
		`cmdq_connected 1`,
	} {
		if !strings.Contains(string(text), "\n"+line+"\n") {
			t.Errorf("there is no line %s", line)
		}
	}
}
