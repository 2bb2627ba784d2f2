package scheduler

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"cmdq/mesosapi"
	"cmdq/task"
)

var rewrite = flag.Bool("update", false, "write the outputs of the scenarios down as they are now")

// TestScenarios plays the files in testdata: blocks of commands, a line of four
// dashes, and what the scheduler does about them. Change an output only when you
// know why it changed.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := playFile(t, string(want))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(want) {
				t.Errorf("%s differs; got:\n%s", file, firstDifference(string(want), got))
			}
		})
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range g {
		if i >= len(w) || w[i] != g[i] {
			from, to := max(0, i-6), min(len(g), i+8)
			line := "<end>"
			if i < len(w) {
				line = w[i]
			}
			return fmt.Sprintf("line %d, want: %s\n%s", i+1, line, strings.Join(g[from:to], "\n"))
		}
	}
	return "the output is shorter"
}

// playFile runs all blocks of a file and returns the file with the outputs as
// they are.
func playFile(t *testing.T, text string) string {
	env := newEnv(t)
	var out strings.Builder
	for _, block := range strings.Split(strings.TrimRight(text, "\n"), "\n\n") {
		commands, _, _ := strings.Cut(block, "\n----")
		env.out.Reset()
		for _, line := range strings.Split(commands, "\n") {
			if line != "" && !strings.HasPrefix(line, "#") {
				env.play(line)
			}
		}
		out.WriteString(commands + "\n")
		if env.out.Len() > 0 || strings.Contains(block, "\n----") || !onlyComments(commands) {
			out.WriteString("----\n" + env.out.String())
		}
		out.WriteString("\n")
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}

func onlyComments(text string) bool {
	for _, line := range strings.Split(text, "\n") {
		if line != "" && !strings.HasPrefix(line, "#") {
			return false
		}
	}
	return true
}

// env is a scheduler without a cluster: time is a number, calls are printed.
type env struct {
	t       *testing.T
	s       *state
	journal *memory
	start   time.Time
	now     time.Time
	out     bytes.Buffer
	uuids   int
	policy  task.Policy
	quiet   bool
	over    bool // the run is; restart begins anew
}

func newEnv(t *testing.T) *env {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	cfg := DefaultConfig()
	cfg.FrameworkID, cfg.User, cfg.Master = "f-1", "ann", "m:5050"
	ids := 1
	cfg.NewID = func() string { ids++; return "f-" + strconv.Itoa(ids) }
	return &env{t: t, s: newState(cfg), journal: newMemory("f-1"), start: start, now: start}
}

// play runs one command line.
func (e *env) play(line string) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "config":
		e.config(rest)
	case "load":
		e.step(e.load(rest))
	case "load-as": // the same, and the file has a name
		name, tasks, _ := strings.Cut(rest, " ")
		load := e.load(tasks)
		load.File = name
		e.step(load)
	case "unchanged":
		e.step(Unchanged{})
	case "subscribed":
		e.step(Subscribed{&sched.Event_Subscribed{FrameworkID: &mesos.FrameworkID{Value: e.s.cfg.FrameworkID}}})
	case "down":
		e.step(Down{downError(rest)})
	case "leader-moved":
		e.step(LeaderMoved{})
	case "offer":
		var offers []mesos.Offer
		for _, o := range strings.Split(rest, ";") {
			offers = append(offers, parseOffer(e.t, o))
		}
		e.step(Offers{offers})
	case "rescind":
		e.step(Rescinded{rest})
	case "update":
		e.step(Updated{e.status(rest)})
	case "message":
		e.step(Message{"a1", "e1", []byte(rest)})
	case "agent-lost":
		e.step(AgentLost{rest})
	case "executor-lost":
		e.step(executorLost(rest))
	case "error":
		e.step(Errored{rest})
	case "heartbeat":
		e.step(Heartbeat{})
	case "answered":
		e.step(e.answered(rest))
	case "collected":
		e.step(collected(rest))
	case "cancel":
		var ids []task.ID
		for _, id := range strings.Fields(rest) {
			ids = append(ids, task.ID(id))
		}
		e.step(cancelOf(ids...))
	case "groups":
		e.groups(rest)
	case "hold", "release", "retry", "cancel-by", "submit":
		e.ask(word, rest)
	case "explain":
		e.explain(rest)
	case "interrupt":
		e.step(Interrupt{})
	case "detach":
		e.step(Detach{})
	case "restart":
		e.restart(rest)
	case "advance":
		d, err := time.ParseDuration(rest)
		if err != nil {
			e.t.Fatalf("%s: %v", line, err)
		}
		e.advance(d)
	case "show":
		e.show(rest)
	default:
		e.t.Fatalf("unknown command %q", line)
	}
}

