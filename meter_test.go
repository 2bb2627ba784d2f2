package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

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

// TestMetricsOfARun: what a queue that has run says of itself is what happened.
func TestMetricsOfARun(t *testing.T) {
	dir := t.TempDir()
	writeTasks(t, dir, tasksYAML(`{id: good, command: "true", count: 20}`, `{id: bad, command: exit 3, retries: 1}`))
	p := startIn(t, dir, "--log-level", "error", "--progress", "none")
	control := filepath.Join(dir, ".cmdq", "control")
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			at, err := filepath.EvalSymlinks(control)
			if err != nil {
				return nil, err
			}
			return (&net.Dialer{}).DialContext(ctx, "unix", at)
		}}}
	all := `cmdq_tasks{state="finished"} 20`
	text := ""
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) { // nobody tells of its metrics
		if answer, err := client.Get("http://cmdq/metrics"); err == nil {
			body, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			text = string(body)
			if err == nil && strings.Contains(text, all) && strings.Contains(text, `cmdq_tasks{state="failed"} 1`) {
				break
			}
		}
		if time.Now().After(deadline) {
			out, _ := p.out.next()
			t.Fatalf("not done:\n%s\n%s", out, text)
		}
	}
	for _, line := range []string{`cmdq_launches_total 22`, `cmdq_retries_total{class="charged"} 1`, `cmdq_retries_total{class="infra"} 0`,
		`cmdq_queue_seconds_count 21`, `cmdq_status_updates_total{reason="none",state="FINISHED"} 20`,
		`cmdq_calls_total{result="ok",type="SUBSCRIBE"} 1`, `cmdq_connected 1`, `cmdq_agents 1`, `cmdq_journal_failures_total 0`,
		`cmdq_reconnects_total 0`} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("there is no line %s", line)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	p.signal(syscall.SIGTERM)
	p.exits(exitSIGTERM)
}
