package local

import (
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
)

// registration is where an agent stands with its master.
type registration struct {
	done    bool
	retry   *time.Timer // asks once more
	silence *time.Timer // the master is lost when it ends
	limit   time.Duration
	fresh   bool // the agent left for good: the next start is a new agent's
}

// stop ends all that goes on by itself, also what its timers have posted.
func (r *registration) stop() {
	r.done = false
	stopTimer(r.retry)
	stopTimer(r.silence)
	r.retry, r.silence = nil, nil
}

// maxRegistrationWait bounds the time between two requests to be registered
// (Mesos: src/slave/constants.hpp).
const maxRegistrationWait = time.Minute

// register asks the master for an id, or says that we are back, after a random
// time up to spread and then ever less often until there is an answer (Mesos:
// Slave::doReliableRegistration).
func (a *agent) register(spread time.Duration) {
	a.standing.stop()
	if spread > 0 {
		a.askLater(rand.N(spread), spread)
		return
	}
	a.ask(a.timing.backoff)
}

func (a *agent) askLater(wait, next time.Duration) {
	var mine *time.Timer
	mine = time.AfterFunc(wait, func() {
		a.box.post(func() {
			if a.standing.retry == mine && !a.standing.done {
				a.ask(min(2*next, maxRegistrationWait))
			}
		})
	})
	a.standing.retry = mine
}

// ask registers once, over a line of its own.
func (a *agent) ask(next time.Duration) {
	a.line.cut.Store(true)
	a.line = newLine(a.line.master, a)
	if a.id == "" {
		a.line.up(registerAgent{addr: a.addr, resources: a.resources})
	} else {
		a.line.up(a.inventory())
	}
	next = max(next, time.Millisecond)
	a.askLater(next/2+rand.N(next), next)
}

// inventory is what we tell a master of ourselves.
func (a *agent) inventory() reregisterAgent {
	msg := reregisterAgent{id: a.id, addr: a.addr, resources: a.resources}
	for id, f := range a.frameworks {
		if f.leaving {
			continue
		}
		msg.frameworks = append(msg.frameworks, f.brief)
		for _, c := range f.commands {
			msg.tasks = append(msg.tasks, c.held())
		}
		for _, e := range f.executors {
			if e.state != executorTerminated {
				msg.executors = append(msg.executors, heldExecutor{framework: id, info: e.info, role: e.role})
			}
		}
	}
	return msg
}

func (c *command) held() heldTask {
	told := c.told
	if len(c.pending) > 1 {
		told = told[:len(told)-len(c.pending)+1]
	}
	h := heldTask{framework: c.framework.brief.id, info: c.task, role: c.role, latest: c.latest, told: slices.Clone(told)}
	if len(told) > 0 {
		h.forwarded = told[len(told)-1]
	}
	return h
}

func (a *agent) onRegistered(msg registered) {
	a.id = msg.id
	a.log = a.log.WithField("agent", a.id)
	a.admitted(msg.silence)
	if !a.known {
		a.known = true
		close(a.ready)
	}
}

// onReregistered goes on where we were: updates that nobody acknowledged are
// sent again at once (Mesos: Slave::reregistered).
func (a *agent) onReregistered(msg reregistered) {
	a.admitted(msg.silence)
	for _, t := range msg.unknown {
		if a.command(t.framework.id, t.info.TaskID.Value) == nil {
			a.drop(&agentFramework{brief: t.framework}, t.info, mesos.REASON_RECONCILIATION, "Reconciliation: task unknown to the agent")
		}
	}
	for _, f := range a.frameworks {
		a.resendAll(f)
	}
}

// onUpdateFramework sends what a framework has not acknowledged again, for its
// scheduler may not have been there (Mesos: Slave::updateFramework).
func (a *agent) onUpdateFramework(msg updateFramework) {
	f := a.frameworks[msg.framework.id]
	if f == nil || f.leaving || !a.standing.done {
		return
	}
	f.brief = msg.framework
	a.resendAll(f)
}

func (a *agent) resendAll(f *agentFramework) {
	for _, c := range f.commands {
		if len(c.pending) > 0 && !f.leaving {
			c.resend.Stop()
			a.forward(c, a.timing.retry)
		}
	}
}

func (a *agent) admitted(silence time.Duration) {
	a.standing.stop()
	a.standing.done, a.standing.limit = true, silence
	a.expectPing(time.Now())
}

// expectPing registers again if no ping comes for too long after the last one.
// Pings that come late, from before we hung, do not help.
func (a *agent) expectPing(last time.Time) {
	stopTimer(a.standing.silence)
	if a.standing.limit <= 0 {
		return
	}
	var mine *time.Timer
	mine = time.AfterFunc(time.Until(last.Add(a.standing.limit)), func() {
		a.box.post(func() {
			if a.standing.silence == mine && a.standing.done {
				a.log.Info("no ping from the master: registering again")
				a.register(a.timing.backoff)
			}
		})
	})
	a.standing.silence = mine
}

func (a *agent) onPing(l *line, msg ping) {
	l.pong()
	if !a.standing.done || l != a.line {
		return
	}
	if !msg.connected {
		a.register(a.timing.backoff)
		return
	}
	a.expectPing(msg.sent)
}

