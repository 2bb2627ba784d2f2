package scheduler

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"cmdq/task"
)

// player plays a story on the cluster of the simulation without any chance: the
// same story has the same effects every time. It can end cmdq after any of them.
type player struct {
	*sim
	story   *story
	moves   int      // of the story, that were made and are on record
	making  bool     // the batch under way is a move
	effects []string // what happened, in words
	stops   []int    // end the process after so many effects
	ends    int      // of the process, by a crash or by itself
	crashes int
}

// move is something that somebody does once its time has come.
type move struct {
	when func(*player) bool
	do   func(*player) Event // nil: it concerns the cluster alone
}

func newPlayer(st *story, stops ...int) *player {
	p := &player{story: st, stops: stops, sim: newSim(rand.New(rand.NewPCG(1, 1)), false)}
	p.c = newSimCluster(time.Unix(1_700_000_000, 0).UTC(), st.agents)
	p.c.arrived, p.benign = p.onArrival, true
	ids := 1
	p.cfg = DefaultConfig()
	p.asks.policy = st.policy
	p.cfg.NewID = func() string { ids++; return fmt.Sprintf("f%d", ids) }
	p.cfg.Once, p.cfg.Own = !st.plain, st.own
	p.cfg.Collect.Tail = st.tail
	p.cfg.Executor = simExecutorConfig()
	p.cfg.Executor.Default, p.cfg.Executor.Idle = st.executor, 40*time.Second
	p.c.executorIdle = p.cfg.Executor.Idle
	p.file = nil
	for i, t := range st.tasks {
		p.file = append(p.file, t.task(i))
	}
	return p
}

// play goes on until nothing is left to do.
func (p *player) play() error {
	for turn := 0; turn < 2000 && !p.done; turn++ {
		if err := p.playTurn(); err != nil {
			return fmt.Errorf("after %q: %w", p.effects[max(0, len(p.effects)-3):], err)
		}
	}
	if !p.done {
		return fmt.Errorf("not over after %q: %+v", p.effects[max(0, len(p.effects)-5):], p.journal.tasks)
	}
	if err := p.judge(); err != nil {
		return err
	}
	return p.compare()
}

func (p *player) playTurn() error {
	p.c.pass(time.Millisecond)
	switch {
	case p.s == nil:
		return p.begin()
	case p.moves < len(p.story.moves) && p.story.moves[p.moves].when(p):
		return p.makeMove(p.story.moves[p.moves])
	case p.s.link.phase != down && !p.c.stream && len(p.c.events) == 0:
		return p.deliver(Down{errors.New("the stream ended")})
	case len(p.answers) > 0:
		ev := p.answers[0]
		p.answers = p.answers[1:]
		return p.deliver(ev)
	case len(p.c.events) > 0:
		ev := p.c.events[0]
		p.c.events = p.c.events[1:]
		return p.deliver(ev)
	case len(p.fetching) > 0 && (p.story.slow == nil || !p.story.slow(p)):
		return p.deliver(p.found(p.fetching[0]))
	case p.goOn():
		return nil
	}
	if p.story.plain && p.moves == len(p.story.moves) && p.s.queue.Len() == p.s.ended() && len(p.s.unwanted) == 0 {
		p.done = true
		return nil
	}
	p.c.pass(min(max(p.s.nextDue().Sub(p.c.now), time.Millisecond), 10*time.Second))
	for _, l := range p.c.order {
		p.c.forward(l) // agents try again
	}
	return p.deliver(Tick{})
}

func (p *player) makeMove(m move) error {
	ev := m.do(p)
	if ev == nil {
		p.moves++
		return nil
	}
	p.making = true
	return p.deliver(ev)
}

// goOn lets the cluster do one thing; false: there is none to do.
func (p *player) goOn() bool {
	for _, l := range p.c.order {
		switch {
		case !l.atAgent || l.dead || len(l.queue) > 0:
			continue
		case !l.ran:
			p.c.start(l)
		case p.story.holds != nil && p.story.holds(p, l):
			continue
		case l.dying:
			p.c.end(l, mesos.TASK_KILLED, noReason, "Command terminated with signal Terminated")
		case slices.Contains(p.story.failing[l.task], p.run(l)):
			p.c.end(l, mesos.TASK_FAILED, noReason, "Command exited with status 1")
		default:
			p.c.end(l, mesos.TASK_FINISHED, noReason, "Command exited with status 0")
		}
		p.c.forward(l)
		return true
	}
	for _, x := range p.c.executors {
		if x.untold {
			p.c.tellExit(x)
			return true
		}
	}
	for _, a := range p.c.agents {
		if o, ok := p.c.offer(a); ok {
			p.c.event(Offers{[]mesos.Offer{o}})
			return true
		}
	}
	return false
}

// run is the how-manieth start of its command this launch was.
func (p *player) run(l *simLaunch) int {
	n := 1
	for _, o := range p.c.order {
		if o != l && o.task == l.task && o.number < l.number && o.ran {
			n++
		}
	}
	return n
}

func (p *player) runs(id task.ID) int {
	n := 0
	for _, l := range p.c.order {
		if l.task == id && l.ran {
			n++
		}
	}
	return n
}

