package local

import (
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

func withID(info mesos.FrameworkInfo, id string) mesos.FrameworkInfo {
	info.ID = &mesos.FrameworkID{Value: id}
	return info
}

func TestFrameworkIDs(t *testing.T) {
	inBoth(t, func(t *testing.T, cdc *codec) {
		c := startCluster(t, Config{})
		first, second := subscribe(t, c, cdc, modern), subscribe(t, c, cdc, withID(plain, ""))
		if !strings.HasSuffix(first.id, "-0000") || !strings.HasSuffix(second.id, "-0001") {
			t.Errorf("the ids are %s and %s", first.id, second.id)
		}
		own := uuid.NewString()
		s := subscribe(t, c, cdc, withID(modern, own))
		if s.id != own {
			t.Errorf("the framework's own id %s became %s", own, s.id)
		}
		if _, err := uuid.Parse(s.streamID); err != nil {
			t.Errorf("the stream id %q: %v", s.streamID, err)
		}
		s.call(&scheduler.Call{Type: scheduler.Call_TEARDOWN})
		s.closed()
		again := subscribe(t, c, cdc, withID(modern, own))
		if last := again.closed(); again.status != http.StatusOK || last == nil || last.Error == nil || last.Error.Message != "Framework has been removed" {
			t.Errorf("an id that is used up: %d, %v", again.status, last)
		}
	})
}

// TestTakeover: the newer scheduler has the framework, the tasks live on.
func TestTakeover(t *testing.T) {
	inBoth(t, func(t *testing.T, cdc *codec) {
		c := startCluster(t, Config{})
		old := subscribe(t, c, cdc, modern)
		o := old.offer()
		old.accept(0, []mesos.Offer{o}, command1("t1", o, "sleep 1000"))
		old.until("t1", mesos.TASK_RUNNING)
		rest := old.offer()
		s := subscribe(t, c, cdc, withID(modern, old.id))
		if last := old.closed(); last.GetError().GetMessage() != "Framework failed over" {
			t.Errorf("the old scheduler last heard %v", last)
		}
		if status := old.tryCall(&scheduler.Call{Type: scheduler.Call_REVIVE}); status != http.StatusBadRequest {
			t.Errorf("a call of the old scheduler: %d", status)
		}
		s.accept(0, []mesos.Offer{rest}, command1("t2", o, "true"))
		if st := s.update("t2"); st.GetState() != mesos.TASK_DROPPED {
			t.Errorf("the old scheduler's offer is still good: %v", st)
		}
		if got := offered(s.offer(), "cpus"); got != 3.9 {
			t.Errorf("%v cpus are offered, want all but the task's", got)
		}
		s.kill("t1", 0)
		s.until("t1", mesos.TASK_KILLED)
	})
}

// TestFailover: a framework whose stream breaks may come back in time.
func TestFailover(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	s.accept(3600, []mesos.Offer{o}, command1("t1", o, "sleep 1000"))
	s.until("t1", mesos.TASK_RUNNING)
	s.breakOff()
	c.awaitFramework(t, s.id, func(f *framework) bool { return f != nil && f.stream == nil })
	if status := s.tryCall(&scheduler.Call{Type: scheduler.Call_REVIVE}); status != http.StatusForbidden {
		t.Errorf("a call after the break: %d", status)
	}
	other := modern
	other.Principal = new("eve")
	if last := subscribe(t, c, codecProtobuf, withID(other, s.id)).closed(); last.GetError() == nil {
		t.Error("another principal takes the framework over")
	}
	back := subscribe(t, c, codecProtobuf, withID(modern, s.id))
	if got := offered(back.offer(), "cpus"); got != 3.9 {
		t.Errorf("%v cpus are offered; filters must be gone after a break", got)
	}
	back.call(&scheduler.Call{Type: scheduler.Call_RECONCILE, Reconcile: &scheduler.Call_Reconcile{}})
	if st := back.peek("t1"); st.GetState() != mesos.TASK_RUNNING {
		t.Errorf("after the failover: %v", st)
	}
}

// TestRemoval: a framework without a failover timeout, or past it, or torn
// down, is removed with its tasks.
func TestRemoval(t *testing.T) {
	none, short := modern, modern
	none.FailoverTimeout = nil
	short.FailoverTimeout = new(0.01)
	tests := map[string]struct {
		info mesos.FrameworkInfo
		end  func(s *client)
	}{
		"no timeout": {none, func(s *client) { s.breakOff() }},
		"timeout":    {short, func(s *client) { s.breakOff() }},
		"teardown":   {modern, func(s *client) { s.call(&scheduler.Call{Type: scheduler.Call_TEARDOWN}) }},
	}
	c := startCluster(t, Config{})
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := subscribe(t, c, codecJSON, tt.info)
			o := s.offer()
			s.accept(0, []mesos.Offer{o}, command1("t1", o, "trap 'touch terminated; exit' TERM; touch ready; while :; do sleep 0.05; done"))
			s.until("t1", mesos.TASK_RUNNING)
			sandbox := Sandbox(c.cfg.WorkDir, o.AgentID.Value, s.id, "t1")
			awaitFile(t, filepath.Join(sandbox, "ready"))
			tt.end(s)
			s.closed()
			c.awaitFramework(t, s.id, func(f *framework) bool { return f == nil })
			awaitFile(t, filepath.Join(sandbox, "terminated"))
			if status := s.tryCall(&scheduler.Call{Type: scheduler.Call_REVIVE}); status != http.StatusBadRequest {
				t.Errorf("a call after the removal: %d", status)
			}
			c.master.box.call(func() {
				v := c.master.completed[len(c.master.completed)-1]
				if v.ID != s.id || v.Active || len(v.Tasks) != 0 || len(v.CompletedTasks) != 1 || v.CompletedTasks[0].State != "TASK_KILLED" {
					t.Errorf("the completed framework is %+v", v)
				}
				if a := c.master.agents[0]; a.free().String() != a.total.String() {
					t.Errorf("only %v of %v is free", a.free(), a.total)
				}
			})
		})
	}
}

