package web

import (
	"net/http"
	"strings"
)

// Site is all that is answered at --listen.
type Site struct {
	Guard     *Guard
	API       *API
	Artifacts http.Handler // below /artifacts/, past the guard: agents have URLs that nobody guesses; nil: none
	Page      http.Handler // everywhere else; it tells nothing that is not in the program; nil: none
}

// policy lets nothing be loaded by what is shown in a browser: what a task has
// written can never run. The page, which loads its own files, has its own.
const policy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.Artifacts != nil && strings.HasPrefix(r.URL.EscapedPath(), below) {
		s.Artifacts.ServeHTTP(w, r)
		return
	}
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	place := placeOf(r.URL.Path)
	if err := s.Guard.check(r, place == inPage); err != nil {
		writeError(w, err)
		return
	}
	switch {
	case place == inOpen:
		s.API.ServeHTTP(w, r.WithContext(withCaller(r.Context(), caller{remote: true, reads: true})))
	case place == inAPI:
		c, err := s.Guard.identify(r)
		if err != nil {
			writeError(w, err)
			return
		}
		s.API.ServeHTTP(w, r.WithContext(withCaller(r.Context(), c)))
	case r.Method == http.MethodGet && r.URL.Path == "/" && r.URL.Query().Has("token"):
		s.Guard.enter(w, r)
	case s.Page != nil:
		s.Page.ServeHTTP(w, r)
	default:
		writeError(w, &Error{CodeNotFound, "there is no page here"})
	}
}

// Where a path leads.
const (
	inPage = iota
	inAPI
	inOpen // for who wants to know no more than whether we are well
)

func placeOf(path string) int {
	switch {
	case path == "/healthz", path == "/readyz":
		return inOpen
	case path == "/metrics", path == "/v1", strings.HasPrefix(path, "/v1/"):
		return inAPI
	}
	return inPage
}
