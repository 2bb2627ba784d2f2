package local

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// maxBody bounds the body of a request.
const maxBody = 16 << 20

// handler routes the master's paths. Each of them is also there below /master,
// as in Mesos.
func (m *master) handler() *routes {
	mux := newRoutes()
	both := func(path string, h http.HandlerFunc) {
		mux.HandleFunc(path, h)
		mux.HandleFunc("/master"+path, h)
	}
	lead := func(path string, h http.HandlerFunc) { both(path, m.leading(h)) }
	read := func(path string, view func(r *http.Request) (any, error)) { lead(path, reading(m.box, view)) }
	lead("/api/v1/scheduler", m.serveScheduler)
	lead("/api/v1", m.serveOperator)
	lead("/teardown", m.serveTeardown)
	both("/health", serveHealth)
	both("/version", serveVersion)
	both("/redirect", m.serveRedirect)
	read("/state", func(*http.Request) (any, error) { return m.viewState(), nil })
	read("/state-summary", func(*http.Request) (any, error) { return m.viewSummary(), nil })
	read("/slaves", func(r *http.Request) (any, error) { return m.viewAgentsInFull(queryOf(r, "slave_id")), nil })
	read("/frameworks", func(r *http.Request) (any, error) { return m.viewFrameworks(queryOf(r, "framework_id")), nil })
	read("/roles", func(*http.Request) (any, error) { return m.viewRoles(), nil })
	both("/flags", reading(m.box, func(*http.Request) (any, error) { return map[string]any{"flags": m.flags()}, nil }))
	both("/metrics/snapshot", reading(m.box, func(*http.Request) (any, error) { return m.viewMetrics(), nil }))
	read("/tasks", func(r *http.Request) (any, error) {
		q, err := parseTaskQuery(r)
		if err != nil {
			return nil, err
		}
		return m.viewTasks(q), nil
	})
	m.addPages(leadingRoutes{mux, m})
	return mux
}

// reading answers GET with a view that the actor makes. The error of a view is
// the client's fault.
func reading(box *mailbox, view func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !allow(w, r, http.MethodGet, http.MethodHead) {
			return
		}
		var v any
		var err error
		if !box.call(func() { v, err = view(r) }) {
			http.Error(w, "shutting down", http.StatusServiceUnavailable)
			return
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		writeJSON(w, marshal(v))
	}
}

// queryOf is a value of the address. FormValue would wait for the body of a
// form, whatever the method, and so would the actor.
func queryOf(r *http.Request, name string) string { return r.URL.Query().Get(name) }

// allow checks the method of a request, and answers 405 to a wrong one.
func allow(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	for _, m := range methods {
		if r.Method == m {
			return true
		}
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	return false
}

func writeJSON(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // a client that has gone is no error of ours
}

func serveHealth(w http.ResponseWriter, r *http.Request) {
	allow(w, r, http.MethodGet, http.MethodHead)
}

func serveVersion(w http.ResponseWriter, r *http.Request) {
	if allow(w, r, http.MethodGet, http.MethodHead) {
		writeJSON(w, marshal(build))
	}
}

func parseTaskQuery(r *http.Request) (taskQuery, error) {
	q := taskQuery{framework: queryOf(r, "framework_id"), task: queryOf(r, "task_id"), limit: 100}
	for name, into := range map[string]*int{"limit": &q.limit, "offset": &q.offset} {
		text := queryOf(r, name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return q, errors.New(name + " must be a whole number of at least 0")
		}
		*into = n
	}
	switch queryOf(r, "order") {
	case "", "des":
	case "asc":
		q.ascending = true
	default:
		return q, errors.New("order must be asc or des")
	}
	return q, nil
}

// serveScheduler is the v1 scheduler API. What is checked first, and how it is
// answered, is as in Mesos: src/master/http.cpp, Master::Http::scheduler.
func (m *master) serveScheduler(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodPost) {
		return
	}
	c, status, text := readCall(w, r)
	if status != 0 {
		http.Error(w, text, status)
		return
	}
	streamID := r.Header.Get("Mesos-Stream-Id")
	if c.Type == scheduler.Call_SUBSCRIBE {
		m.serveSubscribe(w, r, c, streamID)
		return
	}
	if c.Type == scheduler.Call_RECONCILE_OPERATIONS && acceptedCodec(r.Header) == nil {
		http.Error(w, "the answer can be application/json or application/x-protobuf", http.StatusNotAcceptable)
		return
	}
	var a answer
	who := callerOf(r)
	if !m.asked(r, func() { a = m.call(c, streamID, who.principal) }) {
		a = answer{http.StatusServiceUnavailable, "shutting down"}
	}
	if a.text != "" {
		http.Error(w, a.text, a.status)
		return
	}
	w.WriteHeader(a.status)
}

// asked runs a call of a scheduler in the master and waits for it; false if the
// master has ended. What came before a restart was for the master that was
// killed: it is neither done nor answered.
func (m *master) asked(r *http.Request, do func()) bool {
	there := true
	ran := m.box.call(func() {
		if there = m.plug.has(connOf(r)); there {
			m.counts.calls++
			do()
		}
	})
	if !there {
		panic(http.ErrAbortHandler)
	}
	return ran
}

// readCall reads and checks the body of a request; the status is 0 if it is a
// call.
func readCall(w http.ResponseWriter, r *http.Request) (c *scheduler.Call, status int, text string) {
	c = &scheduler.Call{}
	if status, text := readMessage(w, r, c); status != 0 {
		return nil, status, text
	}
	if text := validateCall(c, callerOf(r).principal); text != "" {
		return nil, http.StatusBadRequest, "Failed to validate scheduler::Call: " + text
	}
	return c, 0, ""
}

// serveSubscribe answers with the event stream, and is the goroutine that
// writes it.
func (m *master) serveSubscribe(w http.ResponseWriter, r *http.Request, c *scheduler.Call, streamID string) {
	cdc := acceptedCodec(r.Header)
	switch {
	case cdc == nil:
		http.Error(w, "the events can be application/json or application/x-protobuf", http.StatusNotAcceptable)
		return
	case streamID != "":
		http.Error(w, "Subscribe calls should not include the 'Mesos-Stream-Id' header", http.StatusBadRequest)
		return
	}
	var s *stream
	if !m.asked(r, func() { s = m.subscribe(c, cdc) }) {
		http.Error(w, "shutting down", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", cdc.contentType)
	w.Header().Set("Mesos-Stream-Id", s.id)
	w.WriteHeader(http.StatusOK)
	s.serve(r.Context(), w, m.heartbeat[cdc], m.timing.heartbeat)
	m.box.post(func() { m.disconnected(s) })
}
