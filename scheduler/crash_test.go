package scheduler

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"cmdq/task"
)

// story is a run of cmdq with a beginning and an end that is known.
type story struct {
	name   string
	agents int
	plain  bool // plain cmdq: it does not end by itself
	own    bool // the cluster ends with it
	tail   bool // it wants the last lines of standard error of what failed

	executor bool // tasks are run by our executor
	tasks    []storyTask
	policy   task.Policy
	told     []string // whoever is told of an end, once, whatever happens
	moves    []move

	failing   map[task.ID][]int // which starts of a command fail
	missing   map[task.ID][]int // which of them leave no output
	unfetched map[task.ID]bool  // its outputs cannot be fetched

	holds func(*player, *simLaunch) bool // a command does not end yet
	slow  func(*player) bool             // what launches left is not fetched yet
	want  map[task.ID]storyEnd
}

// storyTask needs a quarter of an agent, or more than one has.
type storyTask struct {
	id      task.ID
	retries int
	huge    bool
	command string
	cpus    int64 // thousandths; 0: a quarter of an agent
	outputs bool
	by      task.Executor
	after   []task.ID
	group   string
}

// storyEnd is how a task ends and how often its command is started; again is how
// often more that may be because of each crash.
type storyEnd struct {
	state       task.State
	runs, again int
}

func (t storyTask) task(seq int) task.Task {
	spec := &task.Spec{ID: t.id, Command: "true" + t.command, Retries: t.retries, KillGrace: 3 * time.Second,
		Resources: task.Resources{CPUs: 1000, Mem: 1000}}
	if t.cpus > 0 {
		spec.Resources.CPUs = t.cpus
	}
	if t.outputs {
		spec.Outputs = []task.Output{{Path: "x"}}
	}
	spec.Executor = t.by
	if len(t.after) > 0 || t.group != "" {
		spec.Rules = &task.Rules{After: t.after, Group: t.group}
	}
	if t.huge {
		spec.Resources = task.Resources{CPUs: 8000, Mem: 1000}
	}
	return task.Task{ID: t.id, Spec: spec, Index: -1, Seq: uint64(seq), Submitted: time.Unix(1_700_000_000, 0).UTC()}
}

// TestEveryCrashPoint plays every story once for each of its effects (an event
// that came, a batch that was stored, a call that left) and ends cmdq right
// after it. A new start has to bring the story to the same end.
func TestEveryCrashPoint(t *testing.T) {
	for _, st := range stories {
		t.Run(st.name, func(t *testing.T) {
			p := newPlayer(&st)
			if err := p.play(); err != nil {
				t.Fatalf("without a crash: %v", err)
			}
			for i, effect := range p.effects {
				next := "the end"
				if i+1 < len(p.effects) {
					next = p.effects[i+1]
				}
				t.Run("after "+effect+", before "+next, func(t *testing.T) {
					if err := crashAt(&st, i+1); err != nil {
						t.Error(err)
					}
					for soon := range again { // and once or twice more while it recovers
						if err := crashAt(&st, i+1, i+2+soon); err != nil {
							t.Errorf("and again %d effects later: %v", soon+1, err)
						}
						if err := crashAt(&st, i+1, i+2+soon, i+4+soon); err != nil {
							t.Errorf("and again %d effects later, and two after that: %v", soon+1, err)
						}
					}
				})
			}
		})
	}
}

// again is for how many effects after a crash there is another one.
const again = 5

func crashAt(st *story, stops ...int) error {
	p := newPlayer(st, stops...)
	if err := p.play(); err != nil {
		return err
	}
	if p.crashes == 0 {
		return errors.New("cmdq never ended there")
	}
	return nil
}

