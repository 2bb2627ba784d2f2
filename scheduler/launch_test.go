package scheduler

import (
	"slices"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"cmdq/task"
)

// launched makes the TaskInfo of one task, launched on a large agent.
func launched(t *testing.T, spec *task.Spec, index int) mesos.TaskInfo {
	t.Helper()
	s := newState(DefaultConfig())
	s.now = time.Unix(1_700_000_000, 0)
	added, err := s.queue.Add(task.Task{ID: spec.ID, Spec: spec, Index: index})
	if err != nil {
		t.Fatal(err)
	}
	o := parseOffer(t, "o1 agent=a1 cpus=8 mem=8000 disk=500 gpus=2")
	info := s.launch(added, s.meet(&o), s.pool([]mesos.Offer{o}))
	if _, err := info.Marshal(); err != nil {
		t.Fatalf("not fit for the wire: %v", err)
	}
	return info
}

func TestTaskInfoOfAShellCommand(t *testing.T) {
	info := launched(t, &task.Spec{
		ID: "a-3", Command: "echo $X", Name: "say x", User: "bob", Env: map[string]string{"X": "1", "A": "2"},
		Resources: task.Resources{CPUs: 1500, Mem: 64, Disk: 10, GPUs: 1}, Timeout: time.Minute, KillGrace: 5 * time.Second,
		Labels: map[string]string{"team": "a", "cost": "low"},
		URIs:   []task.URI{{Value: "http://h/x.tgz", Extract: true}, {Value: "/f", Executable: true, Cache: true, OutputFile: "bin/f"}},
	}, 3)
	if info.Name != "say x" || info.TaskID.Value != "a-3" || info.AgentID.Value != "a1" {
		t.Errorf("who and where: %s %s %s", info.Name, info.TaskID.Value, info.AgentID.Value)
	}
	c := info.Command
	if !c.GetShell() || c.GetValue() != "echo $X" || c.GetUser() != "bob" || len(c.Arguments) != 0 {
		t.Errorf("command: %+v", c)
	}
	env := ""
	for _, v := range c.Environment.Variables {
		env += v.Name + "=" + v.GetValue() + " "
	}
	if want := "A=2 X=1 CMDQ_TASK=a-3 CMDQ_ATTEMPT=1 CMDQ_INDEX=3 "; env != want {
		t.Errorf("environment %q, want %q", env, want)
	}
	if info.MaxCompletionTime.Nanoseconds != int64(time.Minute) || info.KillPolicy.GracePeriod.Nanoseconds != int64(5*time.Second) {
		t.Errorf("times: %v %v", info.MaxCompletionTime, info.KillPolicy)
	}
	if l := info.Labels.Labels; len(l) != 2 || l[0].Key != "cost" || *l[1].Value != "a" {
		t.Errorf("labels: %v", l)
	}
	u := c.URIs
	if len(u) != 2 || u[0].Value != "http://h/x.tgz" || !*u[0].Extract || *u[0].Executable || u[0].OutputFile != nil ||
		*u[1].Extract || !*u[1].Executable || !*u[1].Cache || *u[1].OutputFile != "bin/f" {
		t.Errorf("uris: %+v", u)
	}
	got := map[string]float64{}
	for _, r := range info.Resources {
		got[r.Name] += r.Scalar.Value
		if r.AllocationInfo.GetRole() != "*" {
			t.Errorf("%s is allocated to %q", r.Name, r.AllocationInfo.GetRole())
		}
	}
	if got["cpus"] != 1.5 || got["mem"] != 64 || got["disk"] != 10 || got["gpus"] != 1 {
		t.Errorf("resources: %v", got)
	}
}

// TestUserOfALaterStart: a master keeps the user that a framework was first
// subscribed with, so another one has to be said with each command.
func TestUserOfALaterStart(t *testing.T) {
	for _, tt := range []struct{ first, now, task, want string }{
		{"ann", "ann", "", ""},
		{"", "ann", "", ""}, // not subscribed yet: the SUBSCRIBE says it
		{"root", "ann", "", "ann"},
		{"root", "ann", "bob", "bob"},
	} {
		cfg := DefaultConfig()
		cfg.User = tt.now
		s := newState(cfg)
		s.framework.User = tt.first
		c := s.command(&task.Task{ID: "a", Spec: &task.Spec{ID: "a", Command: "true", User: tt.task}, Index: -1}, 1, nil)
		if c.GetUser() != tt.want {
			t.Errorf("%+v: runs as %q", tt, c.GetUser())
		}
	}
}

func TestTaskInfoOfAProgram(t *testing.T) {
	info := launched(t, &task.Spec{ID: "p", Argv: []string{"/bin/echo", "$HOME", "*"}, Resources: task.Resources{CPUs: 100, Mem: 1}}, -1)
	c := info.Command
	if c.GetShell() || c.GetValue() != "/bin/echo" || len(c.Arguments) != 3 || c.Arguments[0] != "/bin/echo" || c.Arguments[2] != "*" {
		t.Errorf("command: %+v", c)
	}
	if info.Name != "task p" || info.MaxCompletionTime != nil || info.Labels != nil || c.User != nil {
		t.Errorf("what was not asked for is there: %+v", info)
	}
	for _, v := range c.Environment.Variables {
		if v.Name == "CMDQ_INDEX" {
			t.Error("an index without count")
		}
	}
}

