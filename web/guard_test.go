package web

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"

	"cmdq/web/page"
)

const testToken = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// bound is a listener that claims to be bound to an address; nobody is.
type bound struct {
	net.Listener
	at netip.AddrPort
}

func (b bound) Addr() net.Addr { return net.TCPAddrFromAddrPort(b.at) }

// guarded is a site as if it were bound and called so. Its page says "page".
func guarded(t testing.TB, at, base string, f *fakeQueue) *Site {
	t.Helper()
	l := &Listener{Listener: bound{at: netip.MustParseAddrPort(at)}, base: base}
	if strings.HasPrefix(base, "tls:") {
		l.base, l.tls = "https:"+strings.TrimPrefix(base, "tls:"), &tls.Config{}
	}
	return &Site{Guard: NewGuard(l, testToken), API: NewAPI(fullConfig(f, NewHub())),
		Page: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeText(w, 200, "page") })}
}

// asked sends a request to a site: method, path, and headers, name and value in
// turn, of which Host is one. arrived is the address that it came to.
func asked(t testing.TB, s *Site, arrived, method, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := request(method, path, header...)
	if arrived != "" {
		r = r.WithContext(contextWith(r, netip.MustParseAddrPort(arrived)))
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// request is one as asked sends it.
func request(method, path string, header ...string) *http.Request {
	body := ""
	if method == "POST" {
		body = `{"all":true}`
	}
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		} else {
			r.Header.Add(header[i], header[i+1])
		}
	}
	return r
}

// TestHosts: who calls us what, and from where, and whether that is let in.
// A site of others that has its name point at us (DNS rebinding) calls us by it.
func TestHosts(t *testing.T) {
	const local, lan, all = "127.0.0.1:8080", "10.0.0.5:8080", "0.0.0.0:8080"
	tests := []struct {
		at, base, host string
		arrived        string
		want           bool
	}{
		{local, "http://127.0.0.1:8080", "127.0.0.1:8080", "", true},
		{local, "http://127.0.0.1:8080", "127.0.0.1", "", true},
		{local, "http://127.0.0.1:8080", "localhost:8080", "", true},
		{local, "http://127.0.0.1:8080", "LocalHost:8080", "", true},
		{local, "http://127.0.0.1:8080", "[::1]:8080", "", true},
		{local, "http://127.0.0.1:8080", "localhost:9999", "", true}, // through a tunnel
		{local, "http://127.0.0.1:8080", "evil.example", "", false},
		{local, "http://127.0.0.1:8080", "evil.example:8080", "127.0.0.1:8080", false},
		{local, "http://127.0.0.1:8080", "localhost.evil.example:8080", "", false},
		{local, "http://127.0.0.1:8080", "127.0.0.1.evil.example:8080", "", false},
		{local, "http://127.0.0.1:8080", "evil.example@127.0.0.1:8080", "", false},
		{local, "http://127.0.0.1:8080", "127.0.0.1:8080@evil.example", "", false},
		{local, "http://127.0.0.1:8080", "localhost.:8080", "", false},
		{local, "http://127.0.0.1:8080", "localhost:", "", false},
		{local, "http://127.0.0.1:8080", "localhost:x", "", false},
		{local, "http://127.0.0.1:8080", "localhost/", "", false},
		{local, "http://127.0.0.1:8080", "localhost?", "", false},
		{local, "http://127.0.0.1:8080", "localhost#", "", false},
		{local, "http://127.0.0.1:8080", "", "", false},
		{local, "http://127.0.0.1:8080", ":8080", "", false},
		{local, "http://127.0.0.1:8080", "0.0.0.0:8080", "127.0.0.1:8080", false},
		{local, "http://127.0.0.1:8080", "10.0.0.5:8080", "", false},
		{local, "http://Queue.example:80", "queue.example", "", true},
		{local, "http://queue.example:80", "queue.example:80", "", true},
		{local, "http://queue.example:80", "evil.queue.example", "", false},
		{lan, "http://10.0.0.5:8080", "10.0.0.5:8080", "", true},
		{lan, "http://10.0.0.5:8080", "10.0.0.6:8080", "", false},
		{lan, "http://h:8080", "10.0.0.5:8080", "", true},
		{all, "http://h:8080", "h:8080", "", true},
		{all, "http://h:8080", "10.0.0.5:8080", "10.0.0.5:8080", true},
		{all, "http://h:8080", "10.0.0.5:8080", "[::ffff:10.0.0.5]:8080", true},
		{all, "http://h:8080", "10.0.0.5:8080", "10.0.0.6:8080", false},
		{all, "http://h:8080", "0.0.0.0:8080", "10.0.0.6:8080", false},
		{all, "http://h:8080", "evil.example", "10.0.0.6:8080", false},
	}
	for _, tt := range tests {
		f := full()
		s := guarded(t, tt.at, tt.base, f)
		for _, path := range []string{"/", "/page/main.js", "/v1/status", "/v1/none", "/healthz", "/readyz", "/metrics", "/?token=" + testToken} {
			w := asked(t, s, tt.arrived, "GET", path, "Host", tt.host, "Authorization", "Bearer "+testToken)
			if refused := w.Code == http.StatusForbidden; refused == tt.want {
				t.Errorf("%s, called %s, by %q, %s: %d %s", tt.at, tt.base, tt.host, path, w.Code, w.Body)
			}
			if !tt.want && len(w.Result().Cookies()) > 0 {
				t.Error("a cookie for", tt.host)
			}
		}
		if _, n := f.last(); !tt.want && n != 0 {
			t.Error("the queue was asked by", tt.host)
		}
	}
}

