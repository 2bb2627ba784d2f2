package local

import (
	"slices"
	"strings"
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// TestExecutorCompatible: an executor that is there is not another one.
func TestExecutorCompatible(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	base := idleExecutor("e1", "sleep 1000")
	base.Command.URIs = []mesos.CommandInfo_URI{{Value: "/etc/hosts"}, {Value: "/etc/passwd"}}
	base.Command.Environment = &mesos.Environment{}
	changes := map[string]func(*mesos.ExecutorInfo){
		"command":   func(x *mesos.ExecutorInfo) { x.Command.Value = new("sleep 1001") },
		"shell":     func(x *mesos.ExecutorInfo) { x.Command.Shell = new(false) },
		"arguments": func(x *mesos.ExecutorInfo) { x.Command.Arguments = []string{"x"} },
		"uris":      func(x *mesos.ExecutorInfo) { x.Command.URIs = x.Command.URIs[:1] },
		"extract":   func(x *mesos.ExecutorInfo) { x.Command.URIs[0].Extract = new(false) },
		"variables": func(x *mesos.ExecutorInfo) {
			x.Command.Environment.Variables = []mesos.Environment_Variable{{Name: "N", Value: new("v")}}
		},
		"data":      func(x *mesos.ExecutorInfo) { x.Data = []byte("x") },
		"name":      func(x *mesos.ExecutorInfo) { x.Name = new("x") },
		"source":    func(x *mesos.ExecutorInfo) { x.Source = new("x") },
		"type":      func(x *mesos.ExecutorInfo) { x.Type = mesos.ExecutorInfo_UNKNOWN },
		"resources": func(x *mesos.ExecutorInfo) { x.Resources = x.Resources[:1] },
	}
	same := map[string]func(*mesos.ExecutorInfo){
		"labels": func(x *mesos.ExecutorInfo) { x.Labels = &mesos.Labels{Labels: []mesos.Label{{Key: "k"}}} },
		"grace":  func(x *mesos.ExecutorInfo) { x.ShutdownGracePeriod = &mesos.DurationInfo{Nanoseconds: 1} },
		"order": func(x *mesos.ExecutorInfo) {
			x.Command.URIs[0], x.Command.URIs[1] = x.Command.URIs[1], x.Command.URIs[0]
		},
		"cache":     func(x *mesos.ExecutorInfo) { x.Command.URIs[0].Cache = new(true) },
		"resources": func(x *mesos.ExecutorInfo) { slices.Reverse(x.Resources) },
	}
	variant := func(change func(*mesos.ExecutorInfo)) *mesos.ExecutorInfo {
		x := *base
		cmd, env := *base.Command, *base.Command.Environment
		cmd.URIs, cmd.Environment = slices.Clone(cmd.URIs), &env
		x.Command, x.Resources = &cmd, slices.Clone(x.Resources)
		change(&x)
		return &x
	}
	tasks := []mesos.TaskInfo{taskOn("first", o, base, "")}
	for name, change := range changes {
		tasks = append(tasks, taskOn("other-"+name, o, variant(change), ""))
	}
	for name, change := range same {
		tasks = append(tasks, taskOn("same-"+name, o, variant(change), ""))
	}
	s.accept(3600, []mesos.Offer{o}, tasks...)
	for name := range changes {
		if st := s.peek("other-" + name); st.GetState() != mesos.TASK_ERROR || st.GetReason() != mesos.REASON_TASK_INVALID ||
			!strings.HasPrefix(st.GetMessage(), "ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID") {
			t.Errorf("%s: %v", name, st)
		}
	}
	s.call(&scheduler.Call{Type: scheduler.Call_RECONCILE, Reconcile: &scheduler.Call_Reconcile{}})
	for name := range same {
		if st := s.peek("same-" + name); st.GetState() != mesos.TASK_STAGING || st.ExecutorID.GetValue() != "e1" {
			t.Errorf("%s: %v", name, st)
		}
	}
}

// TestExecutorErrors: executors that are no good.
func TestExecutorErrors(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	tests := []struct {
		name   string
		change func(*mesos.ExecutorInfo)
		want   string
	}{
		{"no-id", func(x *mesos.ExecutorInfo) { x.ExecutorID.Value = "" }, "ID must not be empty"},
		{"bad-id", func(x *mesos.ExecutorInfo) { x.ExecutorID.Value = "a/b" }, "'a/b' contains invalid characters"},
		{"no-command", func(x *mesos.ExecutorInfo) { x.Command = nil }, "'ExecutorInfo.command' must be set for 'CUSTOM' executor"},
		{"untyped", func(x *mesos.ExecutorInfo) { x.Command, x.Type = nil, mesos.ExecutorInfo_UNKNOWN }, "'ExecutorInfo.command' must be set"},
		{"default", func(x *mesos.ExecutorInfo) { x.Command, x.Type = nil, mesos.ExecutorInfo_DEFAULT }, "'ExecutorInfo.type' must be 'CUSTOM'"},
		{"default-command", func(x *mesos.ExecutorInfo) { x.Type = mesos.ExecutorInfo_DEFAULT }, "'ExecutorInfo.command' must not be set for 'DEFAULT' executor"},
		{"grace", func(x *mesos.ExecutorInfo) { x.ShutdownGracePeriod = &mesos.DurationInfo{Nanoseconds: -1} }, "ExecutorInfo's 'shutdown_grace_period' must be non-negative"},
		{"variable", func(x *mesos.ExecutorInfo) {
			x.Command = &mesos.CommandInfo{Value: new("x"), Environment: &mesos.Environment{Variables: []mesos.Environment_Variable{{Name: "N"}}}}
		}, "Executor's `CommandInfo` is invalid"},
		{"framework", func(x *mesos.ExecutorInfo) { x.FrameworkID = &mesos.FrameworkID{Value: "F"} }, "ExecutorInfo has an invalid FrameworkID (Actual: F vs Expected: " + s.id},
		{"resources", func(x *mesos.ExecutorInfo) { x.Resources = []mesos.Resource{scalarResource("cpus", -1)} }, "Executor uses invalid resources"},
		{"roles", func(x *mesos.ExecutorInfo) {
			x.Resources = []mesos.Resource{scalarResource("cpus", 1), scalarResource("mem", 1)}
			for i, role := range []string{"a", "b"} {
				x.Resources[i].AllocationInfo = &mesos.Resource_AllocationInfo{Role: &role}
			}
		}, "Invalid executor resources"},
		{"large", func(x *mesos.ExecutorInfo) { x.Resources = []mesos.Resource{scalarResource("cpus", 4)} },
			"Total resources cpus:4.1;mem:32 required by task and its executor is more than available"},
		{"container", func(x *mesos.ExecutorInfo) {
			x.Container = &mesos.ContainerInfo{Type: mesos.ContainerInfo_MESOS.Enum()}
		}, "not supported yet: executor.container"},
	}
	var tasks []mesos.TaskInfo
	for _, tt := range tests {
		x := idleExecutor("e-"+tt.name, "true")
		tt.change(x)
		tasks = append(tasks, taskOn(tt.name, o, x, ""))
	}
	s.accept(3600, []mesos.Offer{o}, tasks...)
	for _, tt := range tests {
		if st := s.peek(tt.name); st.GetState() != mesos.TASK_ERROR || st.GetReason() != mesos.REASON_TASK_INVALID || !strings.HasPrefix(st.GetMessage(), tt.want) {
			t.Errorf("%s: %v %v %q, want %q", tt.name, st.GetState(), st.GetReason(), st.GetMessage(), tt.want)
		}
	}
	c.master.box.call(func() {
		if a := c.master.agents[0]; len(a.executors) != 0 || len(a.used) != 0 {
			t.Errorf("executors %v, used %v", a.executors, a.used)
		}
	})
}
