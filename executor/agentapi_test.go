package executor

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	api "github.com/mesos/mesos-go/api/v1/lib/executor"
)

// fakeAgent answers calls as a test says.
type fakeAgent struct {
	calls  chan *api.Call
	answer func(w http.ResponseWriter, c *api.Call)
}

func (f *fakeAgent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	c := new(api.Call)
	switch {
	case err != nil || c.Unmarshal(body) != nil:
		http.Error(w, "no call", http.StatusBadRequest)
	case r.URL.Path != "/slave(1)/api/v1/executor" || r.Header.Get("Content-Type") != mediaType || r.Header.Get("Accept") != mediaType:
		http.Error(w, "not like this", http.StatusBadRequest)
	case r.Header.Get("Authorization") != "Bearer secret":
		http.Error(w, "who are you", http.StatusUnauthorized)
	default:
		f.calls <- c
		f.answer(w, c)
	}
}

func frame(t *testing.T, e *api.Event) []byte {
	t.Helper()
	data, err := e.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte(strconv.Itoa(len(data))+"\n"), data...)
}

// startAPI is an agentAPI that speaks to a fake agent, and what comes of it.
func startAPI(t *testing.T, token string, answer func(w http.ResponseWriter, c *api.Call)) (*agentAPI, *fakeAgent, <-chan fromAgent) {
	t.Helper()
	f := &fakeAgent{calls: make(chan *api.Call, 100), answer: answer}
	server := httptest.NewServer(f)
	events := make(chan fromAgent, 100)
	a := newAgentAPI(Config{Agent: strings.TrimPrefix(server.URL, "http://"), FrameworkID: "F", ExecutorID: "E", Token: token},
		func(ev event) { events <- ev.(fromAgent) })
	t.Cleanup(func() {
		a.close()
		server.Close()
	})
	return a, f, events
}

