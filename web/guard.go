package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Guard decides who may do what over TCP. Every request names one of our hosts
// (a page of another site that points its own name at us does not) and is sent
// by no other site's page; only to the page itself others may lead. Who has the
// token, as "Authorization: Bearer TOKEN" or as the cookie that GET /?token=TOKEN
// sets, may do all. Others may read, if nobody but this machine reaches us, and
// otherwise nothing.
type Guard struct {
	token  string
	base   *url.URL        // what we are called
	own    string          // the scheme that we speak
	names  map[string]bool // what Host may be, without its port
	cookie string          // its name; cookies do not keep ports apart
	free   bool            // reading is
}

// NewGuard guards a listener. The token is that of the state directory.
func NewGuard(l *Listener, token string) *Guard {
	bound := l.Addr().(*net.TCPAddr).AddrPort()
	base, err := url.Parse(l.URL())
	if err != nil {
		panic(err) // Listen made it
	}
	ip := bound.Addr().Unmap()
	g := &Guard{token: token, base: base, own: "http", cookie: "cmdq-token-" + strconv.Itoa(int(bound.Port())),
		names: map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true, strings.ToLower(base.Hostname()): true}}
	if !ip.IsUnspecified() {
		g.names[ip.String()] = true
	}
	if l.tls != nil {
		g.own = "https"
	}
	g.free = ip.IsLoopback() && loopbackName(base.Hostname())
	return g
}

func loopbackName(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// PageURL is the address of the page for who may change things. It holds the
// token.
func (g *Guard) PageURL() string { return g.base.String() + "/?token=" + g.token }

// Overheard tells that the token crosses a network as plain text when PageURL is
// followed.
func (g *Guard) Overheard() bool { return g.base.Scheme == "http" && !g.free }

// check refuses what is meant for another host, or sent by another site's page.
// led: a link from elsewhere is welcome.
func (g *Guard) check(r *http.Request, led bool) *Error {
	name := hostname(r.Host)
	if !g.names[name] && !reached(r, name) {
		return &Error{CodeForbidden, "this cmdq is not called " + strconv.Quote(cut(r.Host, 100)) + "; --advertise gives it a name"}
	}
	foreign := &Error{CodeForbidden, "the page of another site may not ask here"}
	for _, origin := range r.Header.Values("Origin") {
		if !strings.EqualFold(origin, g.own+"://"+r.Host) && !(strings.EqualFold(origin, g.base.Scheme+"://"+r.Host) && strings.EqualFold(name, g.base.Hostname())) {
			return foreign
		}
	}
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" && !(led && navigates(r)) {
			return foreign
		}
	}
	return nil
}

// hostname is a Host without its port, as names has it; empty if it makes no
// sense. Any port is good: a browser that calls us so has us as that origin,
// through a tunnel perhaps.
func hostname(host string) string {
	u, err := url.Parse("http://" + host)
	if err != nil || u.Host != host || strings.HasSuffix(host, ":") {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// reached tells whether a name is the very address that the connection came to.
// No other site's name is an address.
func reached(r *http.Request, name string) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	ip, err := netip.ParseAddr(name)
	return ok && err == nil && ip == local.AddrPort().Addr().Unmap()
}

// navigates tells of a link that somebody follows in a browser's window.
func navigates(r *http.Request) bool {
	h := r.Header
	return reads(r) && h.Get("Sec-Fetch-Mode") == "navigate" && h.Get("Sec-Fetch-Dest") == "document"
}

func reads(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// identify finds out what a request may do; nil if not even that which it asks
// for.
func (g *Guard) identify(r *http.Request) (caller, *Error) {
	c := caller{remote: true, reads: true}
	switch given := r.Header.Values("Authorization"); {
	case len(given) > 0:
		scheme, token, _ := strings.Cut(given[0], " ")
		if len(given) > 1 || !strings.EqualFold(scheme, "Bearer") || !g.isToken(strings.TrimSpace(token)) {
			return c, &Error{CodeUnauthorized, "the token is wrong; it is in the file token of the state directory"}
		}
		c.reads = false
	case g.hasCookie(r):
		c.reads = false
	}
	if c.reads && !(g.free && reads(r)) {
		return c, &Error{CodeUnauthorized, "the token is missing; it is in the file token of the state directory: Authorization: Bearer TOKEN, or open the page with /?token=TOKEN once"}
	}
	return c, nil
}

// hasCookie tells of a cookie with the token. A change also has to come with word
// of who sent it, which check has looked at: every browser says so.
func (g *Guard) hasCookie(r *http.Request) bool {
	if !reads(r) && r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == "" {
		return false
	}
	for _, c := range r.CookiesNamed(g.cookie) {
		if g.isToken(c.Value) {
			return true
		}
	}
	return false
}

// isToken takes a time that tells nothing.
func (g *Guard) isToken(given string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(g.token))
	return g.token != "" && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// enter answers GET /?token=TOKEN with the cookie and a way to / without it, so
// that the token does not stay in the address.
func (g *Guard) enter(w http.ResponseWriter, r *http.Request) {
	if given := r.URL.Query()["token"]; len(given) != 1 || !g.isToken(given[0]) {
		writeError(w, &Error{CodeUnauthorized, "the token is wrong; it is in the file token of the state directory"})
		return
	}
	secure := g.own == "https" || g.base.Scheme == "https" && hostname(r.Host) == strings.ToLower(g.base.Hostname())
	http.SetCookie(w, &http.Cookie{Name: g.cookie, Value: g.token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: secure})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
