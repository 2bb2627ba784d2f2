package scheduler

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"

	"cmdq/task"
)

// ExecutorConfig says how agents get and start cmdq's own executor, which runs
// many commands in one process an agent and user.
type ExecutorConfig struct {
	Default bool           // tasks that do not say by whom they are run are run by it
	Cost    task.Resources // of one executor, beside its tasks
	Command string         // for the shell; starts it in its sandbox
	URI     func() string  // what the agent fetches for that; always the same
	File    string         // how that is called in the sandbox
	Arch    string         // of the program, as Go calls it; empty: not known
	Idle    time.Duration  // after so long without a task it ends by itself; 0 never
	Terse   bool           // commands may have run though no RUNNING was seen

	// Data says in TaskInfo.data what launch number n of a task runs, with these
	// variables of the launch beside its own.
	Data func(t *task.Task, n int, more []task.Variable) []byte
}

// executor is one incarnation of cmdq's executor on an agent. Its id is never
// used again: an agent refuses the id of one that has ended for as long as
// updates of it are not acknowledged (Mesos: src/slave/slave.cpp).
type executor struct {
	id string
	executorKey
	info    *mesos.ExecutorInfo // nil: it was started before a restart of ours
	active  int                 // launches of ours that it has
	waiting int                 // of them those that are not known to have started
	held    bool                // tasks were held back since too many are waiting
	started bool                // one of them started, or it spoke of one: it is there
	idle    time.Time           // since when it has none
}

// executorKey tells executors of an agent apart: as whom they run, and from whose
// resources.
type executorKey struct{ user, role string }

func (s *state) executorKey(t *task.Task) executorKey {
	return executorKey{s.executorUser(t), s.role(t)}
}

// byOwn tells whether a task is run by our executor, which has no containers for
// single tasks.
func (s *state) byOwn(t *task.Task) bool {
	own := t.Spec.Executor == task.ByCmdq || t.Spec.Executor == "" && s.cfg.Executor.Default && !t.Spec.Contained()
	return own && !t.Alone
}

// executorUser is the user an executor for t has to run as; empty: that of the
// framework.
func (s *state) executorUser(t *task.Task) string {
	if t.Spec.User != "" {
		return t.Spec.User
	}
	return s.otherUser()
}

// takes tells whether the agent can be given t, of which is known that it fits
// itself: its executor has to be there, or to fit too, and its rules have to hold.
func (s *state) takes(a *agent, r room, t *task.Task) bool {
	if r.role != "" && s.role(t) != r.role || portsOf(t) > r.ports || s.cappedBy(t) != nil || !a.meets(t) {
		return false
	}
	if !s.byOwn(t) {
		return true
	}
	if a.unfit {
		return false
	}
	x := s.executorOn(a, s.executorKey(t))
	if x == nil {
		return t.Spec.Resources.Add(s.cfg.Executor.Cost).Fits(r.free)
	}
	if x.waiting >= maxWaiting || x.active >= maxInExecutor {
		x.held = true
		return false
	}
	return true
}

// need is what t takes of an agent where its executor is not running yet.
func (s *state) need(t *task.Task) task.Resources {
	if s.byOwn(t) {
		return t.Spec.Resources.Add(s.cfg.Executor.Cost)
	}
	return t.Spec.Resources
}

// executorOn is the executor on an agent that new launches can go to, nil if
// there is none. One of before a restart can be used if we would make it the
// same today, since Mesos wants each launch to say the same of it
// (src/master/validation.cpp, validateCompatibleExecutorInfo).
func (s *state) executorOn(a *agent, k executorKey) *executor {
	x := a.executors[k]
	if x == nil || x.info != nil {
		return x
	}
	info := s.executorInfo(k.user, plain(s.cfg.Executor.Cost, k.role))
	if !strings.HasPrefix(x.id, s.executorPrefix(info, k.role)) {
		return nil
	}
	info.ExecutorID.Value = x.id
	x.info = info
	return x
}

// sendTo notes that a launch of t goes to an executor on a, which is made if it
// has to be.
func (s *state) sendTo(a *agent, t *task.Task, launch string, p *pool) *executor {
	k := s.executorKey(t)
	x := s.executorOn(a, k)
	if x == nil {
		if old := a.executors[k]; old != nil {
			s.retire(a, old)
		}
		resources := p.take(s.cfg.Executor.Cost)
		allocate(resources, k.role)
		info := s.executorInfo(k.user, resources)
		info.ExecutorID.Value = s.executorPrefix(info, k.role) + launch // launches have ids of their own
		x = &executor{id: info.ExecutorID.Value, executorKey: k, info: info}
		s.addExecutor(a, x)
	}
	x.active++
	x.waiting++
	return x
}

func (s *state) addExecutor(a *agent, x *executor) {
	if a.executors == nil {
		a.executors = map[executorKey]*executor{}
	}
	a.executors[x.executorKey] = x
	a.used = a.used.Add(s.cfg.Executor.Cost)
}

// executorKeys are those of an agent in an order of their own.
func (a *agent) executorKeys() []executorKey {
	return slices.SortedFunc(maps.Keys(a.executors), func(k, l executorKey) int {
		return cmp.Or(cmp.Compare(k.user, l.user), cmp.Compare(k.role, l.role))
	})
}

