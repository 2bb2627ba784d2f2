package web

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// events is a Hub that answers within a bubble.
func events(t *testing.T) (*Hub, *pipes) {
	h := NewHub()
	h.epoch = "e"
	f := &fakeQueue{status: Status{Version: "v1", Tasks: 3, States: map[string]int{}}}
	return h, servePipes(t, NewAPI(fullConfig(f, h)))
}

// subscribe asks for events, and returns what comes.
func subscribe(t *testing.T, l *pipes, last string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn := l.dial()
	t.Cleanup(func() { conn.Close() })
	header := ""
	if last != "" {
		header = "Last-Event-ID: " + last + "\r\n"
	}
	if _, err := io.WriteString(conn, "GET /v1/events HTTP/1.1\r\nHost: x\r\n"+header+"\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := readHead(conn)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatal(answer.Status, answer.Header)
	}
	return conn, bufio.NewReader(answer.Body)
}

// block reads lines up to an empty one.
func block(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("after %q: %v", b.String(), err)
		}
		if line == "\n" {
			return b.String()
		}
		b.WriteString(line)
	}
}

const wantStatus = `event: status
data: {"status":{"version":"v1","began":"","file":"","master":"","framework":"","connected":false,"tasks":3,"states":{},"held":0,"waiting":0,"delayed":0,"rate":0,"left":null,"suppressed":false,"agents":[]}}
`

func wantTask(id, version int) string {
	return fmt.Sprintf("event: task\ndata: {\"task\":{\"id\":\"%d\",\"state\":\"\",\"command\":\"\",\"attempts\":%d,\"submitted\":\"\"}}\n", id, version)
}

const wantReset = "event: reset\ndata: {\"reset\":true}\n"

// TestEventStream: what is sent, to the byte, to who is new, who comes back, and
// who comes back too late.
func TestEventStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, l := events(t)
		expect := func(r *bufio.Reader, want ...string) {
			t.Helper()
			for _, w := range want {
				if got := block(t, r); got != w {
					t.Errorf("got  %q\nwant %q", got, w)
				}
			}
		}
		if h.Watched() {
			t.Error("watched by nobody")
		}
		conn, r := subscribe(t, l, "")
		expect(r, "retry: 2000\n", wantStatus+"id: e-0\n")
		if !h.Watched() {
			t.Error("not watched")
		}
		h.Publish(versionOf(1, 1))
		h.Publish(versionOf(2, 1))
		h.Publish(versionOf(1, 2)) // instead of the first
		began := time.Now()
		expect(r, wantTask(1, 2), wantTask(2, 1)+"id: e-1\n")
		if took := time.Since(began); took != beat {
			t.Error("they came after", took)
		}
		h.Publish(Event{Status: &Status{Tasks: 1}})
		h.Publish(Event{Status: &Status{Version: "v1", Tasks: 3, States: map[string]int{}, Agents: []Agent{}}})
		expect(r, wantStatus+"id: e-2\n")
		began = time.Now()
		expect(r, ":\n", ":\n")
		if took := time.Since(began); took > 2*heartbeat {
			t.Error("two signs of life took", took)
		}
		conn.Close()
		synctest.Wait()

		time.Sleep(linger - time.Second)
		h.Publish(versionOf(3, 1)) // nobody is there
		time.Sleep(time.Second / 2)
		_, r = subscribe(t, l, "e-1")
		expect(r, "retry: 2000\n", wantStatus+"id: e-1\n", wantStatus+"id: e-2\n", wantTask(3, 1)+"id: e-3\n")
		for _, last := range []string{"e-4", "e-5", "x-1", "e-", "e", "1", "e-18446744073709551615", "e--1"} {
			_, r := subscribe(t, l, last)
			expect(r, "retry: 2000\n", wantStatus, wantReset+"id: e-3\n")
		}
		late, _ := subscribe(t, l, "e-3")
		late.Close()
	})
}

// TestLeftAlone: when nobody has read for a while, nobody publishes, and who
// comes back then has missed something.
func TestLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, l := events(t)
		conn, r := subscribe(t, l, "")
		block(t, r)
		block(t, r)
		h.Publish(versionOf(1, 1))
		block(t, r)
		conn.Close()
		synctest.Wait()
		if time.Sleep(linger - 1); !h.Watched() {
			t.Error("given up early")
		}
		time.Sleep(2 * time.Nanosecond)
		synctest.Wait()
		if h.Watched() || h.size != 0 {
			t.Error("still watched", h.size)
		}
		_, r = subscribe(t, l, "e-1")
		block(t, r)
		if got := block(t, r) + block(t, r); got != wantStatus+wantReset+"id: e-2\n" {
			t.Errorf("%q", got)
		}
	})
}

