package web

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// serveSite is a site with artifacts on a free port.
func serveSite(t testing.TB, f *fakeQueue) (*Listener, *Artifacts, *Site) {
	t.Helper()
	l, err := Listen("", "", true)
	if err != nil {
		t.Fatal(err)
	}
	a := newArtifacts(t, l.URL())
	site := &Site{Guard: NewGuard(l, testToken), API: NewAPI(fullConfig(f, NewHub())), Artifacts: a}
	s := Serve(l, site, silent())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return l, a, site
}

// TestSite: agents get artifacts as before, whatever they call us and wherever
// they come from; everything else on that port is guarded.
func TestSite(t *testing.T) {
	l, a, _ := serveSite(t, full())
	at := offered(t, a, put(t, t.TempDir(), "a", "text"), "a")
	r, err := http.NewRequest("GET", at, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "agents.call.it.so"
	r.Header.Set("Origin", "http://evil.example")
	r.Header.Set("Authorization", "Bearer wrong")
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 || string(text) != "text" || answer.Header.Get("Content-Security-Policy") != "" {
		t.Error(answer.Status, string(text), answer.Header, err)
	}
	answer.Body.Close()
	for _, path := range []string{"/artifacts/", "/artifacts/x/a", "/artifacts/../v1/status", "/artifacts/%2e%2e/v1/status", "/artifacts//v1/status"} {
		if answer, text := raw(t, l.Addr().String(), "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); answer.StatusCode != 404 || string(text) != "not found\n" {
			t.Error(path, answer.Status, string(text))
		}
	}
	for request, want := range map[string]int{
		"GET /v1/status HTTP/1.1\r\nHost: localhost":                                                                       200,
		"GET http://localhost/v1/status HTTP/1.1\r\nHost: evil.example":                                                    200, // the target counts (RFC 9112, 3.2.2)
		"GET http://evil.example/v1/status HTTP/1.1\r\nHost: localhost":                                                    403,
		"GET /v1/status HTTP/1.0":                                                                                          403,
		"GET /%61rtifacts/x HTTP/1.1\r\nHost: evil.example":                                                                403,
		"GET /v1/tasks/../status HTTP/1.1\r\nHost: localhost":                                                              404,
		"GET /v1/tasks/%2e%2e%2fstatus HTTP/1.1\r\nHost: evil.example":                                                     403,
		"POST /v1/tasks/..%2f..%2fcancel HTTP/1.1\r\nHost: localhost":                                                      401,
		"POST /healthz%2f..%2fv1%2fcancel HTTP/1.1\r\nHost: localhost":                                                     404,
		"OPTIONS * HTTP/1.1\r\nHost: localhost":                                                                            404,
		"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost:22":                                                              404,
		"TRACE /v1/status HTTP/1.1\r\nHost: localhost":                                                                     401,
		"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", maxHeader+8<<10):                         431,
		"POST /v1/submit HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999":                                       401,
		"POST /v1/submit HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\nAuthorization: Bearer " + testToken: 413,
	} {
		if answer, text := raw(t, l.Addr().String(), request+"\r\nConnection: close\r\n\r\n"); answer.StatusCode != want {
			t.Errorf("%.100q: %s %s", request, answer.Status, text)
		}
	}
}

// TestLogOverTCP: a log that goes on is not cut, but its reader is when it stops,
// and there is an end to how many read.
func TestLogOverTCP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := guarded(t, "127.0.0.1:8080", "http://127.0.0.1:8080", full())
		logs := s.API.Logs.(*fakeLogs)
		l := servePipes(t, s)
		follow := func() (net.Conn, *io.PipeWriter) {
			r, in := io.Pipe()
			logs.open = func(ctx context.Context, _ LogRequest) (io.ReadCloser, error) {
				context.AfterFunc(ctx, func() { r.CloseWithError(ctx.Err()) })
				return io.NopCloser(r), nil
			}
			conn := l.dial()
			if _, err := io.WriteString(conn, "GET /v1/tasks/a/logs?follow=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			return conn, in
		}
		conn, in := follow()
		answer, err := readHead(conn)
		if err != nil || answer.StatusCode != 200 {
			t.Fatal(answer, err)
		}
		time.Sleep(24 * time.Hour) // it writes nothing
		go io.WriteString(in, "text")
		if text := make([]byte, 4); true {
			if _, err := io.ReadFull(answer.Body, text); err != nil || string(text) != "text" {
				t.Errorf("%q, %v", text, err)
			}
		}
		began := time.Now()
		for err == nil { // until nobody takes it any more
			_, err = in.Write(make([]byte, 32<<10))
		}
		if took := time.Since(began); took < logStall || took > 2*logStall {
			t.Error("cut off after", took)
		}
		conn.Close()
		synctest.Wait()

		var conns []net.Conn
		for range maxRemoteLogs {
			conn, _ := follow()
			if answer, err := readHead(conn); err != nil || answer.StatusCode != 200 {
				t.Fatal(answer, err)
			}
			conns = append(conns, conn)
		}
		conn, _ = follow()
		if answer, err := readHead(conn); err != nil || answer.StatusCode != 503 {
			t.Error(answer, err)
		}
		for _, c := range append(conns, conn) {
			c.Close()
		}
	})
}