// compare holds the ends of all tasks against those of the story.
func (p *player) compare() error {
	for id, want := range p.story.want {
		kept, most := p.journal.tasks[id], want.runs+want.again*p.crashes
		if runs := p.runs(id); kept.task.State != want.state || runs < want.runs || runs > most {
			return fmt.Errorf("%s is %s after %d starts; want %s after %d to %d: %+v", id, kept.task.State, runs, want.state, want.runs, most, kept.task)
		}
	}
	for id, kept := range p.journal.tasks {
		if end := kept.task.End; p.story.tail && end.State == task.Failed && end.Reason == "" && end.Stderr == "" {
			return fmt.Errorf("what %s wrote last is not known", id)
		}
	}
	var told []string
	for _, n := range p.journal.notices {
		told = append(told, n.To.Command)
	}
	if slices.Sort(told); !slices.Equal(told, p.story.told) {
		return fmt.Errorf("told %q, want %q", told, p.story.told)
	}
	if len(p.journal.tasks) != len(p.story.want) {
		return fmt.Errorf("%d tasks, want %d", len(p.journal.tasks), len(p.story.want))
	}
	return nil
}

// The times at which somebody does something.
func started(id task.ID, times int) func(*player) bool {
	return func(p *player) bool {
		t := p.s.queue.Get(id)
		return t != nil && t.State == task.Running && p.runs(id) == times
	}
}

// until holds the commands of a task back until so many moves were made.
func until(moves int, ids ...task.ID) func(*player, *simLaunch) bool {
	return func(p *player, l *simLaunch) bool {
		for _, id := range ids {
			if l.task == id {
				return p.moves < moves
			}
		}
		return false
	}
}

func cancel(ids ...task.ID) func(*player) Event {
	return func(p *player) Event {
		return p.asked(CancelTasks{Selection{IDs: ids}})
	}
}

func asked(c Change) func(*player) Event {
	return func(p *player) Event { return p.asked(c) }
}

func ended(id task.ID, as task.State) func(*player) bool {
	return func(p *player) bool {
		t := p.s.queue.Get(id)
		return t != nil && t.State == as
	}
}

func loaded(p *player) bool { return p.s.loaded }

func interrupt(*player) Event { return Interrupt{} }
func detach(*player) Event    { return Detach{} }

// loseAgent: the agent that a runs on is away, until all are back.
func loseAgent(p *player) Event {
	a := p.c.agent(p.s.queue.Get("a").Current().Agent)
	p.c.cut(a)
	p.c.lose(a)
	return nil
}

func allBack(p *player) Event {
	for _, a := range p.c.agents {
		p.c.back(a)
	}
	return nil
}

func masterFails(p *player) Event {
	p.c.masterFails()
	return allBack(p)
}

func reload(tasks ...storyTask) func(*player) Event {
	return func(p *player) Event {
		p.file, p.removed["d"] = nil, true
		for i, t := range tasks {
			p.file = append(p.file, t.task(i))
		}
		return Load{Tasks: append([]task.Task(nil), p.file...), Policy: p.asks.policy}
	}
}

