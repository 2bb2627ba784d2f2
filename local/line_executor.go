package local

import "github.com/mesos/mesos-go/api/v1/lib"

// What the master and an agent tell each other about executors.

// runOnExecutor hands tasks to an executor: one, or a whole group.
type runOnExecutor struct {
	framework frameworkBrief
	executor  *mesos.ExecutorInfo // never changed once sent
	tasks     []*mesos.TaskInfo   // never changed once sent
	role      string              // what all of it is allocated to
	group     bool
	launch    bool // the master expects that the executor is not there yet
}

// messageExecutor brings data of a scheduler.
type messageExecutor struct {
	framework, executor string
	data                []byte
}

// shutdownExecutor ends an executor with all its tasks.
type shutdownExecutor struct{ framework, executor string }

func (runOnExecutor) toAgent()    {}
func (messageExecutor) toAgent()  {}
func (shutdownExecutor) toAgent() {}

// executorExited says that an executor is gone. status is as wait(2) gives it;
// -1: unknown.
type executorExited struct {
	agent, framework, executor string
	status                     int32
}

// executorMessage brings data of an executor.
type executorMessage struct {
	agent, framework, executor string
	data                       []byte
}

func (executorExited) toMaster()  {}
func (executorMessage) toMaster() {}