// TestTokenFile: it is made once, for us alone, and kept.
func TestTokenFile(t *testing.T) {
	dir := stateDir(t, 0)
	old := unix.Umask(0)
	first, err := Token(dir)
	unix.Umask(old)
	if err != nil || !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(first) {
		t.Fatal(first, err)
	}
	name := filepath.Join(dir, "token")
	if info, err := os.Lstat(name); err != nil || info.Mode() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if again, err := Token(dir); err != nil || again != first {
		t.Error(again, err)
	}
	if other, err := Token(stateDir(t, 0)); err != nil || other == first {
		t.Error(other, err)
	}
	put(t, dir, "token.new", "half of") // somebody was killed here
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	unix.Umask(0o777)
	second, err := Token(dir)
	unix.Umask(old)
	if err != nil || second == first {
		t.Error(second, err)
	}
	if again, err := Token(dir); err != nil || again != second {
		t.Error(again, err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Error(list, err)
	}
}

// TestBadTokenFile: one that others may know, or that is none, is not used, and
// not told.
func TestBadTokenFile(t *testing.T) {
	tests := map[string]func(name string) error{
		"open to other users": func(name string) error { return os.Chmod(name, 0o640) },
		"no token":            func(name string) error { return os.WriteFile(name, []byte(testToken[1:]), 0o600) },
		"is no token":         func(name string) error { return os.WriteFile(name, bytes.Repeat([]byte("0"), 1<<20), 0o600) },
		"no token:":           func(name string) error { return os.WriteFile(name, nil, 0o600) },
		"no token: want":      func(name string) error { return os.WriteFile(name, []byte(strings.Repeat("x", 64)), 0o600) },
		"symbolic links": func(name string) error {
			if err := os.Rename(name, name+"2"); err != nil {
				return err
			}
			return os.Symlink(name+"2", name)
		},
		"no regular file": func(name string) error {
			if err := os.Remove(name); err != nil {
				return err
			}
			return unix.Mkfifo(name, 0o600)
		},
		"another user's": func(name string) error { return os.Chown(name, nobody, nobody) },
	}
	for want, spoil := range tests {
		t.Run(want, func(t *testing.T) {
			if want == "another user's" && os.Geteuid() != 0 {
				t.Skip("only root can give a file away")
			}
			dir := stateDir(t, 0)
			token, err := Token(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := spoil(filepath.Join(dir, "token")); err != nil {
				t.Fatal(err)
			}
			got, err := Token(dir)
			if err == nil || got != "" || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "token: ") || strings.Contains(err.Error(), token[1:]) {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
	if _, err := Token(filepath.Join(stateDir(t, 0), "none")); err == nil {
		t.Error("a directory that is not there")
	}
}

// pair makes a certificate of a name, and its key, in a directory.
func pair(t testing.TB, dir, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(crand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return put(t, dir, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		put(t, dir, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})))
}

// TestTLS: it is spoken, and nothing else is; a certificate that was renewed is
// used, one that is half written is not.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	l, err := Listen("", "", true)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Secure(pair(t, dir, "one")); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(l.URL(), "https://127.0.0.1:") {
		t.Error(l.URL())
	}
	a := newArtifacts(t, l.URL())
	site := &Site{Guard: NewGuard(l, testToken), API: NewAPI(fullConfig(full(), nil)), Artifacts: a}
	s := Serve(l, site, silent())
	defer s.Close()
	served := func(url string) (name string, status int) {
		t.Helper()
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		answer, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if answer.ProtoMajor != 1 || answer.TLS.Version < tls.VersionTLS12 {
			t.Error(answer.Proto, answer.TLS.Version)
		}
		return answer.TLS.PeerCertificates[0].DNSNames[0], answer.StatusCode
	}
	status := l.URL() + "/v1/status"
	if name, code := served(status); name != "one" || code != 200 {
		t.Error(name, code)
	}
	if name, code := served(offered(t, a, put(t, dir, "a", "text"), "a")); name != "one" || code != 200 {
		t.Error(name, code)
	}
	other := t.TempDir()
	cert, key := pair(t, other, "two")
	if err := os.Rename(cert, filepath.Join(dir, "cert.pem")); err != nil {
		t.Fatal(err)
	}
	if name, _ := served(status); name != "one" {
		t.Error(name, "without its key")
	}
	if err := os.Rename(key, filepath.Join(dir, "key.pem")); err != nil {
		t.Fatal(err)
	}
	if name, code := served(status); name != "two" || code != 200 {
		t.Error(name, code)
	}
	if err := os.Remove(filepath.Join(dir, "key.pem")); err != nil {
		t.Fatal(err)
	}
	if name, _ := served(status); name != "two" {
		t.Error(name)
	}
	if answer, text := raw(t, l.Addr().String(), "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); answer.StatusCode != 400 {
		t.Error("plain HTTP:", answer.Status, string(text))
	}
}

// TestBadTLS: what cannot work is told at once.
func TestBadTLS(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	cert, key := pair(t, dir, "one")
	_, foreign := pair(t, other, "two")
	tests := []struct{ advertise, cert, key, want string }{
		{"", cert, foreign, "private key does not match"},
		{"", cert, dir + "/none", "no such file"},
		{"", key, key, "--tls-cert and --tls-key: "},
		{"", put(t, dir, "empty", ""), key, "--tls-cert and --tls-key: "},
		{"http://h:1", cert, key, "--advertise http://h:1: with --tls-cert it has to be https://"},
	}
	for _, tt := range tests {
		l, err := Listen("127.0.0.1:0", tt.advertise, true)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Secure(tt.cert, tt.key); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "--") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v", tt, err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	l, err := Listen("127.0.0.1:0", "https://h:1", true)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Secure(cert, key); err != nil || l.URL() != "https://h:1" {
		t.Error(err, l.URL())
	}
}
