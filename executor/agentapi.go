package executor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	api "github.com/mesos/mesos-go/api/v1/lib/executor"

	"cmdq/wire"
)

const (
	mediaType    = "application/x-protobuf"
	callsAtOnce  = 4
	maxErrorText = 1000 // bytes of what an agent says

	// answerTimeout is for any answer. An agent that dies closes its connections,
	// and keep-alive finds a host that is gone. One that was given thousands of
	// tasks at once may take minutes, and a SUBSCRIBE that is given up before is
	// handled nevertheless: what it then sends there is lost.
	answerTimeout = 3 * time.Minute
)

// agentAPI speaks the v1 executor API of the agent: one stream of events, and
// calls. What belongs to an earlier epoch than the last subscribe is dropped.
// What comes, comes as fromAgent.
type agentAPI struct {
	url, framework, executor, token string

	post   func(event)
	client http.Client
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex // protects what follows
	epoch   int
	end     context.CancelFunc // of the epoch
	queue   []outgoing         // bounded by the updates there are, see state
	waiting *sync.Cond
}

type outgoing struct {
	epoch  int
	status mesos.TaskStatus
}

func newAgentAPI(cfg Config, post func(event)) *agentAPI {
	a := &agentAPI{
		url:       "http://" + cfg.Agent + "/slave(1)/api/v1/executor",
		framework: cfg.FrameworkID, executor: cfg.ExecutorID, token: cfg.Token, post: post, end: func() {},
	}
	a.client.Transport = &http.Transport{
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    callsAtOnce + 1,
		IdleConnTimeout:        time.Minute,
		ResponseHeaderTimeout:  answerTimeout,
		MaxResponseHeaderBytes: 64 << 10,
	}
	// An agent redirects nothing, and the token is for it alone.
	a.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.waiting = sync.NewCond(&a.mu)
	for range callsAtOnce {
		a.work.Go(a.send)
	}
	return a
}

// subscribe opens a stream and ends the one before.
func (a *agentAPI) subscribe(epoch int, call *api.Call_Subscribe) {
	ctx, cancel := context.WithCancel(a.ctx)
	a.mu.Lock()
	a.end()
	a.epoch, a.end, a.queue = epoch, cancel, nil
	a.mu.Unlock()
	a.work.Go(func() {
		defer cancel()
		fatal, err := a.listen(ctx, epoch, &api.Call{Type: api.Call_SUBSCRIBE, Subscribe: call})
		a.post(fromAgent{epoch, down{err: err, fatal: fatal}})
	})
}

// update sends a status; delivered tells that it came through, down that not.
func (a *agentAPI) update(epoch int, status mesos.TaskStatus) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if epoch == a.epoch {
		a.queue = append(a.queue, outgoing{epoch: epoch, status: status})
		a.waiting.Signal()
	}
}

// close ends the stream and drops what waits.
func (a *agentAPI) close() {
	a.cancel()
	a.mu.Lock()
	a.waiting.Broadcast()
	a.mu.Unlock()
	a.work.Wait()
	a.client.CloseIdleConnections()
}

// send sends what is in the queue, one after the other.
func (a *agentAPI) send() {
	for {
		a.mu.Lock()
		for len(a.queue) == 0 && a.ctx.Err() == nil {
			a.waiting.Wait()
		}
		if a.ctx.Err() != nil {
			a.mu.Unlock()
			return
		}
		out := a.queue[0]
		a.queue[0] = outgoing{}
		a.queue = a.queue[1:]
		a.mu.Unlock()
		call := &api.Call{Type: api.Call_UPDATE, Update: &api.Call_Update{Status: out.status}}
		ev := event(delivered{id: out.status.TaskID.Value, uuid: out.status.UUID})
		if err := a.call(call); err != nil {
			ev = down{err: fmt.Errorf("send an update: %w", err)}
		}
		a.post(fromAgent{out.epoch, ev})
	}
}

// call makes a call that is answered with 202.
func (a *agentAPI) call(call *api.Call) error {
	ctx, cancel := context.WithTimeout(a.ctx, answerTimeout)
	defer cancel()
	resp, err := a.request(ctx, call)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		return refusal(resp)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxErrorText))
	return err
}

func (a *agentAPI) request(ctx context.Context, call *api.Call) (*http.Response, error) {
	call.FrameworkID.Value, call.ExecutorID.Value = a.framework, a.executor
	body, err := call.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", call.Type, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", mediaType)
	r.Header.Set("Accept", mediaType)
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	return a.client.Do(r)
}

func refusal(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorText)) // what there is
	return fmt.Errorf("%s: %q", resp.Status, strings.TrimSpace(string(text)))
}

// listen subscribes and reads events until the stream ends. fatal tells that
// there is no point in trying again: an agent that is recovering says 503, one
// that is not set up yet 404, and any other refusal is final (Mesos:
// src/executor/executor.cpp).
func (a *agentAPI) listen(ctx context.Context, epoch int, call *api.Call) (fatal bool, err error) {
	resp, err := a.request(ctx, call)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		again := resp.StatusCode >= 500 || resp.StatusCode == http.StatusNotFound
		return !again, refusal(resp)
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
		ev, err := decode(frame)
		if err != nil {
			return false, err
		}
		if heard := translate(ev); heard != nil {
			a.post(fromAgent{epoch, heard})
		}
	}
}

// translate is an event of the wire as ours; nil: nothing to do.
func translate(e *api.Event) event {
	switch {
	case e.Type == api.Event_SUBSCRIBED && e.Subscribed != nil:
		for _, c := range e.Subscribed.FrameworkInfo.Capabilities {
			if c.Type == mesos.FrameworkInfo_Capability_TASK_KILLING_STATE {
				return subscribed{killing: true}
			}
		}
		return subscribed{}
	case e.Type == api.Event_LAUNCH && e.Launch != nil:
		return launched{e.Launch.Task}
	case e.Type == api.Event_LAUNCH_GROUP && e.LaunchGroup != nil:
		return launchedGroup{e.LaunchGroup.TaskGroup.Tasks}
	case e.Type == api.Event_KILL && e.Kill != nil:
		kill := killAsked{id: e.Kill.TaskID.Value}
		if d := e.Kill.KillPolicy.GetGracePeriod(); d != nil {
			grace := time.Duration(d.Nanoseconds)
			kill.grace = &grace
		}
		return kill
	case e.Type == api.Event_ACKNOWLEDGED && e.Acknowledged != nil:
		return acknowledged{e.Acknowledged.TaskID.Value, e.Acknowledged.UUID}
	case e.Type == api.Event_MESSAGE && e.Message != nil:
		return messaged{len(e.Message.Data)}
	case e.Type == api.Event_SHUTDOWN:
		return shutdownAsked{by: "the agent"}
	case e.Type == api.Event_ERROR && e.Error != nil:
		return errored{e.Error.Message}
	}
	return nil // HEARTBEAT, or of a newer Mesos
}
