package mesosapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"

	"cmdq/wire"
)

// fakeExecutorAPI answers calls as a test says.
type fakeExecutorAPI struct {
	calls  chan *executor.Call
	answer func(w http.ResponseWriter, c *executor.Call)
}

func (f *fakeExecutorAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	c := new(executor.Call)
	switch {
	case err != nil || c.Unmarshal(body) != nil:
		http.Error(w, "no call", http.StatusBadRequest)
	case r.URL.Path != "/slave(1)/api/v1/executor" || r.Header.Get("Content-Type") != protobufCodec.mediaType || r.Header.Get("Accept") != protobufCodec.mediaType:
		http.Error(w, "not like this", http.StatusBadRequest)
	case r.Header.Get("Authorization") != "Bearer secret":
		http.Error(w, "who are you", http.StatusUnauthorized)
	default:
		f.calls <- c
		f.answer(w, c)
	}
}

func agentFrame(t *testing.T, e *executor.Event) []byte {
	t.Helper()
	data, err := e.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte(strconv.Itoa(len(data))+"\n"), data...)
}

// startExecutorConn is an ExecutorConn that speaks to a fake one.
func startExecutorConn(t *testing.T, token string, answer func(w http.ResponseWriter, c *executor.Call)) (*ExecutorConn, *fakeExecutorAPI) {
	t.Helper()
	f := &fakeExecutorAPI{calls: make(chan *executor.Call, 1000), answer: answer}
	server := httptest.NewServer(f)
	a := NewExecutorConn(ExecutorConfig{Addr: strings.TrimPrefix(server.URL, "http://"), FrameworkID: "F", ExecutorID: "E", Token: token})
	t.Cleanup(func() {
		a.Close()
		server.Close()
	})
	return a, f
}

func killedStatus(id string) mesos.TaskStatus {
	return mesos.TaskStatus{TaskID: mesos.TaskID{Value: id}, State: mesos.TASK_KILLED.Enum(), Source: mesos.SOURCE_EXECUTOR.Enum(), UUID: make([]byte, 16)}
}