var stories = []story{
	{
		name: "launch", agents: 1,
		tasks: []storyTask{{id: "a"}, {id: "b", retries: 1}},
		want:  map[task.ID]storyEnd{"a": {task.Finished, 1, 0}, "b": {task.Finished, 1, 0}},
	}, {
		name: "retry", agents: 1,
		tasks:   []storyTask{{id: "a", retries: 1}, {id: "b", retries: 1}, {id: "c"}},
		failing: map[task.ID][]int{"a": {1}, "b": {1, 2}, "c": {1}},
		want:    map[task.ID]storyEnd{"a": {task.Finished, 2, 0}, "b": {task.Failed, 2, 0}, "c": {task.Failed, 1, 0}},
	}, {
		name: "cancel", agents: 1,
		tasks: []storyTask{{id: "a"}, {id: "b", huge: true}, {id: "c", retries: 3}},
		moves: []move{{started("a", 1), cancel("a", "b")}},
		holds: func(p *player, l *simLaunch) bool { return l.task == "a" && !l.dying },
		want:  map[task.ID]storyEnd{"a": {task.Killed, 1, 0}, "b": {task.Killed, 0, 0}, "c": {task.Finished, 1, 0}},
	}, {
		name: "reload", agents: 1, plain: true,
		tasks: []storyTask{{id: "a"}, {id: "b", huge: true}, {id: "d", huge: true}},
		moves: []move{{started("a", 1), reload(storyTask{id: "c"}, storyTask{id: "a", command: " 2"}, storyTask{id: "b", command: " 2"})}},
		holds: until(1, "a"),
		want: map[task.ID]storyEnd{"a": {task.Finished, 2, 0}, "b": {task.Finished, 1, 0}, "c": {task.Finished, 1, 0},
			"d": {task.Killed, 0, 0}},
	}, {
		name: "second launch", agents: 2,
		tasks: []storyTask{{id: "a", retries: 1}},
		moves: []move{{started("a", 1), loseAgent}, {started("a", 2), allBack}, {oneEnded, nothing}},
		holds: func(p *player, l *simLaunch) bool { return p.moves < 3 && !l.dying },
		want:  map[task.ID]storyEnd{"a": {task.Finished, 2, 0}},
	}, {
		name: "given up", agents: 2,
		tasks: []storyTask{{id: "a"}},
		moves: []move{{started("a", 1), loseAgent}},
		holds: until(2, "a"),
		want:  map[task.ID]storyEnd{"a": {task.Failed, 1, 0}},
	}, {
		name: "interrupt", agents: 1,
		tasks: []storyTask{{id: "a"}, {id: "b"}},
		moves: []move{{both, interrupt}},
		holds: func(p *player, l *simLaunch) bool { // the end of b is not seen
			return p.run(l) == 1 && !l.dying || l.task == "b" && p.ends == 0
		},
		want: map[task.ID]storyEnd{"a": {task.Finished, 2, 0}, "b": {task.Finished, 2, 0}},
	}, {
		name: "interrupt without a master", agents: 1,
		tasks: []storyTask{{id: "a"}},
		moves: []move{{started("a", 1), breakStream}, {cutOff, interrupt}},
		holds: until(2, "a"),
		want:  map[task.ID]storyEnd{"a": {task.Finished, 2, 0}},
	}, {
		name: "torn down by an operator", agents: 1,
		tasks: []storyTask{{id: "a"}},
		moves: []move{{started("a", 1), removeFramework}},
		holds: until(1, "a"),
		want:  map[task.ID]storyEnd{"a": {task.Finished, 2, 0}},
	}, {
		name: "detach", agents: 1,
		tasks: []storyTask{{id: "a"}},
		moves: []move{{started("a", 1), detach}},
		holds: until(1, "a"),
		want:  map[task.ID]storyEnd{"a": {task.Finished, 1, 0}},
	}, {
		name: "master failover", agents: 1,
		tasks: []storyTask{{id: "a"}},
		moves: []move{{started("a", 1), masterFails}},
		holds: until(1, "a"),
		want:  map[task.ID]storyEnd{"a": {task.Finished, 1, 0}},
	}, {
		name: "executor", agents: 1, plain: true, executor: true,
		tasks: []storyTask{{id: "a"}, {id: "b", retries: 1}},
		moves: []move{{both, killExecutors}, {bothAgain, nothing},
			{executorsIdle, reload(storyTask{id: "a"}, storyTask{id: "b", retries: 1}, storyTask{id: "c"})}},
		holds: until(2, "a", "b"),
		want:  map[task.ID]storyEnd{"a": {task.Finished, 2, 0}, "b": {task.Finished, 2, 0}, "c": {task.Finished, 1, 0}},
	}, {
		name: "executor kept", agents: 1, plain: true, executor: true, // c goes to the one that a is in
		tasks: []storyTask{{id: "a"}},
		moves: []move{{started("a", 1), detach}, {started("a", 1), reload(storyTask{id: "a"}, storyTask{id: "c"})}, {started("c", 1), nothing}},
		holds: until(3, "a", "c"),
		want:  map[task.ID]storyEnd{"a": {task.Finished, 1, 0}, "c": {task.Finished, 1, 0}},
	}, {
		name: "executor lost unheard", agents: 2, executor: true,
		tasks: []storyTask{{id: "a"}, {id: "b", by: task.ByCommand}},
		moves: []move{{both, killExecutorsUnheard}, {started("a", 2), nothing}},
		holds: until(2, "a", "b"),
		want:  map[task.ID]storyEnd{"a": {task.Finished, 2, 0}, "b": {task.Finished, 1, 0}},
	}, {
		name: "executor gone", agents: 1, plain: true, executor: true, // d does not fit beside another executor
		tasks: []storyTask{{id: "a"}},
		moves: []move{{idleWith("a"), leaveUnheard},
			{idleWith("a"), reload(storyTask{id: "a"}, storyTask{id: "c", cpus: 3900}, storyTask{id: "d", cpus: 100, by: task.ByCommand})}},
		want: map[task.ID]storyEnd{"a": {task.Finished, 1, 0}, "c": {task.Finished, 1, 0}, "d": {task.Finished, 1, 0}},
	}, {
		name: "outputs", agents: 1, executor: true, tail: true,
		tasks:     []storyTask{{id: "a", outputs: true, retries: 1}, {id: "b", outputs: true}, {id: "c", by: task.ByCommand}},
		missing:   map[task.ID][]int{"a": {1}},
		unfetched: map[task.ID]bool{"b": true},
		failing:   map[task.ID][]int{"c": {1}},
		want:      map[task.ID]storyEnd{"a": {task.Finished, 2, 0}, "b": {task.Failed, 1, 0}, "c": {task.Failed, 1, 0}},
	}, {
		name: "outputs and interrupt", agents: 1,
		tasks: []storyTask{{id: "a", outputs: true}, {id: "b", outputs: true}},
		moves: []move{{fetchingOne, interrupt}},
		holds: func(p *player, l *simLaunch) bool { return l.task == "b" && p.moves == 0 },
		slow:  func(p *player) bool { return p.moves == 0 || p.ends == 0 },
		want:  map[task.ID]storyEnd{"a": {task.Finished, 1, 0}, "b": {task.Finished, 2, 0}},
	}, {
		name: "asked", agents: 1, plain: true,
		tasks: []storyTask{{id: "a"}, {id: "b"}, {id: "d", huge: true}},
		moves: []move{{started("a", 1), asked(Submit{Tasks: []task.Task{storyTask{id: "c", after: []task.ID{"a"}}.task(0)}})},
			{ended("b", task.Failed), asked(RetryTasks{Selection{IDs: []task.ID{"b"}}})},
			{loaded, asked(HoldTasks{Selection{IDs: []task.ID{"c"}}})}, {loaded, asked(CancelTasks{Selection{IDs: []task.ID{"d"}}})},
			{ended("a", task.Finished), asked(ReleaseTasks{Selection{IDs: []task.ID{"c"}}})}},
		failing: map[task.ID][]int{"b": {1}},
		holds:   until(4, "a"),
		want: map[task.ID]storyEnd{"a": {task.Finished, 1, 0}, "b": {task.Finished, 2, 0}, "c": {task.Finished, 1, 0},
			"d": {task.Killed, 0, 0}},
	}, {
		name: "notices", agents: 1,
		tasks:   []storyTask{{id: "a", group: "g"}, {id: "b", retries: 1}, {id: "c", group: "g"}},
		failing: map[task.ID][]int{"b": {1, 2}, "c": {1}},
		policy:  noticePolicy(),
		told:    []string{"ended", "failed", "g ended", "g failed"},
		want:    map[task.ID]storyEnd{"a": {task.Finished, 1, 0}, "b": {task.Failed, 2, 0}, "c": {task.Failed, 1, 0}},
	}, {
		name: "after and groups", agents: 1,
		tasks: []storyTask{{id: "a"}, {id: "b", after: []task.ID{"a"}}, {id: "c", after: []task.ID{"b"}}, {id: "d", after: []task.ID{"c"}},
			{id: "e", group: "g"}, {id: "f", group: "g"}, {id: "h", group: "h", retries: 1}, {id: "i", group: "h"}},
		policy:  task.Policy{Groups: map[string]task.Group{"g": {MaxRunning: 1}, "h": {MaxRunning: 1, MaxFailures: task.Unlimited}}},
		failing: map[task.ID][]int{"c": {1}, "e": {1}, "h": {1}},
		want: map[task.ID]storyEnd{"a": {task.Finished, 1, 0}, "b": {task.Finished, 1, 0}, "c": {task.Failed, 1, 0}, "d": {task.Killed, 0, 0},
			"e": {task.Failed, 1, 0}, "f": {task.Killed, 0, 0}, "h": {task.Finished, 2, 0}, "i": {task.Finished, 1, 0}},
	}, {
		name: "group cancelled", agents: 1,
		tasks:   []storyTask{{id: "a", group: "g"}, {id: "b", group: "g", retries: 3}, {id: "c", group: "g", huge: true}},
		policy:  task.Policy{Groups: map[string]task.Group{"g": {OnFailure: task.CancelGroup}}},
		failing: map[task.ID][]int{"a": {1}},
		holds: func(p *player, l *simLaunch) bool {
			return l.task == "b" && !l.dying || l.task == "a" && p.runs("b") == 0
		},
		want: map[task.ID]storyEnd{"a": {task.Failed, 1, 0}, "b": {task.Killed, 1, 0}, "c": {task.Killed, 0, 0}},
	}, {
		name: "embedded", agents: 1, own: true,
		tasks: []storyTask{{id: "a"}, {id: "b", retries: 1}},
		want:  map[task.ID]storyEnd{"a": {task.Finished, 1, 1}, "b": {task.Finished, 1, 1}},
	},
}

