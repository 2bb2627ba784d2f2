package local

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// TestHeartbeats: a quiet stream is not silent, and its end is the client's.
func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStream("id", codecJSON)
		s.push([]byte("first "))
		ctx, cancel := context.WithCancel(t.Context())
		w := httptest.NewRecorder()
		done := make(chan struct{})
		go func() { s.serve(ctx, w, []byte("beat "), 15*time.Second); close(done) }()
		time.Sleep(46 * time.Second) // the bubble's clock
		cancel()
		<-done
		if got := w.Body.String(); got != "first beat beat beat " {
			t.Errorf("wrote %q", got)
		}
		s.push([]byte("late"))
		if frames, ended := s.take(); len(frames) > 0 || !ended {
			t.Error("a stream whose client is gone takes frames")
		}
	})
}

// TestStreamEnd: what was pushed before the end is still written.
func TestStreamEnd(t *testing.T) {
	s := newStream("id", codecJSON)
	s.push([]byte("a"))
	s.push([]byte("b"))
	s.end()
	s.push([]byte("c"))
	w := httptest.NewRecorder()
	s.serve(t.Context(), w, nil, time.Hour)
	if got := w.Body.String(); got != "ab" {
		t.Errorf("wrote %q", got)
	}
}

func TestStreamBounds(t *testing.T) {
	large := bytes.Repeat([]byte("x"), maxStreamBytes/4)
	s := newStream("id", codecJSON)
	for range 4 {
		s.push(large)
	}
	if s.broken {
		t.Fatal("broken before it is full")
	}
	s.push([]byte("x"))
	if !s.broken || len(s.queue) > 0 {
		t.Error("more bytes than allowed are kept")
	}
	s = newStream("id", codecJSON)
	for range maxStreamFrames {
		s.push([]byte("x"))
	}
	if s.broken {
		t.Fatal("broken before it is full")
	}
	s.push([]byte("x"))
	if !s.broken {
		t.Error("more frames than allowed are kept")
	}
}

// TestClientThatNeverReads: it is cut off when it has fallen too far behind,
// while another framework goes on.
func TestClientThatNeverReads(t *testing.T) {
	c := startCluster(t, Config{})
	conn, err := net.Dial("tcp", c.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := `{"type":"SUBSCRIBE","framework_id":{"value":"deaf"},"subscribe":{"framework_info":{"user":"u","name":"n","failover_timeout":1000,"id":{"value":"deaf"}}}}`
	if _, err := conn.Write([]byte("POST /api/v1/scheduler HTTP/1.1\r\nHost: " + c.Addr() + "\r\nContent-Type: application/json\r\nContent-Length: " +
		strconv.Itoa(len(body)) + "\r\n\r\n" + body)); err != nil {
		t.Fatal(err)
	}
	c.awaitFramework(t, "deaf", func(f *framework) bool { return f != nil && f.stream != nil })
	text := string(bytes.Repeat([]byte("x"), 1<<20))
	full := false
	c.master.box.call(func() {
		for range 2*maxStreamBytes>>20 + 64 {
			c.master.report(c.master.frameworks["deaf"], mesos.TaskStatus{TaskID: mesos.TaskID{Value: "t"}, State: mesos.TASK_LOST.Enum(), Message: &text})
		}
		s := c.master.frameworks["deaf"].stream
		s.mu.Lock()
		defer s.mu.Unlock()
		full = s.broken
	})
	if !full {
		t.Error("the stream is not cut")
	}
	c.awaitFramework(t, "deaf", func(f *framework) bool { return f != nil && f.stream == nil })
	s := subscribe(t, c, codecJSON, modern)
	o := s.offer()
	s.accept(0, []mesos.Offer{o}, command1("t1", o, "true"))
	s.until("t1", mesos.TASK_FINISHED)
	var again *client
	c.awaitFramework(t, "deaf", func(*framework) bool { return true })
	if again = subscribe(t, c, codecJSON, withID(mesos.FrameworkInfo{User: "u", Name: "n"}, "deaf")); again.status != http.StatusOK || again.id != "deaf" {
		t.Errorf("it cannot subscribe again: %d", again.status)
	}
	again.call(&scheduler.Call{Type: scheduler.Call_REVIVE})
}
