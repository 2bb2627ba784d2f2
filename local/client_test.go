package local

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// patience bounds every wait of a test; no test is meant to use it up.
const patience = 20 * time.Second

// comes polls, for what no signal tells, such as a stranger's end, and says
// whether it came in time.
func comes(ok func() bool) bool {
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// eventually is comes for a test that cannot go on without it.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	if !comes(ok) {
		t.Fatal("not in time: " + what)
	}
}

// startCluster starts a cluster that ends with the test, and checks that its
// end is clean.
func startCluster(t testing.TB, cfg Config) *Cluster {
	t.Helper()
	if cfg.WorkDir == "" {
		cfg.WorkDir = t.TempDir()
	}
	if cfg.Resources == "" {
		cfg.Resources = "cpus:4;mem:4096;disk:1000;ports:[31000-31009]"
	}
	if cfg.AllocationInterval == 0 {
		cfg.AllocationInterval = 20 * time.Millisecond
	}
	c, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return c
}

// client is a scheduler, over real HTTP.
type client struct {
	t        testing.TB
	url      string
	codec    *codec
	secret   string // of the cluster
	id       string
	streamID string
	status   int // of the SUBSCRIBE
	events   chan *scheduler.Event
	stash    []*scheduler.Event
	breakOff context.CancelFunc
}

var (
	plain  = mesos.FrameworkInfo{User: "ann", Name: "test", FailoverTimeout: new(60.0)}
	modern = mesos.FrameworkInfo{User: "ann", Name: "test", FailoverTimeout: new(60.0), Checkpoint: new(true), Roles: []string{"*"}, Capabilities: []mesos.FrameworkInfo_Capability{
		{Type: mesos.FrameworkInfo_Capability_MULTI_ROLE}, {Type: mesos.FrameworkInfo_Capability_PARTITION_AWARE}, {Type: mesos.FrameworkInfo_Capability_TASK_KILLING_STATE},
	}}
)

