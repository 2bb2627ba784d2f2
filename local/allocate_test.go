package local

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// masterEnv is a master whose goroutine does not run: the test calls it and
// sets its clock. Its agents hear nothing.
type masterEnv struct {
	*master
	t *testing.T
}

func newMasterEnv(t *testing.T, agents ...string) *masterEnv {
	t.Helper()
	cfg := Config{WorkDir: t.TempDir()}
	if err := cfg.complete(); err != nil {
		t.Fatal(err)
	}
	e := &masterEnv{master: newMaster(netip.MustParseAddrPort("127.0.0.1:5050"), &cfg), t: t}
	e.now = time.Unix(1000, 0)
	for _, r := range agents {
		l := &line{master: e.master, agent: &agent{box: newMailbox()}}
		e.onRegister(l, registerAgent{addr: netip.MustParseAddrPort("127.0.0.1:5051"), resources: mustResources(t, r)})
	}
	return e
}

// join subscribes a framework and returns it.
func (e *masterEnv) join(info mesos.FrameworkInfo, suppressed ...string) *framework {
	e.t.Helper()
	s := e.subscribe(&scheduler.Call{Type: scheduler.Call_SUBSCRIBE, Subscribe: &scheduler.Call_Subscribe{
		FrameworkInfo: &info, SuppressedRoles: suppressed}}, codecJSON)
	f := e.frameworkOf(s)
	if f == nil {
		e.t.Fatal("the framework was refused")
	}
	return f
}

// tick is a regular allocation, a second later.
func (e *masterEnv) tick() {
	e.now = e.now.Add(time.Second)
	e.allocateAll()
	e.allocateWanted()
	e.check()
}

// check compares what is counted twice.
func (e *masterEnv) check() {
	e.t.Helper()
	for _, a := range e.agents {
		var offered, used Resources
		for _, o := range e.offers {
			if o.agent == a {
				offered = offered.plus(o.resources)
			}
		}
		for _, t := range a.tasks {
			if t.held {
				used = used.plus(t.resources)
			}
		}
		if offered.String() != a.offered.String() || used.String() != a.used.String() || !a.total.contains(offered.plus(used)) {
			e.t.Fatalf("agent %s has %v: offered %v is %v, used %v is %v", a.id, a.total, a.offered, offered, a.used, used)
		}
	}
	for _, f := range e.frameworks {
		held := map[string]Resources{}
		for _, o := range f.offers {
			held[o.role] = held[o.role].plus(o.resources)
		}
		for _, t := range f.tasks {
			if t.held {
				held[t.role] = held[t.role].plus(t.resources)
			}
		}
		for role, s := range f.roles {
			if s.allocated.String() != held[role].String() {
				e.t.Fatalf("framework %s, role %s: %v is %v", f.id, role, s.allocated, held[role])
			}
		}
	}
}

func inRoles(roles ...string) mesos.FrameworkInfo {
	info := modern
	info.Roles = roles
	return info
}

func TestLoneFrameworkGetsAll(t *testing.T) {
	e := newMasterEnv(t, "cpus:4;mem:100", "cpus:2;mem:100;ports:[1-5]")
	f := e.join(modern)
	e.allocateWanted()
	e.check()
	if len(f.offers) != 2 {
		t.Fatalf("%d offers, want one an agent", len(f.offers))
	}
	for _, o := range f.offers {
		if o.resources.String() != o.agent.total.String() {
			t.Errorf("offered %v of %v", o.resources, o.agent.total)
		}
	}
	e.tick()
	if len(f.offers) != 2 {
		t.Error("the same is offered twice")
	}
}

// TestFairShares lets frameworks take what they are offered: in the end the
// roles have the same dominant shares, and the frameworks of a role too.
func TestFairShares(t *testing.T) {
	var agents []string
	for range 40 {
		agents = append(agents, "cpus:1;mem:100")
	}
	e := newMasterEnv(t, agents...)
	a1, a2, b := e.join(inRoles("a")), e.join(inRoles("a")), e.join(inRoles("b"))
	e.allocateWanted()
	e.check()
	got := fmt.Sprint(len(a1.offers), len(a2.offers), len(b.offers))
	if got != "10 10 20" {
		t.Errorf("offers are shared %s, want 10 10 20", got)
	}
}