// TestExecutorConnStream: a stream and its events, an update and its answer.
func TestExecutorConnStream(t *testing.T) {
	more := make(chan []byte)
	a, f := startExecutorConn(t, "secret", func(w http.ResponseWriter, c *executor.Call) {
		if c.Type != executor.Call_SUBSCRIBE {
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
	if n := a.Subscribe(&executor.Call_Subscribe{}); n != 1 {
		t.Errorf("the first epoch is %d", n)
	}
	if c := <-f.calls; c.Type != executor.Call_SUBSCRIBE || c.FrameworkID.Value != "F" || c.ExecutorID.Value != "E" {
		t.Errorf("the call is %v", c)
	}
	more <- agentFrame(t, &executor.Event{Type: executor.Event_SUBSCRIBED, Subscribed: &executor.Event_Subscribed{
		FrameworkInfo: mesos.FrameworkInfo{Name: "n"}}})
	if in := <-a.Incoming(); in.Epoch != 1 || in.Event == nil || in.Event.Type != executor.Event_SUBSCRIBED || in.Event.Subscribed.FrameworkInfo.Name != "n" {
		t.Errorf("the first event is %v", in)
	}
	kill := agentFrame(t, &executor.Event{Type: executor.Event_KILL, Kill: &executor.Event_Kill{TaskID: mesos.TaskID{Value: "a"},
		KillPolicy: &mesos.KillPolicy{GracePeriod: &mesos.DurationInfo{Nanoseconds: 7e9}}}})
	more <- append([]byte("2\n\x08\x63"), kill[:5]...) // an event of a type nobody knows yet, and half of one
	more <- kill[5:]
	if in := <-a.Incoming(); in.Event == nil || in.Event.Kill == nil || in.Event.Kill.TaskID.Value != "a" || in.Event.Kill.KillPolicy.GracePeriod.Nanoseconds != 7e9 {
		t.Errorf("the event is %v", in)
	}
	a.Update(killedStatus("a"))
	if c := <-f.calls; c.Type != executor.Call_UPDATE || c.Update.Status.TaskID.Value != "a" || c.Update.Status.GetSource() != mesos.SOURCE_EXECUTOR {
		t.Errorf("the call is %v", c)
	}
	if in := <-a.Incoming(); in.Taken == nil || in.Taken.TaskID.Value != "a" || in.Down != nil {
		t.Errorf("not taken: %v", in)
	}
	close(more)
	if in := <-a.Incoming(); in.Down == nil || in.Final {
		t.Errorf("the end of the stream is %v", in)
	}
}

// TestExecutorConnRefuses: what of an agent's answers is final.
func TestExecutorConnRefuses(t *testing.T) {
	for status, final := range map[int]bool{400: true, 403: true, 307: true, 404: false, 500: false, 503: false} {
		a, _ := startExecutorConn(t, "secret", func(w http.ResponseWriter, c *executor.Call) {
			w.Header().Set("Location", "/elsewhere")
			http.Error(w, "no\nway\x1b[31m", status)
		})
		a.Subscribe(&executor.Call_Subscribe{})
		if in := <-a.Incoming(); in.Down == nil || in.Final != final || !strings.Contains(in.Down.Error(), strconv.Itoa(status)) || strings.ContainsAny(in.Down.Error(), "\n\x1b") {
			t.Errorf("%d: %v", status, in)
		}
		a.Update(killedStatus("a"))
		if in := <-a.Incoming(); in.Down == nil || in.Final {
			t.Errorf("%d to an update: %v", status, in)
		}
	}
	a, _ := startExecutorConn(t, "wrong", nil)
	a.Subscribe(&executor.Call_Subscribe{})
	if in := <-a.Incoming(); in.Down == nil || !in.Final || strings.Contains(in.Down.Error(), "wrong") {
		t.Errorf("a wrong token: %v", in)
	}
}

// TestExecutorConnGarbage: a stream that makes no sense ends.
func TestExecutorConnGarbage(t *testing.T) {
	for _, text := range []string{"x\n", "99999999999\n", "67108865\n", "5\nab", "3\n\xff\xff\xff", "2\n\x08\x04"} { // the last: a KILL of nothing
		a, _ := startExecutorConn(t, "secret", func(w http.ResponseWriter, c *executor.Call) {
			_, _ = io.WriteString(w, text)
		})
		a.Subscribe(&executor.Call_Subscribe{})
		if in := <-a.Incoming(); in.Down == nil || in.Final || in.Event != nil {
			t.Errorf("%q: %v", text, in)
		}
	}
}

// said is an update of a task that can be told from its others.
func said(id, message string) mesos.TaskStatus {
	status := killedStatus(id)
	status.Message = &message
	return status
}

// TestExecutorConnEpochs: with a new stream what waits for an old one is dropped.
func TestExecutorConnEpochs(t *testing.T) {
	held, seen := make(chan struct{}), make(chan string, 100)
	a, _ := startExecutorConn(t, "secret", func(w http.ResponseWriter, c *executor.Call) {
		if c.Type == executor.Call_UPDATE {
			seen <- c.Update.Status.GetMessage()
			<-held
		}
		w.WriteHeader(http.StatusAccepted)
	})
	a.Update(said("a", "first"))
	<-seen
	a.Update(said("a", "late"))
	if n := a.Subscribe(&executor.Call_Subscribe{}); n != 1 {
		t.Errorf("epoch %d", n)
	}
	a.Update(said("a", "now"))
	close(held)
	if what := <-seen; what != "now" {
		t.Errorf("%s was sent", what)
	}
	for {
		if in := <-a.Incoming(); in.Taken != nil && in.Taken.GetMessage() == "now" {
			if in.Epoch != 1 {
				t.Errorf("it is of epoch %d", in.Epoch)
			}
			break
		}
	}
}

// TestExecutorConnOrder: the updates of a task never overtake each other.
func TestExecutorConnOrder(t *testing.T) {
	var mu sync.Mutex
	seen := map[string][]string{}
	a, _ := startExecutorConn(t, "secret", func(w http.ResponseWriter, c *executor.Call) {
		mu.Lock()
		id := c.Update.Status.TaskID.Value
		seen[id] = append(seen[id], c.Update.Status.GetMessage())
		mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	})
	const tasks, updates = 9, 10
	for n := range updates {
		for task := range tasks {
			a.Update(said(strconv.Itoa(task), strconv.Itoa(n)))
		}
	}
	for range tasks * updates {
		if in := <-a.Incoming(); in.Taken == nil {
			t.Fatal(in)
		}
	}
	for id, list := range seen {
		if got := strings.Join(list, " "); got != "0 1 2 3 4 5 6 7 8 9" {
			t.Errorf("%s: %s", id, got)
		}
	}
}

// TestExecutorConnCut: what waits behind an update that did not come through does not
// leave before the next SUBSCRIBE, which tells of both.
func TestExecutorConnCut(t *testing.T) {
	held, seen := make(chan struct{}), make(chan string, 100)
	a, _ := startExecutorConn(t, "secret", func(w http.ResponseWriter, c *executor.Call) {
		if c.Type == executor.Call_UPDATE {
			seen <- c.Update.Status.GetMessage()
			<-held
		}
		http.Error(w, "recovering", http.StatusServiceUnavailable)
	})
	a.Update(said("a", "running"))
	a.Update(said("a", "finished"))
	<-seen
	close(held)
	if in := <-a.Incoming(); in.Down == nil || in.Epoch != 0 {
		t.Errorf("a refused update is %v", in)
	}
	a.Update(said("a", "more"))
	a.Subscribe(&executor.Call_Subscribe{})
	a.Update(said("a", "again"))
	if what := <-seen; what != "again" {
		t.Errorf("%s was sent", what)
	}
}

// TestExecutorConnCloses: with nobody reading, and an agent that talks without end.
func TestExecutorConnCloses(t *testing.T) {
	a, f := startExecutorConn(t, "secret", func(w http.ResponseWriter, c *executor.Call) {
		beat := agentFrame(t, &executor.Event{Type: executor.Event_HEARTBEAT})
		for {
			if _, err := w.Write(beat); err != nil {
				return
			}
		}
	})
	a.Subscribe(&executor.Call_Subscribe{})
	<-f.calls
	for deadline := time.Now().Add(patience); len(a.Incoming()) < maxHeard; { // nobody tells how much waits there
		if time.Now().After(deadline) {
			t.Fatalf("%d events wait to be read, want %d", len(a.Incoming()), maxHeard)
		}
		runtime.Gosched()
	}
	a.Close()
}

// FuzzExecutorConn: no bytes of an agent do harm, and what comes of them is whole.
func FuzzExecutorConn(f *testing.F) {
	f.Add([]byte("3\n\x08\x09\x00"))
	f.Add([]byte("2\n\x08\x04"))
	f.Add([]byte("99999999999\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		frames := wire.NewFrames(strings.NewReader(string(data)))
		for {
			frame, err := frames.Next()
			if err != nil {
				return
			}
			if ev, err := agentEvent(frame); err == nil && ev != nil && !agentEventWhole(ev) {
				t.Errorf("%v", ev)
			}
		}
	})
}

// TestExecutorConnNesting: a hostile event does not end the process.
func TestExecutorConnNesting(t *testing.T) {
	groups := strings.Repeat("\x0b", 1<<20) + strings.Repeat("\x0c", 1<<20)
	if _, err := agentEvent([]byte(groups)); err == nil || !strings.Contains(err.Error(), "nested") {
		t.Errorf("a million groups: %v", err)
	}
}
