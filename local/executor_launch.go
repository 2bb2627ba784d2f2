package local

import (
	"fmt"

	"github.com/mesos/mesos-go/api/v1/lib"
)

// launchTask checks a task of a LAUNCH and hands it to its agent; it returns
// what that leaves. Success says nothing to the framework.
func (m *master) launchTask(f *framework, a *agentRecord, role string, left Resources, info *mesos.TaskInfo) Resources {
	if x := info.Executor; x != nil && x.FrameworkID == nil {
		x.FrameworkID = &mesos.FrameworkID{Value: f.id}
	}
	need, executor, text := validateTask(info, f, a, role)
	isNew := info.Executor != nil && text == "" && a.executors[executorKey{f.id, info.Executor.ExecutorID.Value}] == nil
	total := need
	if isNew {
		total = total.plus(executor)
	}
	if text == "" && !left.contains(total) {
		text = fmt.Sprintf("Total resources %s required by task and its executor is more than available %s", total, left)
	}
	if text != "" {
		m.reject(f, info, mesos.TASK_ERROR, mesos.REASON_TASK_INVALID, text)
		return left
	}
	if isNew {
		m.addExecutor(f, a, role, info.Executor, executor)
	}
	m.addTask(f, a, role, info, need)
	if info.Executor == nil {
		a.line.down(runTask{framework: f.brief(), task: info, role: role})
	} else {
		a.line.down(runOnExecutor{framework: f.brief(), executor: info.Executor, tasks: []*mesos.TaskInfo{info}, role: role, launch: isNew})
	}
	return left.minus(total)
}

// addTask charges a task that is about to be launched.
func (m *master) addTask(f *framework, a *agentRecord, role string, info *mesos.TaskInfo, need Resources) {
	t := &task{info: info, framework: f, agent: a, role: role, number: f.launched, resources: need, held: true, state: mesos.TASK_STAGING}
	f.launched++
	f.tasks[t.id()] = t
	a.tasks[t.key()] = t
	a.used = a.used.plus(need)
	f.charge(role, need)
}

// launchGroup checks the tasks of a LAUNCH_GROUP and hands all of them to their
// agent, or none. It returns what that leaves.
func (m *master) launchGroup(f *framework, a *agentRecord, role string, left Resources, op *mesos.Offer_Operation_LaunchGroup) Resources {
	if op == nil {
		return left
	}
	tasks, x := op.TaskGroup.Tasks, &op.Executor
	needs, text := validateGroup(tasks, x, f, a, role)
	isNew := a.executors[executorKey{f.id, x.ExecutorID.Value}] == nil
	var total Resources
	for _, need := range needs.tasks {
		total = total.plus(need)
	}
	if isNew {
		total = total.plus(needs.executor)
	}
	if text == "" && !left.contains(total) {
		text = fmt.Sprintf("Total resources %s required by task group and its executor are more than available %s", total, left)
	}
	if text != "" {
		m.rejectGroup(f, tasks, text)
		return left
	}
	if len(tasks) == 0 {
		return left
	}
	if isNew {
		m.addExecutor(f, a, role, x, needs.executor)
	}
	msg := runOnExecutor{framework: f.brief(), executor: x, role: role, group: true, launch: isNew}
	for i := range tasks {
		t := tasks[i]
		t.Executor = x
		m.addTask(f, a, role, &t, needs.tasks[i])
		msg.tasks = append(msg.tasks, &t)
	}
	a.line.down(msg)
	return left.minus(total)
}

// rejectGroup tells that none of a group's tasks was launched.
func (m *master) rejectGroup(f *framework, tasks []mesos.TaskInfo, text string) {
	for i := range tasks {
		m.reject(f, &tasks[i], mesos.TASK_ERROR, mesos.REASON_TASK_GROUP_INVALID, text)
	}
}