// TestFlood: when too much changes, nobody is told of any of it but that, again
// and again, and nobody has to tell it.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, l := events(t)
		_, r := subscribe(t, l, "")
		block(t, r)
		block(t, r)
		var text bytes.Buffer
		ended := make(chan error, 1)
		go func() {
			_, err := text.ReadFrom(r)
			ended <- err
		}()
		told := 0
		for i := range 50_000 { // in 10 s
			if h.Watched() {
				h.Publish(versionOf(i%1000, i))
				told++
			}
			if i%50 == 0 {
				time.Sleep(10 * time.Millisecond)
			}
		}
		if told > 10*maxBeat {
			t.Error(told, "events were made")
		}
		synctest.Wait()
		if n := strings.Count(text.String(), "event: reset"); n < 4 || n > 6 { // the end of each flood, which Close is not
			t.Error(n, "resets")
		}
		h.Close()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(text.String(), "event: task"); n > 0 {
			t.Error(n, "tasks were told of")
		}
	})
}

// TestReaderStops: who stops reading is cut off; others get what there is, and
// nobody who publishes waits.
func TestReaderStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, l := events(t)
		stopped, _ := subscribe(t, l, "")
		_, r := subscribe(t, l, "")
		block(t, r)
		block(t, r)
		for i := range 30 {
			began := time.Now()
			h.Publish(versionOf(i, 1))
			if time.Since(began) != 0 {
				t.Error("Publish waited")
			}
			got := block(t, r)
			if got == ":\n" {
				got = block(t, r)
			}
			if got != wantTask(i, 1)+fmt.Sprintf("id: e-%d\n", i+1) {
				t.Errorf("%q", got)
			}
			time.Sleep(time.Second)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.readers != 1 {
			t.Error(h.readers, "readers are left")
		}
		if _, err := io.Copy(io.Discard, stopped); err != nil && err != io.ErrClosedPipe {
			t.Error(err)
		}
	})
}

// TestBehind: who is slower than what is kept goes on behind the gap, and hears
// that there is one.
func TestBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, l := events(t)
		_, r := subscribe(t, l, "")
		block(t, r)
		block(t, r)
		large := strings.Repeat("x", 200<<10)
		for i := range 60 { // 12 MB
			e := versionOf(i, 1)
			e.Task.Message = large
			h.Publish(e)
			time.Sleep(beat)
		}
		time.Sleep(beat)
		if got := block(t, r); len(got) < len(large) {
			t.Errorf("%.100q", got) // it was on its way
		}
		got := block(t, r)
		for len(got) > len(large) { // so were those
			got = block(t, r)
		}
		if !strings.HasPrefix(got, wantReset) {
			t.Errorf("%.100q", got)
		}
		h.Publish(versionOf(99, 1))
		if got := block(t, r); !strings.HasPrefix(got, wantTask(99, 1)) {
			t.Errorf("%.100q", got)
		}
		e := versionOf(1, 1)
		e.Task.Message = strings.Repeat("x", maxKept)
		h.Publish(e)
		if got := block(t, r); !strings.HasPrefix(got, wantReset) {
			t.Errorf("%.100q", got)
		}
	})
}

// TestClientEvents: events come as they were published; the end of cmdq is an
// end.
func TestClientEvents(t *testing.T) {
	h, f := NewHub(), full()
	_, c, _ := serveQueue(t, f, h)
	e, err := c.Events(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	first, err := e.Next()
	if err != nil || first.Status == nil || first.Status.Version != f.status.Version {
		t.Fatal(first, err)
	}
	row := f.task.Row
	row.Message = "two\nlines\r\u2028\x00"
	h.Publish(Event{Task: &row})
	got, err := e.Next()
	if err != nil || !reflect.DeepEqual(got.Task, &row) {
		t.Errorf("%+v, %v", got.Task, err)
	}
	h.Publish(Event{Task: ptr(sample("last"))})
	h.Close()
	if got, err := e.Next(); err != nil || got.Task == nil || got.Task.ID != "last" {
		t.Error(got, err)
	}
	if _, err := e.Next(); err != io.EOF {
		t.Error(err)
	}
	if _, err := c.Events(patient(t)); !said(err, CodeEnding, "cmdq is ending") {
		t.Error(err)
	}
}

// TestManyAgents: a status in an event is no longer for them.
func TestManyAgents(t *testing.T) {
	h, f := NewHub(), full()
	f.status.Agents = make([]Agent, 10_000)
	for i := range f.status.Agents {
		f.status.Agents[i].ID = strings.Repeat("a", 100)
	}
	_, c, _ := serveQueue(t, f, h)
	e, err := c.Events(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	h.Publish(Event{Status: &f.status})
	for range 2 {
		got, err := e.Next()
		if err != nil || got.Status == nil || len(got.Status.Agents) != maxAgents || got.Status.MoreAgents != 10_000-maxAgents {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if s, err := c.Status(patient(t)); err != nil || len(s.Agents) != 10_000 {
		t.Error(err)
	}
}

// TestManyReaders: there is an end to them, and somebody on this machine gets in
// when those over TCP are many.
func TestManyReaders(t *testing.T) {
	h := NewHub()
	for range maxReaders {
		if _, _, err := h.join("", maxReaders); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := h.join("", maxReaders); !said(err, CodeBusy, "256 read events already") {
		t.Error(err)
	}
	_, c, _ := serveQueue(t, full(), h)
	e, err := c.Events(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
