package mesosapi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

func TestEventsComeInOrder(t *testing.T) {
	both(t, func(t *testing.T, asJSON bool) {
		f := newFake(t, asJSON)
		f.subscribe = func(s *stream) {
			s.open()
			s.subscribed(15)
			s.send(heartbeat)
			for _, data := range []string{"a", "b", "c"} {
				s.send(message(data))
			}
			s.send(&scheduler.Event{Type: scheduler.Event_ERROR, Error: &scheduler.Event_Error{Message: "Framework failed over"}})
		}
		c := connect(t, f.start(), Config{JSON: asJSON})
		if n := c.Subscribe(subscribe()); n != 1 {
			t.Errorf("the first epoch is %d", n)
		}
		in := wantEvent(t, c, scheduler.Event_SUBSCRIBED)
		if in.Epoch != 1 || in.Event.Subscribed.FrameworkID.Value != "F" {
			t.Errorf("got %+v", in)
		}
		wantEvent(t, c, scheduler.Event_HEARTBEAT)
		for _, data := range []string{"a", "b", "c"} {
			if in := wantEvent(t, c, scheduler.Event_MESSAGE); string(in.Event.Message.Data) != data {
				t.Errorf("got %q, not %q", in.Event.Message.Data, data)
			}
		}
		wantEvent(t, c, scheduler.Event_ERROR)
		err := wantDown(t, c)
		wantUnreachable(t, err, "closed the stream")
		if !errors.Is(err, io.EOF) {
			t.Errorf("%v is no io.EOF", err)
		}
	})
}

func TestFrameByteByByte(t *testing.T) {
	both(t, func(t *testing.T, asJSON bool) {
		f := newFake(t, asJSON)
		f.subscribe = func(s *stream) {
			s.open()
			s.subscribed(15)
			for _, b := range frameOf(f.codec, message("in pieces")) {
				s.raw(string([]byte{b}))
			}
			s.hold()
		}
		c := connect(t, f.start(), Config{JSON: asJSON})
		c.Subscribe(subscribe())
		wantEvent(t, c, scheduler.Event_SUBSCRIBED)
		if in := wantEvent(t, c, scheduler.Event_MESSAGE); string(in.Event.Message.Data) != "in pieces" {
			t.Errorf("got %q", in.Event.Message.Data)
		}
	})
}

func TestLargeEvent(t *testing.T) {
	const size = 60 << 20
	piece := strings.Repeat("0123456789abcdef", 1<<16)
	f := newFake(t, false)
	f.subscribe = func(s *stream) {
		s.open()
		s.subscribed(15)
		// A MESSAGE put together by hand, as its data is the last field: copies
		// of 60 MiB are slow under the race detector.
		inner := binary.AppendUvarint([]byte("\x0a\x03\x0a\x01S\x12\x03\x0a\x01e\x1a"), size)
		head := binary.AppendUvarint([]byte("\x08\x05\x32"), uint64(len(inner)+size))
		s.raw(fmt.Sprintf("%d\n%s%s", len(head)+len(inner)+size, head, inner))
		for range size / len(piece) {
			s.raw(piece)
		}
		s.send(message("small"))
		s.hold()
	}
	c := connect(t, f.start(), Config{})
	c.Subscribe(subscribe())
	wantEvent(t, c, scheduler.Event_SUBSCRIBED)
	data := wantEvent(t, c, scheduler.Event_MESSAGE).Event.Message.Data
	if len(data) != size {
		t.Fatalf("60 MiB came as %d bytes", len(data))
	}
	for at := 0; at < size; at += len(piece) {
		if string(data[at:at+len(piece)]) != piece {
			t.Fatalf("other bytes came from %d on", at)
		}
	}
	if in := wantEvent(t, c, scheduler.Event_MESSAGE); string(in.Event.Message.Data) != "small" {
		t.Errorf("got %q after it", in.Event.Message.Data)
	}
}

