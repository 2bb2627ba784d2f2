package local

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// door stands before every path of a listener. It runs commands for whoever
// gets in, so it lets in only requests that name this listener as their host
// (a page of another site that points its own name at us does not), that no
// other site's page has sent, and that access is given to.
type door struct {
	hosts  map[string]bool // what Host may be, lower case
	side   string          // sideMaster or sideAgent
	access *access
	cookie string // the name of the cookie that may hold the secret
	home   bool   // GET /?secret=… sets the cookie
	inner  http.Handler
}

// newDoor guards a listener's handler. cookie may be another listener's: all
// listeners of a cluster share the master's.
func newDoor(at netip.AddrPort, side string, access *access, cookie string, inner http.Handler) *door {
	port := strconv.Itoa(int(at.Port()))
	d := &door{hosts: map[string]bool{}, side: side, access: access, cookie: cookie, inner: inner}
	for _, name := range []string{at.Addr().String(), "127.0.0.1", "::1", "localhost"} {
		d.hosts[net.JoinHostPort(name, port)] = true
	}
	own := at.Addr().String()
	if at.Addr().Is6() {
		own = "[" + own + "]"
	}
	d.hosts[own] = true
	return d
}

// cookieName is the name of the cookie of the cluster whose master is at port:
// cookies do not keep ports apart.
func cookieName(port uint16) string { return "cmdq-" + strconv.Itoa(int(port)) }

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if !d.sameSite(r) {
		http.Error(w, "this host, or this site, may not ask here", http.StatusForbidden)
		return
	}
	if d.enters(w, r) {
		return
	}
	realm := realmOf(d.side, r.URL.Path)
	if realm == "" {
		d.inner.ServeHTTP(w, r)
		return
	}
	who, ok := d.access.identify(r, d.cookie)
	if !ok {
		d.access.challenge(h, realm)
		http.Error(w, "credentials are missing or wrong", http.StatusUnauthorized)
		return
	}
	d.inner.ServeHTTP(w, withCaller(r, who))
}

// sameSite checks Host and, where they are sent, Origin and Sec-Fetch-Site.
func (d *door) sameSite(r *http.Request) bool {
	if !d.hosts[strings.ToLower(r.Host)] {
		return false
	}
	for _, origin := range r.Header.Values("Origin") {
		if !strings.EqualFold(origin, "http://"+r.Host) {
			return false
		}
	}
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" {
			return false
		}
	}
	return true
}

// enters answers GET /?secret=… with the cookie and a way to / without it, so
// that the secret does not stay in the address.
func (d *door) enters(w http.ResponseWriter, r *http.Request) bool {
	if !d.home || r.Method != http.MethodGet || r.URL.Path != "/" {
		return false
	}
	given := r.URL.Query().Get("secret")
	if !d.access.isSecret(given) {
		return false
	}
	http.SetCookie(w, &http.Cookie{Name: d.cookie, Value: url.QueryEscape(given), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return true
}
