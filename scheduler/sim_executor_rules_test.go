package scheduler

import (
	"slices"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"cmdq/task"
)

// simKnown is what cmdq can know of executors, for the rules.
type simKnown struct {
	shut  map[string]bool // SHUTDOWN was sent for it: never again
	ended map[string]bool // this process heard that it has ended
	unfit map[string]bool // agents: this process heard that they cannot run one
	doubt map[string]bool // this process heard something from which it may have ended
	mixed bool            // some process started them otherwise than others

	newest map[string]string // agent and kind: the last one that a launch was for

	// alone has the tasks that ran in an executor whose container was killed for what
	// all in it used, with one more than their base then.
	alone map[task.ID]int
}

// forget: the process ended.
func (k *simKnown) forget() {
	k.ended, k.unfit, k.doubt = map[string]bool{}, map[string]bool{}, map[string]bool{}
}

// onHeard notes what an event says of executors. It comes before the step.
func (m *sim) onHeard(ev Event) {
	switch ev := ev.(type) {
	case Subscribed:
		clear(m.known.unfit) // agents that hold nothing of ours are forgotten
	case AgentLost:
		delete(m.known.unfit, ev.Agent)
		m.c.executorsOn(m.c.agent(ev.Agent), func(x *simExecutor) { m.known.doubt[ev.Agent+" "+x.id] = true })
	case Updated:
		u := digest(ev.Status, m.c.now)
		if t := m.s.queue.Get(u.id); t != nil && u.terminal() && !u.fromExecutor {
			if a := t.Attempt(u.launch); a != nil {
				m.known.doubt[a.Agent+" "+a.Executor] = true
				if m.outgrown(t, a, &u) {
					m.known.alone[t.ID] = t.Base + 1
				}
				if t.State.Active() && a == t.Current() && u.uuid != nil && u.reason != mesos.REASON_RECONCILIATION {
					m.known.ended[a.Agent+" "+a.Executor] = true
				}
			}
		}
	case ExecutorLost:
		m.known.ended[ev.Agent+" "+ev.Executor] = true
		if a := m.s.agents[ev.Agent]; a != nil && a.executor(ev.Executor) != nil && ev.Status == notExecutable<<8 {
			m.known.unfit[ev.Agent] = true
		}
	}
}

// outgrown tells whether an update says that the container of our executor was killed
// under a command.
func (m *sim) outgrown(t *task.Task, a *task.Attempt, u *update) bool {
	return u.reason == mesos.REASON_CONTAINER_LIMITATION_MEMORY && u.uuid != nil && a.Executor != "" && (!a.Started.IsZero() || m.cfg.Executor.Terse) &&
		t.State.Active() && a == t.Current() && !t.Stop.Kills()
}

