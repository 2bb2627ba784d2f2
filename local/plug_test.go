package local

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestPlug: what a client sees of a server that hangs, is gone, and is back.
func TestPlug(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := newPlug(l)
	conns := make(chan net.Conn, 10)
	s := &http.Server{ConnContext: withConn, Handler: p.guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conns <- connOf(r)
	}))}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(p) }()
	client := &http.Client{Transport: &http.Transport{}}
	get := func() error {
		resp, err := client.Get("http://" + l.Addr().String())
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		return err
	}
	if err := get(); err != nil {
		t.Fatal(err)
	}
	own := <-conns
	for _, known := range []bool{true, false} { // on the connection that is there, and on a new one
		p.set(stalled)
		if !known {
			client.CloseIdleConnections()
		}
		answered := make(chan error, 1)
		go func() { answered <- get() }()
		select {
		case err := <-answered:
			t.Errorf("a stalled server answered: %v", err)
		case <-time.After(20 * time.Millisecond): // only a wrong answer comes early
		}
		p.set(plugged)
		if err := <-answered; err != nil {
			t.Error(err)
		}
		own = <-conns
	}
	p.cut(own)
	if err := get(); err != nil {
		t.Error("the connection that was to be left is cut:", err)
	}
	p.set(unplugged)
	if err := get(); err == nil {
		t.Error("a server that is gone answered")
	}
	p.set(plugged)
	if err := get(); err != nil {
		t.Error("a server that is back:", err)
	}
	p.set(stalled)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if p.waits(ctx) {
		t.Error("a client that has gone still waits")
	}
	late := make(chan error, 1)
	go func() { late <- get() }()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != http.ErrServerClosed {
		t.Error(err)
	}
	if err := <-late; err == nil {
		t.Error("a server that has ended answered")
	}
}
