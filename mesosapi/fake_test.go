package mesosapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// record is one frame of RecordIO.
func record(payload string) string { return fmt.Sprintf("%d\n%s", len(payload), payload) }

// fake is a scripted master. It holds every request to the rules that Apache
// Mesos holds them to and answers as the script says.
type fake struct {
	t         *testing.T
	codec     codec
	subscribe func(*stream)                                    // nil: SUBSCRIBED, then nothing
	answer    func(http.ResponseWriter, *received) (done bool) // nil or false: 202

	mu       sync.Mutex
	streamID string
	calls    []*received
	came     chan struct{} // has a place for the news that something was received
}

// received is a call as it came.
type received struct {
	*scheduler.Call
	header http.Header
	from   string
}

func newFake(t *testing.T, asJSON bool) *fake {
	f := &fake{t: t, codec: protobufCodec, came: make(chan struct{}, 1)}
	if asJSON {
		f.codec = jsonCodec
	}
	return f
}

// start serves on a socket until the test ends and gives the address.
func (f *fake) start() string {
	s := httptest.NewServer(f)
	f.t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/master/api/v1/scheduler" {
		f.t.Errorf("got %s %s", r.Method, r.URL.Path)
	}
	if got := r.Header["Content-Type"]; len(got) != 1 || got[0] != f.codec.mediaType {
		f.t.Errorf("Content-Type %q", got)
	}
	for _, unwanted := range []string{"Accept-Encoding", "Idempotency-Key"} {
		if got, sent := r.Header[unwanted]; sent {
			f.t.Errorf("%s %q was sent", unwanted, got)
		}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client gave up
	}
	call := f.decode(body)
	if call.Type == scheduler.Call_SUBSCRIBE {
		f.takeSubscribe(w, r)
		return
	}
	got := &received{call, r.Header, r.RemoteAddr}
	f.mu.Lock()
	current := f.streamID
	f.calls = append(f.calls, got)
	f.mu.Unlock()
	select {
	case f.came <- struct{}{}:
	default:
	}
	if f.answer != nil && f.answer(w, got) {
		return
	}
	if id := r.Header.Get("Mesos-Stream-Id"); id != current {
		http.Error(w, "The stream ID '"+id+"' included in this request didn't match", http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func (f *fake) takeSubscribe(w http.ResponseWriter, r *http.Request) {
	if got := r.Header["Accept"]; len(got) != 1 || got[0] != f.codec.mediaType {
		f.t.Errorf("Accept %q", got)
	}
	if _, sent := r.Header["Mesos-Stream-Id"]; sent {
		f.t.Error("SUBSCRIBE carries a stream id")
	}
	s := &stream{f: f, w: w, r: r, id: uuid.NewString()}
	f.mu.Lock()
	f.streamID = s.id
	f.mu.Unlock()
	if f.subscribe == nil {
		s.open()
		s.subscribed(15)
		s.hold()
		return
	}
	f.subscribe(s)
}

func (f *fake) decode(body []byte) *scheduler.Call {
	call := new(scheduler.Call)
	unmarshal := call.Unmarshal
	if f.codec.mediaType == jsonCodec.mediaType {
		unmarshal = call.UnmarshalJSON
	}
	if err := unmarshal(body); err != nil {
		f.t.Errorf("call does not decode: %v", err)
	}
	return call
}

// waitCalls waits for n calls and gives them in the order they came.
func (f *fake) waitCalls(n int) []*received {
	f.t.Helper()
	late := time.After(patience)
	for {
		f.mu.Lock()
		calls := f.calls
		f.mu.Unlock()
		if len(calls) >= n {
			return calls
		}
		select {
		case <-f.came:
		case <-late:
			f.t.Fatalf("%d calls came, not %d", len(calls), n)
		}
	}
}

// stream is the answer to one SUBSCRIBE.
type stream struct {
	f  *fake
	w  http.ResponseWriter
	r  *http.Request
	id string
}

func (s *stream) open() {
	s.w.Header().Set("Content-Type", s.f.codec.mediaType)
	s.w.Header().Set("Mesos-Stream-Id", s.id)
	s.w.WriteHeader(http.StatusOK)
	s.flush()
}

func (s *stream) flush() { _ = http.NewResponseController(s.w).Flush() }

func (s *stream) raw(b string) error {
	_, err := io.WriteString(s.w, b)
	s.flush()
	return err
}

func (s *stream) send(e *scheduler.Event) error { return s.raw(string(frameOf(s.f.codec, e))) }

func (s *stream) subscribed(heartbeat float64) {
	_ = s.send(&scheduler.Event{Type: scheduler.Event_SUBSCRIBED, Subscribed: &scheduler.Event_Subscribed{
		FrameworkID:              &mesos.FrameworkID{Value: "F"},
		HeartbeatIntervalSeconds: &heartbeat,
	}})
}

// hold keeps the stream open until the client ends it.
func (s *stream) hold() { <-s.r.Context().Done() }

func frameOf(c codec, e *scheduler.Event) []byte {
	var b []byte
	var err error
	if c.mediaType == jsonCodec.mediaType {
		b, err = e.MarshalJSON()
	} else {
		b, err = e.Marshal()
	}
	if err != nil {
		panic(err)
	}
	return append([]byte(strconv.Itoa(len(b))+"\n"), b...)
}

func message(data string) *scheduler.Event {
	return &scheduler.Event{Type: scheduler.Event_MESSAGE, Message: &scheduler.Event_Message{
		AgentID: mesos.AgentID{Value: "S"}, ExecutorID: mesos.ExecutorID{Value: "e"}, Data: []byte(data),
	}}
}

var heartbeat = &scheduler.Event{Type: scheduler.Event_HEARTBEAT}

func subscribe() *scheduler.Call {
	return &scheduler.Call{Type: scheduler.Call_SUBSCRIBE, Subscribe: &scheduler.Call_Subscribe{
		FrameworkInfo: &mesos.FrameworkInfo{User: "u", Name: "n", Roles: []string{"*"},
			Capabilities: []mesos.FrameworkInfo_Capability{{Type: mesos.FrameworkInfo_Capability_MULTI_ROLE}}},
	}}
}

func kill(n int) *scheduler.Call {
	return &scheduler.Call{FrameworkID: &mesos.FrameworkID{Value: "F"}, Type: scheduler.Call_KILL,
		Kill: &scheduler.Call_Kill{TaskID: mesos.TaskID{Value: fmt.Sprint(n)}}}
}

func acknowledge(n int) *scheduler.Call {
	id := uuid.New()
	return &scheduler.Call{FrameworkID: &mesos.FrameworkID{Value: "F"}, Type: scheduler.Call_ACKNOWLEDGE,
		Acknowledge: &scheduler.Call_Acknowledge{AgentID: mesos.AgentID{Value: "S"},
			TaskID: mesos.TaskID{Value: fmt.Sprint(n)}, UUID: id[:]}}
}

func teardown() *scheduler.Call {
	return &scheduler.Call{FrameworkID: &mesos.FrameworkID{Value: "F"}, Type: scheduler.Call_TEARDOWN}
}

// patience is how long a test waits for what has to come.
const patience = 20 * time.Second

func connect(t *testing.T, addr string, cfg Config) *Conn {
	t.Helper()
	cfg.Master = addr
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func next(t *testing.T, c *Conn) Incoming {
	t.Helper()
	select {
	case in := <-c.Incoming():
		return in
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// wantEvent reads on to the next event, which must be of the type.
func wantEvent(t *testing.T, c *Conn, want scheduler.Event_Type) Incoming {
	t.Helper()
	in := next(t, c)
	if in.Event.GetType() != want {
		t.Fatalf("got %+v, not %s", in, want)
	}
	return in
}

func wantDown(t *testing.T, c *Conn) error {
	t.Helper()
	in := next(t, c)
	if in.Down == nil || in.Event != nil || in.Call != nil {
		t.Fatalf("got %+v, not the end", in)
	}
	return in.Down
}

// wantUnreachable wants the end of the stream as an *Unreachable with these words.
func wantUnreachable(t *testing.T, err error, words string) {
	t.Helper()
	var u *Unreachable
	if !errors.As(err, &u) || !strings.Contains(err.Error(), words) {
		t.Fatalf("got %T %v, not unreachable with %q", err, err, words)
	}
}

func both(t *testing.T, test func(t *testing.T, asJSON bool)) {
	t.Run("protobuf", func(t *testing.T) { test(t, false) })
	t.Run("json", func(t *testing.T) { test(t, true) })
}

// pipes is a network in memory, for tests with synctest: no socket, so that
// time moves only when everybody waits.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5050} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.closed:
		return nil, errors.New("connection refused")
	}
}

// inBubble starts f on a network of its own and gives a Conn to it. Both end
// with the test, which fails if anything of either is left.
func (f *fake) inBubble(cfg Config) *Conn {
	p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	s := &http.Server{Handler: f}
	go s.Serve(p)
	f.t.Cleanup(func() { s.Close() })
	c := connect(f.t, "master", cfg)
	c.transport.DialContext = p.dial
	return c
}
