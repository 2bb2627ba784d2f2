package main

import (
	"crypto/x509"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"syscall"
	"testing"
	"time"
)

var pageAt = regexp.MustCompile(`cmdq: page (\S+)`)

// page is where cmdq said that its page is.
func (p *program) page() *url.URL {
	p.t.Helper()
	p.says("cmdq: page ", 1)
	out, _ := p.out.next()
	m := pageAt.FindStringSubmatch(out)
	if m == nil {
		p.t.Fatalf("no page:\n%s", out)
	}
	at, err := url.Parse(m[1])
	if err != nil {
		p.t.Fatal(err)
	}
	return at
}

// webUI is where the master thinks that the page of its one framework is.
func (m *mesos) webUI() string {
	m.t.Helper()
	answer, err := http.Get("http://" + m.addr + "/frameworks")
	if err != nil {
		m.t.Fatal(err)
	}
	defer answer.Body.Close()
	var state struct {
		Frameworks []struct {
			WebUI string `json:"webui_url"`
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&state); err != nil || len(state.Frameworks) != 1 {
		m.t.Fatal(state, err)
	}
	return state.Frameworks[0].WebUI
}

// TestListenAgain: a free port stays the same after a restart, since agents were
// told of it; but to whom cmdq answers there, and how, is what the flags say now.
func TestListenAgain(t *testing.T) {
	t.Parallel()
	m := startMesos(t)
	dir := t.TempDir()
	writeTasks(t, dir, "tasks: [{id: t, command: sleep 1000, cpus: 0.1, mem: 1}]\n")
	cert, key := newAuthority(t).issue(t, "cmdq", x509.ExtKeyUsageServerAuth)
	port := ""
	for _, tt := range []struct {
		name   string
		flags  []string
		scheme string
		others bool // 127.0.0.2 stands for other addresses of this machine
	}{
		{"everywhere", []string{"--listen", "0.0.0.0:0", "--advertise", "http://127.0.0.1"}, "http", true},
		{"here", []string{"--listen", "127.0.0.1:0"}, "http", false},
		{"by TLS", []string{"--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key}, "https", false},
		{"by TLS again", []string{"--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key}, "https", false},
	} {
		p := startIn(t, dir, append([]string{"--master", m.addr, "--log-level", "info", "--progress", "plain"}, tt.flags...)...)
		at := p.page()
		if port == "" {
			port = at.Port()
		}
		if at.Scheme != tt.scheme || at.Port() != port {
			t.Errorf("%s: the page is at %s, want %s and port %s", tt.name, at.Redacted(), tt.scheme, port)
		}
		p.says("registered with the master", 1)
		if got, want := m.webUI(), (&url.URL{Scheme: at.Scheme, Host: at.Host, Path: "/"}).String(); got != want {
			t.Errorf("%s: Mesos links to %s, want %s", tt.name, got, want)
		}
		conn, err := net.DialTimeout("tcp", "127.0.0.2:"+port, 10*time.Second)
		if err == nil {
			conn.Close()
		}
		if (err == nil) != tt.others {
			t.Errorf("%s: another address of this machine: %v", tt.name, err)
		}
		p.signal(syscall.SIGTERM)
		p.exits(exitSIGTERM)
	}
}