func (e *env) step(ev Event) {
	eff := e.s.step(e.now, ev)
	e.journal.keep(eff.Records, e.s.queue)
	e.print(eff)
	e.over = eff.Over != nil
	if err := e.s.check(); err != nil && eff.Over == nil {
		e.t.Fatalf("after %T: %v\n%s", ev, err, e.out.String())
	}
}

// advance lets time pass, waking the scheduler whenever it asked for it.
func (e *env) advance(d time.Duration) {
	until := e.now.Add(d)
	if e.over {
		e.now = until // nobody is there
		return
	}
	for next := e.s.nextDue(); next.Before(until); next = e.s.nextDue() {
		e.now = next
		e.step(Tick{})
	}
	e.now = until
	e.step(Tick{})
}

func (e *env) config(text string) {
	for _, f := range strings.Fields(text) {
		k, v, _ := strings.Cut(f, "=")
		d, _ := time.ParseDuration(v)
		switch k {
		case "once":
			e.s.cfg.Once = true
		case "executor":
			e.s.cfg.Executor.Default = v == "cmdq"
			e.s.cfg.Executor = testExecutor(e.s.cfg.Executor.Default)
		case "uri":
			e.s.cfg.Executor.URI = func() string { return v }
		case "tail":
			e.s.cfg.Collect.Tail = true
		case "keep":
			e.s.cfg.Collect.Keep = true
		case "terse":
			e.s.cfg.Executor.Terse = true
		case "own":
			e.s.cfg.Own = true
		case "role":
			e.s.cfg.Role = v
		case "infra-retries":
			e.s.cfg.InfraRetries, _ = strconv.Atoi(v)
		case "unplaceable-timeout":
			e.s.cfg.UnplaceableTimeout = d
		case "unreachable-timeout":
			e.s.cfg.UnreachableTimeout = d
		case "failover-timeout":
			e.s.cfg.FailoverTimeout = d
		case "connect-timeout":
			e.s.cfg.ConnectTimeout = d
		case "quiet":
			e.quiet = true
		case "run":
			_, e.s.cfg.Run = parseGroup(e.t, v)
		default:
			e.t.Fatalf("unknown setting %q", f)
		}
	}
}

// restart is a crash and a new start with what was recorded: "restart", or
// "restart torn-down" if the TEARDOWN that was owed was delivered only now.
func (e *env) restart(how string) {
	saved := e.journal.saved()
	if how == "torn-down" {
		saved.TornDown = e.now
	}
	e.s = newState(e.s.cfg)
	if err := e.s.restore(saved); err != nil {
		e.t.Fatal(err)
	}
	e.step(Restored{})
}

// load reads "id key=value … ; id …".
func (e *env) load(text string) Load {
	var tasks []task.Task
	for part := range strings.SplitSeq(text, ";") {
		count, fields := 0, strings.Fields(part)
		if len(fields) == 0 {
			continue
		}
		spec := &task.Spec{ID: task.ID(fields[0]), Command: "true", Retries: task.DefaultRetries,
			KillGrace: task.DefaultKillGrace, Resources: task.Resources{CPUs: 1000, Mem: 100}}
		for _, f := range fields[1:] {
			k, v, _ := strings.Cut(f, "=")
			n, _ := strconv.ParseFloat(v, 64)
			switch k {
			case "cpus":
				spec.Resources.CPUs = int64(n * 1000)
			case "mem":
				spec.Resources.Mem = int64(n)
			case "retries":
				spec.Retries = int(n)
			case "priority":
				spec.Priority = int(n)
			case "command":
				spec.Command = v
			case "user":
				spec.User = v
			case "outputs":
				for _, p := range strings.Split(v, ",") {
					name, optional := strings.CutSuffix(p, "?")
					spec.Outputs = append(spec.Outputs, task.Output{Path: name, Optional: optional})
				}
			case "role":
				spec.Rules = &task.Rules{Role: v}
			case "executor":
				spec.Executor = task.Executor(v)
			case "name":
				spec.Name = v
			case "count":
				count = int(n)
			default:
				e.rule(spec, k, v)
			}
		}
		one := task.Task{ID: spec.ID, Spec: spec, Index: -1, Seq: uint64(len(tasks)), Submitted: e.now}
		if count == 0 {
			tasks = append(tasks, one)
		}
		for i := range count {
			one.ID, one.Index, one.Seq = task.ID(fmt.Sprintf("%s-%d", spec.ID, i)), i, uint64(len(tasks))
			tasks = append(tasks, one)
		}
	}
	return Load{Tasks: tasks, Policy: e.policy}
}