// begin is a start of cmdq.
func (p *player) begin() error {
	saved := p.journal.saved()
	for id := range p.journal.owed {
		if !p.c.completed[id] {
			p.c.breakStream()
			p.c.remove(id)
		}
		saved.TornDown, saved.TornIDs = p.c.now, append(saved.TornIDs, id)
	}
	if p.journal.allEnded {
		p.done = true
		return nil
	}
	p.s = newState(p.cfg)
	if err := p.s.restore(saved); err != nil {
		return err
	}
	if err := p.deliver(Restored{}); err != nil || p.s == nil {
		return err
	}
	return p.deliver(Load{Tasks: slices.Clone(p.file), Policy: p.asks.policy})
}

func (p *player) deliver(ev Event) error {
	if err := p.step(ev); err != nil {
		return err
	}
	return p.carryOut(eventWords(ev) + " came")
}

// carryOut is commit with a place to end at after every effect.
func (p *player) carryOut(what string) error {
	eff, making := p.batch, p.making
	p.batch, p.making = Effects{}, false
	if len(eff.Records)+len(eff.Calls)+len(eff.Collections) == 0 && eff.Over == nil {
		if making {
			p.moves++
		}
		return p.answer(eff.Answers)
	}
	if p.ended(what) {
		return p.forgetAsks()
	}
	if making {
		p.moves++ // if it is not on record, whoever made it does so again
	}
	if len(eff.Records) > 0 {
		p.journal.keep(eff.Records, p.s.queue)
		if err := p.onRecord(eff.Records); err != nil {
			return err
		}
		if p.ended(recordWords(eff.Records) + " was stored") {
			return p.forgetAsks()
		}
	}
	if err := p.answer(eff.Answers); err != nil {
		return err
	}
	if len(eff.Answers) > 0 && p.ended("the answer left") {
		return nil
	}
	for _, call := range eff.Calls {
		if err := p.send(call); err != nil {
			return err
		}
		if p.ended(callWords(call) + " left") {
			return nil
		}
		if call.Type == sched.Call_TEARDOWN {
			return p.deliver(Answered{Call: call})
		}
	}
	if eff.Over != nil {
		p.end(eff.Over)
		return nil
	}
	for _, c := range eff.Collections {
		if err := p.onCollection(c); err != nil {
			return err
		}
		if p.ended("the look at what " + task.LaunchID(c.Task, c.Attempt.Number) + " left began") {
			return nil
		}
	}
	return p.onFetching()
}

// found is the answer to a Collection.
func (p *player) found(f *simFetch) Collected {
	l := p.c.launches[task.LaunchID(f.Task, f.Attempt.Number)]
	ev := Collected{Task: f.Task, Launch: f.Attempt.Number, Last: f.Last}
	if f.Tail {
		ev.Stderr = simStderr(l.id)
	}
	l.left.missing = slices.Contains(p.story.missing[f.Task], p.run(l))
	switch {
	case len(f.Outputs) == 0:
	case l.left.missing:
		ev.Missing = []string{f.Outputs[0].Path}
	case p.story.unfetched[f.Task]:
		ev.Err = errors.New("the agent does not answer")
	}
	return ev
}

// ended notes an effect; true if the process ends after it.
func (p *player) ended(what string) bool {
	p.effects = append(p.effects, what)
	if !slices.Contains(p.stops, len(p.effects)) {
		return false
	}
	p.crashes++
	p.end(nil)
	return true
}

func (p *player) end(over *Over) {
	p.ends++
	p.s, p.answers, p.fetching, p.batch = nil, nil, nil, Effects{}
	p.known.forget()
	if p.cfg.Own {
		p.c.die()
	} else {
		p.c.breakStream()
	}
	p.done = over != nil && over.Why == Drained && len(p.journal.owed) == 0
}

func eventWords(ev Event) string {
	switch ev := ev.(type) {
	case Updated:
		return strings.TrimPrefix(ev.Status.GetState().String(), "TASK_") + " of " + ev.Status.TaskID.Value
	case Load:
		return "tasks.yaml"
	case Restored:
		return "the journal"
	case ExecutorLost:
		return "FAILURE of an executor"
	case Collected:
		return "what " + task.LaunchID(ev.Task, ev.Launch) + " left"
	case Tick:
		return "its time"
	case Answered:
		return "the answer to " + ev.Call.Type.String()
	}
	return strings.ToUpper(strings.TrimPrefix(fmt.Sprintf("%T", ev), "scheduler."))
}

func recordWords(records []Record) string {
	var words []string
	for _, r := range records {
		if word := strings.TrimSpace(r.Kind.String() + " " + strings.TrimPrefix(subject(r), "the run")); !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	return strings.Join(words, " + ")
}

func callWords(c *sched.Call) string {
	switch c.Type {
	case sched.Call_ACCEPT:
		var ids []string
		for _, info := range c.Accept.Operations[0].Launch.TaskInfos {
			ids = append(ids, info.TaskID.Value)
		}
		return "ACCEPT of " + strings.Join(ids, " and ")
	case sched.Call_ACKNOWLEDGE:
		return "ACKNOWLEDGE of " + c.Acknowledge.TaskID.Value
	case sched.Call_KILL:
		return "KILL of " + c.Kill.TaskID.Value
	}
	return c.Type.String()
}
