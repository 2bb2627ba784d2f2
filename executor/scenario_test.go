package executor

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
)

var updateScenarios = flag.Bool("update", false, "write what the scenarios give into testdata/scenario")

// TestScenarios plays the stories of testdata/scenario. A line with "> " is what
// happens; the lines below it are what the executor does about it. "-update"
// writes these; then read the difference.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenario/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := playScenario(t, string(text))
			if *updateScenarios {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(text) {
				t.Errorf("got:\n%s\nwant:\n%s", got, text)
			}
		})
	}
}

// scene is that of a scenario: a state, and the time.
type scene struct {
	t     *testing.T
	s     *state
	start time.Time
	now   time.Time
	out   strings.Builder
	over  bool
	jobs  map[string][]*job // that are being prepared, by task
}

func testRules() rules {
	n := uint64(0)
	return rules{
		checkpoint: true, recovery: time.Minute, first: 20 * time.Second, backoffMax: 150 * time.Millisecond,
		grace: 5 * time.Second, idle: time.Minute, maxTasks: 3, jitter: func() float64 { return 0.5 },
		uuid: func() []byte {
			n++
			return binary.BigEndian.AppendUint64(make([]byte, 8), n)
		},
	}
}

func playScenario(t *testing.T, text string) string {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	p := &scene{t: t, start: start, now: start, jobs: map[string][]*job{}}
	r := testRules()
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		words, isCommand := strings.CutPrefix(line, "> ")
		if !isCommand {
			if strings.HasPrefix(line, "#") || line == "" {
				p.out.WriteString(line + "\n")
			}
			continue
		}
		p.out.WriteString(line + "\n")
		if rule, ok := strings.CutPrefix(words, "rule "); ok {
			switch rule {
			case "terse":
				r.terse = true
			case "no checkpoint":
				r.checkpoint = false
			default:
				t.Fatalf("no such rule: %s", rule)
			}
			continue
		}
		if p.s == nil {
			p.s = newState(r, p.now)
		}
		p.play(strings.SplitN(words, " ", 3))
	}
	return p.out.String()
}

func (p *scene) play(words []string) {
	arg := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	id := mesos.TaskID{Value: arg(1)}
	switch words[0] {
	case "subscribed":
		p.step(subscribed{killing: arg(1) == "killing"})
	case "down":
		p.step(down{err: fmt.Errorf("EOF"), fatal: arg(1) == "fatal"})
	case "launch":
		p.step(launched{mesos.TaskInfo{TaskID: id, Data: []byte(arg(2))}})
	case "launch-limited": // by max_completion_time, in seconds
		n, _ := strconv.Atoi(arg(2))
		p.step(launched{mesos.TaskInfo{TaskID: id, Data: []byte(`{"command":"x","timeout":"1h"}`), MaxCompletionTime: &mesos.DurationInfo{Nanoseconds: int64(n) * 1e9}}})
	case "group":
		p.step(launchedGroup{[]mesos.TaskInfo{{TaskID: id}, {TaskID: mesos.TaskID{Value: arg(2)}}}})
	case "kill":
		k := killAsked{id: id.Value}
		if arg(2) != "" {
			grace, err := time.ParseDuration(arg(2))
			if err != nil {
				p.t.Fatal(err)
			}
			k.grace = &grace
		}
		p.step(k)
	case "ack", "202":
		n, err := strconv.ParseUint(strings.TrimPrefix(arg(2), "#"), 10, 64)
		if err != nil {
			p.t.Fatal(err)
		}
		uuid := binary.BigEndian.AppendUint64(make([]byte, 8), n)
		if words[0] == "ack" {
			p.step(acknowledged{id.Value, uuid})
		} else {
			p.step(delivered{id.Value, uuid})
		}
	case "prepared", "started":
		var err error
		if arg(2) != "" {
			err = fmt.Errorf("%s", strings.TrimPrefix(arg(2), "fault "))
		}
		if arg(2) == errWithdrawn.Error() {
			err = errWithdrawn
		}
		if words[0] == "started" {
			p.step(started{id: id.Value, err: err})
			break
		}
		j := p.jobs[id.Value][0] // in the order of their launches
		p.jobs[id.Value] = p.jobs[id.Value][1:]
		p.step(prepared{job: j, err: err, fault: strings.HasPrefix(arg(2), "fault ")})
	case "exited":
		n, err := strconv.Atoi(arg(2))
		if err != nil {
			p.t.Fatal(err)
		}
		status := syscall.WaitStatus(n << 8)
		if n < 0 {
			status = syscall.WaitStatus(-n)
		}
		p.step(exited{id.Value, status})
	case "shutdown":
		p.step(shutdownAsked{by: "the agent"})
	case "error":
		p.step(errored{"bad"})
	case "message":
		p.step(messaged{5})
	case "wait":
		d, err := time.ParseDuration(arg(1))
		if err != nil {
			p.t.Fatal(err)
		}
		p.wait(p.now.Add(d))
	default:
		p.t.Fatalf("no such event: %q", words[0])
	}
}

// wait lets time pass, with a tick whenever one is due.
func (p *scene) wait(end time.Time) {
	for range 1000 {
		next := p.s.nextDue()
		if p.over || next.IsZero() || next.After(end) {
			p.now = end
			return
		}
		if next.Before(p.now) {
			next = p.now
		}
		p.now = next
		p.show(p.s.tick(p.now), true)
	}
	p.t.Fatal("ticks without end")
}

func (p *scene) step(ev event) { p.show(p.s.step(p.now, ev), false) }

// show writes effects down, those of a tick with the time.
func (p *scene) show(eff effects, timed bool) {
	at := ""
	if timed {
		at = fmt.Sprintf("at %s ", p.now.Sub(p.start))
	}
	say := func(format string, args ...any) { fmt.Fprintf(&p.out, "  "+at+format+"\n", args...) }
	for _, n := range eff.notes {
		if n.warn {
			say("warn %s", strings.TrimSpace(n.task+" "+n.text))
		}
	}
	if c := eff.subscribe; c != nil {
		var with []string
		for i := range c.UnacknowledgedTasks {
			with = append(with, c.UnacknowledgedTasks[i].TaskID.Value)
		}
		for i := range c.UnacknowledgedUpdates {
			with = append(with, shown(&c.UnacknowledgedUpdates[i].Status))
		}
		say("SUBSCRIBE %s", strings.Join(with, ", "))
	}
	for i := range eff.updates {
		say("UPDATE %s", shown(&eff.updates[i]))
	}
	for _, j := range eff.abandon {
		say("abandon %s", j.id)
	}
	for _, j := range eff.prepare {
		say("prepare %s", j.id)
		p.jobs[j.id] = append(p.jobs[j.id], j)
	}
	for _, j := range eff.start {
		say("start %s", j.id)
	}
	for _, j := range eff.withdraw {
		say("withdraw %s", j.id)
	}
	for _, x := range eff.signals {
		say("signal %s %s", x.id, signalName(x.sig))
	}
	if eff.exit != nil {
		say("exit %d", *eff.exit)
		p.over = true
	}
}

func shown(s *mesos.TaskStatus) string {
	text := fmt.Sprintf("%s %s #%d", s.TaskID.Value, strings.TrimPrefix(s.GetState().String(), "TASK_"), s.UUID[15])
	if s.Reason != nil {
		text += " " + strings.TrimPrefix(s.Reason.String(), "REASON_")
	}
	if s.Message != nil {
		text += " " + strconv.Quote(*s.Message)
	}
	return text
}
