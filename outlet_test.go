package main

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"
)

// gate is a reader that takes nothing before it is opened.
type gate struct {
	open chan struct{}
	mu   sync.Mutex
	got  bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.got.Write(p)
}

// TestOutlet: a reader that has stopped holds nobody up, and what it gets later
// is whole lines in their order.
func TestOutlet(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	o := newOutlet(g, maxWaiting, true)
	line := strings.Repeat("x", 1023) + "\n"
	for range 2 * maxWaiting / len(line) {
		if n, err := o.Write([]byte(line)); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	o.close(time.Millisecond) // and nobody waits for ever
	close(g.open)
	<-o.ended
	lines := strings.SplitAfter(g.got.String(), "\n")
	lost := lines[len(lines)-2]
	if !strings.Contains(lost, "lines of this log were lost") {
		t.Errorf("nothing was said of what was lost: %q", lost)
	}
	for _, l := range lines[:len(lines)-2] {
		if l != line {
			t.Fatalf("torn: %q", l)
		}
	}
	if n := len(lines) - 2; n < maxWaiting/len(line)-1 {
		t.Errorf("only %d lines", n)
	}
}

func TestOutletIsEmptiedAtTheEnd(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	close(g.open)
	o := newOutlet(g, maxWaiting, true)
	want := ""
	for range 1000 {
		o.Write([]byte("line\n"))
		want += "line\n"
	}
	o.close(time.Minute)
	if g.got.String() != want {
		t.Errorf("%d bytes, want %d", g.got.Len(), len(want))
	}
}
