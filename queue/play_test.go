package queue

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"cmdq/task"
)

// play does the same things to a Queue and to the model and compares. What it
// does is up to pick, which gives a number below n: random ones in the property
// test, the bytes of the input in the fuzz test.
type play struct {
	pick  func(n int) int
	queue *Queue
	model model
	now   time.Time

	needs      int // how many different values a part of a need may have
	priorities int
	apart      int // from one priority to the next
	added      int
	seqs       map[uint64]bool
}

func newPlay(pick func(n int) int) *play {
	return &play{
		pick: pick, queue: New(), now: time.Unix(1_700_000_000, 0), seqs: map[uint64]bool{},
		needs: 1 + pick(12), priorities: 1 + pick(4), apart: 1 + 20_000*pick(2),
	}
}

// step does one thing; growing says whether tasks rather come or go.
func (p *play) step(growing bool) error {
	choice := p.pick(22)
	if growing && choice >= 14 {
		choice = 0
	}
	switch {
	case choice <= 3:
		return p.add()
	case choice == 4:
		return p.remove()
	case choice == 5:
		return p.delay()
	case choice == 6:
		return p.wake()
	case choice <= 8:
		return p.end()
	case choice == 9:
		return p.fetch()
	case choice <= 11:
		return p.retryOrUp()
	case choice <= 13:
		return p.park()
	}
	return p.offer()
}

func (p *play) add() error {
	spec := &task.Spec{
		Priority: p.apart * (p.pick(p.priorities) - 1),
		Resources: task.Resources{
			CPUs: int64(100 * p.pick(p.needs)), Mem: int64(64 * p.pick(p.needs)),
			Disk: int64(p.pick(1 + p.needs/6)), GPUs: int64(p.pick(1 + p.needs/10)),
		},
	}
	if p.pick(3) == 0 {
		spec.Executor, spec.User = task.ByCmdq, []string{"", "ann"}[p.pick(2)]
	}
	if p.pick(3) == 0 {
		spec.Rules = &task.Rules{After: []task.ID{"t0"}, Group: []string{"", "g"}[p.pick(2)], Ports: p.pick(2)}
	}
	id := task.ID(fmt.Sprintf("t%d", p.pick(p.added+3))) // now and then one that is there
	p.added++
	seq := uint64(p.added * 16)
	if p.pick(4) == 0 {
		seq = uint64(p.pick(p.added * 16)) // a place before others
	}
	for p.seqs[seq] {
		seq++
	}
	p.seqs[seq] = true
	t := task.Task{ID: id, Spec: spec, Seq: seq, Index: -1, Alone: p.pick(8) == 0}
	want := p.model.add(t)
	got, err := p.queue.Add(t)
	if want != (err == nil) || err != nil && !errors.Is(err, ErrDuplicate) || err == nil && got != p.queue.Get(id) {
		return fmt.Errorf("add %s: %v %v, want it taken: %v", id, got, err, want)
	}
	return nil
}

// any picks a task that keep says yes to; nil if there is none.
func (p *play) any(keep func(*modelTask) bool) *modelTask {
	ids := p.model.where(keep)
	if len(ids) == 0 {
		return nil
	}
	return p.model.find(ids[p.pick(len(ids))])
}

func (p *play) remove() error {
	id := task.ID("nobody")
	if t := p.any(func(t *modelTask) bool { return !t.state.Active() && t.state != task.Fetching }); t != nil && p.pick(10) > 0 {
		id = t.id
	}
	want := p.model.remove(id)
	if got := p.queue.Remove(id); want != (got != nil) || got != nil && got.ID != id {
		return fmt.Errorf("remove %s: %v, want it there: %v", id, got, want)
	}
	return nil
}

func (p *play) someTime() time.Time {
	if p.pick(3) == 0 {
		return time.Time{}
	}
	return p.now.Add(time.Duration(p.pick(20)-2) * time.Second)
}

func (p *play) delay() error {
	if t := p.any(func(t *modelTask) bool { return t.state == task.Idle }); t != nil {
		at := p.someTime()
		p.model.set(t.id, task.Idle, at)
		p.queue.Delay(t.id, at)
	}
	return nil
}

func (p *play) wake() error {
	p.now = p.now.Add(time.Duration(p.pick(8)) * time.Second)
	if got, want := p.queue.Wake(p.now), p.model.wake(p.now); got != want {
		return fmt.Errorf("wake: %d, want %d", got, want)
	}
	return nil
}

