package mesosapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"

	"cmdq/wire"
)

const (
	agentPath   = "/slave(1)/api/v1/executor"
	updateLanes = 4 // updates on their way at a time
	maxHeard    = 256

	// agentAnswer is for any answer. An agent that dies closes its connections,
	// and keep-alive finds a host that is gone. One that was given thousands of
	// tasks at once may take minutes, and a SUBSCRIBE that is given up before is
	// handled nevertheless: what it then sends there is lost.
	agentAnswer = 3 * time.Minute
)

// ExecutorConfig is what an ExecutorConn needs to know. An agent tells its executors in
// their environment (Mesos: docs/executor-http-api.md).
type ExecutorConfig struct {
	Addr        string // host:port, MESOS_AGENT_ENDPOINT
	FrameworkID string // MESOS_FRAMEWORK_ID
	ExecutorID  string // MESOS_EXECUTOR_ID
	Token       string // MESOS_EXECUTOR_AUTHENTICATION_TOKEN; "": it asks for none
}

// ExecutorConn is an executor's connection to its agent, by the v1 executor API: one
// stream of events, and updates. Its methods may be called by several goroutines.
type ExecutorConn struct {
	cfg      ExecutorConfig
	client   http.Client
	incoming chan FromAgent
	ctx      context.Context
	cancel   context.CancelFunc
	work     sync.WaitGroup

	mu    sync.Mutex // protects what follows
	epoch int
	end   context.CancelFunc // of the epoch
	cut   bool               // an update did not come through: no more of this epoch
	seed  maphash.Seed
	lanes [updateLanes]agentLane
}

// agentLane sends one update after the other. All of a task take the same one.
type agentLane struct {
	queue   []mesos.TaskStatus
	waiting *sync.Cond
}

// FromAgent is one thing that came of an epoch, which is what follows one
// Subscribe.
type FromAgent struct {
	Epoch int

	// Event is an event of the stream.
	Event *executor.Event

	// Taken is an update that the agent answered with 202: it will see to it
	// that the scheduler hears of it. Its acknowledgement is an event.
	Taken *mesos.TaskStatus

	// Down says that the stream ended, could not be opened, or that an update
	// did not come through: subscribe again, with what is not acknowledged.
	Down error

	// Final comes with Down: the agent refuses the SUBSCRIBE and will do so
	// again. One that is recovering says 503, one that is not set up yet 404;
	// any other refusal is final (Mesos: src/executor/executor.cpp).
	Final bool
}

// NewExecutorConn makes an ExecutorConn. Nobody hears of it before Subscribe.
func NewExecutorConn(cfg ExecutorConfig) *ExecutorConn {
	a := &ExecutorConn{cfg: cfg, incoming: make(chan FromAgent, maxHeard), end: func() {}, seed: maphash.MakeSeed()}
	a.client.Transport = &http.Transport{
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    updateLanes + 1,
		IdleConnTimeout:        time.Minute,
		ResponseHeaderTimeout:  agentAnswer,
		MaxResponseHeaderBytes: 64 << 10,
	}
	// An agent redirects nothing, and the token is for it alone.
	a.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	a.ctx, a.cancel = context.WithCancel(context.Background())
	for i := range a.lanes {
		l := &a.lanes[i]
		l.waiting = sync.NewCond(&a.mu)
		a.work.Go(func() { a.send(l) })
	}
	return a
}

// Incoming gives all that comes, events in their order. It is bounded: who does
// not read holds the stream back. It is never closed. What an epoch had put in
// there before it ended is told apart by its number.
func (a *ExecutorConn) Incoming() <-chan FromAgent { return a.incoming }

// Subscribe opens a stream and returns its epoch at once: 1, then 2, and so on.
// The epoch before ends: its stream is closed, its updates that wait are
// dropped. The call tells the agent what it did not acknowledge.
func (a *ExecutorConn) Subscribe(call *executor.Call_Subscribe) int {
	ctx, cancel := context.WithCancel(a.ctx)
	a.mu.Lock()
	a.end()
	a.epoch++
	epoch := a.epoch
	a.end, a.cut = cancel, false
	a.drop()
	a.mu.Unlock()
	a.work.Go(func() {
		defer cancel()
		final, err := a.listen(ctx, epoch, &executor.Call{Type: executor.Call_SUBSCRIBE, Subscribe: call})
		a.post(ctx, FromAgent{Epoch: epoch, Down: err, Final: final})
	})
	return epoch
}

// Update sends a status and returns at once; whether it came through is told as
// Taken or Down. Those of one task leave in order, each after the answer to the
// one before. After one that did not come through none leaves before the next
// Subscribe. The caller bounds how many wait.
func (a *ExecutorConn) Update(status mesos.TaskStatus) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cut {
		return
	}
	l := &a.lanes[maphash.String(a.seed, status.TaskID.Value)%updateLanes]
	l.queue = append(l.queue, status)
	l.waiting.Signal()
}

