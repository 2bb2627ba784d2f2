// Package page is the web page of a running cmdq: one HTML file, its styles and
// its modules of JavaScript, as they are in this folder. The browser asks the API
// for all there is to show, so nothing in here is secret, and there is no state.
// It never makes HTML of a text: what comes from tasks gets into the page as text.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"time"
)

//go:embed index.html icon.svg *.css *.js
var files embed.FS

// Policy lets the page load what is in this folder and ask the API of where it
// came from, and nothing else. No script can come of a text, since nothing may
// make HTML of one.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// below is where the files are, but for the page itself, which is "/".
const below = "/page/"

// kinds are the types of the files by the end of their name.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// file is a file of the page as it is served.
type file struct {
	content []byte
	kind    string
	etag    string
}

// Handler answers GET and HEAD of the page, "/", and of its files, "/page/NAME".
// Everything else is 404, and other methods are 405.
func Handler() http.Handler {
	served := load()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", Policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		f, ok := served[r.URL.Path]
		switch {
		case !ok:
			http.Error(w, "not found", http.StatusNotFound)
			return
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		h.Set("Content-Type", f.kind)
		h.Set("Cache-Control", "no-cache") // kept, but asked for each time: another cmdq may answer tomorrow
		h.Set("ETag", f.etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
	})
}

// load reads the files, by the path that each is asked for.
func load() map[string]file {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // they are part of the program
	}
	served := map[string]file{}
	for _, entry := range entries {
		name := entry.Name()
		content, err := files.ReadFile(name)
		if err != nil {
			panic(err)
		}
		at := below + name
		if name == "index.html" {
			at = "/"
		}
		sum := sha256.Sum256(content)
		served[at] = file{content, kinds[path.Ext(name)], `"` + hex.EncodeToString(sum[:12]) + `"`}
	}
	return served
}
