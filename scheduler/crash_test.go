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
	tasks  []storyTask
	moves  []move

	failing map[task.ID][]int              // which starts of a command fail
	holds   func(*player, *simLaunch) bool // a command does not end yet
	want    map[task.ID]storyEnd
}

// storyTask needs a quarter of an agent, or more than one has.
type storyTask struct {
	id      task.ID
	retries int
	huge    bool
	command string
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
					for soon := range twice { // and once more while it recovers
						if err := crashAt(&st, i+1, i+2+soon); err != nil {
							t.Errorf("and again %d effects later: %v", soon+1, err)
						}
					}
				})
			}
		})
	}
}

// twice is for how many effects after a crash there is another one.
const twice = 5

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
		for _, id := range ids {
			p.cancelled[id] = true
		}
		return Cancel{ids}
	}
}

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
		return Load{Tasks: append([]task.Task(nil), p.file...)}
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

func cutOff(p *player) bool { return p.s.link.phase == down && p.s.loaded }

func nothing(*player) Event { return nil }
