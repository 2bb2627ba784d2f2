package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// wantPolicy is policy once more: a loosened one is no accident.
const wantPolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// checkHeaders: what a browser is told of an answer, so that nothing in it runs,
// no other site looks at it, and nobody keeps it.
func checkHeaders(t *testing.T, what string, h http.Header, policy, cache string) {
	t.Helper()
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin", "Content-Security-Policy": policy, "Cache-Control": cache,
	} {
		if got := h.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %s: %q, want %q", what, name, got, want)
		}
	}
}

// TestHeaders: they are on the answer of every route, and on what a site says by
// itself.
func TestHeaders(t *testing.T) {
	s := guarded(t, "127.0.0.1:8080", "http://127.0.0.1:8080", full())
	here, token := []string{"Host", "localhost:8080"}, []string{"Host", "localhost:8080", "Authorization", "Bearer " + testToken}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, r := range s.API.routes() {
		sent := request(r.method, strings.ReplaceAll(r.path, "{id}", "a"), token...)
		if r.stream { // which would not end
			sent = sent.WithContext(gone)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, sent)
		if w.Code != 200 {
			t.Errorf("%s %s: %d %s", r.method, r.path, w.Code, w.Body)
		}
		checkHeaders(t, r.method+" "+r.path, w.Header(), wantPolicy, "no-store")
	}
	for _, tt := range []struct {
		method, path string
		header       []string
		status       int
	}{
		{"POST", "/v1/cancel", here, 401},
		{"GET", "/?token=x", here, 401},
		{"GET", "/v1/status", []string{"Host", "evil.example"}, 403},
		{"GET", "/", []string{"Host", "evil.example"}, 403},
		{"GET", "/v1/none", here, 404},
		{"GET", "/v1//status", here, 404},
		{"GET", "/v1/cancel", here, 405},
		{"GET", "/?token=" + testToken, here, 303},
	} {
		w := asked(t, s, "", tt.method, tt.path, tt.header...)
		if w.Code != tt.status {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, w.Code, w.Body)
		}
		checkHeaders(t, tt.method+" "+tt.path, w.Header(), wantPolicy, "no-store")
	}
}