// onCalls looks at what a step decided about executors.
func (m *sim) onCalls(calls []*sched.Call) error {
	for _, call := range calls {
		switch call.Type {
		case sched.Call_SHUTDOWN:
			agent, id := call.Shutdown.AgentID.Value, call.Shutdown.ExecutorID.Value
			for t := range m.s.queue.Active() {
				if a := t.Current(); a.Agent == agent && a.Executor == id {
					return errBroken("executor %s on %s is shut down while it runs %s", id, agent, t.ID)
				}
			}
			m.known.ended[agent+" "+id] = true
		case sched.Call_ACCEPT:
			for i := range call.Accept.Operations[0].Launch.TaskInfos {
				info := &call.Accept.Operations[0].Launch.TaskInfos[i]
				id, _ := task.ParseLaunchID(info.TaskID.Value)
				killed := slices.ContainsFunc(calls, func(c *sched.Call) bool { // its group had one failure too many in the same step
					return c.Type == sched.Call_KILL && c.Kill.TaskID.Value == info.TaskID.Value
				})
				if t := m.s.queue.Get(id); t.Stop != task.NotStopped && !killed {
					return errBroken("%s is launched, and somebody asked for its end (%d)", info.TaskID.Value, t.Stop)
				}
				if err := m.onLaunch(info); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// onLaunch looks at who is to run a launch.
func (m *sim) onLaunch(info *mesos.TaskInfo) error {
	id, n := task.ParseLaunchID(info.TaskID.Value)
	t, agent := m.s.queue.Get(id), info.AgentID.Value
	byOwn := t.Spec.Executor == task.ByCmdq || t.Spec.Executor == "" && m.cfg.Executor.Default
	if m.known.alone[t.ID] == t.Base+1 {
		byOwn = false
	}
	if byOwn != (info.Executor != nil) || byOwn == (info.Command != nil) {
		return errBroken("%s should go to our executor: %v", info.TaskID.Value, byOwn)
	}
	if !byOwn {
		return nil
	}
	x := info.Executor
	user := t.Spec.User
	if user == "" && !m.cfg.Own && m.s.framework.User != m.cfg.User {
		user = m.cfg.User
	}
	switch {
	case m.known.shut[agent+" "+x.ExecutorID.Value] || m.known.ended[agent+" "+x.ExecutorID.Value]:
		return errBroken("%s goes to executor %s on %s, which has ended", info.TaskID.Value, x.ExecutorID.Value, agent)
	case m.known.unfit[agent]:
		return errBroken("%s goes to %s, which cannot run our executor", info.TaskID.Value, agent)
	case x.Command.GetUser() != user:
		return errBroken("%s of user %q goes to the executor of %q", info.TaskID.Value, user, x.Command.GetUser())
	case string(info.Data) != string(simData(t, n, nil)):
		return errBroken("%s is to run %q", info.TaskID.Value, info.Data)
	case strings.HasSuffix(x.ExecutorID.Value, "-"+info.TaskID.Value):
		return m.onExecutor(x.ExecutorID.Value, agent, t)
	}
	return nil
}

// onExecutor looks at an executor that is started for t: the one before it cannot
// be used any more. (If that was there before flags were changed, or before another
// one that never arrived, it may be known to nobody.)
func (m *sim) onExecutor(id, agent string, t *task.Task) error {
	kind := agent + " " + id[:len(executorIDs+"01234567-")]
	last := m.known.newest[kind]
	m.known.newest[kind] = id
	if last == "" || last == id || m.known.mixed || m.known.ended[agent+" "+last] || m.known.doubt[agent+" "+last] {
		return nil
	}
	for o := range m.s.queue.Active() {
		if a := o.Current(); o != t && a.Agent == agent && a.Executor == last {
			return errBroken("executor %s is started on %s beside %s, which runs %s", id, agent, last, o.ID)
		}
	}
	return nil
}

// onIdle: no executor is kept for longer than it has to be, and those that nothing
// is sent to are told to go once they have nothing to do.
func (m *sim) onIdle() error {
	in := map[string]int{}
	for t := range m.s.queue.Active() {
		in[t.Current().Agent+" "+t.Current().Executor]++
	}
	for id, a := range m.s.agents {
		for _, x := range a.former {
			if n := in[id+" "+x.id]; x.active != n || n == 0 && !a.lost {
				return errBroken("former executor %s on %s has %d launches, counted %d", x.id, id, n, x.active)
			}
		}
		for _, x := range a.executors {
			if x.active == 0 && m.c.now.Sub(x.idle) > m.cfg.Executor.Idle/2 {
				return errBroken("executor %s on %s has had nothing to do for %s and is still counted", x.id, id, m.c.now.Sub(x.idle))
			}
		}
	}
	return nil
}

// counted is how many executors cmdq counts, or only those that have nothing to do.
func (m *sim) counted(idleOnly bool) int {
	n := 0
	for _, a := range m.s.agents {
		for _, x := range a.executors {
			if !idleOnly || x.active == 0 {
				n++
			}
		}
	}
	return n
}

// mishap lets something happen to an executor, or to the agents of executors.
func (m *sim) mishap() {
	var alive []*simExecutor
	for _, x := range m.c.executors {
		if x.alive {
			alive = append(alive, x)
		}
		if x.untold && m.rnd.IntN(2) == 0 {
			m.c.tellExit(x)
		}
	}
	if len(alive) == 0 {
		return
	}
	x := alive[m.rnd.IntN(len(alive))]
	switch n := m.rnd.IntN(16); {
	case x.agent.unfit:
		m.c.endExecutor(x, mesos.TASK_FAILED, mesos.REASON_EXECUTOR_TERMINATED, notExecutable<<8)
	case n == 0:
		m.c.kill9(x)
	case n == 1:
		m.c.endExecutor(x, mesos.TASK_FAILED, mesos.REASON_CONTAINER_LIMITATION_MEMORY, 9)
	case n == 2 && !x.sent:
		m.c.endExecutor(x, mesos.TASK_FAILED, mesos.REASON_CONTAINER_LAUNCH_FAILED, 1<<8)
	case n == 3 && !x.sent:
		m.c.endExecutor(x, mesos.TASK_FAILED, mesos.REASON_EXECUTOR_REGISTRATION_TIMEOUT, 9)
	case n < 6 && !m.cfg.Own:
		m.c.restart(x.agent, func(*simExecutor) bool { return m.rnd.IntN(3) > 0 })
	case n < 9 && !x.running():
		m.c.leaves(x)
	}
}

// running: a command of it is up, or about to be.
func (x *simExecutor) running() bool {
	for _, l := range x.launches {
		if x.holds(l) && (l.told || l.ran) {
			return true
		}
	}
	return false
}
