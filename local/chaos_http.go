package local

import (
	"errors"
	"net/http"
)

// addChaos adds the paths that do faults on purpose (docs/chaos.md).
func (c *Cluster) addChaos(mux *routes) {
	mux.HandleFunc("/chaos", c.serveChaos)
	mux.HandleFunc("/chaos/agents/{agent}/{fault}", c.serveAgentFault)
	mux.HandleFunc("/chaos/executors/kill", c.serveKillExecutor)
	mux.HandleFunc("/chaos/master/restart", c.serveRestartMaster)
}

// chaosView is what GET /chaos tells.
type chaosView struct {
	Master masterBrief  `json:"master"`
	Agents []AgentState `json:"agents"`
}

type masterBrief struct {
	ID   string `json:"id"`
	Addr string `json:"addr"`
}

func (c *Cluster) viewMaster() (v masterBrief, err error) {
	v.Addr = c.Addr()
	if !c.master.box.call(func() { v.ID = c.master.id }) {
		return v, errEnded
	}
	return v, nil
}

func (c *Cluster) serveChaos(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	master, err := c.viewMaster()
	answerFault(w, chaosView{Master: master, Agents: append([]AgentState{}, c.AgentStates()...)}, err)
}

func (c *Cluster) serveAgentFault(w http.ResponseWriter, r *http.Request) {
	faults := map[string]func(int) error{
		"hang": c.HangAgent, "resume": c.ResumeAgent, "kill": c.KillAgent, "shutdown": c.ShutdownAgent, "gone": c.MarkAgentGone,
		"start": func(i int) error { return c.StartAgent(i, r.URL.Query().Get("new") == "true") },
	}
	do := faults[r.PathValue("fault")]
	if do == nil {
		http.NotFound(w, r)
		return
	}
	if !allow(w, r, http.MethodPost) {
		return
	}
	i, err := c.FindAgent(r.PathValue("agent"))
	if err == nil {
		err = do(i)
	}
	var state AgentState
	if err == nil {
		state, err = c.agentState(i)
	}
	answerFault(w, state, err)
}

func (c *Cluster) serveKillExecutor(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodPost) {
		return
	}
	q := r.URL.Query()
	framework, executor := q.Get("framework_id"), q.Get("executor_id")
	answerFault(w, map[string]string{"framework_id": framework, "executor_id": executor}, c.KillExecutor(framework, executor))
}

// serveRestartMaster is answered by the new master.
func (c *Cluster) serveRestartMaster(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodPost) {
		return
	}
	err := c.restartMaster(connOf(r))
	master, viewErr := c.viewMaster()
	answerFault(w, master, errors.Join(err, viewErr))
}

// answerFault answers with a view or, in the same form, with what is wrong.
func answerFault(w http.ResponseWriter, v any, err error) {
	var fault *FaultError
	status := http.StatusOK
	switch {
	case err == nil:
	case !errors.As(err, &fault):
		status = http.StatusServiceUnavailable
	case fault.Known:
		status = http.StatusConflict
	default:
		status = http.StatusNotFound
	}
	if err != nil {
		v = map[string]string{"error": err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(marshal(v)) // a client that has gone is no error of ours
}
