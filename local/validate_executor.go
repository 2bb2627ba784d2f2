package local

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/mesos/mesos-go/api/v1/lib"
)

// The least that the executor of a task group must have, in thousandths
// (Mesos: src/master/constants.hpp).
const (
	minExecutorCPUs = 10
	minExecutorMem  = 32_000
)

// validateExecutor checks the executor of a task, in the order in which Mesos
// does (executor::internal::validate in src/master/validation.cpp). It returns
// what the executor needs, or what is wrong with it.
func validateExecutor(x *mesos.ExecutorInfo, f *framework, a *agentRecord, role string) (Resources, string) {
	if text := validateExecutorType(x); text != "" {
		return nil, text
	}
	if text := validateID(x.ExecutorID.Value); text != "" {
		return nil, text
	}
	if x.ShutdownGracePeriod.GetNanoseconds() < 0 {
		return nil, "ExecutorInfo's 'shutdown_grace_period' must be non-negative"
	}
	if text := validateCommand("Executor", x.Command); text != "" {
		return nil, text
	}
	switch {
	case x.FrameworkID == nil:
		return nil, "'ExecutorInfo.framework_id' must be set"
	case x.FrameworkID.Value != f.id:
		return nil, fmt.Sprintf("ExecutorInfo has an invalid FrameworkID (Actual: %s vs Expected: %s)", x.FrameworkID.Value, f.id)
	}
	need, err := fromWire(x.Resources, role)
	if err != nil {
		return nil, "Executor uses invalid resources: " + err.Error()
	}
	if severalRoles(x.Resources) {
		return nil, "Invalid executor resources: The resources have multiple allocation roles"
	}
	known := a.executors[executorKey{f.id, x.ExecutorID.Value}]
	if known != nil && !known.compatible(x, need, role) {
		return nil, fmt.Sprintf("ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID.\n"+
			"Existing ExecutorInfo:\n%s\nExecutorInfo:\n%s\n", appendJSON(nil, known.info), appendJSON(nil, x))
	}
	if x.Container != nil {
		return nil, "not supported yet: executor.container"
	}
	return need, ""
}

func validateExecutorType(x *mesos.ExecutorInfo) string {
	switch {
	case x.Type == mesos.ExecutorInfo_DEFAULT && x.Command != nil:
		return "'ExecutorInfo.command' must not be set for 'DEFAULT' executor"
	case x.Type == mesos.ExecutorInfo_CUSTOM && x.Command == nil:
		return "'ExecutorInfo.command' must be set for 'CUSTOM' executor"
	}
	return ""
}

// severalRoles tells whether resources are allocated to more than one role.
func severalRoles(list []mesos.Resource) bool {
	for i := range list {
		if list[i].AllocationInfo != nil && list[0].AllocationInfo != nil &&
			list[i].AllocationInfo.GetRole() != list[0].AllocationInfo.GetRole() {
			return true
		}
	}
	return false
}

// compatible tells whether an executor may be taken for the one that is there.
// Labels and the grace of a shutdown may differ (Mesos: operator== in
// src/common/type_utils.cpp).
func (r *executorRecord) compatible(x *mesos.ExecutorInfo, need Resources, role string) bool {
	k := r.info
	return k.Type == x.Type && r.role == role && r.resources.contains(need) && need.contains(r.resources) &&
		bytes.Equal(k.Data, x.Data) && sameCommand(k.Command, x.Command) &&
		k.GetName() == x.GetName() && k.GetSource() == x.GetSource() && k.Discovery.Equal(x.Discovery)
}

// sameCommand compares two commands; the order of their URIs does not matter.
func sameCommand(a, b *mesos.CommandInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.GetShell() == b.GetShell() && a.GetValue() == b.GetValue() && a.GetUser() == b.GetUser() &&
		slices.Equal(a.Arguments, b.Arguments) && a.Environment.Equal(b.Environment) &&
		sameURIs(a.URIs, b.URIs)
}