// TestTaskInfoOfAContainer: what an agent makes of these was seen with Mesos 1.12:
// `docker run … --entrypoint=sh image -c x`, and execve("sh", ["sh", "-c", "x"]).
func TestTaskInfoOfAContainer(t *testing.T) {
	for _, tt := range []struct {
		kind, command string
		argv          []string
		value         string
		arguments     []string
		entrypoint    string
	}{
		{kind: task.DockerContainer, command: "x", value: "x"},
		{kind: task.DockerContainer, argv: []string{"sh", "-c", "x"}, arguments: []string{"-c", "x"}, entrypoint: "sh"},
		{kind: task.DockerContainer, argv: []string{"sh"}, entrypoint: "sh"},
		{kind: task.MesosContainer, command: "x", value: "x"},
		{kind: task.MesosContainer, argv: []string{"sh", "-c", "x"}, value: "sh", arguments: []string{"sh", "-c", "x"}},
	} {
		info := launched(t, &task.Spec{ID: "c", Command: tt.command, Argv: tt.argv, Resources: task.Resources{CPUs: 100, Mem: 1},
			Rules: &task.Rules{Container: &task.Container{Type: tt.kind, Image: "i:1"}}}, -1)
		c, d := info.Command, info.Container.GetDocker()
		if c.GetValue() != tt.value || c.GetShell() != (tt.argv == nil) || !slices.Equal(c.Arguments, tt.arguments) {
			t.Errorf("%+v: command %v", tt, c)
		}
		if (d == nil) != (tt.kind == task.MesosContainer) {
			t.Errorf("%+v: container %v", tt, info.Container)
			continue
		}
		var entrypoint string
		if p := d.GetParameters(); len(p) == 1 && p[0].Key == "entrypoint" {
			entrypoint = p[0].Value
		}
		if entrypoint != tt.entrypoint || d != nil && (d.Image != "i:1" || d.GetNetwork() != mesos.ContainerInfo_DockerInfo_HOST) {
			t.Errorf("%+v: docker %v", tt, d)
		}
	}
}

// TestPool: what an offer has for us, and how it is split up.
func TestPool(t *testing.T) {
	scalar := func(name string, v float64) mesos.Resource {
		return mesos.Resource{Name: name, Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: v}}
	}
	refined := scalar("cpus", 2)
	refined.Reservations = []mesos.Resource_ReservationInfo{{Role: str("a")}, {Role: str("a/b")}}
	revocable := scalar("cpus", 4)
	revocable.Revocable = &mesos.Resource_RevocableInfo{}
	volume := scalar("disk", 100)
	volume.Disk = &mesos.Resource_DiskInfo{}
	shared := scalar("disk", 100)
	shared.Shared = &mesos.Resource_SharedInfo{}
	tests := []struct {
		name string
		role string
		in   mesos.Resource
		want task.Resources
	}{
		{"unreserved", "x", scalar("cpus", 0.1), task.Resources{CPUs: 100}},
		{"three decimals", "x", scalar("cpus", 0.0014), task.Resources{CPUs: 1}},
		{"whole MB", "x", scalar("mem", 1.999), task.Resources{Mem: 1}},
		{"reserved for us, refined", "a/b", refined, task.Resources{CPUs: 2000}},
		{"reserved for our parent", "a", refined, task.Resources{}},
		{"revocable", "x", revocable, task.Resources{}},
		{"a volume", "x", volume, task.Resources{}},
		{"shared", "x", shared, task.Resources{}},
		{"unknown", "x", scalar("wings", 2), task.Resources{}},
		{"nothing", "x", scalar("cpus", 0), task.Resources{}},
		{"negative", "x", scalar("cpus", -1), task.Resources{}},
		{"absurd", "x", scalar("cpus", 1e300), task.Resources{}},
		{"no scalar", "x", mesos.Resource{Name: "cpus", Type: mesos.SCALAR.Enum()}, task.Resources{}},
		{"a range", "x", mesos.Resource{Name: "cpus", Type: mesos.RANGES.Enum()}, task.Resources{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &pool{}
			p.add(tt.in, tt.role)
			if p.free != tt.want {
				t.Errorf("free %+v, want %+v", p.free, tt.want)
			}
		})
	}
}

func str(s string) *string { return &s }

// TestTaskInfoOfALine: the line of a list goes into what runs, once it does.
func TestTaskInfoOfALine(t *testing.T) {
	series := &task.Series{First: 1, Lines: []string{"a 'b'", "$x"}}
	shell := launched(t, &task.Spec{ID: "a-2", Command: "echo {} >{}.txt", Series: series, Resources: task.Resources{CPUs: 100, Mem: 1}}, 2).Command
	if got, want := shell.GetValue(), "echo '$x' >'$x'.txt"; got != want || !shell.GetShell() {
		t.Errorf("command %s, want %s", got, want)
	}
	vars := map[string]string{}
	for _, v := range shell.Environment.Variables {
		vars[v.Name] = v.GetValue()
	}
	if vars["CMDQ_LINE"] != "$x" || vars["CMDQ_INDEX"] != "2" {
		t.Errorf("environment: %v", vars)
	}
	argv := launched(t, &task.Spec{ID: "a-1", Argv: []string{"{}", "-o={}"}, Series: series, Resources: task.Resources{CPUs: 100, Mem: 1}}, 1).Command
	if argv.GetValue() != "a 'b'" || len(argv.Arguments) != 2 || argv.Arguments[0] != "a 'b'" || argv.Arguments[1] != "-o=a 'b'" || argv.GetShell() {
		t.Errorf("argv: %s %q", argv.GetValue(), argv.Arguments)
	}
}
