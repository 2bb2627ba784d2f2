package local

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// Faults on purpose. They do to a cluster what becomes of a real one when its
// processes hang, are killed and are started again, for tests of frameworks.

// agentFault is what has been done to an agent's process.
type agentFault uint8

const (
	agentRuns agentFault = iota
	agentHung            // stopped, as by SIGSTOP
	agentDead            // killed, as by SIGKILL
	agentLeft            // it unregistered and shuts down, as by SIGUSR1
)

func (f agentFault) String() string { return [...]string{"running", "hung", "dead", "left"}[f] }

// FaultError says why a fault was not done.
type FaultError struct {
	Known bool // what it is about exists; it is in a state that does not allow it
	Text  string
}

func (e *FaultError) Error() string { return e.Text }

func unknown(format string, args ...any) error {
	return &FaultError{Text: fmt.Sprintf(format, args...)}
}

var errEnded = errors.New("the cluster has ended")

// AgentState is what an agent's process is doing.
type AgentState struct {
	Index int    `json:"index"`
	ID    string `json:"id"` // "" while it has none
	Addr  string `json:"addr"`
	State string `json:"state"` // running, hung, dead or left
}

// AgentStates lists all agents, those that are not registered too, in the
// order of their first start.
func (c *Cluster) AgentStates() []AgentState {
	var list []AgentState
	for i := range c.agents {
		if s, err := c.agentState(i); err == nil {
			list = append(list, s)
		}
	}
	return list
}

func (c *Cluster) agentState(i int) (AgentState, error) {
	a := c.agents[i]
	s := AgentState{Index: i, Addr: a.addr.String()}
	if !a.box.override(func() { s.ID, s.State = a.id, a.fault.String() }) {
		return s, errEnded
	}
	return s, nil
}

// FindAgent is the index of an agent by its id, or by its index in decimal.
func (c *Cluster) FindAgent(which string) (int, error) {
	if i, err := strconv.Atoi(which); err == nil && i >= 0 && i < len(c.agents) {
		return i, nil
	}
	for i := range c.agents {
		if s, err := c.agentState(i); err == nil && s.ID == which && which != "" {
			return i, nil
		}
	}
	return 0, unknown("there is no agent %q", which)
}

// HangAgent stops an agent: it answers nothing, and what it runs goes on.
func (c *Cluster) HangAgent(i int) error {
	return c.fault(i, "hang", func(a *agent) bool {
		if a.fault != agentRuns {
			return false
		}
		a.fault = agentHung
		a.plug.set(stalled)
		a.box.hold(true)
		return true
	})
}

// ResumeAgent lets an agent go on that hangs.
func (c *Cluster) ResumeAgent(i int) error {
	return c.fault(i, "resume", func(a *agent) bool {
		if a.fault != agentHung {
			return false
		}
		a.fault = agentRuns
		a.box.hold(false)
		a.plug.set(plugged)
		return true
	})
}

// KillAgent kills an agent's process. What it runs for frameworks that
// checkpoint goes on, all else is ended.
func (c *Cluster) KillAgent(i int) error {
	return c.fault(i, "kill", func(a *agent) bool {
		if a.fault == agentDead {
			return false
		}
		a.fault = agentDead
		a.die()
		a.plug.set(unplugged)
		a.box.hold(true)
		return true
	})
}

// StartAgent starts an agent again that was killed, or that left. One that
// left, and one that is to start anew, gets a new id, and what it ran is ended.
func (c *Cluster) StartAgent(i int, anew bool) error {
	return c.fault(i, "start", func(a *agent) bool {
		if a.fault != agentDead && a.fault != agentLeft {
			return false
		}
		a.fault = agentRuns
		a.rise(anew)
		a.box.hold(false)
		a.plug.set(plugged)
		return true
	})
}

// ShutdownAgent makes an agent unregister and end all it runs.
func (c *Cluster) ShutdownAgent(i int) error {
	return c.fault(i, "shut down", func(a *agent) bool {
		if a.fault != agentRuns {
			return false
		}
		a.leave()
		return true
	})
}

// MarkAgentGone is what an operator does to an agent that will not come back.
// Its processes end, if it is there to hear of it.
func (c *Cluster) MarkAgentGone(i int) error {
	s, err := c.agentState(i)
	if err != nil {
		return err
	}
	done := false
	if !c.master.box.call(func() { done = c.master.markGone(s.ID) }) {
		return errEnded
	}
	if !done {
		return &FaultError{Known: true, Text: fmt.Sprintf("agent %d is not known to the master", i)}
	}
	return nil
}

// fault does something to an agent's process, whatever state it is in.
func (c *Cluster) fault(i int, what string, do func(*agent) bool) error {
	if i < 0 || i >= len(c.agents) {
		return unknown("there is no agent %d", i)
	}
	a, done, was := c.agents[i], false, agentRuns
	if !a.box.override(func() { was = a.fault; done = do(a) }) {
		return errEnded
	}
	if !done {
		return &FaultError{Known: true, Text: fmt.Sprintf("cannot %s agent %d: it is %s", what, i, was)}
	}
	c.cfg.Log.WithField("agent", i).Warn("chaos: " + what)
	return nil
}

// RestartMaster kills the master and starts another one at its address, with
// its registry: it knows which agents there are, and nothing else.
func (c *Cluster) RestartMaster() error { return c.restartMaster(nil) }

// restartMaster leaves one connection, that of who asks for it.
func (c *Cluster) restartMaster(but net.Conn) error {
	if c.cfg.ZooKeeper != nil { // its node in ZooKeeper would go and come with the process
		return &FaultError{Known: true, Text: "a master that stands for election is restarted by its process: kill that"}
	}
	c.cfg.Log.Warn("chaos: restart the master")
	if !c.master.box.call(func() {
		c.master.plug.cut(but) // first, so that nothing of the new master goes out on what was the old one's
		c.master.restart()
	}) {
		return errEnded
	}
	return nil
}

// KillExecutor kills an executor's process. That of a task without an executor
// of its own has the task's id.
func (c *Cluster) KillExecutor(framework, executor string) error {
	for _, a := range c.agents {
		found := false
		if !a.box.override(func() { found = a.killExecutor(framework, executor) }) {
			return errEnded
		}
		if found {
			c.cfg.Log.WithField("executor", executor).Warn("chaos: kill an executor")
			return nil
		}
	}
	return unknown("framework %q has no executor %q that runs", framework, executor)
}

// killExecutor sends SIGKILL to an executor and all it runs; false if there is
// no such executor.
func (a *agent) killExecutor(framework, executor string) bool {
	f := a.frameworks[framework]
	if f == nil {
		return false
	}
	if e := f.executors[executor]; e != nil && e.state < executorTerminating {
		if e.builtin() {
			a.killBuiltin(e)
			return true
		}
		if e.pid != 0 {
			a.signalContainer(e.container, syscall.SIGKILL)
		}
		return e.pid != 0
	}
	c := f.commands[executor]
	if c == nil || c.executor != nil || c.ended || c.pid == 0 {
		return false
	}
	c.orphaned = true
	a.signal(c, syscall.SIGKILL)
	return true
}

// killBuiltin ends the default executor and its tasks.
func (a *agent) killBuiltin(e *agentExecutor) {
	for _, c := range e.sortedTasks() {
		c.group = nil
		if c.pid != 0 && !c.ended {
			a.signal(c, syscall.SIGKILL)
		}
	}
	a.executorEnded(e, (128+int32(syscall.SIGKILL))<<8)
}