func TestWhoGetsNoOffer(t *testing.T) {
	gpus := modern
	gpus.Capabilities = append(gpus.Capabilities, mesos.FrameworkInfo_Capability{Type: mesos.FrameworkInfo_Capability_GPU_RESOURCES})
	picky := modern
	picky.OfferFilters = map[string]mesos.OfferFilters{"*": {MinAllocatableResources: &mesos.OfferFilters_MinAllocatableResources{
		Quantities: []mesos.OfferFilters_ResourceQuantities{{Quantities: map[string]mesos.Value_Scalar{"cpus": {Value: 3}}}}}}}
	tests := []struct {
		name       string
		agent      string
		info       mesos.FrameworkInfo
		suppressed []string
		want       int
	}{
		{"plain", "cpus:1;mem:100", modern, nil, 1},
		{"suppressed", "cpus:1;mem:100", modern, []string{"*"}, 0},
		{"no roles", "cpus:1;mem:100", inRoles(), nil, 0},
		{"too little", "cpus:0.009;mem:31", modern, nil, 0},
		{"just enough cpus", "cpus:0.01", modern, nil, 1},
		{"just enough mem", "mem:32", modern, nil, 1},
		{"gpus unknown", "cpus:1;gpus:1", modern, nil, 0},
		{"gpus known", "cpus:1;gpus:1", gpus, nil, 1},
		{"less than it asks for", "cpus:2;mem:100", picky, nil, 0},
		{"as much as it asks for", "cpus:3;mem:100", picky, nil, 1},
		{"one of two roles suppressed", "cpus:1", inRoles("a", "b"), []string{"a"}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newMasterEnv(t, tt.agent)
			f := e.join(tt.info, tt.suppressed...)
			e.tick()
			if len(f.offers) != tt.want {
				t.Errorf("%d offers, want %d", len(f.offers), tt.want)
			}
		})
	}
}

// TestRefusedComesBack walks through what becomes of refused resources.
func TestRefusedComesBack(t *testing.T) {
	e := newMasterEnv(t, "cpus:4;mem:100")
	f := e.join(modern)
	e.allocateWanted()
	refuse := func(seconds float64) {
		for id := range f.offers {
			e.decline(f, &scheduler.Call_Decline{OfferIDs: []mesos.OfferID{{Value: id}, {Value: "unknown"}}, Filters: &mesos.Filters{RefuseSeconds: &seconds}})
		}
		e.allocateWanted()
		e.check()
	}
	refuse(3)
	for i, want := range []int{0, 0, 1} {
		e.tick()
		if len(f.offers) != want {
			t.Fatalf("after %d s: %d offers, want %d", i+1, len(f.offers), want)
		}
	}
	refuse(0)
	if len(f.offers) != 0 {
		t.Error("what was refused for no time comes back before the next tick")
	}
	e.tick()
	if len(f.offers) != 1 {
		t.Error("what was refused for no time does not come back with the tick")
	}
	refuse(1000)
	e.revive(f, []string{"other"})
	e.allocateWanted()
	if len(f.offers) != 0 {
		t.Error("a REVIVE of a role that is not the framework's has an effect")
	}
	e.revive(f, nil)
	e.allocateWanted()
	if len(f.offers) != 1 {
		t.Error("REVIVE does not bring the offer back at once")
	}
	e.suppress(f, nil)
	refuse(0)
	e.tick()
	if len(f.offers) != 0 {
		t.Error("a suppressed framework gets an offer")
	}
}

// TestEager: resources that come back are offered at once, but never in a loop.
func TestEager(t *testing.T) {
	e := newMasterEnv(t, "cpus:4;mem:100")
	e.eager = true
	f := e.join(modern)
	e.allocateWanted()
	o := onlyOffer(t, f)
	task := command1("t1", mesos.Offer{AgentID: mesos.AgentID{Value: o.agent.id}}, "true")
	zero := 0.0
	e.accept(f, &scheduler.Call_Accept{OfferIDs: []mesos.OfferID{{Value: o.id}}, Filters: &mesos.Filters{RefuseSeconds: &zero},
		Operations: []mesos.Offer_Operation{{Type: mesos.Offer_Operation_LAUNCH, Launch: &mesos.Offer_Operation_Launch{TaskInfos: []mesos.TaskInfo{task}}}}})
	e.allocateWanted()
	e.check()
	if len(f.offers) != 0 || len(f.tasks) != 1 {
		t.Fatalf("%d offers, %d tasks; the rest was refused for no time and must wait", len(f.offers), len(f.tasks))
	}
	e.onUpdate(statusUpdate{framework: f.id, latest: mesos.TASK_FINISHED, status: &mesos.TaskStatus{TaskID: task.TaskID, State: mesos.TASK_STARTING.Enum()}})
	e.allocateWanted()
	e.check()
	if got := onlyOffer(t, f).resources; got.String() != e.agents[0].total.String() {
		t.Errorf("the task has ended, by its latest state, and %v is offered", got)
	}
}

func onlyOffer(t *testing.T, f *framework) *offer {
	t.Helper()
	if len(f.offers) != 1 {
		t.Fatalf("%d offers, want 1", len(f.offers))
	}
	for _, o := range f.offers {
		return o
	}
	return nil
}
