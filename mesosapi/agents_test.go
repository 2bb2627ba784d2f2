package mesosapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// agentsMaster answers what is asked of agents.
type agentsMaster struct {
	t      *testing.T
	asked  atomic.Int32
	mu     sync.Mutex
	pids   map[string]string
	answer http.HandlerFunc // nil: as Mesos
}

func (m *agentsMaster) set(id, pid string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pids = map[string]string{id: pid}
}

func (m *agentsMaster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.asked.Add(1)
	if r.Method != http.MethodGet || r.URL.Path != "/master/slaves" || r.Header.Get("Authorization") != "Bearer s" {
		m.t.Errorf("asked %s %s %v", r.Method, r.URL, r.Header)
	}
	if m.answer != nil {
		m.answer(w, r)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	list := ""
	if pid, ok := m.pids[r.URL.Query().Get("slave_id")]; ok {
		list = fmt.Sprintf(`{"id":%q,"pid":%q,"port":1,"attributes":{}}`, r.URL.Query().Get("slave_id"), pid)
	}
	fmt.Fprintf(w, `{"slaves":[%s],"recovered_slaves":[]}`, list)
}

func (m *agentsMaster) start() (addr string) {
	s := httptest.NewServer(m)
	m.t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// theAgent says hello to who has the credentials.
func theAgent(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s" {
			t.Errorf("no credentials: %v", r.Header)
		}
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
			return
		}
		fmt.Fprint(w, "hello")
	}))
	t.Cleanup(s.Close)
	return s
}