// executor finds one by its id, nil if it is not there, or is known to be gone.
func (a *agent) executor(id string) *executor {
	for _, x := range a.executors {
		if x.id == id {
			return x
		}
	}
	return nil
}

// startedIn: a launch is up, so its executor can be sent another one.
func (s *state) startedIn(a *agent, at *task.Attempt) {
	x := a.executor(at.Executor)
	if x == nil {
		return
	}
	x.waiting--
	x.started = true
	s.letGo(x)
}

func (s *state) letGo(x *executor) {
	if x.held && x.waiting < maxWaiting && x.active < maxInExecutor {
		x.held, s.revive.wanted = false, true
	}
}

// leftExecutor: a launch is over. An executor that has none left is shut down
// after a while, and before it would end by itself: a launch could be on its way
// then.
func (s *state) leftExecutor(a *agent, at *task.Attempt) {
	x := a.executor(at.Executor)
	if x == nil {
		s.leftFormer(a, at)
		return
	}
	x.active--
	if at.Started.IsZero() {
		x.waiting--
	}
	s.letGo(x)
	if x.active == 0 && !x.started {
		s.retire(a, x) // who knows whether it ever was there
	} else if x.active == 0 && s.cfg.Executor.Idle > 0 {
		x.idle = s.now
		s.idle = append(s.idle, idleExecutor{a.id, x.id, s.now})
	}
}

// shutFormer tells those to go that nothing new is sent to, once they have no
// task.
func (s *state) shutFormer(a *agent) {
	if a.lost {
		return // it is not there to be told
	}
	for _, id := range slices.Sorted(maps.Keys(a.former)) {
		if x := a.former[id]; x.active == 0 && s.link.phase == up {
			s.shutDown(a, x)
			delete(a.former, id)
		}
	}
}

// makeRoom tells executors to go that have no task, if what they cost is all that
// a waiting task is short of there.
func (s *state) makeRoom(a *agent, r room) {
	var idle []*executor
	for _, k := range a.executorKeys() {
		if x := a.executors[k]; x.active == 0 {
			idle = append(idle, x)
			r.free = r.free.Add(s.cfg.Executor.Cost)
		}
	}
	if len(idle) == 0 || s.link.phase != up {
		return
	}
	var in *executor // the one of them that the task would go into
	t := s.queue.First(r.free, func(head *task.Task) bool {
		in = nil
		left := r
		if s.byOwn(head) {
			if in = s.executorOn(a, s.executorKey(head)); in != nil && in.active == 0 {
				left.free = left.free.Sub(s.cfg.Executor.Cost) // that one stays
			}
		}
		return head.Spec.Resources.Fits(left.free) && s.takes(a, left, head)
	})
	for _, x := range idle {
		if t != nil && x != in {
			s.shutDown(a, x)
			s.dropExecutor(a, x)
		}
	}
}

// idleExecutor is an executor that had no task from this time on. It may have
// got one since.
type idleExecutor struct {
	agent, id string
	since     time.Time
}

// idleDue is when the first of them is to be shut down.
func (s *state) idleDue() time.Time {
	if len(s.idle) == 0 {
		return time.Time{}
	}
	return s.idle[0].since.Add(s.cfg.Executor.Idle / 2)
}

func (s *state) tickExecutors() {
	for s.link.phase == up && len(s.idle) > 0 && !s.idleDue().After(s.now) {
		i := s.idle[0]
		s.idle = s.idle[1:]
		a := s.agents[i.agent]
		if a == nil {
			continue
		}
		x := a.executor(i.id)
		if x == nil || x.active > 0 || !x.idle.Equal(i.since) {
			continue
		}
		s.shutDown(a, x)
		s.dropExecutor(a, x)
		s.forget(a)
	}
}

func (s *state) shutDown(a *agent, x *executor) {
	s.call(calls.Shutdown(x.id, a.id).With(calls.Framework(s.framework.ID)))
}

// retire: nothing is sent there any more, but it can live. Once it has no task it
// is told to go, or it would keep what it costs until it ends by itself.
func (s *state) retire(a *agent, x *executor) {
	s.dropExecutor(a, x)
	if a.former == nil {
		a.former = map[string]*executor{}
	}
	a.former[x.id] = x
	s.shutFormer(a)
}

// leftFormer: a launch is over in an executor that nothing is sent to any more.
func (s *state) leftFormer(a *agent, at *task.Attempt) {
	x := a.former[at.Executor]
	if x == nil {
		return
	}
	x.active--
	s.shutFormer(a)
}

// shutIdle tells the executors of an agent to go that have no task of ours. Their
// ends may not be heard of.
func (s *state) shutIdle(a *agent) {
	for _, k := range a.executorKeys() {
		if x := a.executors[k]; x.active == 0 && s.link.phase == up {
			s.shutDown(a, x)
			s.dropExecutor(a, x)
		}
	}
	s.shutFormer(a)
}

// dropExecutor: nothing is sent there any more. What it has left of ours ends
// by updates.
func (s *state) dropExecutor(a *agent, x *executor) {
	delete(a.executors, x.executorKey)
	a.used = a.used.Sub(s.cfg.Executor.Cost)
}

// dropExecutors drops those of an agent: they end with their framework.
func (s *state) dropExecutors(a *agent) {
	for _, x := range a.executors {
		s.dropExecutor(a, x)
	}
	a.former = nil
}
