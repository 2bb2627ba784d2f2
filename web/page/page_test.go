package page

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ask asks the page for a path, as it is written.
func ask(method, target string, header http.Header) *http.Response {
	r := httptest.NewRequest(method, "/", nil)
	r.URL.Path = target
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestHandler(t *testing.T) {
	tests := []struct {
		method, path string
		status       int
		kind         string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8"},
		{"HEAD", "/", 200, "text/html; charset=utf-8"},
		{"GET", "/page/main.js", 200, "text/javascript; charset=utf-8"},
		{"GET", "/page/style.css", 200, "text/css; charset=utf-8"},
		{"GET", "/page/icon.svg", 200, "image/svg+xml"},
		{"POST", "/", 405, ""},
		{"DELETE", "/page/main.js", 405, ""},
		{"GET", "/page/", 404, ""},
		{"GET", "/page/index.html", 404, ""},
		{"GET", "/page/page.go", 404, ""},
		{"GET", "/page/../page/main.js", 404, ""},
		{"GET", "//", 404, ""},
		{"GET", "/index.html", 404, ""},
		{"GET", "", 404, ""},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			r := ask(tt.method, tt.path, nil)
			if r.StatusCode != tt.status {
				t.Fatalf("status %d, want %d", r.StatusCode, tt.status)
			}
			for name, want := range map[string]string{
				"Content-Security-Policy": Policy, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
				"Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
			} {
				if got := r.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if tt.kind != "" && r.Header.Get("Content-Type") != tt.kind {
				t.Errorf("Content-Type: %q, want %q", r.Header.Get("Content-Type"), tt.kind)
			}
			if text := body(t, r); (text == "") != (tt.method == "HEAD") {
				t.Errorf("the body is %q", text)
			}
		})
	}
}

// A browser asks each time, and gets nothing if nothing has changed.
func TestNotModified(t *testing.T) {
	first := ask("GET", "/page/main.js", nil)
	again := ask("GET", "/page/main.js", http.Header{"If-None-Match": {first.Header.Get("ETag")}})
	if again.StatusCode != http.StatusNotModified || body(t, again) != "" {
		t.Errorf("status %d", again.StatusCode)
	}
	other := ask("GET", "/page/list.js", http.Header{"If-None-Match": {first.Header.Get("ETag")}})
	if other.StatusCode != http.StatusOK {
		t.Errorf("of another file: status %d", other.StatusCode)
	}
}

// All that a file of the page names is served, and all that is served is named.
func TestReferences(t *testing.T) {
	reference := regexp.MustCompile(`(?:from "\.|(?:src|href)="/page)/([^"]+)"`)
	named := map[string]bool{"index.html": true}
	for queue := []string{"index.html"}; len(queue) > 0; queue = queue[1:] {
		text, err := os.ReadFile(queue[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range reference.FindAllStringSubmatch(string(text), -1) {
			if !named[m[1]] {
				named[m[1]] = true
				queue = append(queue, m[1])
			}
		}
	}
	entries, err := files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !named[e.Name()] {
			t.Errorf("%s is served, and nothing names it", e.Name())
		}
		if kinds[path.Ext(e.Name())] == "" {
			t.Errorf("%s has no type", e.Name())
		}
		delete(named, e.Name())
	}
	if len(named) > 0 {
		t.Errorf("not served: %v", named)
	}
}

// The policy of the page would stop these in a browser; they are not even tried.
func TestNothingForeign(t *testing.T) {
	forbidden := map[string]*regexp.Regexp{
		".html": regexp.MustCompile(`(?i)<script>|<script[^>]*>[^<]|<style|\sstyle=|\son[a-z]+=|https?:|javascript:|="//`),
		".js":   regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|\beval\b|new Function|localStorage|sessionStorage|document\.cookie|import\(|"https?://[^w]|"https?://www\.[^w]`),
		".css":  regexp.MustCompile(`(?i)url\(|@import|expression`),
		".svg":  regexp.MustCompile(`(?i)<script|\son[a-z]+=|href`),
	}
	entries, err := files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := files.ReadFile(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range forbidden[path.Ext(e.Name())].FindAllString(string(text), -1) {
			t.Errorf("%s has %q", e.Name(), found)
		}
	}
}

// TestPolicy: a loosened policy is no accident.
func TestPolicy(t *testing.T) {
	want := []string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
		"form-action 'none'", "base-uri 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'",
	}
	got := strings.Split(Policy, "; ")
	for _, part := range want {
		if !slices.Contains(got, part) {
			t.Errorf("the policy lacks %s", part)
		}
	}
	for _, part := range got {
		if !slices.Contains(want, part) {
			t.Errorf("the policy has %q", part)
		}
	}
}
