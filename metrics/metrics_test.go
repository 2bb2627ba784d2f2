package metrics

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func scrape(t testing.TB, r *Recorder) []byte {
	t.Helper()
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("status %d, %v: %s", w.Code, err, body)
	}
	if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, "text/plain; version=0.0.4") {
		t.Fatalf("Content-Type %q", got)
	}
	return body
}

func families(t testing.TB, r *Recorder) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	all, err := parser.TextToMetricFamilies(bytes.NewReader(scrape(t, r)))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// value is that of a counter or gauge with these labels, given as name, value, …;
// NaN if there is none.
func value(all map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	for _, m := range all[name].GetMetric() {
		if len(m.Label) != len(labels)/2 {
			continue
		}
		found := 0
		for _, l := range m.Label {
			for i := 0; i < len(labels); i += 2 {
				if l.GetName() == labels[i] && l.GetValue() == labels[i+1] {
					found++
				}
			}
		}
		if found == len(m.Label) {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return math.NaN()
}

func full() *Recorder {
	return New(Config{Version: "v1.2.3", Now: func() Standing {
		return Standing{States: map[string]int{"idle": 7, "running": 2, "failed": 0}, Delayed: 3, Agents: 4, Connected: true}
	}})
}

// fill counts something of everything.
func fill(r *Recorder) {
	r.Add(Batch{Lag: 3 * time.Millisecond, Launches: 5, Charged: 1, Infra: 2, Uncharged: 3, Received: 10, Used: 6, Declined: 4,
		Suppressed: 1, Revived: 2, Reconnected: 1, Waits: []time.Duration{time.Second, 3 * time.Second, -time.Hour},
		Updates: map[[2]string]int{{"TASK_RUNNING", ""}: 4, {"TASK_FAILED", "COMMAND_EXECUTOR_FAILED"}: 1, {"TASK_LOST", "REASON_AGENT_REMOVED"}: 2}})
	r.Add(Batch{Launches: 1})
	r.Committed(2*time.Millisecond, nil)
	r.Committed(time.Second, errors.New("no space left on device"))
	r.Called("ACCEPT", "ok")
	r.Called("REVIVE", "unreachable")
}

func TestCounts(t *testing.T) {
	r := full()
	fill(r)
	all := families(t, r)
	for _, tt := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"cmdq_launches_total", nil, 6},
		{"cmdq_retries_total", []string{"class", "charged"}, 1},
		{"cmdq_retries_total", []string{"class", "infra"}, 2},
		{"cmdq_retries_total", []string{"class", "uncharged"}, 3},
		{"cmdq_offers_total", []string{"what", "received"}, 10},
		{"cmdq_offers_total", []string{"what", "used"}, 6},
		{"cmdq_offers_total", []string{"what", "declined"}, 4},
		{"cmdq_suppress_total", nil, 1},
		{"cmdq_revive_total", nil, 2},
		{"cmdq_reconnects_total", nil, 1},
		{"cmdq_status_updates_total", []string{"state", "RUNNING", "reason", "none"}, 4},
		{"cmdq_status_updates_total", []string{"state", "FAILED", "reason", "COMMAND_EXECUTOR_FAILED"}, 1},
		{"cmdq_status_updates_total", []string{"state", "LOST", "reason", "AGENT_REMOVED"}, 2},
		{"cmdq_journal_failures_total", nil, 1},
		{"cmdq_calls_total", []string{"type", "ACCEPT", "result", "ok"}, 1},
		{"cmdq_calls_total", []string{"type", "ACCEPT", "result", "refused"}, 0},
		{"cmdq_calls_total", []string{"type", "REVIVE", "result", "unreachable"}, 1},
		{"cmdq_tasks", []string{"state", "idle"}, 7},
		{"cmdq_tasks", []string{"state", "failed"}, 0},
		{"cmdq_tasks_delayed", nil, 3},
		{"cmdq_agents", nil, 4},
		{"cmdq_connected", nil, 1},
		{"cmdq_build_info", []string{"version", "v1.2.3"}, 1},
	} {
		if got := value(all, tt.name, tt.labels...); got != tt.want {
			t.Errorf("%s%v is %v, not %v", tt.name, tt.labels, got, tt.want)
		}
	}
	for name, want := range map[string]struct {
		count uint64
		sum   float64
	}{
		"cmdq_queue_seconds":          {3, 4}, // a time before 0 counts as 0
		"cmdq_journal_commit_seconds": {1, 0.002},
		"cmdq_loop_lag_seconds":       {2, 0.003},
	} {
		h := all[name].GetMetric()[0].GetHistogram()
		if h.GetSampleCount() != want.count || math.Abs(h.GetSampleSum()-want.sum) > 1e-9 {
			t.Errorf("%s: %d with sum %g, not %d with sum %g", name, h.GetSampleCount(), h.GetSampleSum(), want.count, want.sum)
		}
	}
	if math.IsNaN(value(all, "go_goroutines")) || math.IsNaN(value(all, "process_start_time_seconds")) {
		t.Error("the metrics of the Go runtime or of the process are missing")
	}
}

