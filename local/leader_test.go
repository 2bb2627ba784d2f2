package local

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
)

// standingCluster is a cluster that stands for election at an ensemble.
func standingCluster(t *testing.T, e *ensemble) *Cluster {
	t.Helper()
	at, err := ParseZooKeeper("zk://ann:s3cret@h/mesos")
	if err != nil {
		t.Fatal(err)
	}
	return startCluster(t, Config{ZooKeeper: at, ZooKeeperTimeout: patience, dialGroup: e.dial, Agents: 2})
}

// direct asks without following redirects.
func direct(t *testing.T, method, url, body string) (status int, location, text string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Location"), string(all)
}

// awaitLeader waits until a master answers as it does when l leads.
func awaitLeader(t *testing.T, c *Cluster, l leader) {
	t.Helper()
	for end := time.Now().Add(patience); *c.master.leader.Load() != l; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%+v leads; want %+v", *c.master.leader.Load(), l)
		}
	}
}

// TestFollowerPoints tries every path of a master that does not lead.
func TestFollowerPoints(t *testing.T) {
	e := &ensemble{}
	first, second := standingCluster(t, e), standingCluster(t, e)
	awaitLeader(t, first, leader{me: true})
	awaitLeader(t, second, leader{other: first.Addr()})
	own := []string{"/health", "/version", "/flags", "/metrics/snapshot", "/redirect", "/page/assets/"}
	here, there := "http://"+second.Addr(), "//"+first.Addr()
	for _, pattern := range second.master.handler().patterns {
		path := strings.NewReplacer("{$}", "", "{framework}", "a%2Fb", "{agent}", "x", "{task}", "y", "{executor}", "z").Replace(pattern)
		below := strings.TrimPrefix(path, "/master")
		if slices.ContainsFunc(own, func(p string) bool { return strings.HasPrefix(below, p) }) {
			continue
		}
		want := path
		if path == below && path != "/" && !strings.HasPrefix(path, "/page/") {
			want = "/master" + path
		}
		// Whatever is wrong with the request is for the leader to say.
		status, location, _ := direct(t, http.MethodPost, here+path+"?a=b%20c&d", "{")
		if status != http.StatusTemporaryRedirect || location != there+want+"?a=b%20c&d" {
			t.Errorf("%s: %d, %q", path, status, location)
		}
	}
	for path, want := range map[string]struct {
		status   int
		location string
	}{
		"/health": {200, ""}, "/master/version": {200, ""}, "/flags": {200, ""}, "/metrics/snapshot": {200, ""}, "/page/assets/style.css": {200, ""},
		"/redirect": {307, there}, "/master/redirect": {307, there}, "/redirect/x": {404, ""}, "/nowhere": {404, ""},
	} {
		status, location, text := direct(t, http.MethodGet, here+path, "")
		if status != want.status || location != want.location || strings.Contains(text, "s3cret") {
			t.Errorf("%s: %d, %q, %s", path, status, location, text)
		}
		if path == "/metrics/snapshot" && !strings.Contains(text, `"master/elected":0`) {
			t.Error("it says that it is elected", text)
		}
		if path == "/flags" && !strings.Contains(text, `"zk":"zk://h:2181/mesos"`) {
			t.Error("flags without the address", text)
		}
	}
	if _, location, _ := direct(t, http.MethodGet, "http://"+first.Addr()+"/redirect", ""); location != there {
		t.Errorf("the leader points to %q", location)
	}
	if n := len(second.Agents()); n != 0 {
		t.Errorf("%d agents are registered with a master that does not lead", n)
	}
	if err := second.RestartMaster(); err == nil {
		t.Error("restarted")
	}
}

// TestFollowerTakesOver ends the leader: the other one gets agents and
// frameworks, of which it knows nothing.
func TestFollowerTakesOver(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("masters", func(t *testing.T) {
		e := &ensemble{}
		first, second := standingCluster(t, e), standingCluster(t, e)
		awaitLeader(t, second, leader{other: first.Addr()})
		<-first.agents[0].ready
		info := modern
		s := subscribe(t, first, codecJSON, info)
		o := s.offer()
		s.accept(0, []mesos.Offer{o}, command1("a", o, "exec sleep 1000"))
		s.until("a", mesos.TASK_RUNNING)
		if _, _, text := direct(t, http.MethodGet, "http://"+second.agents[0].addr.String()+"/state", ""); strings.Contains(text, "master_hostname") {
			t.Error("an agent has a master that does not lead", text)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := first.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		awaitLeader(t, second, leader{me: true})
		for _, a := range second.agents {
			<-a.ready
		}
		info.ID = &mesos.FrameworkID{Value: s.id}
		again := subscribe(t, second, codecJSON, info)
		if again.id != s.id {
			t.Errorf("framework %q; was %q", again.id, s.id)
		}
		o = again.offer()
		again.accept(0, []mesos.Offer{o}, command1("b", o, "true"))
		again.until("b", mesos.TASK_FINISHED)
		state := second.master.viewState
		var v stateView
		second.master.box.call(func() { v = state() })
		if v.Leader != "master@"+second.Addr() || v.ElectedTime < v.StartTime || v.Activated != 2 {
			t.Errorf("%+v", v)
		}
		select {
		case err := <-second.Lost():
			t.Error(err)
		case err := <-first.Lost():
			t.Error("one that was stopped:", err)
		default:
		}
	})
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	awaitGoroutines(t, before)
}

// TestLeaderLost takes the leadership away: the cluster says so, and answers
// nobody.
func TestLeaderLost(t *testing.T) {
	e := &ensemble{}
	first := standingCluster(t, e)
	awaitLeader(t, first, leader{me: true})
	e.session("json.info_0000000000").notify(errExpired)
	if err := <-first.Lost(); !errors.Is(err, errExpired) {
		t.Error(err)
	}
	awaitLeader(t, first, leader{})
	for _, path := range []string{"/state", "/redirect", "/"} {
		if status, location, text := direct(t, http.MethodGet, "http://"+first.Addr()+path, ""); status != 503 || location != "" || text != "No leader elected\n" {
			t.Errorf("%s: %d, %q, %q", path, status, location, text)
		}
	}
	if status, _, _ := direct(t, http.MethodGet, "http://"+first.Addr()+"/health", ""); status != 200 {
		t.Error("health:", status)
	}
}