func TestUnknownEventsArePassedOver(t *testing.T) {
	for name, frame := range map[string]string{
		"protobuf": "\x08\x4d", // type 77
		"json":     `{"type":"NEWS","news":{"a":[1]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			asJSON := name == "json"
			f := newFake(t, asJSON)
			f.subscribe = func(s *stream) {
				s.open()
				s.subscribed(15)
				s.raw(record(frame))
				s.send(message("after"))
				s.hold()
			}
			c := connect(t, f.start(), Config{JSON: asJSON})
			c.Subscribe(subscribe())
			wantEvent(t, c, scheduler.Event_SUBSCRIBED)
			wantEvent(t, c, scheduler.Event_MESSAGE)
		})
	}
}

// What the stream may say wrong, and what is made of it.
func TestRubbishOnTheStream(t *testing.T) {
	subscribed := func(s *stream) { s.open(); s.subscribed(15) }
	for _, tt := range []struct {
		name   string
		script func(s *stream)
		events int // before the end
		words  string
	}{
		{"no stream id", func(s *stream) { s.id = ""; s.open(); s.hold() }, 0, "no usable Mesos-Stream-Id"},
		{"stream id is no uuid", func(s *stream) { s.id = strings.Repeat("x", 36); s.open(); s.hold() }, 0, "no usable Mesos-Stream-Id"},
		{"content type", func(s *stream) { s.w.Header().Set("Content-Type", "text/html"); s.w.WriteHeader(200) }, 0, `"text/html"`},
		{"content type with charset", func(s *stream) {
			s.w.Header().Set("Content-Type", "application/x-protobuf; charset=utf-8")
			s.w.WriteHeader(200)
		}, 0, "charset"},
		{"202", func(s *stream) { s.w.WriteHeader(202) }, 0, "202 Accepted"},
		{"nothing", func(s *stream) { s.open() }, 0, "closed the stream"},
		{"not subscribed first", func(s *stream) { s.open(); s.send(heartbeat); s.hold() }, 0, "not SUBSCRIBED"},
		{"unknown first", func(s *stream) { s.open(); s.raw("2\n\x08\x4d"); s.hold() }, 0, "not SUBSCRIBED"},
		{"subscribed twice", func(s *stream) { subscribed(s); s.subscribed(15); s.hold() }, 1, "second SUBSCRIBED"},
		{"no length", func(s *stream) { subscribed(s); s.raw("<html>"); s.hold() }, 1, "bad RecordIO"},
		{"too long", func(s *stream) { subscribed(s); s.raw("67108865\n"); s.hold() }, 1, "longer than"},
		{"undecodable", func(s *stream) { subscribed(s); s.raw("3\n\xff\xff\xff"); s.hold() }, 1, "decode event"},
		{"without its content", func(s *stream) { subscribed(s); s.raw("2\n\x08\x02"); s.hold() }, 1, "OFFERS without"},
		{"ends within a frame", func(s *stream) { subscribed(s); s.raw("100\nabc") }, 1, "unexpected EOF"},
		{"breaks", func(s *stream) {
			subscribed(s)
			conn, _, err := http.NewResponseController(s.w).Hijack()
			if err == nil {
				conn.(*net.TCPConn).SetLinger(0)
				conn.Close()
			}
		}, 1, "read stream"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, false)
			f.subscribe = tt.script
			c := connect(t, f.start(), Config{})
			c.Subscribe(subscribe())
			for range tt.events {
				wantEvent(t, c, scheduler.Event_SUBSCRIBED)
			}
			wantUnreachable(t, wantDown(t, c), tt.words)
		})
	}
}

func TestSubscribeAnswers(t *testing.T) {
	const u, r = "unreachable", "refused"
	for _, tt := range []struct {
		code int
		body string
		want string
	}{
		{400, "Failed to validate scheduler::Call", r},
		{400, "Framework cannot be found", r}, // not of a subscription that we had
		{401, "", r}, {403, "no", r}, {405, "", r}, {406, "", r}, {413, "", r}, {415, "", r},
		{404, "", u}, {408, "", u}, {429, "", u}, {500, "", u}, {502, "<html>", u},
		{503, "No leader elected", u}, {204, "", u}, {301, "", u}, {308, "", u},
	} {
		t.Run(http.StatusText(tt.code)+" "+tt.body, func(t *testing.T) {
			f := newFake(t, false)
			f.subscribe = func(s *stream) {
				s.w.Header().Set("WWW-Authenticate", `Basic realm="mesos-master-scheduler"`)
				s.w.WriteHeader(tt.code)
				io.WriteString(s.w, tt.body)
			}
			c := connect(t, f.start(), Config{})
			c.Subscribe(subscribe())
			err := wantDown(t, c)
			if tt.want == u {
				wantUnreachable(t, err, http.StatusText(tt.code))
				return
			}
			var refused *Refused
			if !errors.As(err, &refused) || refused.Status != tt.code || refused.Message != tt.body {
				t.Fatalf("got %T %v", err, err)
			}
			if isRealm := refused.Realm == "mesos-master-scheduler"; isRealm != (tt.code == 401) {
				t.Errorf("realm %q of a %d", refused.Realm, tt.code)
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	c := connect(t, addr, Config{})
	c.Subscribe(subscribe())
	err = wantDown(t, c)
	wantUnreachable(t, err, addr)
	var dial *net.OpError
	if !errors.As(err, &dial) {
		t.Errorf("the cause of %v is lost", err)
	}
}

func TestIPv6(t *testing.T) {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 here")
	}
	s := &http.Server{Handler: newFake(t, false)}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	c := connect(t, l.Addr().String(), Config{})
	c.Subscribe(subscribe())
	wantEvent(t, c, scheduler.Event_SUBSCRIBED)
}

func TestSilence(t *testing.T) {
	for _, tt := range []struct {
		name   string
		script func(s *stream)
		after  time.Duration
		words  string
	}{
		{"no answer", func(s *stream) { s.hold() }, 15 * time.Second, "no answer to SUBSCRIBE within 15s"},
		{"no event at all", func(s *stream) { s.open(); s.hold() }, 75 * time.Second, "no event for 75s"},
		{"no event after SUBSCRIBED", func(s *stream) { s.open(); s.subscribed(15); s.hold() }, 75 * time.Second, "no event for 75s"},
		{"half an event", func(s *stream) { s.open(); s.subscribed(15); s.raw("100\nabc"); s.hold() }, 75 * time.Second, "no event for 75s"},
		{"short interval", func(s *stream) { s.open(); s.subscribed(0.2); s.hold() }, time.Second, "no event for 1s"},
		{"absurdly short interval", func(s *stream) { s.open(); s.subscribed(1e-9); s.hold() }, 500 * time.Millisecond, "no event for 0.5s"},
		{"negative interval", func(s *stream) { s.open(); s.subscribed(-3); s.hold() }, 75 * time.Second, "no event for 75s"},
		{"endless interval", func(s *stream) { s.open(); s.subscribed(1e300); s.hold() }, 50 * time.Minute, "no event for 3000s"},
		{"beats for a while", func(s *stream) {
			s.open()
			s.subscribed(15)
			for range 10 {
				time.Sleep(70 * time.Second) // synctest's time
				s.send(heartbeat)
			}
			s.hold()
		}, 775 * time.Second, "no event for 75s"},
		{"dribbling refusal", func(s *stream) {
			s.w.WriteHeader(503)
			for s.r.Context().Err() == nil {
				s.raw("x")
				select {
				case <-time.After(time.Second):
				case <-s.r.Context().Done():
				}
			}
		}, 15 * time.Second, "no answer to SUBSCRIBE within 15s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, false)
				f.subscribe = tt.script
				c := f.inBubble(Config{})
				begin := time.Now()
				c.Subscribe(subscribe())
				for {
					in := <-c.Incoming()
					if in.Down == nil {
						continue
					}
					wantUnreachable(t, in.Down, tt.words)
					break
				}
				if took := time.Since(begin); took != tt.after {
					t.Errorf("took %s, not %s", took, tt.after)
				}
			})
		})
	}
}

// A reader that takes its time holds the stream back, and is no silence.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const events = 1000
		f := newFake(t, false)
		sent := 0
		f.subscribe = func(s *stream) {
			s.open()
			s.subscribed(15)
			for ; sent < events; sent++ {
				if s.send(message(strings.Repeat("x", 10_000))) != nil {
					return
				}
			}
			s.hold()
		}
		c := f.inBubble(Config{})
		c.Subscribe(subscribe())
		time.Sleep(time.Hour)
		synctest.Wait()
		if sent < incoming-1 || sent > incoming+50 {
			t.Errorf("%d events were taken with nobody reading", sent)
		}
		wantEvent(t, c, scheduler.Event_SUBSCRIBED)
		for range events {
			wantEvent(t, c, scheduler.Event_MESSAGE)
		}
	})
}
