package web

import (
	"net/http"
	"os"
)

// API answers the requests of people and programs: JSON, but for what commands
// wrote, which comes as it is. All errors have one shape (Error).
type API struct {
	version string
	logs    Logs
	mux     *http.ServeMux
}

// NewAPI is the API of a cmdq of this version.
func NewAPI(version string, logs Logs) *API {
	a := &API{version: version, logs: logs, mux: http.NewServeMux()}
	for pattern, answer := range a.routes() {
		a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := answer(w, r); err != nil {
				writeError(w, r, err)
			}
		})
	}
	return a
}

// routes is all there is to ask. A handler that has begun to answer returns nil.
func (a *API) routes() map[string]func(http.ResponseWriter, *http.Request) error {
	return map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /v1/version":         a.getVersion,
		"GET /v1/tasks/{id}/logs": a.getLog,
		"/":                       a.nothing,
	}
}

func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	a.mux.ServeHTTP(w, r)
}

func (a *API) nothing(_ http.ResponseWriter, r *http.Request) error {
	return NotFound("there is no %s %s", r.Method, cut(r.URL.Path, 200))
}

// Version says who answers.
type Version struct {
	Version string `json:"version"`
	PID     int    `json:"pid"`
}

func (a *API) getVersion(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, Version{a.version, os.Getpid()})
	return nil
}