// Names and units are those that Prometheus' own linter wants.
func TestLint(t *testing.T) {
	r := full()
	fill(r)
	problems, err := promlint.New(bytes.NewReader(scrape(t, r))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "cmdq_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// Whatever agents say of states and reasons, there are no more series than Mesos
// has names.
func TestWireMakesNoSeries(t *testing.T) {
	r := New(Config{})
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 5000 {
		junk := strconv.Itoa(i)
		if i%3 == 0 {
			junk = string([]byte{byte(random.Uint32()), byte(random.Uint32()), '\n', 0xff})
		}
		r.Add(Batch{Updates: map[[2]string]int{{"TASK_" + junk, "REASON_" + junk}: 1, {junk, junk}: 1, {"TASK_FAILED", junk}: 1}})
		r.Called(junk, junk)
	}
	all := families(t, r)
	if n := len(all["cmdq_status_updates_total"].Metric); n != 2 {
		t.Errorf("%d series of status updates, not 2", n)
	}
	if got := value(all, "cmdq_status_updates_total", "state", "other", "reason", "other"); got != 10000 {
		t.Errorf("other: %v, not 10000", got)
	}
	if got := value(all, "cmdq_status_updates_total", "state", "FAILED", "reason", "other"); got != 5000 {
		t.Errorf("FAILED, other: %v, not 5000", got)
	}
	if got := value(all, "cmdq_calls_total", "type", "other", "result", "other"); got != 5000 {
		t.Errorf("calls: %v, not 5000", got)
	}
}

func TestKnownNames(t *testing.T) {
	for name := range mesos.TaskStatus_Reason_value {
		short := strings.TrimPrefix(name, "REASON_")
		if a, b := reasonLabel(name), reasonLabel(short); a != short || b != short {
			t.Errorf("%s is %q, and %q without its prefix", name, a, b)
		}
	}
	for name := range mesos.TaskState_value {
		if got := stateLabel(name); "TASK_"+got != name {
			t.Errorf("%s is %q", name, got)
		}
	}
}

// Counting goes on while others scrape. Under the race detector this shows that
// nothing is shared without care.
func TestConcurrent(t *testing.T) {
	const writers, batches = 4, 200
	r := full()
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range batches {
				fill(r)
			}
		})
	}
	all.Go(func() {
		for range 5 {
			scrape(t, r)
		}
	})
	all.Wait()
	if got := value(families(t, r), "cmdq_launches_total"); got != 6*writers*batches {
		t.Errorf("%v launches, not %d", got, 6*writers*batches)
	}
}

// What nobody can tell is not there, rather than 0.
func TestWithoutStanding(t *testing.T) {
	all := families(t, New(Config{}))
	for _, name := range []string{"cmdq_tasks", "cmdq_connected"} {
		if all[name] != nil {
			t.Errorf("%s is there", name)
		}
	}
}

// More scrapes at a time than maxScrapes are turned away: none of them waits for
// memory that only attackers want.
func TestScrapesAreBounded(t *testing.T) {
	begun, free := make(chan struct{}), make(chan struct{})
	r := New(Config{Now: func() Standing { begun <- struct{}{}; <-free; return Standing{} }})
	h := r.Handler()
	var all sync.WaitGroup
	for range maxScrapes {
		all.Go(func() { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil)) })
		<-begun
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d, not 503", w.Code)
	}
	close(free)
	all.Wait()
}

// What a batch costs the loop.
func BenchmarkAdd(b *testing.B) {
	r := New(Config{})
	batch := Batch{Lag: time.Millisecond, Launches: 3, Received: 2, Used: 1, Declined: 1, Waits: make([]time.Duration, 3),
		Updates: map[[2]string]int{{"TASK_RUNNING", ""}: 3, {"TASK_FINISHED", ""}: 2}}
	for b.Loop() {
		r.Add(batch)
	}
}