// awaitFramework waits until the master has noticed what happened to a
// framework; it tells nobody.
func (c *Cluster) awaitFramework(t *testing.T, id string, fits func(*framework) bool) {
	t.Helper()
	eventually(t, "what the master has to notice", func() (ok bool) {
		c.master.box.call(func() { ok = fits(c.master.frameworks[id]) })
		return ok
	})
}

func TestValidateFramework(t *testing.T) {
	multi := []mesos.FrameworkInfo_Capability{{Type: mesos.FrameworkInfo_Capability_MULTI_ROLE}}
	tests := []struct {
		name       string
		info       mesos.FrameworkInfo
		suppressed []string
		good       bool
	}{
		{"plain", mesos.FrameworkInfo{}, nil, true},
		{"one role", mesos.FrameworkInfo{Role: new("ads/shop")}, nil, true},
		{"roles", mesos.FrameworkInfo{Roles: []string{"a", "*"}, Capabilities: multi}, []string{"a"}, true},
		{"no roles", mesos.FrameworkInfo{Capabilities: multi}, nil, true},
		{"role of a multi-role framework", mesos.FrameworkInfo{Role: new("a"), Capabilities: multi}, nil, false},
		{"roles of another", mesos.FrameworkInfo{Roles: []string{"a"}}, nil, false},
		{"a role twice", mesos.FrameworkInfo{Roles: []string{"a", "a"}, Capabilities: multi}, nil, false},
		{"suppressed role of others", mesos.FrameworkInfo{Roles: []string{"a"}, Capabilities: multi}, []string{"b"}, false},
		{"filter for a role of others", mesos.FrameworkInfo{OfferFilters: map[string]mesos.OfferFilters{"b": {}}}, nil, true},
		{"filter of nothing", atLeast("*", nil), nil, false},
		{"filter of a negative amount", atLeast("*", map[string]mesos.Value_Scalar{"cpus": {Value: -1}}), nil, false},
		{"filter of an endless amount", atLeast("*", map[string]mesos.Value_Scalar{"cpus": {Value: math.Inf(1)}}), nil, false},
		{"filter", mesos.FrameworkInfo{OfferFilters: map[string]mesos.OfferFilters{"*": {}}}, nil, true},
		{"endless failover", mesos.FrameworkInfo{FailoverTimeout: new(math.Inf(1))}, nil, false},
		{"300 years", mesos.FrameworkInfo{FailoverTimeout: new(300 * 365.25 * 86400)}, nil, false},
		{"290 years", mesos.FrameworkInfo{FailoverTimeout: new(290 * 365.25 * 86400)}, nil, true},
		{"bad id", mesos.FrameworkInfo{ID: &mesos.FrameworkID{Value: "a/b"}}, nil, false},
	}
	for _, role := range []string{"", "a b", "-a", "a//b", "/a", "a/", ".", "a/..", "a/*", "a\x7f"} {
		tests = append(tests, struct {
			name       string
			info       mesos.FrameworkInfo
			suppressed []string
			good       bool
		}{"role " + strconv.Quote(role), mesos.FrameworkInfo{Role: &role}, nil, false})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if text := validateFramework(&tt.info) + validateSuppressed(&tt.info, tt.suppressed); (text == "") != tt.good {
				t.Errorf("%q", text)
			}
		})
	}
}

// atLeast is a framework that wants one set of quantities in a role.
func atLeast(role string, q map[string]mesos.Value_Scalar) mesos.FrameworkInfo {
	return mesos.FrameworkInfo{OfferFilters: map[string]mesos.OfferFilters{role: {MinAllocatableResources: &mesos.OfferFilters_MinAllocatableResources{
		Quantities: []mesos.OfferFilters_ResourceQuantities{{Quantities: q}}}}}}
}

