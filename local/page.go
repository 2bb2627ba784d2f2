package local

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"time"
)

// The web page of a cluster, on the master's port and behind its door. The
// server writes whole pages that need no script; page/script.js only asks for
// the same pages again and puts what is new in place of the old.

//go:embed page
var pageFiles embed.FS

// pagePolicy lets a page load its own style and script and nothing else: what
// a task has written can never run.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Why there is no page: it is about something the master does not know, or the
// master has stopped.
var (
	errNoPage  = errors.New("the master does not know it; only so much is kept of what has ended")
	errStopped = errors.New("the cluster is shutting down")
)

// pageTemplates are the pages by the name of their file.
var pageTemplates = parsePages("home", "frameworks", "framework", "agents", "agent", "offers", "roles", "sandbox", "error")

func parsePages(names ...string) map[string]*template.Template {
	shared := template.Must(template.New("").Funcs(template.FuncMap{
		"frameworkPage": frameworkPage, "agentPage": agentPage, "bytes": formatBytes, "amounts": amounts,
	}).ParseFS(pageFiles, "page/layout.html", "page/parts.html"))
	pages := map[string]*template.Template{}
	for _, name := range names {
		own := template.Must(shared.Clone())
		pages[name] = template.Must(own.ParseFS(pageFiles, "page/"+name+".html"))
	}
	return pages
}

// page is what a template is given.
type page struct {
	Title string
	Here  string // the entry of the menu it belongs to
	Now   moment
	Body  any
}

// addPages mounts the page on what takes a path and its handler.
func (m *master) addPages(mux interface {
	HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request))
}) {
	show := func(pattern, name string, view func(s *snapshot, r *http.Request) (page, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { m.servePage(w, r, name, view) })
	}
	show("/{$}", "home", homePage)
	show("/page/frameworks", "frameworks", frameworksPage)
	show("/page/frameworks/{framework}", "framework", oneFrameworkPage)
	show("/page/agents", "agents", agentsPage)
	show("/page/agents/{agent}", "agent", oneAgentPage)
	show("/page/offers", "offers", offersPage)
	show("/page/roles", "roles", rolesPage)
	sandbox := "/page/frameworks/{framework}/tasks/{task}"
	mux.HandleFunc(sandbox, m.serveSandbox)
	mux.HandleFunc(sandbox+"/read", m.serveSandboxRead)
	mux.HandleFunc(sandbox+"/download", m.serveSandboxDownload)
	mux.HandleFunc("/page/frameworks/{framework}/executors/{executor}", m.serveExecutor)
	mux.HandleFunc("/page/", serveNoPage)
	for name, kind := range map[string]string{"style.css": "text/css", "script.js": "text/javascript", "icon.svg": "image/svg+xml"} {
		mux.HandleFunc("/page/assets/"+name, serveAsset(name, kind+"; charset=utf-8"))
	}
}

// servePage answers with a page that view makes of what the master knows.
func (m *master) servePage(w http.ResponseWriter, r *http.Request, name string, view func(s *snapshot, r *http.Request) (page, error)) {
	if !allow(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	s := m.snapshot()
	if s == nil {
		writeErrorPage(w, http.StatusServiceUnavailable, errStopped)
		return
	}
	p, err := view(s, r)
	if err != nil {
		writeErrorPage(w, http.StatusNotFound, err)
		return
	}
	p.Now = s.at(seconds(s.now))
	writePage(w, http.StatusOK, name, p)
}

// writePage writes a page into memory first, so that a broken one is a 500 and
// not half a page.
func writePage(w http.ResponseWriter, status int, name string, p page) {
	var out bytes.Buffer
	if err := pageTemplates[name].ExecuteTemplate(&out, "layout", p); err != nil {
		http.Error(w, "the page could not be written: "+err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // a client that has gone is no error of ours
}

func writeErrorPage(w http.ResponseWriter, status int, why error) {
	now := time.Now()
	writePage(w, status, "error", page{Title: http.StatusText(status), Now: moment{now, now}, Body: why.Error()})
}

func serveNoPage(w http.ResponseWriter, r *http.Request) {
	if allow(w, r, http.MethodGet, http.MethodHead) {
		writeErrorPage(w, http.StatusNotFound, errors.New("there is no such page"))
	}
}

// serveAsset serves a file of the page. A browser asks each time whether it
// has changed: another cmdq may answer on this port tomorrow.
func serveAsset(name, kind string) http.HandlerFunc {
	data, err := pageFiles.ReadFile("page/" + name)
	if err != nil {
		panic("local: " + err.Error())
	}
	sum := sha256.Sum256(data)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return func(w http.ResponseWriter, r *http.Request) {
		if !allow(w, r, http.MethodGet, http.MethodHead) {
			return
		}
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}
}

// frameworkPage is the address of a framework's page.
func frameworkPage(id string) string { return "/page/frameworks/" + url.PathEscape(id) }

func agentPage(id string) string { return "/page/agents/" + url.PathEscape(id) }

// sandboxPage is the address of a task's sandbox. The run tells tasks of the
// same id apart; "" is the latest.
func sandboxPage(framework, task, run string) string {
	address := path.Join("/page/frameworks", url.PathEscape(framework), "tasks", url.PathEscape(task))
	if run != "" {
		address += "?run=" + url.QueryEscape(run)
	}
	return address
}
