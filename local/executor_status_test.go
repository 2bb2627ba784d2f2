package local

import (
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib"
)

// Apache Mesos passes an update on without executor_id when the executor gave
// none, as pymesos does; what else is missing the agent puts in.
func TestUpdateOfAnExecutorIsCompleted(t *testing.T) {
	e := &agentExecutor{agent: &agent{id: "S0"}, info: &mesos.ExecutorInfo{ExecutorID: mesos.ExecutorID{Value: "e"}}}
	bare := mesos.TaskStatus{TaskID: mesos.TaskID{Value: "t"}}
	e.complete(&bare)
	if bare.ExecutorID != nil {
		t.Errorf("executor_id %q, which the executor did not give", bare.ExecutorID.Value)
	}
	if bare.AgentID == nil || bare.AgentID.Value != "S0" || bare.GetSource() != mesos.SOURCE_EXECUTOR || bare.Timestamp == nil {
		t.Errorf("not completed: %v", bare)
	}
	named := mesos.TaskStatus{TaskID: mesos.TaskID{Value: "t"}, ExecutorID: &mesos.ExecutorID{Value: "e"}}
	e.complete(&named)
	if named.ExecutorID == nil || named.ExecutorID.Value != "e" {
		t.Errorf("executor_id lost: %v", named)
	}
}
