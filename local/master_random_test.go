package local

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// TestRandomFrameworks does random things to a master and checks after each
// that every resource is in one place. In the end, with all tasks ended and
// all frameworks gone, everything is free again.
func TestRandomFrameworks(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 0))
		e := newMasterEnv(t, "cpus:4;mem:400;ports:[1-9]", "cpus:2;mem:100", "cpus:1;gpus:1")
		e.eager = seed%2 == 0
		for step := range 400 {
			e.randomStep(random, step)
			if random.IntN(3) == 0 {
				e.now = e.now.Add(time.Duration(random.IntN(3000)) * time.Millisecond)
				e.allocateAll()
			}
			e.allocateWanted()
			e.check()
			if t.Failed() {
				t.Fatalf("seed %d, step %d", seed, step)
			}
		}
		for _, f := range e.sortedFrameworks() {
			e.removeFramework(f, "test")
		}
		e.check()
		for _, a := range e.agents {
			if a.free().String() != a.total.String() || len(a.tasks) != 0 {
				t.Fatalf("seed %d: in the end %v of %v is free", seed, a.free(), a.total)
			}
		}
	}
}

func (e *masterEnv) randomStep(random *rand.Rand, step int) {
	list := e.sortedFrameworks()
	if len(list) == 0 || random.IntN(20) == 0 {
		e.join([]mesos.FrameworkInfo{modern, plain, inRoles("a", "b")}[random.IntN(3)])
		return
	}
	f := list[random.IntN(len(list))]
	switch random.IntN(9) {
	case 0, 1, 2:
		e.randomAccept(random, f, step)
	case 3:
		for id := range f.offers {
			e.decline(f, &scheduler.Call_Decline{OfferIDs: []mesos.OfferID{{Value: id}}, Filters: &mesos.Filters{RefuseSeconds: new(float64(random.IntN(4)))}})
		}
	case 4, 5:
		for _, x := range f.sortedTasks() {
			e.randomUpdate(random, x)
		}
	case 6:
		e.revive(f, nil)
	case 7:
		e.suppress(f, nil)
	case 8:
		e.randomEnd(random, f)
	}
}

// randomAccept uses up to all offers of a framework, sensibly or not.
func (e *masterEnv) randomAccept(random *rand.Rand, f *framework, step int) {
	var ids []mesos.OfferID
	var tasks []mesos.TaskInfo
	for id, o := range f.offers {
		if random.IntN(2) == 0 {
			continue
		}
		ids = append(ids, mesos.OfferID{Value: id})
		for i := range random.IntN(4) {
			x := command1("t"+strconv.Itoa(step)+"."+strconv.Itoa(i), mesos.Offer{AgentID: mesos.AgentID{Value: o.agent.id}}, "true")
			x.Resources[0] = scalarResource("cpus", float64(random.IntN(2500))/1000)
			tasks = append(tasks, x)
		}
	}
	e.accept(f, &scheduler.Call_Accept{OfferIDs: ids, Filters: &mesos.Filters{RefuseSeconds: new(float64(random.IntN(3)))},
		Operations: []mesos.Offer_Operation{{Type: mesos.Offer_Operation_LAUNCH, Launch: &mesos.Offer_Operation_Launch{TaskInfos: tasks}}}})
}

// randomUpdate brings an update of a task, which the framework may acknowledge.
func (e *masterEnv) randomUpdate(random *rand.Rand, x *task) {
	states := []mesos.TaskState{mesos.TASK_STARTING, mesos.TASK_RUNNING, mesos.TASK_FINISHED, mesos.TASK_FAILED}
	state := states[random.IntN(len(states))]
	uuid := []byte(strconv.Itoa(random.IntN(1e9)))
	e.onUpdate(statusUpdate{framework: x.framework.id, latest: state, status: &mesos.TaskStatus{TaskID: x.info.TaskID, State: &state, UUID: uuid}})
	if random.IntN(2) == 0 {
		e.acknowledge(x.framework, &scheduler.Call_Acknowledge{AgentID: x.info.AgentID, TaskID: x.info.TaskID, UUID: uuid})
	}
}

// randomEnd breaks a stream, takes a framework over or removes it.
func (e *masterEnv) randomEnd(random *rand.Rand, f *framework) {
	info := *f.info
	switch random.IntN(4) {
	case 0:
		e.removeFramework(f, "test")
	case 1:
		if f.stream != nil {
			e.disconnected(f.stream)
		}
	default:
		info.ID = &mesos.FrameworkID{Value: f.id}
		e.subscribe(&scheduler.Call{Type: scheduler.Call_SUBSCRIBE, FrameworkID: info.ID, Subscribe: &scheduler.Call_Subscribe{FrameworkInfo: &info}}, codecJSON)
	}
}