// TestSites: whose page asks. All of them have the token, even.
func TestSites(t *testing.T) {
	const plain, secure, proxied = "http://127.0.0.1:8080", "tls://127.0.0.1:8080", "https://queue.example:443"
	link := []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	tests := []struct {
		base   string
		method string
		path   string
		header []string
		want   int
	}{
		{plain, "POST", "/v1/cancel", nil, 200},
		{plain, "POST", "/v1/cancel", []string{"Origin", "http://localhost:8080"}, 200},
		{plain, "POST", "/v1/cancel", []string{"Origin", "HTTP://LOCALHOST:8080"}, 200},
		{plain, "POST", "/v1/cancel", []string{"Origin", "https://localhost:8080"}, 403},
		{plain, "POST", "/v1/cancel", []string{"Origin", "http://localhost:9999"}, 403},
		{plain, "POST", "/v1/cancel", []string{"Origin", "http://127.0.0.1:8080"}, 403},
		{plain, "POST", "/v1/cancel", []string{"Origin", "http://evil.example"}, 403},
		{plain, "POST", "/v1/cancel", []string{"Origin", "null"}, 403},
		{plain, "POST", "/v1/cancel", []string{"Origin", ""}, 403},
		{plain, "POST", "/v1/cancel", []string{"Origin", "http://localhost:8080", "Origin", "http://evil.example"}, 403},
		{plain, "POST", "/v1/cancel", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{plain, "POST", "/v1/cancel", []string{"Sec-Fetch-Site", "none"}, 200},
		{plain, "POST", "/v1/cancel", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{plain, "POST", "/v1/cancel", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{plain, "POST", "/v1/cancel", []string{"Sec-Fetch-Site", ""}, 403},
		{plain, "POST", "/v1/cancel", link, 403},
		{plain, "GET", "/v1/status", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{plain, "GET", "/v1/status", link, 403},
		{plain, "GET", "/v1/events", []string{"Origin", "http://evil.example"}, 403},
		{plain, "GET", "/metrics", link, 403},
		{plain, "GET", "/healthz", link, 403},
		{plain, "GET", "/", link, 200}, // from the page of Mesos
		{plain, "GET", "/?token=" + testToken, link, 303},
		{plain, "POST", "/", link, 403},
		{plain, "GET", "/", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 403},
		{plain, "GET", "/page/main.js", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"}, 403},
		{plain, "GET", "/page/main.js", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{plain, "OPTIONS", "/v1/cancel", []string{"Origin", "http://evil.example", "Access-Control-Request-Method", "POST"}, 403},
		{plain, "OPTIONS", "/v1/cancel", []string{"Origin", "http://localhost:8080", "Access-Control-Request-Method", "POST"}, 405},
		{secure, "POST", "/v1/cancel", []string{"Origin", "https://localhost:8080"}, 200},
		{secure, "POST", "/v1/cancel", []string{"Origin", "http://localhost:8080"}, 403},
		{proxied, "POST", "/v1/cancel", []string{"Host", "queue.example", "Origin", "https://queue.example"}, 200},
		{proxied, "POST", "/v1/cancel", []string{"Host", "queue.example", "Origin", "https://queue.example:8443"}, 403},
		{proxied, "POST", "/v1/cancel", []string{"Host", "localhost:8080", "Origin", "http://localhost:8080"}, 200},
		{proxied, "POST", "/v1/cancel", []string{"Host", "localhost:8080", "Origin", "https://localhost:8080"}, 403},
	}
	for _, tt := range tests {
		f := full()
		s := guarded(t, "127.0.0.1:8080", tt.base, f)
		if tt.want == 200 && tt.path == "/v1/events" {
			t.Fatal("that would not end")
		}
		w := asked(t, s, "", tt.method, tt.path, append([]string{"Host", "localhost:8080", "Authorization", "Bearer " + testToken}, tt.header...)...)
		if w.Code != tt.want {
			t.Errorf("%s: %s %s %v: %d %s", tt.base, tt.method, tt.path, tt.header, w.Code, w.Body)
		}
		if _, n := f.last(); (tt.want == 200) != (n == 1) && strings.HasPrefix(tt.path, "/v1/c") {
			t.Error("the queue was asked", n, "times")
		}
		for name := range w.Header() {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Error(name)
			}
		}
	}
}

// TestToken: what is let in with it, and without it.
func TestToken(t *testing.T) {
	const local, lan = "127.0.0.1:8080", "10.0.0.5:8080"
	right, wrong := "Bearer "+testToken, "Bearer "+strings.Repeat("0", 64)
	cookie := "cmdq-token-8080=" + testToken
	reading := []string{"GET /v1/status", "GET /v1/tasks", "GET /v1/tasks/a", "GET /v1/tasks/a/explain", "GET /v1/tasks/a/logs", "GET /v1/failures",
		"GET /v1/version", "GET /v1/openapi.json", "GET /metrics", "HEAD /v1/status"}
	changing := []string{"POST /v1/submit", "POST /v1/cancel", "POST /v1/retry", "POST /v1/hold", "POST /v1/release"}
	tests := []struct {
		name         string
		at, base     string
		header       []string
		read, change bool
	}{
		{"loopback, nothing", local, "http://127.0.0.1:8080", nil, true, false},
		{"loopback by name, nothing", local, "http://localhost:8080", nil, true, false},
		{"loopback, token", local, "http://127.0.0.1:8080", []string{"Authorization", right}, true, true},
		{"loopback, lower case", local, "http://127.0.0.1:8080", []string{"Authorization", "bearer  " + testToken}, true, true},
		{"loopback, wrong", local, "http://127.0.0.1:8080", []string{"Authorization", wrong}, false, false},
		{"loopback, wrong and a good cookie", local, "http://127.0.0.1:8080", []string{"Authorization", wrong, "Cookie", cookie, "Sec-Fetch-Site", "same-origin"}, false, false},
		{"loopback, part of it", local, "http://127.0.0.1:8080", []string{"Authorization", right[:len(right)-1]}, false, false},
		{"loopback, upper case", local, "http://127.0.0.1:8080", []string{"Authorization", "Bearer " + strings.ToUpper(testToken)}, false, false},
		{"loopback, empty", local, "http://127.0.0.1:8080", []string{"Authorization", ""}, false, false},
		{"loopback, bearer of nothing", local, "http://127.0.0.1:8080", []string{"Authorization", "Bearer "}, false, false},
		{"loopback, basic", local, "http://127.0.0.1:8080", []string{"Authorization", "Basic " + testToken}, false, false},
		{"loopback, twice", local, "http://127.0.0.1:8080", []string{"Authorization", right, "Authorization", right}, false, false},
		{"loopback, cookie", local, "http://127.0.0.1:8080", []string{"Cookie", cookie, "Sec-Fetch-Site", "same-origin"}, true, true},
		{"loopback, cookie of an old browser", local, "http://127.0.0.1:8080", []string{"Cookie", cookie, "Origin", "http://localhost:8080"}, true, true},
		{"loopback, cookie and no word of who sent it", local, "http://127.0.0.1:8080", []string{"Cookie", cookie}, true, false},
		{"loopback, cookie of another port", local, "http://127.0.0.1:8080", []string{"Cookie", "cmdq-token-8081=" + testToken, "Sec-Fetch-Site", "same-origin"}, true, false},
		{"loopback, wrong cookie", local, "http://127.0.0.1:8080", []string{"Cookie", "cmdq-token-8080=x", "Sec-Fetch-Site", "same-origin"}, true, false},
		{"proxied, nothing", local, "http://queue.example:80", nil, false, false},
		{"proxied, token", local, "http://queue.example:80", []string{"Authorization", right}, true, true},
		{"lan, nothing", lan, "http://10.0.0.5:8080", nil, false, false},
		{"lan that is called localhost, nothing", lan, "http://localhost:8080", nil, false, false},
		{"everywhere that is called localhost, nothing", "0.0.0.0:8080", "http://127.0.0.1:8080", nil, false, false},
		{"lan, token", lan, "http://10.0.0.5:8080", []string{"Authorization", right}, true, true},
		{"lan, cookie", lan, "http://10.0.0.5:8080", []string{"Cookie", cookie, "Sec-Fetch-Site", "same-origin"}, true, true},
		{"lan, wrong", lan, "http://10.0.0.5:8080", []string{"Authorization", wrong}, false, false},
	}
	for _, tt := range tests {
		for _, request := range append(reading, changing...) {
			f := full()
			s := guarded(t, tt.at, tt.base, f)
			method, path, _ := strings.Cut(request, " ")
			w := asked(t, s, "", method, path, append([]string{"Host", "localhost:8080"}, tt.header...)...)
			want := 401
			if method != "POST" && tt.read || method == "POST" && tt.change {
				want = 200
			}
			if w.Code != want || (want == 401) != (w.Header().Get("WWW-Authenticate") != "") {
				t.Errorf("%s: %s: %d %s", tt.name, request, w.Code, w.Body)
			}
			if _, n := f.last(); want != 200 && n != 0 {
				t.Errorf("%s: %s asked the queue", tt.name, request)
			}
			if strings.Contains(w.Body.String(), testToken) {
				t.Errorf("%s: %s tells the token", tt.name, request)
			}
			if path == "/v1/version" && want == 200 {
				var v Version
				if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || v.Changes != tt.change && tt.name != "loopback, cookie and no word of who sent it" {
					t.Errorf("%s: %s, %v", tt.name, w.Body, err)
				}
			}
		}
	}
}

// TestTokenEverywhere: whatever there is to ask on a network, now or some day, is
// refused without a token, but for whether we are well.
func TestTokenEverywhere(t *testing.T) {
	f := full()
	s := guarded(t, "10.0.0.5:8080", "http://10.0.0.5:8080", f)
	s.API.Hub.Close() // so that events that are let out end
	for _, r := range s.API.routes() {
		if r.path == "/healthz" || r.path == "/readyz" {
			continue
		}
		if w := asked(t, s, "", r.method, r.path, "Host", "10.0.0.5:8080"); w.Code != 401 {
			t.Errorf("%s %s: %d %s", r.method, r.path, w.Code, w.Body)
		}
	}
	if what, n := f.last(); n != 0 {
		t.Error("the queue was asked", what)
	}
}

// TestOpen: the page, and whether we are well, is for everybody, and says nothing.
func TestOpen(t *testing.T) {
	s := guarded(t, "10.0.0.5:8080", "http://10.0.0.5:8080", full())
	s.Page = page.Handler()
	index, err := os.ReadFile("page/index.html")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path          string
		status        int
		text          string
		policy, cache string
	}{
		{"/", 200, string(index), page.Policy, "no-cache"},
		{"/x", 404, "not found\n", page.Policy, "no-store"},
		{"/v2", 404, "not found\n", page.Policy, "no-store"},
		{"/metrics/x", 404, "not found\n", page.Policy, "no-store"},
		{"//v1/status", 404, "not found\n", page.Policy, "no-store"},
		{"/healthz", 200, "ok\n", wantPolicy, "no-store"},
		{"/readyz", 200, "ready\n", wantPolicy, "no-store"},
	}
	for _, tt := range tests {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL = &url.URL{Path: tt.path}
		r.Host = "10.0.0.5:8080"
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != tt.status || w.Body.String() != tt.text {
			t.Errorf("%s: %d %s", tt.path, w.Code, w.Body)
		}
		checkHeaders(t, tt.path, w.Header(), tt.policy, tt.cache)
	}
	s.API = NewAPI(Config{Ready: func() bool { return false }})
	if w := asked(t, s, "", "GET", "/readyz", "Host", "localhost"); w.Code != 503 {
		t.Error(w.Code, w.Body)
	}
	s.Page = nil
	if w := asked(t, s, "", "GET", "/", "Host", "localhost"); w.Code != 404 {
		t.Error(w.Code, w.Body)
	}
}

// TestOverheard: when the token goes over a network that others may listen on.
func TestOverheard(t *testing.T) {
	for _, tt := range []struct {
		at, base string
		want     bool
	}{
		{"127.0.0.1:8080", "http://127.0.0.1:8080", false},
		{"[::1]:8080", "http://localhost:8080", false},
		{"10.0.0.5:8080", "http://10.0.0.5:8080", true},
		{"0.0.0.0:8080", "http://127.0.0.1:8080", true},
		{"10.0.0.5:8080", "tls://10.0.0.5:8080", false},
		{"127.0.0.1:8080", "http://queue.example.org", true},   // a proxy that speaks plain HTTP
		{"127.0.0.1:8080", "https://queue.example.org", false}, // and one that does not
	} {
		if got := guarded(t, tt.at, tt.base, full()).Guard.Overheard(); got != tt.want {
			t.Errorf("%s as %s: %v, want %v", tt.at, tt.base, got, tt.want)
		}
	}
}

// TestEnter: the address with the token sets a cookie that opens the rest, once
// the token is out of the address.
func TestEnter(t *testing.T) {
	tests := []struct {
		base, host, request string
		status              int
		secure              bool
	}{
		{"http://127.0.0.1:8080", "localhost:8080", "GET /?token=" + testToken, 303, false},
		{"tls://127.0.0.1:8080", "localhost:8080", "GET /?token=" + testToken, 303, true},
		{"https://queue.example:443", "queue.example", "GET /?token=" + testToken, 303, true},
		{"https://queue.example:443", "localhost:8080", "GET /?token=" + testToken, 303, false},
		{"http://127.0.0.1:8080", "localhost:8080", "GET /?token=" + testToken[1:], 401, false},
		{"http://127.0.0.1:8080", "localhost:8080", "GET /?token=", 401, false},
		{"http://127.0.0.1:8080", "localhost:8080", "GET /?token=" + testToken + "&token=" + testToken, 401, false},
		{"http://127.0.0.1:8080", "localhost:8080", "GET /?tokens=" + testToken, 200, false},
		{"http://127.0.0.1:8080", "localhost:8080", "POST /?token=" + testToken, 200, false}, // the page's, which says 405
		{"http://127.0.0.1:8080", "localhost:8080", "GET /x?token=" + testToken, 200, false},
	}
	for _, tt := range tests {
		f := full()
		s := guarded(t, "127.0.0.1:8080", tt.base, f)
		method, path, _ := strings.Cut(tt.request, " ")
		w := asked(t, s, "", method, path, "Host", tt.host)
		cookies := w.Result().Cookies()
		if w.Code != tt.status || (w.Code == 303) != (len(cookies) == 1) || strings.Contains(w.Body.String()+w.Header().Get("Location"), testToken[1:]) {
			t.Fatalf("%s: %d %v %s", tt.request, w.Code, w.Header(), w.Body)
		}
		if w.Code != 303 {
			continue
		}
		c := cookies[0]
		if w.Header().Get("Location") != "/" || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure != tt.secure || c.Domain != "" {
			t.Errorf("%v, to %s", c, w.Header().Get("Location"))
		}
		if w := asked(t, s, "", "POST", "/v1/hold", "Host", tt.host, "Cookie", c.Name+"="+c.Value, "Sec-Fetch-Site", "same-origin"); w.Code != 200 {
			t.Error(w.Code, w.Body)
		}
	}
	g := guarded(t, "127.0.0.1:8080", "http://127.0.0.1:8080", full()).Guard
	if want := "http://127.0.0.1:8080/?token=" + testToken; g.PageURL() != want {
		t.Error(g.PageURL())
	}
}

// TestNoTokenAtAll: a Guard that was given none lets nobody in as its holder.
func TestNoTokenAtAll(t *testing.T) {
	s := guarded(t, "127.0.0.1:8080", "http://127.0.0.1:8080", full())
	s.Guard.token = ""
	for _, header := range [][]string{nil, {"Authorization", "Bearer "}, {"Authorization", "Bearer"}, {"Cookie", "cmdq-token-8080=", "Origin", "http://localhost"}} {
		if w := asked(t, s, "", "POST", "/v1/hold", append(header, "Host", "localhost")...); w.Code != 401 {
			t.Error(header, w.Code)
		}
	}
	if w := asked(t, s, "", "GET", "/?token=", "Host", "localhost"); w.Code != 401 {
		t.Error(w.Code)
	}
}

// TestNothingLeaks: what goes wrong inside is not told over TCP, but to who has
// the socket.
func TestNothingLeaks(t *testing.T) {
	secret := fmt.Errorf("open /home/ann/.cmdq/journal: permission denied")
	f := &fakeQueue{err: secret}
	s := guarded(t, "127.0.0.1:8080", "http://127.0.0.1:8080", f)
	open := s.API.Logs.(*fakeLogs)
	w := asked(t, s, "", "GET", "/v1/status", "Host", "localhost")
	if w.Code != 500 || strings.Contains(w.Body.String(), "ann") {
		t.Error(w.Code, w.Body)
	}
	_, c, _ := serveQueue(t, f, nil)
	if _, err := c.Status(patient(t)); !said(err, CodeInternal, secret.Error()) {
		t.Error(err)
	}
	for _, when := range []string{"at once", "later"} {
		r, in := io.Pipe()
		open.open = logsOf(r)
		if when == "at once" {
			open.open = failingLogs(secret)
		}
		go func() {
			_, _ = io.WriteString(in, "text")
			in.CloseWithError(secret)
		}()
		w := asked(t, s, "", "GET", "/v1/tasks/a/logs", "Host", "localhost")
		r.Close()
		if all := w.Body.String() + fmt.Sprint(w.Result().Trailer); strings.Contains(all, "ann") || !strings.Contains(all, "something went wrong in cmdq") {
			t.Error(when, all)
		}
	}
}
