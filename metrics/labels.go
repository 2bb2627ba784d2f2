package metrics

import (
	"slices"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// other stands for every value of a label that is on no list. States and reasons
// come from agents and executors, which may be newer than we are, or lie.
const other = "other"

// results are the ways for a call to end.
var results = []string{"ok", "refused", "not_subscribed", "unreachable"}

// stateLabel is the name of a task state without TASK_.
func stateLabel(name string) string {
	if _, known := mesos.TaskState_value[name]; !known {
		return other
	}
	return strings.TrimPrefix(name, "TASK_")
}

// reasonLabel is the name of a reason without REASON_, with which it may come or
// not; none if there is none.
func reasonLabel(name string) string {
	if name == "" {
		return "none"
	}
	short := strings.TrimPrefix(name, "REASON_")
	if _, known := mesos.TaskStatus_Reason_value["REASON_"+short]; !known {
		return other
	}
	return short
}

func callLabel(name string) string {
	if _, known := sched.Call_Type_value[name]; !known {
		return other
	}
	return name
}

func resultLabel(name string) string {
	if !slices.Contains(results, name) {
		return other
	}
	return name
}