func both(p *player) bool { return started("a", 1)(p) && started("b", 1)(p) }

// oneEnded: one of two launches that ran has ended.
func oneEnded(p *player) bool {
	return slices.ContainsFunc(p.c.order, func(l *simLaunch) bool { return l.ran && l.dead })
}

func breakStream(p *player) Event {
	p.c.breakStream()
	return nil
}

func removeFramework(p *player) Event {
	p.c.remove(p.c.framework)
	return nil
}

// cutOff: the stream is broken, unless a new start has opened another one since.
func cutOff(p *player) bool { return p.s.loaded && (p.s.link.phase == down || p.crashes > 0) }

func nothing(*player) Event { return nil }

func bothAgain(p *player) bool { return started("a", 2)(p) && started("b", 2)(p) }

func killExecutors(p *player) Event {
	for _, x := range p.c.executors {
		p.c.kill9(x)
	}
	return nil
}

// killExecutorsUnheard: nobody hears of it but by the updates of its tasks.
func killExecutorsUnheard(p *player) Event {
	p.c.breakStream()
	for _, x := range p.c.executors {
		p.c.kill9(x)
		p.c.tellExit(x)
	}
	return nil
}

// executorsIdle: all tasks have ended, and so have the executors.
func executorsIdle(p *player) bool {
	return p.s.queue.Len() == p.s.ended() && !slices.ContainsFunc(p.c.executors, func(x *simExecutor) bool { return x.alive })
}

// idleWith: a task has ended, and its executor was not shut down yet.
func idleWith(id task.ID) func(*player) bool {
	return func(p *player) bool {
		t := p.s.queue.Get(id)
		return t != nil && t.State.Terminal() && p.s.link.phase == up
	}
}

// leaveUnheard: executors end while their agents are cut off from the master.
func leaveUnheard(p *player) Event {
	for _, a := range p.c.agents {
		p.c.cut(a)
		p.c.executorsOn(a, p.c.leaves)
		p.c.back(a)
	}
	return nil
}

// fetchingOne: what a left is being fetched, and b runs.
func fetchingOne(p *player) bool {
	a := p.s.queue.Get("a")
	return a != nil && a.State == task.Fetching && started("b", 1)(p)
}
