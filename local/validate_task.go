package local

import (
	"fmt"

	"github.com/mesos/mesos-go/api/v1/lib"
)

// validateTask checks a task of a LAUNCH. It returns what the task needs, and
// what its executor does, if it has one of its own; or what is wrong with it.
// That both are contained in what is left of the offers is checked by the
// caller, last.
func validateTask(t *mesos.TaskInfo, f *framework, a *agentRecord, role string) (need, executor Resources, text string) {
	need, text = validateTaskBody(t, f, a, role)
	switch {
	case text != "":
		return nil, nil, text
	case (t.Executor == nil) == (t.Command == nil):
		return nil, nil, "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
	case t.Executor != nil:
		executor, text = validateTaskExecutor(t.Executor, f, a, role)
		return need, executor, text
	}
	return need, nil, unsupported(t)
}

// validateTaskBody checks all of a task but its executor, in the order in which
// Mesos does (task::internal::validateTask in src/master/validation.cpp).
func validateTaskBody(t *mesos.TaskInfo, f *framework, a *agentRecord, role string) (Resources, string) {
	if text := validateTaskHead(t, f, a); text != "" {
		return nil, text
	}
	need, text := validateTaskResources(t, role)
	if text != "" {
		return nil, text
	}
	if text := validateCommand("Task", t.Command); text != "" {
		return nil, text
	}
	if text := validateLimits(t, need); text != "" {
		return nil, text
	}
	return need, ""
}

func validateTaskHead(t *mesos.TaskInfo, f *framework, a *agentRecord) string {
	if text := validateID(t.TaskID.Value); text != "" {
		return text
	}
	switch {
	case f.tasks[t.TaskID.Value] != nil || f.isUnreachable(t.TaskID.Value):
		return "Task has duplicate ID: " + t.TaskID.Value
	case t.AgentID.Value != a.id:
		return fmt.Sprintf("Task uses invalid agent %s while agent %s is expected", t.AgentID.Value, a.id)
	case t.KillPolicy.GetGracePeriod().GetNanoseconds() < 0:
		return "Task's 'kill_policy.grace_period' must be non-negative"
	case t.MaxCompletionTime.GetNanoseconds() < 0:
		return "Task's 'max_completion_time' must be non-negative"
	}
	return ""
}

func validateTaskResources(t *mesos.TaskInfo, role string) (Resources, string) {
	if len(t.Resources) == 0 {
		return nil, "Task uses no resources"
	}
	need, err := fromWire(t.Resources, role)
	if err != nil {
		return nil, "Task uses invalid resources: " + err.Error()
	}
	if severalRoles(t.Resources) {
		return nil, "Task uses invalid resources: The resources have multiple allocation roles"
	}
	return need, ""
}

// validateCommand checks the environment of a command; whose says whether it is
// a Task's or an Executor's.
func validateCommand(whose string, c *mesos.CommandInfo) string {
	if c == nil || c.Environment == nil {
		return ""
	}
	for _, v := range c.Environment.Variables {
		switch v.GetType() {
		case mesos.Environment_Variable_VALUE:
			if v.Value == nil {
				return fmt.Sprintf("%s's `CommandInfo` is invalid: Environment variable '%s' of type 'VALUE' must have a value set", whose, v.Name)
			}
		case mesos.Environment_Variable_SECRET:
			return fmt.Sprintf("not supported yet: environment variable '%s' of type 'SECRET'", v.Name)
		default:
			return fmt.Sprintf("%s's `CommandInfo` is invalid: Environment variable '%s' is of an unknown type", whose, v.Name)
		}
	}
	return ""
}

// validateLimits checks the limits of a task: only of cpus and mem, and not
// below what it needs.
func validateLimits(t *mesos.TaskInfo, need Resources) string {
	for name, limit := range t.Limits {
		if name != "cpus" && name != "mem" {
			return fmt.Sprintf("Task limits are not allowed for resource '%s'", name)
		}
		milli, ok := toMilli(limit.Value)
		if (ok && milli < need.scalar(name)) || limit.Value < 0 {
			return fmt.Sprintf("Task limit of '%s' is less than its request", name)
		}
	}
	return ""
}

// unsupported names what a task asks for that is not built, so that it is
// refused and not ignored.
func unsupported(t *mesos.TaskInfo) string {
	switch {
	case t.Container != nil:
		return "not supported yet: container"
	case t.HealthCheck != nil:
		return "not supported yet: health_check"
	case t.Check != nil:
		return "not supported yet: check"
	}
	return ""
}