// onBroken is told when the master's process has ended.
func (a *agent) onBroken(l *line) {
	if l == a.line {
		a.register(a.timing.backoff)
	}
}

// onShutdownAgent ends an agent that its master does not want any more.
func (a *agent) onShutdownAgent(msg shutdownAgent) {
	a.log.WithField("why", msg.why).Warn("the master shuts this agent down")
	a.leave()
}

// leave ends all frameworks; the next start is that of a new agent (Mesos:
// Slave::shutdown).
func (a *agent) leave() {
	a.fault = agentLeft
	a.line.up(unregisterAgent{})
	a.line.cut.Store(true)
	a.standing.stop()
	a.standing.fresh = true
	for id := range a.frameworks {
		a.onShutdown(id)
	}
	a.unplugIfLeft()
}

// unplugIfLeft ends an agent that leaves once its last framework has left.
func (a *agent) unplugIfLeft() {
	if a.fault == agentLeft && len(a.frameworks) == 0 && a.plug != nil {
		a.plug.set(unplugged)
	}
}

// die is what the end of the agent's process does, by SIGKILL: what runs for
// frameworks that checkpoint goes on, all else ends as its executor notices.
func (a *agent) die() {
	a.life.Add(1)
	a.line.breakUp()
	a.standing.stop()
	for _, f := range a.frameworks {
		for _, c := range f.commands {
			if c.resend != nil {
				c.resend.Stop()
			}
		}
		for _, e := range f.executors {
			if e.stream != nil {
				e.stream.end()
				e.stream = nil
			}
		}
		if f.leaving || !f.brief.checkpoint {
			a.endAll(f, executorGrace)
		}
	}
}

// endAll ends everything of a framework by signals alone: SIGTERM, and SIGKILL
// after a grace, which nothing but the end of the cluster can stop.
func (a *agent) endAll(f *agentFramework, grace time.Duration) {
	var containers []string
	for _, c := range f.commands {
		if !c.ended && c.starting {
			containers = append(containers, c.container)
		}
	}
	for _, e := range f.executors {
		if e.state != executorTerminated && !e.builtin() {
			containers = append(containers, e.container)
		}
	}
	if len(containers) == 0 {
		return
	}
	log := a.log
	send := func(s syscall.Signal) {
		for _, id := range containers {
			if err := a.launcher.Signal(id, s); err != nil {
				log.WithError(err).WithField("signal", s).Debug("signal not sent") // it may just have ended
			}
		}
	}
	a.aside(func() func() {
		wait := time.NewTimer(grace)
		defer wait.Stop()
		if grace > 0 {
			send(syscall.SIGTERM)
			select {
			case <-wait.C:
			case <-a.ctx.Done():
			}
		}
		send(syscall.SIGKILL)
		return nil
	})
}

// rise is the start of the agent's process after its end: it finds what was
// checkpointed, and gives executors of its frameworks some time to come back.
// A fresh one has lost its directory, and with it its id.
func (a *agent) rise(fresh bool) {
	a.life.Add(1)
	fresh = fresh || a.standing.fresh
	a.standing.fresh = false
	for _, f := range a.frameworks {
		if fresh || f.leaving || !f.brief.checkpoint {
			a.abandon(f, fresh)
		}
	}
	if fresh {
		a.id, a.completed = "", nil
	}
	a.started = time.Now()
	if !a.hasExecutors() {
		a.register(a.timing.backoff)
		return
	}
	var mine *time.Timer
	mine = time.AfterFunc(a.timing.reregistration, func() {
		a.box.post(func() {
			if a.standing.retry == mine {
				a.endSilentExecutors()
				a.register(a.timing.backoff)
			}
		})
	})
	a.standing.retry = mine
}

// abandon forgets a framework; what still runs of it ends without a word.
func (a *agent) abandon(f *agentFramework, fresh bool) {
	if fresh {
		a.endAll(f, 0)
	}
	for _, c := range f.commands {
		c.dropUpdates()
	}
	f.leaving = true
	delete(a.frameworks, f.brief.id)
	a.completed = append(a.completed, f)
	if len(a.completed) > keptAgentFrameworks {
		a.completed = a.completed[1:]
	}
}

// hasExecutors tells whether some executor may come back.
func (a *agent) hasExecutors() bool {
	for _, f := range a.frameworks {
		for _, e := range f.executors {
			if !e.builtin() && e.state < executorTerminating {
				return true
			}
		}
	}
	return false
}

// endSilentExecutors ends the executors that did not come back in time.
func (a *agent) endSilentExecutors() {
	for _, f := range a.frameworks {
		for _, e := range f.executors {
			if !e.builtin() && e.state < executorTerminating && e.stream == nil {
				e.state = executorTerminating
				e.silent = true
				e.cause = &termination{
					mesos.REASON_EXECUTOR_REREGISTRATION_TIMEOUT, "Executor did not reregister within " + formatDuration(a.timing.reregistration),
				}
				a.destroyExecutor(e)
			}
		}
	}
}
