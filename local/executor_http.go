package local

import (
	"crypto/subtle"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
)

// executorHeartbeat is the interval of HEARTBEAT events to executors (Mesos:
// src/slave/constants.hpp).
const executorHeartbeat = 30 * time.Minute

// serveExecutor is the v1 executor API. What is checked first, and how it is
// answered, is as in Mesos: src/slave/http.cpp, Http::executor.
func (a *agent) serveExecutor(w http.ResponseWriter, r *http.Request) {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if a.guarded && (!bearer || !a.knowsToken(token)) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="mesos-agent-executor"`)
		http.Error(w, "the executor's token is missing or wrong", http.StatusUnauthorized)
		return
	}
	if !allow(w, r, http.MethodPost) {
		return
	}
	c, status, text := readExecutorCall(w, r)
	if status != 0 {
		http.Error(w, text, status)
		return
	}
	cdc := acceptedCodec(r.Header)
	switch {
	case c.Type == executor.Call_SUBSCRIBE && cdc == nil:
		http.Error(w, "the events can be application/json or application/x-protobuf", http.StatusNotAcceptable)
		return
	case c.Type == executor.Call_HEARTBEAT:
		w.WriteHeader(http.StatusAccepted)
		return
	}
	var answer answer
	var s *stream
	if !a.box.call(func() { answer, s = a.executorCall(c, cdc, token) }) {
		http.Error(w, "shutting down", http.StatusServiceUnavailable)
		return
	}
	switch {
	case s != nil:
		w.Header().Set("Content-Type", cdc.contentType)
		w.WriteHeader(http.StatusOK)
		s.serve(r.Context(), w, executorBeats[cdc], executorHeartbeat)
	case answer.text != "":
		http.Error(w, answer.text, answer.status)
	default:
		w.WriteHeader(answer.status)
	}
}

// knowsToken tells whether a token is that of an executor that has not ended.
func (a *agent) knowsToken(token string) bool {
	known := false
	a.box.call(func() {
		for _, f := range a.frameworks {
			for _, e := range f.executors {
				known = e.state != executorTerminated && e.hasToken(token) || known
			}
		}
	})
	return known
}

func (e *agentExecutor) hasToken(token string) bool {
	return subtle.ConstantTimeCompare([]byte(e.token), []byte(token)) == 1
}

// readExecutorCall reads and checks the body of a request; the status is 0 if
// it is a call.
func readExecutorCall(w http.ResponseWriter, r *http.Request) (c *executor.Call, status int, text string) {
	c = &executor.Call{}
	if status, text = readMessage(w, r, c); status != 0 {
		return nil, status, text
	}
	if text := validateExecutorCall(c); text != "" {
		return nil, http.StatusBadRequest, "Failed to validate executor::Call: " + text
	}
	return c, 0, ""
}

// validateExecutorCall checks what can be checked of a call without knowing
// anything of the executor (Mesos: executor::call::validate in
// src/common/validation.cpp); "" if nothing is wrong.
func validateExecutorCall(c *executor.Call) string {
	switch c.Type {
	case executor.Call_UNKNOWN:
		return "Expecting 'type' to be present"
	case executor.Call_SUBSCRIBE:
		if c.Subscribe == nil {
			return "Expecting 'subscribe' to be present"
		}
		for i := range c.Subscribe.UnacknowledgedUpdates {
			if text := validateExecutorStatus(&c.Subscribe.UnacknowledgedUpdates[i].Status, c.ExecutorID.Value); text != "" {
				return text
			}
		}
	case executor.Call_UPDATE:
		if c.Update == nil {
			return "Expecting 'update' to be present"
		}
		return validateExecutorStatus(&c.Update.Status, c.ExecutorID.Value)
	case executor.Call_MESSAGE:
		if c.Message == nil {
			return "Expecting 'message' to be present"
		}
	}
	return ""
}

func validateExecutorStatus(s *mesos.TaskStatus, executorID string) string {
	switch {
	case s.State == nil:
		return "Expecting 'state' to be present"
	case s.UUID == nil:
		return "Expecting 'uuid' to be present"
	case !validUUID(s.UUID):
		return "Expecting 'uuid' to be a valid UUID"
	case math.IsNaN(s.GetTimestamp()) || math.IsInf(s.GetTimestamp(), 0):
		return "Expecting 'timestamp' to be a number of seconds" // Mesos does not look; JSON cannot hold it
	case s.ExecutorID != nil && s.ExecutorID.Value != executorID:
		return "ExecutorID in Call: " + executorID + " does not match ExecutorID in TaskStatus: " + s.ExecutorID.Value
	case s.Source == nil || s.GetSource() != mesos.SOURCE_EXECUTOR:
		return "Received Call from executor " + executorID + " with a source that is not SOURCE_EXECUTOR"
	case s.GetState() == mesos.TASK_STAGING:
		return "Received TASK_STAGING from executor " + executorID + " which is not allowed"
	}
	return ""
}

// executorCall does what an executor asks for. A SUBSCRIBE is answered with a
// stream.
func (a *agent) executorCall(c *executor.Call, cdc *codec, token string) (answer, *stream) {
	f := a.frameworks[c.FrameworkID.Value]
	if f == nil {
		return answer{http.StatusBadRequest, "Framework cannot be found"}, nil
	}
	e := f.executors[c.ExecutorID.Value]
	switch {
	case e == nil || e.builtin():
		return answer{http.StatusBadRequest, "Executor cannot be found"}, nil
	case a.guarded && !e.hasToken(token):
		return answer{http.StatusForbidden, "the token is another executor's"}, nil
	case c.Type == executor.Call_SUBSCRIBE:
		return answer{}, a.subscribeExecutor(e, c.Subscribe, cdc)
	case e.state == executorRegistering || e.stream == nil:
		return answer{http.StatusForbidden, "Executor is not subscribed"}, nil
	}
	switch c.Type {
	case executor.Call_UPDATE:
		a.onExecutorUpdate(e, &c.Update.Status)
	case executor.Call_MESSAGE:
		a.onExecutorMessage(e, c.Message.Data)
	}
	return accepted, nil
}