// TestAPIStream: a stream and its events, a call and its answer.
func TestAPIStream(t *testing.T) {
	more := make(chan []byte)
	a, f, events := startAPI(t, "secret", func(w http.ResponseWriter, c *api.Call) {
		if c.Type != api.Call_SUBSCRIBE {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		for data := range more {
			if _, err := w.Write(data); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
	})
	a.subscribe(1, &api.Call_Subscribe{})
	if c := <-f.calls; c.Type != api.Call_SUBSCRIBE || c.FrameworkID.Value != "F" || c.ExecutorID.Value != "E" {
		t.Errorf("the call is %v", c)
	}
	more <- frame(t, &api.Event{Type: api.Event_SUBSCRIBED, Subscribed: &api.Event_Subscribed{
		FrameworkInfo: mesos.FrameworkInfo{Capabilities: []mesos.FrameworkInfo_Capability{{Type: mesos.FrameworkInfo_Capability_TASK_KILLING_STATE}}}}})
	if ev := <-events; ev != (fromAgent{1, subscribed{killing: true}}) {
		t.Errorf("the first event is %v", ev)
	}
	beat := frame(t, &api.Event{Type: api.Event_HEARTBEAT})
	kill := frame(t, &api.Event{Type: api.Event_KILL, Kill: &api.Event_Kill{TaskID: mesos.TaskID{Value: "a"},
		KillPolicy: &mesos.KillPolicy{GracePeriod: &mesos.DurationInfo{Nanoseconds: 7e9}}}})
	more <- append(append(beat, 0x32, '\n', 0x08, 0x63), kill[:5]...) // an event of a type nobody knows yet, and half of one
	more <- kill[5:]
	ev := <-events
	if k, ok := ev.what.(killAsked); !ok || k.id != "a" || *k.grace != 7*time.Second {
		t.Errorf("the event is %v", ev)
	}
	a.update(1, ours("a", mesos.TASK_KILLED, make([]byte, 16), time.Now()))
	if c := <-f.calls; c.Type != api.Call_UPDATE || c.Update.Status.TaskID.Value != "a" || c.Update.Status.GetSource() != mesos.SOURCE_EXECUTOR {
		t.Errorf("the call is %v", c)
	}
	if d, ok := (<-events).what.(delivered); !ok || d.id != "a" {
		t.Errorf("not delivered: %v", d)
	}
	close(more)
	if d, ok := (<-events).what.(down); !ok || d.fatal {
		t.Errorf("the end of the stream is %v", d)
	}
}

// TestAPIRefused: what of the agent's answers is final.
func TestAPIRefused(t *testing.T) {
	for status, fatal := range map[int]bool{400: true, 403: true, 307: true, 404: false, 500: false, 503: false} {
		a, _, events := startAPI(t, "secret", func(w http.ResponseWriter, c *api.Call) {
			w.Header().Set("Location", "/elsewhere")
			http.Error(w, "no", status)
		})
		a.subscribe(1, &api.Call_Subscribe{})
		if d, ok := (<-events).what.(down); !ok || d.fatal != fatal || !strings.Contains(d.err.Error(), strconv.Itoa(status)) {
			t.Errorf("%d: %v", status, d)
		}
		a.update(1, ours("a", mesos.TASK_KILLED, make([]byte, 16), time.Now()))
		if d, ok := (<-events).what.(down); !ok || d.fatal {
			t.Errorf("%d to an update: %v", status, d)
		}
	}
	a, _, events := startAPI(t, "wrong", nil)
	a.subscribe(1, &api.Call_Subscribe{})
	if d, ok := (<-events).what.(down); !ok || !d.fatal || strings.Contains(d.err.Error(), "wrong") {
		t.Errorf("a wrong token: %v", d)
	}
}

// TestAPIGarbage: a stream that makes no sense ends.
func TestAPIGarbage(t *testing.T) {
	for _, text := range []string{"x\n", "99999999999\n", "67108865\n", "5\nab", "3\n\xff\xff\xff"} {
		a, _, events := startAPI(t, "secret", func(w http.ResponseWriter, c *api.Call) {
			_, _ = io.WriteString(w, text)
		})
		a.subscribe(1, &api.Call_Subscribe{})
		if d, ok := (<-events).what.(down); !ok || d.fatal {
			t.Errorf("%q: %v", text, d)
		}
	}
}

// TestAPIEpochs: with a new stream what waits for an old one is dropped.
func TestAPIEpochs(t *testing.T) {
	a, f, _ := startAPI(t, "secret", func(w http.ResponseWriter, c *api.Call) { w.WriteHeader(http.StatusAccepted) })
	a.update(3, ours("early", mesos.TASK_KILLED, make([]byte, 16), time.Now()))
	a.subscribe(4, &api.Call_Subscribe{})
	a.update(3, ours("late", mesos.TASK_KILLED, make([]byte, 16), time.Now()))
	a.update(4, ours("now", mesos.TASK_KILLED, make([]byte, 16), time.Now()))
	for range 2 {
		if c := <-f.calls; c.Type == api.Call_UPDATE && c.Update.Status.TaskID.Value != "now" {
			t.Errorf("sent was %v", c)
		}
	}
}

// TestOldStream: a launch on a stream that was given up must not run: the agent
// has counted it as dropped.
func TestOldStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		events := make(chan event, 10)
		a := &agentAPI{end: func() {}, post: func(event) {}}
		a.ctx, a.cancel = context.WithCancel(ctx)
		a.client.Transport = silentTransport{}
		e := &edges{agent: a, shop: newWorkshop(Config{Sandbox: t.TempDir()}, func(ev event) { t.Errorf("prepared: %v", ev) }), log: silent()}
		ended := make(chan int)
		s := newState(testRules(), time.Now())
		go func() { ended <- e.loop(ctx, s, events) }()
		synctest.Wait() // it has subscribed
		events <- fromAgent{1, down{err: io.EOF}}
		time.Sleep(time.Second) // it has subscribed again
		events <- fromAgent{1, launched{mesos.TaskInfo{TaskID: mesos.TaskID{Value: "old"}, Data: []byte(`{"command":"true"}`)}}}
		synctest.Wait()
		cancel()
		if status := <-ended; status != 0 || len(s.tasks) != 0 {
			t.Errorf("status %d, tasks %v", status, s.tasks)
		}
		a.work.Wait()
	})
}

// silentTransport never answers.
type silentTransport struct{}

func (silentTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}