func (p *play) end() error {
	t := p.any(func(t *modelTask) bool { return !t.state.Terminal() })
	if t == nil {
		return nil
	}
	s := task.Finished + task.State(p.pick(3))
	p.model.set(t.id, s, time.Time{})
	p.queue.End(t.id, s)
	return nil
}

func (p *play) fetch() error {
	if t := p.any(func(t *modelTask) bool { return t.state == task.Idle || t.state.Active() }); t != nil {
		p.model.set(t.id, task.Fetching, time.Time{})
		p.queue.Fetch(t.id)
	}
	return nil
}

func (p *play) retryOrUp() error {
	t := p.any(func(t *modelTask) bool { return t.state.Active() || t.state == task.Fetching })
	switch {
	case t == nil:
	case t.state == task.Starting && p.pick(2) == 0:
		p.model.set(t.id, task.Running, time.Time{})
		p.queue.Up(t.id)
	case t.state.Active() && p.pick(3) == 0:
		t.shape.alone = true
		p.queue.Apart(t.id)
	default:
		at := p.someTime()
		p.model.set(t.id, task.Idle, at)
		p.queue.Retry(t.id, at)
	}
	return nil
}

func (p *play) park() error {
	t := p.any(func(t *modelTask) bool { return t.state == task.Idle })
	switch {
	case t == nil:
	case p.pick(2) == 0:
		t.parked = true
		p.queue.Park(t.id)
	default:
		p.model.unpark(t.id, p.now)
		p.queue.Unpark(t.id, p.now)
	}
	return nil
}

// offer fills an offer: first fit again and again, and a launch of each.
func (p *play) offer() error {
	free := task.Resources{
		CPUs: int64(100 * p.pick(3*p.needs)), Mem: int64(64 * p.pick(3*p.needs)),
		Disk: int64(p.pick(6)), GPUs: int64(p.pick(3)),
	}
	refuse := p.pick(4) // 0: nothing; else the shapes whose need has this remainder
	for range 1 + p.pick(6) {
		admit := func(id task.ID) bool {
			need := p.model.find(id).need
			return refuse == 0 || (need.CPUs/100+need.Mem/64)%4 != int64(refuse)
		}
		want, wantAsked := p.model.first(free, admit)
		var asked []task.ID
		got := p.queue.First(free, func(t *task.Task) bool {
			asked = append(asked, t.ID)
			return admit(t.ID)
		})
		if (got == nil) != (want == "") || got != nil && got.ID != want || !slices.Equal(asked, wantAsked) {
			return fmt.Errorf("first of %v: %v, asked %v; want %q, asked %v", free, got, asked, want, wantAsked)
		}
		if refuse == 0 && p.queue.First(free, nil) != got {
			return fmt.Errorf("first of %v: another one without admit", free)
		}
		if got == nil {
			return nil
		}
		free = free.Sub(got.Spec.Resources)
		p.model.set(want, task.Starting, time.Time{})
		p.queue.Launch(want)
	}
	return nil
}

// checked does a step, then checks every invariant, and compares if asked to.
func (p *play) checked(growing, compare bool) error {
	if err := p.step(growing); err != nil {
		return err
	}
	if err := p.queue.Check(); err != nil {
		return err
	}
	if compare {
		return p.model.compare(p.queue)
	}
	return nil
}

// TestLikeTheObviousQueue: whatever is done, Queue does what the model does.
func TestLikeTheObviousQueue(t *testing.T) {
	for seed := range uint64(150) {
		steps := 300
		if seed%25 == 0 {
			steps = 3000 // enough for many leaves, dead slots and late tasks
		}
		r := rand.New(rand.NewPCG(seed, 1))
		p := newPlay(r.IntN)
		for i := range steps {
			growing := i/(steps/4)%2 == 0 // and shrinking by turns
			if err := p.checked(growing, i%8 == 0 || i == steps-1); err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, i, err)
			}
		}
	}
}

// FuzzQueue is the same with the choices taken from bytes; it ends with them.
func FuzzQueue(f *testing.F) {
	f.Add([]byte("\x05\x02\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"))
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 2))
		data := make([]byte, 400)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		data = data[:min(len(data), 2000)]
		p := newPlay(func(n int) int {
			if len(data) == 0 || n <= 1 {
				return 0
			}
			b := int(data[0])
			data = data[1:]
			return b % n
		})
		for i := 0; len(data) > 0; i++ {
			if err := p.checked(false, true); err != nil {
				t.Fatalf("step %d: %v", i, err)
			}
		}
	})
}
