package web

import (
	"net"
	"net/url"
	"strings"
	"testing"
)

// TestListen: what agents are told, for every way to say it. PORT is the port
// that was bound; an error has to hold the words that are wanted, and is one
// line.
func TestListen(t *testing.T) {
	tests := []struct {
		listen, advertise string
		loopback          bool // is the master
		want              string
		fails             string
	}{
		{"", "", true, "http://127.0.0.1:PORT", ""},
		{"127.0.0.1:0", "", true, "http://127.0.0.1:PORT", ""},
		{"localhost:0", "", true, "http://127.0.0.1:PORT", ""},
		{"0.0.0.0:0", "", true, "http://127.0.0.1:PORT", ""},
		{":0", "", true, "http://127.0.0.1:PORT", ""},
		{"127.0.0.1:0", "http://h", true, "http://h:PORT", ""},
		{"127.0.0.1:0", "http://h:8080", false, "http://h:8080", ""},
		{"127.0.0.1:0", "https://a-b.example.org:443/", false, "https://a-b.example.org:443", ""},
		{"127.0.0.1:0", "http://[fd00::1]:80", false, "http://[fd00::1]:80", ""},
		{"127.0.0.1:0", "http://[fd00::1]", false, "http://[fd00::1]:PORT", ""},
		{"127.0.0.1:0", "http://10.0.0.1", false, "http://10.0.0.1:PORT", ""},
		{"0.0.0.0:0", "http://h:8080", false, "http://h:8080", ""},

		{"", "", false, "", "--listen is missing"},
		{"", "http://h:1", true, "", "--advertise needs --listen"},
		{"", "http://h:1", false, "", "--advertise needs --listen"},
		{"0.0.0.0:0", "", false, "", "add --advertise"},
		{":0", "", false, "", "add --advertise"},
		{"127.0.0.1:0", "", false, "", "add --advertise"},
		{"localhost:0", "", false, "", "add --advertise"},
		{"127.0.0.1", "", true, "", `--listen "127.0.0.1": want host:port`},
		{"http://127.0.0.1:0", "", true, "", "--listen"},
		{"127.0.0.1:http", "", true, "", "the port is not a number"},
		{"127.0.0.1:65536", "", true, "", "the port is not a number"},
		{"127.0.0.1:-1", "", true, "", "the port is not a number"},
		{"192.0.2.1:0", "", true, "", "--listen 192.0.2.1:0: "}, // nobody's address (RFC 5737)

		{"127.0.0.1:0", "h:8080", false, "", "no http:// before it"},
		{"127.0.0.1:0", "h", false, "", "no http:// before it"},
		{"127.0.0.1:0", "10.0.0.1:8080", false, "", "want http://HOST:PORT"},
		{"127.0.0.1:0", "ftp://h", false, "", "no http:// before it"},
		{"127.0.0.1:0", "http://", false, "", "no host"},
		{"127.0.0.1:0", "http://:80", false, "", "no host"},
		{"127.0.0.1:0", "http://h:", false, "", "no port"},
		{"127.0.0.1:0", "http://h:0", false, "", "the port is not a number"},
		{"127.0.0.1:0", "http://h:65536", false, "", "the port is not a number"},
		{"127.0.0.1:0", "http://h/path", false, "", "something stands behind"},
		{"127.0.0.1:0", "http://h?x=1", false, "", "something stands behind"},
		{"127.0.0.1:0", "http://h?", false, "", "something stands behind"},
		{"127.0.0.1:0", "http://h#", false, "", "something stands behind"},
		{"127.0.0.1:0", "http://h#x", false, "", "something stands behind"},
		{"127.0.0.1:0", "http://a b", false, "", "want http://HOST:PORT"},
		{"127.0.0.1:0", "http://it's", false, "", "no name or address"},
		{"127.0.0.1:0", "http://h\n", false, "", "want http://HOST:PORT"},
		{"127.0.0.1:0", "http://0.0.0.0:80", false, "", "nobody can connect"},
		{"127.0.0.1:0", "http://[::]:80", false, "", "nobody can connect"},
		{"127.0.0.1:0", "http://[fe80::1%25eth0]:80", false, "", "no name or address"},
		{"127.0.0.1:0", "http://ann:word@h", false, "", "without a password"},
		{"127.0.0.1:0", "http://ann:word%zz@h", false, "", "without a password"},
	}
	for _, tt := range tests {
		l, err := Listen(tt.listen, tt.advertise, tt.loopback)
		if err != nil {
			text := err.Error()
			if tt.fails == "" || !strings.Contains(text, tt.fails) || !strings.HasPrefix(text, "--") || strings.Contains(text, "\n") || strings.Contains(text, "word@") {
				t.Errorf("Listen(%q, %q, %v): %v", tt.listen, tt.advertise, tt.loopback, err)
			}
			continue
		}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		if want := strings.ReplaceAll(tt.want, "PORT", port); tt.fails != "" || l.URL() != want {
			t.Errorf("Listen(%q, %q, %v) is %s, want %s%s", tt.listen, tt.advertise, tt.loopback, l.URL(), want, tt.fails)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestListenTaken: a port that somebody else has, and nothing stays bound after
// an error.
func TestListenTaken(t *testing.T) {
	l, err := Listen("127.0.0.1:0", "", true)
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	if _, err := Listen(at, "", true); err == nil || !strings.HasPrefix(err.Error(), "--listen "+at+": ") || !strings.Contains(err.Error(), "in use") {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(at, "", false); err == nil {
		t.Error("an address of this machine alone was taken for agents elsewhere")
	}
	again, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal("the address is still bound:", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// FuzzAdvertise: what is taken is a URL of nothing but a host and a port, of
// which Mesos takes every character.
func FuzzAdvertise(f *testing.F) {
	for _, s := range []string{"http://h:80", "https://[::1]", "http://h/..", "http://[fe80::1%25lo]:1", "http://a@b", "//h", "http:h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := parseAdvertise(s)
		if err != nil || s == "" {
			if err != nil && (a != advertised{} || strings.Contains(err.Error(), "\n")) {
				t.Errorf("%q: %v, %v", s, a, err)
			}
			return
		}
		port := a.port
		if port == "" {
			port = "1"
		}
		base := a.scheme + "://" + net.JoinHostPort(a.host, port)
		u, err := url.Parse(base)
		if err != nil || u.Host != net.JoinHostPort(a.host, port) || u.Path+u.RawQuery+u.Fragment != "" || u.User != nil || strings.ContainsAny(base, "\\'\x00 @%") {
			t.Errorf("%q is %q: %v", s, base, err)
		}
	})
}