// subscribe subscribes a framework and reads its events until it is done.
func subscribe(t testing.TB, c *Cluster, cdc *codec, info mesos.FrameworkInfo, suppressed ...string) *client {
	t.Helper()
	s := &client{t: t, url: "http://" + c.Addr() + "/api/v1/scheduler", codec: cdc, secret: c.cfg.Secret, events: make(chan *scheduler.Event, 10_000)}
	ctx, cancel := context.WithCancel(context.Background())
	s.breakOff = cancel
	call := &scheduler.Call{Type: scheduler.Call_SUBSCRIBE, FrameworkID: info.ID, Subscribe: &scheduler.Call_Subscribe{FrameworkInfo: &info, SuppressedRoles: suppressed}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(encodeCall(t, cdc, call)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", cdc.contentType)
	req.Header.Set("Accept", cdc.contentType)
	s.authorize(req)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	s.status, s.streamID = resp.StatusCode, resp.Header.Get("Mesos-Stream-Id")
	ended := make(chan struct{})
	t.Cleanup(func() { cancel(); <-ended })
	go func() {
		defer close(ended)
		defer close(s.events)
		defer resp.Body.Close()
		readEvents(resp.Body, cdc, s.events)
	}()
	if first := s.next(); first != nil && first.Type == scheduler.Event_SUBSCRIBED {
		s.id = first.Subscribed.FrameworkID.Value
	} else {
		s.stash = append(s.stash, first)
	}
	return s
}

func (s *client) authorize(req *http.Request) {
	if s.secret != "" {
		req.Header.Set("Authorization", "Bearer "+s.secret)
	}
}

func encodeCall(t testing.TB, cdc *codec, c *scheduler.Call) []byte {
	t.Helper()
	if !cdc.protobuf {
		return appendJSON(nil, c)
	}
	body, err := proto.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// readEvents reads RecordIO, of a scheduler or of an executor, until the stream
// ends.
func readEvents[E any, P interface {
	*E
	proto.Message
}](body io.Reader, cdc *codec, into chan<- P) {
	r := bufio.NewReader(body)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		size, err := strconv.Atoi(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return
		}
		frame := make([]byte, size)
		if _, err := io.ReadFull(r, frame); err != nil {
			return
		}
		e := P(new(E))
		if cdc.decode(frame, e) != nil {
			return
		}
		into <- e
	}
}

// next is the next event; nil when the stream has ended.
func (s *client) next() *scheduler.Event {
	s.t.Helper()
	select {
	case e := <-s.events:
		return e
	case <-time.After(patience):
		s.t.Fatal("no event came")
		return nil
	}
}

// wait is the next event of a type that fits; others are kept.
func (s *client) wait(kind scheduler.Event_Type, fits func(*scheduler.Event) bool) *scheduler.Event {
	s.t.Helper()
	for i, e := range s.stash {
		if e != nil && e.Type == kind && (fits == nil || fits(e)) {
			s.stash = append(s.stash[:i:i], s.stash[i+1:]...)
			return e
		}
	}
	for {
		e := s.next()
		if e == nil {
			s.t.Fatalf("the stream ended while waiting for %v", kind)
		}
		if e.Type == kind && (fits == nil || fits(e)) {
			return e
		}
		s.stash = append(s.stash, e)
	}
}

// closed waits for the end of the stream and returns the last event.
func (s *client) closed() *scheduler.Event {
	s.t.Helper()
	var last *scheduler.Event
	if n := len(s.stash); n > 0 {
		last = s.stash[n-1]
	}
	for {
		e := s.next()
		if e == nil {
			return last
		}
		last = e
	}
}

// tryCall sends a call and returns the answer's status.
func (s *client) tryCall(c *scheduler.Call) int {
	s.t.Helper()
	c.FrameworkID = &mesos.FrameworkID{Value: s.id}
	req, err := http.NewRequest(http.MethodPost, s.url, bytes.NewReader(encodeCall(s.t, s.codec, c)))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", s.codec.contentType)
	req.Header.Set("Mesos-Stream-Id", s.streamID)
	s.authorize(req)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// call sends a call that must be accepted.
func (s *client) call(c *scheduler.Call) {
	s.t.Helper()
	if status := s.tryCall(c); status != http.StatusAccepted {
		s.t.Fatalf("%v: status %d", c.Type, status)
	}
}

func (s *client) offer() mesos.Offer {
	s.t.Helper()
	return s.wait(scheduler.Event_OFFERS, nil).Offers.Offers[0]
}

func (s *client) accept(refuse float64, offers []mesos.Offer, tasks ...mesos.TaskInfo) {
	s.t.Helper()
	a := &scheduler.Call_Accept{Filters: &mesos.Filters{RefuseSeconds: &refuse}, Operations: []mesos.Offer_Operation{
		{Type: mesos.Offer_Operation_LAUNCH, Launch: &mesos.Offer_Operation_Launch{TaskInfos: tasks}},
	}}
	for _, o := range offers {
		a.OfferIDs = append(a.OfferIDs, o.ID)
	}
	s.call(&scheduler.Call{Type: scheduler.Call_ACCEPT, Accept: a})
}

func (s *client) decline(refuse float64, o mesos.Offer) {
	s.t.Helper()
	s.call(&scheduler.Call{Type: scheduler.Call_DECLINE, Decline: &scheduler.Call_Decline{
		OfferIDs: []mesos.OfferID{o.ID}, Filters: &mesos.Filters{RefuseSeconds: &refuse}}})
}

// update is the next update of a task, acknowledged.
func (s *client) update(task string) mesos.TaskStatus {
	s.t.Helper()
	st := s.peek(task)
	s.ack(st)
	return st
}

// peek is the next update of a task, not acknowledged.
func (s *client) peek(task string) mesos.TaskStatus {
	s.t.Helper()
	e := s.wait(scheduler.Event_UPDATE, func(e *scheduler.Event) bool { return e.Update.Status.TaskID.Value == task })
	return e.Update.Status
}

func (s *client) ack(st mesos.TaskStatus) {
	s.t.Helper()
	if len(st.UUID) > 0 {
		s.call(&scheduler.Call{Type: scheduler.Call_ACKNOWLEDGE, Acknowledge: &scheduler.Call_Acknowledge{
			AgentID: *st.AgentID, TaskID: st.TaskID, UUID: st.UUID}})
	}
}

// until acknowledges updates of a task up to a state, and returns them all.
func (s *client) until(task string, state mesos.TaskState) []mesos.TaskStatus {
	s.t.Helper()
	var all []mesos.TaskStatus
	for {
		st := s.update(task)
		all = append(all, st)
		if st.GetState() == state {
			return all
		}
		if terminal(st.GetState()) {
			s.t.Fatalf("task %s ended %v (%s) and not %v", task, st.GetState(), st.GetMessage(), state)
		}
	}
}

// command1 is a task that runs a shell command with 0.1 cpus and 32 MB.
func command1(id string, o mesos.Offer, line string) mesos.TaskInfo {
	return mesos.TaskInfo{
		Name: id, TaskID: mesos.TaskID{Value: id}, AgentID: o.AgentID, Command: &mesos.CommandInfo{Value: &line},
		Resources: []mesos.Resource{scalarResource("cpus", 0.1), scalarResource("mem", 32)},
	}
}

func scalarResource(name string, value float64) mesos.Resource {
	return mesos.Resource{Name: name, Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: value}}
}

// offered is the scalar resource of an offer.
func offered(o mesos.Offer, name string) float64 {
	var sum float64
	for _, r := range o.Resources {
		if r.Name == name && r.Scalar != nil {
			sum += r.Scalar.Value
		}
	}
	return sum
}