// sameURIs tells whether two lists hold the same, in whatever order.
func sameURIs(a, b []mesos.CommandInfo_URI) bool {
	type uri struct {
		value, output       string
		executable, extract bool
	}
	set := func(list []mesos.CommandInfo_URI) map[uri]bool {
		all := map[uri]bool{}
		for i := range list {
			x := &list[i]
			all[uri{x.Value, x.GetOutputFile(), x.GetExecutable(), x.GetExtract()}] = true
		}
		return all
	}
	return len(a) == len(b) && maps.Equal(set(a), set(b))
}

// validateTaskExecutor checks the executor of a task of a LAUNCH.
func validateTaskExecutor(x *mesos.ExecutorInfo, f *framework, a *agentRecord, role string) (Resources, string) {
	need, text := validateExecutor(x, f, a, role)
	switch {
	case text != "":
		return nil, text
	case x.Type != mesos.ExecutorInfo_UNKNOWN && x.Type != mesos.ExecutorInfo_CUSTOM:
		return nil, "'ExecutorInfo.type' must be 'CUSTOM'"
	case x.Command == nil:
		return nil, "'ExecutorInfo.command' must be set"
	}
	return need, ""
}

// groupNeeds is what the parts of a task group need.
type groupNeeds struct {
	tasks    []Resources
	executor Resources
}

// validateGroup checks a task group and its executor (Mesos:
// task::group::validate): the first thing that is wrong is wrong with all of it.
func validateGroup(tasks []mesos.TaskInfo, x *mesos.ExecutorInfo, f *framework, a *agentRecord, role string) (groupNeeds, string) {
	var needs groupNeeds
	seen := map[string]bool{}
	for i := range tasks {
		t := &tasks[i]
		need, text := validateGroupTask(t, x, f, a, role)
		if text == "" && seen[t.TaskID.Value] {
			text = "Task has duplicate ID: " + t.TaskID.Value
		}
		if text != "" {
			return needs, fmt.Sprintf("Task '%s' is invalid: %s", t.TaskID.Value, text)
		}
		seen[t.TaskID.Value] = true
		needs.tasks = append(needs.tasks, need)
	}
	need, text := validateExecutor(x, f, a, role)
	if text != "" {
		return needs, text
	}
	needs.executor = need
	if x.Type != mesos.ExecutorInfo_DEFAULT && x.Type != mesos.ExecutorInfo_CUSTOM {
		return needs, "'ExecutorInfo.type' must be set"
	}
	for i := range tasks {
		if tasks[i].Executor != nil && !tasks[i].Executor.Equal(x) {
			return needs, fmt.Sprintf("The `ExecutorInfo` of task '%s' is different from executor '%s'", tasks[i].TaskID.Value, x.ExecutorID.Value)
		}
	}
	return needs, validateGroupExecutor(x.ExecutorID.Value, need)
}

func validateGroupTask(t *mesos.TaskInfo, x *mesos.ExecutorInfo, f *framework, a *agentRecord, role string) (Resources, string) {
	need, text := validateTaskBody(t, f, a, role)
	switch {
	case text != "":
		return nil, text
	case len(t.Limits) > 0:
		return nil, "Resource limits may only be set for tasks within a task group when the 'share_cgroups' field is set to 'false'."
	case x.Type != mesos.ExecutorInfo_DEFAULT:
		return need, ""
	case t.Command == nil:
		return nil, "'TaskInfo.command' must be set"
	}
	return need, unsupported(t)
}

// validateGroupExecutor checks that the executor of a group has enough for itself.
func validateGroupExecutor(id string, need Resources) string {
	switch {
	case need.scalar("cpus") < minExecutorCPUs:
		return fmt.Sprintf("Executor '%s' uses less CPUs (%s) than the minimum required (0.01)", id, formatScalar(need.scalar("cpus")))
	case need.scalar("mem") < minExecutorMem:
		return fmt.Sprintf("Executor '%s' uses less memory (%s) than the minimum required (32)", id, formatScalar(need.scalar("mem")))
	case need.scalar("disk") == 0:
		return fmt.Sprintf("Executor '%s' uses no disk", id)
	}
	return ""
}
