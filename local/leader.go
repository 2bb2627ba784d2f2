package local

import (
	"net/http"
	"strings"
)

// leader says which of the masters that stand for election leads. A master
// without an election leads from its beginning.
type leader struct {
	me    bool   // it is this master
	other string // host:port of the one that does; "" if none is known
}

// follow takes over who leads. A master that is elected leads until its end:
// one that loses the election does not go on (Mesos: Master::detected).
func (m *master) follow(l leader) {
	was := m.leader.Load()
	m.leader.Store(&l)
	switch {
	case l.me && !was.me:
		m.elected = m.now
		m.log.WithField("master", m.id).Info("elected as the leading master")
	case l.other != "":
		m.log.WithField("leader", l.other).Info("another master leads")
	case was.other != "" || was.me:
		m.log.Warn("no master is known to lead")
	}
}

func (m *master) leads() bool { return m.leader.Load().me }

// leading lets only a leading master answer. The others point to the one that
// leads, if they know it, whatever the request (Mesos: Master::Http::redirect
// in src/master/http.cpp).
func (m *master) leading(inner http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		l := m.leader.Load()
		if l.me {
			inner(w, r)
			return
		}
		path := r.URL.EscapedPath()
		if !strings.HasPrefix(path, "/master/") && path != "/" && !strings.HasPrefix(path, "/page/") {
			path = "/master" + path
		}
		if r.URL.RawQuery != "" {
			path += "?" + r.URL.RawQuery
		}
		redirect(w, l.other, path)
	}
}

// redirect points to a path of the leader. The scheme is left out: it stays
// what it was.
func redirect(w http.ResponseWriter, leader, path string) {
	if leader == "" {
		http.Error(w, "No leader elected", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Location", "//"+leader+path)
	w.WriteHeader(http.StatusTemporaryRedirect)
}

// serveRedirect points to the leader, which may be this master.
func (m *master) serveRedirect(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	l := m.leader.Load()
	if l.me {
		l = &leader{other: m.addr.String()}
	}
	redirect(w, l.other, "")
}

// leadingRoutes are those that only a leading master serves itself: all but
// what a page is made with.
type leadingRoutes struct {
	*routes
	master *master
}

// HandleFunc is as that of http.ServeMux.
func (r leadingRoutes) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	if !strings.HasPrefix(pattern, "/page/assets/") {
		h = r.master.leading(h)
	}
	r.routes.HandleFunc(pattern, h)
}

// onElected is told that the agent's master leads: it registers within a
// random second, as the agents of Mesos do when they detect a leader.
func (a *agent) onElected() {
	if a.fault == agentRuns && !a.standing.done {
		a.register(a.timing.backoff)
	}
}
