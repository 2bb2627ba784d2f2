package scheduler

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cmdq/mesosapi"
)

// counted is what the output of a scenario shows of what a Tally counts.
type counted struct{ launches, retries, used, declined, suppressed, revived int }

var offerCall = regexp.MustCompile(`(?m) call (ACCEPT|DECLINE) (.*?) refuse=`)

func countLines(text string) counted {
	lines := func(what string) int { return strings.Count(text, " "+what) }
	c := counted{launches: lines("record launched "), retries: lines("record retrying "),
		suppressed: lines("call SUPPRESS"), revived: lines("call REVIVE")}
	for _, m := range offerCall.FindAllStringSubmatch(text, -1) {
		if n := len(strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' || r == ' ' })); m[1] == "ACCEPT" {
			c.used += n
		} else {
			c.declined += n
		}
	}
	return c
}

func of(t Tally) counted {
	return counted{t.Launches, t.Charged + t.Infra + t.Uncharged, t.Used, t.Declined, t.Suppressed, t.Revived}
}

// TestTally: in every scenario, what is counted is what was recorded and called.
func TestTally(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	var all counted
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		env := newEnv(t)
		for _, block := range strings.Split(string(text), "\n\n") {
			commands, _, _ := strings.Cut(block, "\n----")
			for _, line := range strings.Split(commands, "\n") {
				if line == "" || strings.HasPrefix(line, "#") {
					continue
				}
				env.out.Reset()
				env.s.tally = Tally{}
				env.play(line)
				want, got := countLines(env.out.String()), of(env.s.tally)
				if got != want {
					t.Errorf("%s: %s: counted %+v, and there were %+v:\n%s", file, line, got, want, env.out.String())
				}
				offers := 0
				if rest, ok := strings.CutPrefix(line, "offer "); ok {
					offers = len(strings.Split(rest, ";"))
				}
				if env.s.tally.Received != offers || offers > 0 && got.used+got.declined != offers {
					t.Errorf("%s: %s: %d offers came, %+v", file, line, env.s.tally.Received, got)
				}
				all.launches += got.launches
				all.retries += got.retries
				all.revived += got.revived
			}
		}
	}
	if all.launches < 100 || all.retries < 50 || all.revived == 0 {
		t.Errorf("only %+v was counted", all)
	}
}

// TestTallyClasses: what each way back to idle counts as.
func TestTallyClasses(t *testing.T) {
	for _, tt := range []struct {
		update                    string
		charged, infra, uncharged int
		counts                    [2]string
	}{
		{"FAILED message=Command exited with status 1", 1, 0, 0, [2]string{"TASK_FAILED", ""}},
		{"KILLED", 1, 0, 0, [2]string{"TASK_KILLED", ""}},
		{"LOST source=master reason=AGENT_REMOVED", 0, 1, 0, [2]string{"TASK_LOST", "AGENT_REMOVED"}},
		{"GONE source=agent", 0, 1, 0, [2]string{"TASK_GONE", ""}},
		{"DROPPED source=master reason=INVALID_OFFERS", 0, 0, 1, [2]string{"TASK_DROPPED", "INVALID_OFFERS"}},
		{"RUNNING", 0, 0, 0, [2]string{"TASK_RUNNING", ""}},
	} {
		env := newEnv(t)
		for _, line := range []string{"load a retries=1", "subscribed", "offer o1 agent=a1 cpus=1 mem=100"} {
			env.play(line)
		}
		env.s.tally = Tally{}
		env.play("update a " + tt.update)
		got := env.s.tally
		if got.Charged != tt.charged || got.Infra != tt.infra || got.Uncharged != tt.uncharged {
			t.Errorf("%s: charged %d, infra %d, uncharged %d", tt.update, got.Charged, got.Infra, got.Uncharged)
		}
		if len(got.Updates) != 1 || got.Updates[tt.counts] != 1 {
			t.Errorf("%s: updates %v", tt.update, got.Updates)
		}
	}
}

// TestTallyWaits: the time until a first launch was up, once, told or not.
func TestTallyWaits(t *testing.T) {
	env := newEnv(t)
	var waits []time.Duration
	for _, line := range []string{"load a retries=3; b retries=3; c retries=3", "subscribed", "advance 5s", "offer o1 agent=a1 cpus=3 mem=300",
		"update a RUNNING source=executor", "advance 2s", "update a RUNNING source=executor", "update a FAILED source=executor",
		"update b FINISHED source=executor",
		"update c LOST source=master reason=AGENT_REMOVED", "advance 10s", "offer o2 agent=a2 cpus=3 mem=300",
		"update a.2 RUNNING source=executor", "update c.2 RUNNING source=executor"} {
		env.s.tally = Tally{}
		env.play(line)
		waits = append(waits, env.s.tally.Waits...)
	}
	if len(waits) != 2 || waits[0] != 5*time.Second || waits[1] != 7*time.Second {
		t.Errorf("waits %v, not those of a and b", waits)
	}
}

// metered keeps what a Meter hears.
type metered struct {
	tallies []Tally
	stored  []error
}

func (m *metered) Stepped(t Tally)                      { m.tallies = append(m.tallies, t) }
func (m *metered) Stored(took time.Duration, err error) { m.stored = append(m.stored, err) }

// TestMeter: Run tells it of every batch once, and of every try to store.
func TestMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newScripted()
		cfg := DefaultConfig()
		cfg.FrameworkID, cfg.Once = "f", true
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		incoming := make(chan mesosapi.Incoming)
		go func() {
			for {
				select {
				case in := <-m.incoming:
					in.At = time.Now().Add(-time.Millisecond)
					select {
					case incoming <- in:
					case <-ctx.Done():
						return
					}
				case <-ctx.Done():
					return
				}
			}
		}()
		s := New(cfg, m, incoming, &fullOnce{Journal: m}, quietLog())
		heard := &metered{}
		s.Meter = heard
		if err := s.Post(ctx, oneTask()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Run(ctx); err != nil {
			t.Fatal(err)
		}
		launches, updates, lagged := 0, 0, time.Duration(0)
		for _, tally := range heard.tallies {
			launches += tally.Launches
			for _, n := range tally.Updates {
				updates += n
			}
			if tally.Lag != 0 && tally.Lag != time.Millisecond { // a clock that stands still: of requests and of the master's events
				t.Errorf("a lag of %s", tally.Lag)
			}
			lagged += tally.Lag
		}
		if launches != 1 || updates != 2 || lagged == 0 {
			t.Errorf("%d launches, %d updates, a lag of %s", launches, updates, lagged)
		}
		failed := 0
		for _, err := range heard.stored {
			if err != nil {
				failed++
			}
		}
		if failed != 1 || len(heard.stored) < 3 {
			t.Errorf("%d tries to store, %d of them failed", len(heard.stored), failed)
		}
	})
}

// fullOnce is a journal that cannot store the first time.
type fullOnce struct {
	Journal
	tried bool
}

func (f *fullOnce) Append(records []Record) error {
	if !f.tried {
		f.tried = true
		return errors.New("no space left on device")
	}
	return f.Journal.Append(records)
}