// drop forgets what waits.
func (a *ExecutorConn) drop() {
	for i := range a.lanes {
		a.lanes[i].queue = nil
	}
}

// Close ends the stream and drops what waits. When it returns no goroutine of
// the ExecutorConn runs any more.
func (a *ExecutorConn) Close() {
	a.cancel()
	a.mu.Lock()
	for i := range a.lanes {
		a.lanes[i].waiting.Signal()
	}
	a.mu.Unlock()
	a.work.Wait()
	a.client.CloseIdleConnections()
}

// post is dropped when its epoch, or the ExecutorConn, has ended.
func (a *ExecutorConn) post(ctx context.Context, in FromAgent) {
	select {
	case a.incoming <- in:
	case <-ctx.Done():
	}
}

// send sends what is in a lane.
func (a *ExecutorConn) send(l *agentLane) {
	for {
		a.mu.Lock()
		for len(l.queue) == 0 && a.ctx.Err() == nil {
			l.waiting.Wait()
		}
		if a.ctx.Err() != nil {
			a.mu.Unlock()
			return
		}
		in, status := FromAgent{Epoch: a.epoch}, l.queue[0]
		l.queue[0] = mesos.TaskStatus{}
		l.queue = l.queue[1:]
		a.mu.Unlock()
		if err := a.call(&executor.Call{Type: executor.Call_UPDATE, Update: &executor.Call_Update{Status: status}}); err != nil {
			in.Down = fmt.Errorf("send an update: %w", err)
			a.giveUp(in.Epoch)
		} else {
			in.Taken = &status
		}
		a.post(a.ctx, in)
	}
}

// giveUp keeps what waits from overtaking an update that did not come through.
func (a *ExecutorConn) giveUp(epoch int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if epoch == a.epoch {
		a.cut = true
		a.drop()
	}
}

// call makes a call that is answered with 202.
func (a *ExecutorConn) call(call *executor.Call) error {
	ctx, cancel := context.WithTimeout(a.ctx, agentAnswer)
	defer cancel()
	resp, err := a.request(ctx, call)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		return agentRefusal(resp)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxWords))
	return err
}

func (a *ExecutorConn) request(ctx context.Context, call *executor.Call) (*http.Response, error) {
	call.FrameworkID.Value, call.ExecutorID.Value = a.cfg.FrameworkID, a.cfg.ExecutorID
	body, err := call.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", call.Type, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+a.cfg.Addr+agentPath, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", protobufCodec.mediaType)
	r.Header.Set("Accept", protobufCodec.mediaType)
	if a.cfg.Token != "" {
		r.Header.Set("Authorization", "Bearer "+a.cfg.Token)
	}
	return a.client.Do(r)
}

func agentRefusal(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxWords)) // what there is
	return fmt.Errorf("agent: refused: %s", status(resp.StatusCode, oneLine(string(text))))
}

// listen subscribes and posts events until the stream ends; see FromAgent for
// what is final.
func (a *ExecutorConn) listen(ctx context.Context, epoch int, call *executor.Call) (final bool, err error) {
	resp, err := a.request(ctx, call)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		again := resp.StatusCode >= 500 || resp.StatusCode == http.StatusNotFound
		return !again, agentRefusal(resp)
	}
	frames := wire.NewFrames(resp.Body)
	for {
		frame, err := frames.Next()
		if err == io.EOF {
			err = errors.New("the agent closed the stream")
		}
		if err != nil {
			return false, err
		}
		ev, err := agentEvent(frame)
		if err != nil {
			return false, err
		}
		if ev != nil {
			a.post(ctx, FromAgent{Epoch: epoch, Event: ev})
		}
	}
}

// agentEvent decodes one frame; nil without an error is an event of a type that
// mesos-go does not know: a newer agent may send such.
func agentEvent(frame []byte) (*executor.Event, error) {
	ev := new(executor.Event)
	if err := wire.Unmarshal(frame, ev); err != nil {
		return nil, fmt.Errorf("decode an event: %w", err)
	}
	if _, known := executor.Event_Type_name[int32(ev.Type)]; !known || ev.Type == executor.Event_UNKNOWN {
		return nil, nil
	}
	if !agentEventWhole(ev) {
		return nil, fmt.Errorf("decode an event: %s without its content", ev.Type)
	}
	return ev, nil
}

// agentEventWhole tells whether the event has the member that its type promises.
func agentEventWhole(e *executor.Event) bool {
	switch e.Type {
	case executor.Event_SUBSCRIBED:
		return e.Subscribed != nil
	case executor.Event_LAUNCH:
		return e.Launch != nil
	case executor.Event_LAUNCH_GROUP:
		return e.LaunchGroup != nil
	case executor.Event_KILL:
		return e.Kill != nil
	case executor.Event_ACKNOWLEDGED:
		return e.Acknowledged != nil
	case executor.Event_MESSAGE:
		return e.Message != nil
	case executor.Event_ERROR:
		return e.Error != nil
	}
	return true
}
