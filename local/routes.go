package local

import "net/http"

// routes is a mux that knows its patterns, so that a test can try each of them:
// a new path must not be forgotten where strangers are kept out.
type routes struct {
	mux      *http.ServeMux
	patterns []string
}

func newRoutes() *routes { return &routes{mux: http.NewServeMux()} }

// HandleFunc is as that of http.ServeMux.
func (r *routes) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	r.Handle(pattern, http.HandlerFunc(h))
}

// Handle is as that of http.ServeMux.
func (r *routes) Handle(pattern string, h http.Handler) {
	r.patterns = append(r.patterns, pattern)
	r.mux.Handle(pattern, h)
}

func (r *routes) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.mux.ServeHTTP(w, req) }