func newAgents(t *testing.T, master string, cfg Config) *Agents {
	t.Helper()
	cfg.Master = master
	cfg.Authorize = func(r *http.Request) { r.Header.Set("Authorization", "Bearer s") }
	a, err := NewAgents(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func ask(t *testing.T, a *Agents, address string) (int, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := a.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

func pid(s *httptest.Server) string { return "slave(1)@" + s.Listener.Addr().String() }

func TestAgents(t *testing.T) {
	m := &agentsMaster{t: t}
	agent := theAgent(t)
	m.set("S1", pid(agent))
	a := newAgents(t, m.start(), Config{})
	for range 3 {
		base, err := a.Agent(t.Context(), "S1")
		if base != agent.URL || err != nil {
			t.Fatalf("%q, %v; want %s", base, err, agent.URL)
		}
		if _, body, err := ask(t, a, base+"/x"); body != "hello" || err != nil {
			t.Errorf("%q, %v", body, err)
		}
	}
	if n := m.asked.Load(); n != 1 {
		t.Errorf("the master was asked %d times", n)
	}
	if status, _, err := ask(t, a, agent.URL+"/moved"); status != 307 || err != nil {
		t.Errorf("a redirect: %d, %v; want it not followed", status, err)
	}
	if _, err := a.Agent(t.Context(), "S2"); err == nil || !strings.Contains(err.Error(), "does not know agent S2") {
		t.Error(err)
	}
}

// TestAgentsMoved: an agent that does not answer is asked for again.
func TestAgentsMoved(t *testing.T) {
	m := &agentsMaster{t: t}
	before, after := theAgent(t), theAgent(t)
	m.set("S1", pid(before))
	a := newAgents(t, m.start(), Config{})
	base, err := a.Agent(t.Context(), "S1")
	if err != nil {
		t.Fatal(err)
	}
	before.Close()
	m.set("S1", pid(after))
	if _, _, err := ask(t, a, base); err == nil {
		t.Fatal("an agent that is gone answers")
	}
	if base, err = a.Agent(t.Context(), "S1"); base != after.URL || err != nil {
		t.Errorf("%q, %v; want %s", base, err, after.URL)
	}
	if _, body, err := ask(t, a, base); body != "hello" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
}

// TestAgentsOnlyNamed: credentials go nowhere but to agents that the master named.
func TestAgentsOnlyNamed(t *testing.T) {
	m := &agentsMaster{t: t}
	agent := theAgent(t)
	m.set("S1", pid(agent))
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a stranger was asked") }))
	t.Cleanup(other.Close)
	a := newAgents(t, m.start(), Config{})
	if _, _, err := ask(t, a, agent.URL); err == nil {
		t.Error("an agent was asked before it was named")
	}
	if _, err := a.Agent(t.Context(), "S1"); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{other.URL, strings.Replace(agent.URL, "http:", "https:", 1)} {
		if _, _, err := ask(t, a, address); err == nil || !strings.Contains(err.Error(), "does not name it") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestAgentsLeader(t *testing.T) {
	agent := theAgent(t)
	leader := &agentsMaster{t: t}
	leader.set("S1", pid(agent))
	at := leader.start()
	for location, fails := range map[string]string{
		"//" + at + "/master/slaves?slave_id=S1":      "",
		"http://" + at + "/master/slaves?slave_id=S1": "",
		"//" + at:                         "",
		"https://" + at + "/":             "we speak http",
		"//" + at + "/evil":               "no scheduler API",
		"//" + at + "/x/master/slaves?a":  "no scheduler API",
		"//u:p@" + at + "/master/slaves?": "redirected to",
		"":                                "no leader is named",
	} {
		m := &agentsMaster{t: t, answer: func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Location"] = []string{location}
			w.WriteHeader(http.StatusTemporaryRedirect)
		}}
		before := leader.asked.Load()
		base, err := newAgents(t, m.start(), Config{}).Agent(t.Context(), "S1")
		switch {
		case fails == "" && (base != agent.URL || err != nil):
			t.Errorf("%q: %q, %v", location, base, err)
		case fails != "" && (err == nil || !strings.Contains(err.Error(), fails) || leader.asked.Load() != before):
			t.Errorf("%q: %q, %v; want %s", location, base, err, fails)
		}
	}
	m := &agentsMaster{t: t}
	self := m.start()
	m.answer = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "//"+self+"/")
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
	var down *Unreachable
	if _, err := newAgents(t, self, Config{}).Agent(t.Context(), "S1"); !errors.As(err, &down) || m.asked.Load() > 10 {
		t.Errorf("a circle of redirects: %v after %d", err, m.asked.Load())
	}
}

func TestAgentsList(t *testing.T) {
	agent := theAgent(t)
	m := &agentsMaster{t: t}
	m.set("S1", pid(agent))
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	busy := &agentsMaster{t: t, answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }}
	a := newAgents(t, gone.Listener.Addr().String()+","+busy.start()+","+m.start(), Config{})
	if base, err := a.Agent(t.Context(), "S1"); base != agent.URL || err != nil {
		t.Errorf("%q, %v", base, err)
	}
}

func TestAgentsHostile(t *testing.T) {
	say := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("WWW-Authenticate", `Basic realm="mesos-master-readonly"`)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	named := func(pid string) http.HandlerFunc {
		return say(200, fmt.Sprintf(`{"slaves":[{"id":"S1","pid":%q}]}`, pid))
	}
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"no JSON":        {say(200, "<html>"), "read the agents"},
		"endless":        {say(200, `{"slaves":[`+strings.Repeat(" ", maxAgents)), "longer than"},
		"nested":         {say(200, strings.Repeat("[", 1<<20)), "read the agents"},
		"unauthorized":   {say(401, "who?\x1b[1m"), `(realm "mesos-master-readonly")`},
		"forbidden":      {say(403, "no"), "refused: 403 Forbidden: no"},
		"failing":        {say(500, "oh"), "answered 500"},
		"another agent":  {say(200, `{"slaves":[{"id":"S2","pid":"slave(1)@127.0.0.1:1"}]}`), "does not know agent S1"},
		"no pid":         {named(""), "no address"},
		"no port":        {named("slave(1)@127.0.0.1"), "no address"},
		"port 0":         {named("slave(1)@127.0.0.1:0"), "no address"},
		"a name":         {named("slave(1)@evil.example:80"), "no address"},
		"a path":         {named("slave(1)@127.0.0.1:80/x?"), "no address"},
		"a user":         {named("slave(1)@a@127.0.0.1:80"), "no address"},
		"nowhere":        {named("slave(1)@0.0.0.0:80"), "no address"},
		"control":        {say(200, `{"slaves":[{"id":"S1","pid":"slave(1)@\u001b[2J"}]}`), "no address"},
		"without a name": {named("127.0.0.1:80"), "no address"},
	} {
		t.Run(name, func(t *testing.T) {
			m := &agentsMaster{t: t, answer: tt.answer}
			_, err := newAgents(t, m.start(), Config{}).Agent(t.Context(), "S1")
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.ContainsAny(err.Error(), "\x1b\n") || len(err.Error()) > 5000 {
				t.Errorf("%.300q, want %s", err, tt.want)
			}
		})
	}
}

func TestAgentsHTTPS(t *testing.T) {
	agent := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") }))
	t.Cleanup(agent.Close)
	m := &agentsMaster{t: t}
	m.set("S1", pid(agent))
	master := httptest.NewUnstartedServer(m)
	master.Config.ErrorLog = log.New(io.Discard, "", 0)
	master.StartTLS()
	t.Cleanup(master.Close)
	roots := x509.NewCertPool()
	roots.AddCert(agent.Certificate())
	a := newAgents(t, "https://"+master.Listener.Addr().String(), Config{TLS: &tls.Config{RootCAs: roots}})
	base, err := a.Agent(t.Context(), "S1")
	if base != agent.URL || err != nil {
		t.Fatalf("%q, %v", base, err)
	}
	if _, body, err := ask(t, a, base); body != "hello" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
	stranger := newAgents(t, "https://"+master.Listener.Addr().String(), Config{})
	if _, err := stranger.Agent(t.Context(), "S1"); err == nil {
		t.Error("a master that nobody vouches for was believed")
	}
}

func TestAgentsClose(t *testing.T) {
	m := &agentsMaster{t: t}
	a := newAgents(t, m.start(), Config{})
	if _, err := a.Agent(t.Context(), "S1"); err == nil {
		t.Fatal("found")
	}
	for range 2 {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := a.Agent(t.Context(), "S1"); err == nil {
		t.Error("asked after Close")
	}
	if _, err := NewAgents(Config{Master: "zk://"}); err == nil {
		t.Error("a master that is none")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := newAgents(t, m.start(), Config{})
	if _, err := b.Agent(ctx, "S1"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func FuzzAgentIn(f *testing.F) {
	f.Add([]byte(`{"slaves":[{"id":"S1","pid":"slave(1)@127.0.0.1:5051"}]}`))
	f.Add([]byte(`{"slaves":[{"id":"S1","pid":"slave(1)@[::1]:5051"}]}`))
	f.Add([]byte(`{"slaves":[{"id":"S1","pid":"slave(1)@evil/x?@:5051"}]}`))
	f.Add([]byte(`{"slaves":[{"id":"S1","pid":"@[fe80::1%25eth0]:1"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		addr, err := agentIn(body, "m:1", "S1")
		if (err == nil) == (addr == "") {
			t.Fatalf("%q, %v", addr, err)
		}
		if err != nil {
			return
		}
		u, err := url.Parse("http://" + addr + "/x?y")
		if err != nil || u.Host != addr || u.User != nil || u.Path != "/x" || u.Port() == "" {
			t.Errorf("%q is no host of an address: %v", addr, err)
		}
	})
}