// TestRefusalOrder: what is said of a framework with many faults.
func TestRefusalOrder(t *testing.T) {
	e := newMasterEnv(t)
	f := e.join(withID(modern, "gone"))
	e.removeFramework(f, "test")
	known := modern
	known.Principal = new("ann")
	e.join(withID(known, "known"))
	bad := withID(modern, "gone")
	bad.Roles = []string{"-a", "-a"}
	bad.FailoverTimeout = new(math.Inf(1))
	for _, step := range []struct {
		want string
		fix  func()
	}{
		{"'FrameworkInfo.roles' contains duplicate items: { -a }", func() { bad.Roles = []string{"-a"} }},
		{"'FrameworkInfo.roles' contains invalid role: Role component '-a' is invalid because it starts with a dash", func() { bad.Roles = []string{"a"}; bad.ID.Value = "a/b" }},
		{"'a/b' contains invalid characters", func() { bad.ID.Value = "gone" }},
		{"The framework failover_timeout (+Inf) is invalid", func() { bad.FailoverTimeout = nil }},
		{"Framework has been removed", func() { bad.ID.Value = "known" }},
		{"Suppressed roles { x } are not contained in the set of roles", func() { bad.Roles = []string{"x"} }},
		{"Changing framework's principal is not allowed.", func() { bad.Principal = new("ann") }},
		{"", func() {}},
	} {
		if got := e.refuses(&bad, []string{"x"}); got != step.want {
			t.Errorf("%q, want %q", got, step.want)
		}
		step.fix()
	}
}

// TestUpdateFrameworkRoles: roles come and go, and offers with them; what cannot be
// changed is refused as a whole.
func TestUpdateFrameworkRoles(t *testing.T) {
	e := newMasterEnv(t, "cpus:4;mem:100", "cpus:4;mem:100")
	f := e.join(inRoles("a"))
	e.allocateWanted()
	update := func(info mesos.FrameworkInfo, suppressed ...string) string {
		t.Helper()
		info.ID = &mesos.FrameworkID{Value: f.id}
		text := e.updateFramework(f, &scheduler.Call_UpdateFramework{FrameworkInfo: info, SuppressedRoles: suppressed})
		e.allocateWanted()
		e.check()
		return text
	}
	for want, info := range map[string]mesos.FrameworkInfo{
		"user": {User: "eve", Name: "n"}, "checkpoint": {User: "ann", Name: "n"}, "principal": {User: "ann", Name: "n", Checkpoint: new(true), Principal: new("eve")},
		"Supplied FrameworkInfo is not valid": {User: "ann", Role: new("-")},
	} {
		if text := update(info); !strings.Contains(text, want) || len(f.offers) != 2 {
			t.Errorf("%q, want something of %s", text, want)
		}
	}
	if text := update(inRoles("a"), "b"); !strings.Contains(text, "'UpdateFramework' call is not valid: Suppressed roles { b }") {
		t.Errorf("%q", text)
	}
	if text := update(inRoles("b", "c"), "c"); text != "" || len(f.offers) != 0 || len(f.roles) != 2 {
		t.Fatalf("%q, %d offers, roles %v", text, len(f.offers), f.roles)
	}
	e.tick()
	if len(f.offers) != 2 {
		t.Fatalf("%d offers in the new role", len(f.offers))
	}
	decline := func() {
		for id := range f.offers {
			e.decline(f, &scheduler.Call_Decline{OfferIDs: []mesos.OfferID{{Value: id}}, Filters: &mesos.Filters{RefuseSeconds: new(1000.0)}})
		}
		e.tick()
	}
	decline()
	if len(f.offers) != 0 {
		t.Fatal("what was refused is offered")
	}
	if update(inRoles("b", "c"), "b", "c"); len(f.offers) != 0 {
		t.Error("suppressed roles get offers")
	}
	if update(inRoles("b", "c"), "c"); len(f.offers) != 0 {
		t.Error("an update brings offers at once")
	}
	if e.tick(); len(f.offers) != 2 {
		t.Error("the filters of a role that wants offers again stay")
	}
	decline()
	update(inRoles("c"), "c")
	update(inRoles("b", "c"), "c")
	if e.tick(); len(f.offers) != 2 {
		t.Error("the filters of a role that was left stay")
	}
}

func FuzzValidateID(f *testing.F) {
	f.Add("t1")
	f.Add("a/../b")
	f.Fuzz(func(t *testing.T, id string) {
		if validateID(id) != "" {
			return
		}
		dir := runsDir("/work", "agent", "framework", id)
		if filepath.Base(filepath.Dir(dir)) != id || !slices.Contains(strings.Split(dir, string(os.PathSeparator)), id) {
			t.Fatalf("%q makes the directory %s", id, dir)
		}
	})
}
