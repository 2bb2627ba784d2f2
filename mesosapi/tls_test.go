package mesosapi

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// startTLS serves by https and gives the address without its scheme, and what
// trusts it.
func (f *fake) startTLS(change func(*tls.Config)) (string, *tls.Config) {
	s := httptest.NewUnstartedServer(f)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = new(tls.Config)
	if change != nil {
		change(s.TLS)
	}
	s.StartTLS()
	f.t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s.Listener.Addr().String(), &tls.Config{RootCAs: roots}
}

func TestHTTPS(t *testing.T) {
	both(t, func(t *testing.T, asJSON bool) {
		f := newFake(t, asJSON)
		addr, trust := f.startTLS(nil)
		c := connect(t, "https://"+addr, Config{JSON: asJSON, TLS: trust})
		c.Subscribe(subscribe())
		wantEvent(t, c, scheduler.Event_SUBSCRIBED)
		c.Send(kill(1))
		if in := next(t, c); in.Err != nil {
			t.Error(in.Err)
		}
		if c.Page() != "https://"+addr+"/" {
			t.Errorf("page %s", c.Page())
		}
		if trust.MinVersion != 0 {
			t.Error("the caller's configuration was changed")
		}
	})
}

func TestHTTPSRefused(t *testing.T) {
	old := func(cfg *tls.Config) { cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }
	plain := newFake(t, false)
	plain.subscribe = func(s *stream) { t.Error("came in the clear") }
	never := newFake(t, false)
	never.subscribe = plain.subscribe
	addr, trust := never.startTLS(nil)
	oldAddr, oldTrust := never.startTLS(old)
	oldTrust.MinVersion = tls.VersionTLS10 // no way to ask for less than 1.2
	for _, tt := range []struct {
		master string
		tls    *tls.Config
		words  string
	}{
		{addr, nil, "unknown authority"},
		{strings.Replace(addr, "127.0.0.1", "127.0.0.2", 1), trust, "127.0.0.2"},
		{oldAddr, oldTrust, "protocol version"},
		{plain.start(), trust, "does not look like a TLS handshake"},
	} {
		c := connect(t, "https://"+tt.master, Config{TLS: tt.tls})
		c.Subscribe(subscribe())
		wantUnreachable(t, wantDown(t, c), tt.words)
	}
}

// A redirect names no scheme, and ours stays; one that would leave https is not
// followed, so that no credentials travel in the clear.
func TestHTTPSAndRedirects(t *testing.T) {
	leader, plain := newFake(t, false), newFake(t, false)
	plain.subscribe = func(s *stream) { t.Error("came in the clear") }
	leaderAddr, trust := leader.startTLS(nil)
	plainAddr := plain.start()
	for location, words := range map[string]string{
		"//" + leaderAddr + apiPath: "", "https://" + leaderAddr + apiPath: "",
		"http://" + plainAddr + apiPath: "we speak https", "//" + plainAddr + apiPath: "does not look like a TLS handshake",
	} {
		first := newFake(t, false)
		first.subscribe = redirectTo(location)
		addr, _ := first.startTLS(nil) // httptest has one certificate
		c := connect(t, "https://"+addr, Config{TLS: trust})
		c.Subscribe(subscribe())
		if words == "" {
			wantEvent(t, c, scheduler.Event_SUBSCRIBED)
			continue
		}
		wantUnreachable(t, wantDown(t, c), words)
	}
}