// status reads "a.2 RUNNING uuid=7 agent=a1 reason=… source=master executor=…
// unreachable=-5m at=-5s message=…". An update from an agent gets a fresh uuid unless
// told otherwise; one from the master has none.
func (e *env) status(text string) *mesos.TaskStatus {
	text, message, hasMessage := strings.Cut(text, " message=")
	fields := strings.Fields(text)
	state := mesos.TaskState(mesos.TaskState_value["TASK_"+fields[1]])
	if _, ok := mesos.TaskState_value["TASK_"+fields[1]]; !ok {
		e.t.Fatalf("unknown state %q", fields[1])
	}
	sec := float64(e.now.UnixMilli()) / 1000
	st := &mesos.TaskStatus{TaskID: mesos.TaskID{Value: fields[0]}, State: &state, AgentID: &mesos.AgentID{Value: "a1"},
		Source: mesos.SOURCE_EXECUTOR.Enum(), Timestamp: &sec}
	if hasMessage {
		st.Message = &message
	}
	e.uuids++
	uuid := e.uuids
	for _, f := range fields[2:] {
		k, v, _ := strings.Cut(f, "=")
		switch k {
		case "agent":
			st.AgentID.Value = v
		case "uuid":
			uuid, _ = strconv.Atoi(v)
		case "source":
			st.Source = mesos.TaskStatus_Source(mesos.TaskStatus_Source_value["SOURCE_"+strings.ToUpper(v)]).Enum()
			if v == "master" {
				uuid = 0
			}
		case "reason":
			r, ok := mesos.TaskStatus_Reason_value["REASON_"+v]
			if !ok {
				e.t.Fatalf("unknown reason %q", v)
			}
			st.Reason = mesos.TaskStatus_Reason(r).Enum()
		case "at":
			d, _ := time.ParseDuration(v)
			sec := float64(e.now.Add(d).UnixMilli()) / 1000
			st.Timestamp = &sec
		case "executor":
			st.ExecutorID = &mesos.ExecutorID{Value: v}
		case "unreachable":
			d, _ := time.ParseDuration(v)
			st.UnreachableTime = &mesos.TimeInfo{Nanoseconds: e.now.Add(d).UnixNano()}
		default:
			e.t.Fatalf("unknown field %q", f)
		}
	}
	if uuid > 0 {
		st.UUID = make([]byte, 16)
		st.UUID[15] = byte(uuid)
	}
	return st
}

// collected reads "task launch last missing=a,b err=… stderr=…".
func collected(text string) Collected {
	text, stderr, _ := strings.Cut(text, " stderr=")
	fields := strings.Fields(text)
	ev := Collected{Task: task.ID(fields[0]), Stderr: stderr}
	ev.Launch, _ = strconv.Atoi(fields[1])
	for _, f := range fields[2:] {
		k, v, _ := strings.Cut(f, "=")
		switch k {
		case "last":
			ev.Last = true
		case "missing":
			ev.Missing = strings.Split(v, ",")
		case "err":
			ev.Err = errors.New(v)
		}
	}
	return ev
}

// executorLost reads "executor", "executor agent", "executor agent status".
func executorLost(text string) ExecutorLost {
	ev := ExecutorLost{Agent: "a1", Status: 35072}
	fields := strings.Fields(text)
	ev.Executor = fields[0]
	if len(fields) > 1 {
		ev.Agent = fields[1]
	}
	if len(fields) > 2 {
		n, _ := strconv.Atoi(fields[2])
		ev.Status = int32(n)
	}
	return ev
}

// testExecutor is what agents are told of our executor.
func testExecutor(byDefault bool) ExecutorConfig {
	return ExecutorConfig{Default: byDefault, Cost: task.Resources{CPUs: 100, Mem: 64}, Command: "exec ./cmdq executor",
		URI: func() string { return "http://h:1/cmdq-abc" }, File: "cmdq", Arch: "amd64", Idle: time.Minute,
		Data: func(t *task.Task, n int, more []task.Variable) []byte { return dataWith(t, more) }}
}

func downError(text string) error {
	switch {
	case strings.HasPrefix(text, "refused "):
		return &mesosapi.Refused{Status: 401, Message: strings.TrimPrefix(text, "refused ")}
	case text == "":
		return errors.New("the stream ended")
	}
	return errors.New(text)
}

// answered reads "ACCEPT", "ACCEPT lost", "ACKNOWLEDGE gone", "KILL refused".
func (e *env) answered(text string) Answered {
	kind, how, _ := strings.Cut(text, " ")
	call := &sched.Call{Type: sched.Call_Type(sched.Call_Type_value[kind])}
	if kind == "ACKNOWLEDGE" {
		call.Acknowledge = &sched.Call_Acknowledge{}
	}
	switch how {
	case "":
		return Answered{Call: call}
	case "gone":
		return Answered{call, &mesosapi.NotSubscribed{}}
	case "refused":
		return Answered{call, &mesosapi.Refused{Status: 400, Message: "no"}}
	case "unauthorized":
		return Answered{call, &mesosapi.Refused{Status: 401, Message: "who are you"}}
	}
	return Answered{call, errors.New(how)}
}
