package local

import "net/http"

// Mesos' own page shows the sandbox of an executor at
// /#/agents/AGENT/frameworks/FRAMEWORK/executors/EXECUTOR/browse (Mesos:
// src/webui/app/app.js). What follows the # stays in the browser: script.js asks for
// this address instead, so that who made one for a Mesos master is right here too.

// serveExecutor goes on to the sandbox of the task that has its executor's id, as all
// have that bring none; else to the framework, which has the tasks of its executors.
func (m *master) serveExecutor(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	framework, id := r.PathValue("framework"), r.PathValue("executor")
	to := frameworkPage(framework)
	m.box.call(func() {
		if m.findTask(framework, id, "") != nil {
			to = sandboxPage(framework, id, "")
		}
	})
	http.Redirect(w, r, to, http.StatusFound)
}
