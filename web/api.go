package web

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path"
	"time"

	"github.com/sirupsen/logrus"
)

// Bounds of the API.
const (
	readTimeout   = 10 * time.Second // of the Queue
	changeTimeout = 90 * time.Second // of the Changes, once all of a request is here
	maxID         = 256              // bytes; no task's or launch's id is that long
	maxRemoteLogs = 64               // that are read over TCP at a time
	maxSubmits    = 2                // whose files are held in memory at a time
)

// Config is what an API answers from. What is nil is not served.
type Config struct {
	Version string
	Logs    Logs
	Queue   Queue
	Changes Changes
	Hub     *Hub         // needs Queue
	Metrics http.Handler // GET /metrics
	Ready   func() bool  // whether a master has taken us in; for /readyz
	Log     *logrus.Entry
}

// API answers the requests of people and programs: JSON, but for what commands
// wrote, which comes as it is. All errors have one shape (Error) and one table
// of codes. openapi.json describes it.
type API struct {
	Config
	mux     *http.ServeMux
	logs    chan struct{} // holds one for each log that is read over TCP
	submits chan struct{} // and for each file that is taken in
}

// NewAPI serves what the Config has.
func NewAPI(c Config) *API {
	a := &API{Config: c, mux: http.NewServeMux(),
		logs: make(chan struct{}, maxRemoteLogs), submits: make(chan struct{}, maxSubmits)}
	for _, r := range a.routes() {
		if !r.there {
			continue
		}
		a.handle(r.method+" "+r.path, r.answer)
		a.handle(r.path, r.wrongMethod)
		if r.stream {
			a.handle("HEAD "+r.path, r.wrongMethod)
		}
	}
	a.handle("/", func(_ http.ResponseWriter, r *http.Request) error {
		return NotFound("there is no %s %s", r.Method, cut(r.URL.Path, 200))
	})
	return a
}

// route is something to ask.
type route struct {
	method, path string
	there        bool // is it served
	answer       func(http.ResponseWriter, *http.Request) error
	stream       bool // the answer comes bit by bit, so there is no HEAD of it
}

// routes is all there is to ask. A handler that has begun to answer returns nil.
func (a *API) routes() []route {
	queue, changes := a.Queue != nil, a.Changes != nil
	return []route{
		{"GET", "/v1/version", true, noParameters(a.getVersion), false},
		{"GET", "/v1/openapi.json", true, noParameters(a.getDescription), false},
		{"GET", "/v1/status", queue, noParameters(inJSON(a.getStatus)), false},
		{"GET", "/v1/tasks", queue, inJSON(a.getTasks), false},
		{"GET", "/v1/tasks/{id}", queue, noParameters(inJSON(a.getTask)), false},
		{"GET", "/v1/tasks/{id}/explain", queue, noParameters(inJSON(a.getExplanation)), false},
		{"GET", "/v1/tasks/{id}/logs", a.Logs != nil, a.getLog, true},
		{"GET", "/v1/failures", queue, noParameters(inJSON(a.getFailures)), false},
		{"GET", "/v1/events", queue && a.Hub != nil, noParameters(a.getEvents), true},
		{"POST", "/v1/submit", changes, a.postSubmit, false},
		{"POST", "/v1/cancel", changes, a.change(Changes.Cancel), false},
		{"POST", "/v1/retry", changes, a.change(Changes.Retry), false},
		{"POST", "/v1/hold", changes, a.change(Changes.Hold), false},
		{"POST", "/v1/release", changes, a.change(Changes.Release), false},
		{"GET", "/healthz", true, getHealth, false},
		{"GET", "/readyz", a.Ready != nil, a.getReadiness, false},
		{"GET", "/metrics", a.Metrics != nil, a.getMetrics, false},
	}
}

func (a *API) handle(pattern string, answer func(http.ResponseWriter, *http.Request) error) {
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := answer(w, r); err != nil {
			writeError(w, a.tell(r.Context(), err))
		}
	})
}

// tell is what a client is told of an error. What it is not told of ours goes to
// the log.
func (a *API) tell(ctx context.Context, err error) *Error {
	e := told(ctx, err)
	if e.Code == CodeInternal && callerOf(ctx).remote && a.Log != nil {
		a.Log.WithError(err).Warn("a request has failed")
	}
	return e
}

func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", policy)
	// As it was sent: the mux would lead elsewhere where that is not clean, but
	// takes what is escaped in it as a part of an id.
	if p := r.URL.EscapedPath(); p != path.Clean(p) {
		writeError(w, told(r.Context(), NotFound("there is no %s %s", r.Method, cut(r.URL.Path, 200))))
		return
	}
	a.mux.ServeHTTP(w, r)
}

// wrongMethod is for what the path of a route does not take.
func (r route) wrongMethod(w http.ResponseWriter, request *http.Request) error {
	allowed := r.method
	if allowed == http.MethodGet && !r.stream {
		allowed = "GET, HEAD"
	}
	w.Header().Set("Allow", allowed)
	return &Error{CodeMethod, cut(request.URL.Path, 200) + " takes " + allowed + ", not " + cut(request.Method, 50)}
}

// Version says who answers, and to whom.
type Version struct {
	Version string `json:"version"`
	PID     int    `json:"pid"`
	Changes bool   `json:"changes"` // whether who asks may change the queue
}

func (a *API) getVersion(w http.ResponseWriter, r *http.Request) error {
	writeJSON(w, http.StatusOK, Version{a.Version, os.Getpid(), !callerOf(r.Context()).reads})
	return nil
}

func getHealth(w http.ResponseWriter, _ *http.Request) error {
	writeText(w, http.StatusOK, "ok\n")
	return nil
}

func (a *API) getReadiness(w http.ResponseWriter, _ *http.Request) error {
	if !a.Ready() {
		return Busy("cmdq is not subscribed with a master")
	}
	writeText(w, http.StatusOK, "ready\n")
	return nil
}

func (a *API) getMetrics(w http.ResponseWriter, r *http.Request) error {
	a.Metrics.ServeHTTP(w, r)
	return nil
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // it fails when the client has gone
}

// noParameters is for what has none: one that is given may be a slip.
func noParameters(answer func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if r.URL.RawQuery != "" {
			return BadRequest("there are no parameters")
		}
		return answer(w, r)
	}
}

// inJSON makes a handler of a question to the Queue.
func inJSON[T any](ask func(context.Context, *http.Request) (T, error)) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		v, err := timely(r, ask)
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, v)
		return nil
	}
}

// timely gives a question its time.
func timely[T any](r *http.Request, ask func(context.Context, *http.Request) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	v, err := ask(ctx, r)
	return v, inTime(ctx, err, "cmdq is busy")
}

// inTime is what became of what had so long: if its context ran out, that is the
// reason, whatever was made of it.
func inTime(ctx context.Context, err error, busy string) error {
	var e *Error
	if !errors.As(err, &e) && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return Busy("%s", busy)
	}
	return err
}
