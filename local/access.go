package local

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"
)

// access is what opens the doors of a cluster: its secret, and the credentials
// of principals. With neither of them the doors are open. It is shared by the
// master and all agents. The tokens of executors are their agent's.
type access struct {
	secret      []byte // its SHA-256; nil: none
	credentials *Credentials
}

func newAccess(secret string, credentials *Credentials) *access {
	a := &access{credentials: credentials}
	if secret != "" {
		sum := sha256.Sum256([]byte(secret))
		a.secret = sum[:]
	}
	return a
}

// open tells whether anybody may enter.
func (a *access) open() bool { return a.secret == nil && a.credentials == nil }

func (a *access) isSecret(given string) bool {
	sum := sha256.Sum256([]byte(given))
	return a.secret != nil && subtle.ConstantTimeCompare(sum[:], a.secret) == 1
}

// caller is whom a door has let in.
type caller struct {
	principal string // "": nobody in particular
}

type callerKey struct{}

func callerOf(r *http.Request) caller {
	c, _ := r.Context().Value(callerKey{}).(caller)
	return c
}

func withCaller(r *http.Request, c caller) *http.Request {
	if c == (caller{}) {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), callerKey{}, c))
}

// identify tells who a request is from, and whether it may go on. cookie is the
// name of the cookie that may hold the secret.
func (a *access) identify(r *http.Request, cookie string) (caller, bool) {
	if a.open() {
		return caller{}, true
	}
	authorization := r.Header.Get("Authorization")
	token, bearer := strings.CutPrefix(authorization, "Bearer ")
	if bearer && a.isSecret(token) {
		return caller{}, true
	}
	if principal, ok := a.credentials.authenticate(authorization); ok {
		return caller{principal: principal}, true
	}
	for _, c := range r.CookiesNamed(cookie) {
		if value, err := url.QueryUnescape(c.Value); err == nil && a.isSecret(value) {
			return caller{}, true
		}
	}
	return caller{}, false
}

// challenge says how to authenticate.
func (a *access) challenge(h http.Header, realm string) {
	if a.credentials != nil {
		h.Add("WWW-Authenticate", `Basic realm="`+realm+`"`)
	}
	if a.secret != nil {
		h.Add("WWW-Authenticate", `Bearer realm="`+realm+`"`)
	}
}

// guarded tells whether whoever comes has to say who they are; executors too,
// by their tokens.
func (cfg *Config) guarded() bool { return !cfg.access.open() }

// realmOf is the realm of a path, by Mesos' names; "" where a door does not ask:
// what tells nothing of anybody, and the executor API, which asks for tokens
// itself. A path that is not known, or not clean, is in the realm of readers.
func realmOf(side, path string) string {
	below := "/master"
	if side == sideAgent {
		below = "/slave(1)"
	}
	if cut, ok := strings.CutPrefix(path, below); ok {
		path = cut
	}
	switch {
	case path == "/health", path == "/version", path == "/api/v1/executor" && side == sideAgent:
		return ""
	case path == "/api/v1/scheduler" && side == sideMaster:
		return "mesos-master-scheduler"
	case path == "/api/v1", path == "/teardown", path == "/chaos", strings.HasPrefix(path, "/chaos/"):
		return side + "-readwrite"
	}
	return side + "-readonly"
}

// The two kinds of listeners, as their realms begin.
const (
	sideMaster = "mesos-master"
	sideAgent  = "mesos-agent"
)
