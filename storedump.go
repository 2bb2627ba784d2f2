package main

import (
	"encoding/json"
	"io"
	"maps"
	"net/url"
	"slices"
	"time"

	"cmdq/executor"
	"cmdq/store"
	"cmdq/task"
)

func dumpStore(w io.Writer, s *store.Store) error {
	run, begun := s.Run()
	unwanted, err := s.Unwanted()
	if err != nil {
		return err
	}
	if err := writeJSON(w, runLine(run, begun, s.Counts(), unwanted)); err != nil {
		return err
	}
	for t, err := range s.Tasks() {
		if err != nil {
			return err
		}
		if err := writeJSON(w, taskLine(t)); err != nil {
			return err
		}
	}
	return nil
}

// object is a JSON object with sorted names. What is zero is left out, so that
// a line shows what there is to know.
type object map[string]any

func (o object) add(name string, value any) {
	switch v := value.(type) {
	case time.Time:
		if v.IsZero() {
			return
		}
		value = v.UTC().Format(time.RFC3339Nano)
	case string:
		if v == "" {
			return
		}
	case int:
		if v == 0 {
			return
		}
	case int64:
		if v == 0 {
			return
		}
	case bool:
		if !v {
			return
		}
	case time.Duration:
		if v == 0 {
			return
		}
		value = v.String()
	}
	o[name] = value
}

func runLine(r store.Run, begun bool, c store.Counts, unwanted map[string]string) object {
	o := object{"sequence": c.Sequence, "tasks": c.Tasks}
	if len(unwanted) > 0 {
		o["unwanted"] = unwanted // launch id to agent
	}
	if !begun {
		return o
	}
	run := object{"stage": [...]string{"unfinished", "ended", "done"}[r.Stage]}
	run.add("began", r.Began)
	run.add("master", r.Master)
	run.add("file", r.File)
	run.add("framework", r.Framework.ID)
	run.add("subscribed", r.Framework.Subscribed)
	run.add("seen", r.Framework.Seen)
	if len(r.Secret) > 0 {
		run["secret"] = "(secret)" // who has it can read the files that we serve
	}
	var owed []object
	for _, f := range r.Owed {
		l := object{"framework": f.ID}
		l.add("master", f.Master)
		l.add("since", f.Since)
		owed = append(owed, l)
	}
	if owed != nil {
		run["owed"] = owed
	}
	if len(r.Policy) > 0 {
		run["policy"] = policyObject(r.Policy)
	}
	var notices []object
	for _, n := range r.Notices {
		l := object{"id": n.ID, "kind": n.Kind, "to": noticeTo(n.Command, n.URL)}
		l.add("tries", n.Tries)
		l.add("since", n.Since)
		l.add("next", n.Next)
		notices = append(notices, l)
	}
	if notices != nil {
		run["notices"] = notices
	}
	o["run"] = run
	return o
}

func taskLine(in store.Task) object {
	t := in.Task
	o := object{"id": t.ID, "state": t.State.String(), "seq": t.Seq, "spec": specObject(t.Spec)}
	if t.Index >= 0 {
		o["index"] = t.Index
	}
	o.add("each", t.Line())
	o.add("stop", [...]string{"", "cancelled", "interrupted", "group stopped"}[t.Stop])
	o.add("held", t.Held)
	o.add("given", t.Given)
	o.add("alone", t.Alone)
	o.add("forgiven_by_run", t.ForgivenByRun)
	o.add("forgiven_by_group", t.ForgivenByGroup)
	o.add("submitted", t.Submitted)
	o.add("wake", in.Wake)
	o.add("launches", t.Launches)
	o.add("attempts", t.Attempts)
	o.add("base", t.Base)
	o.add("charged", t.Charged)
	o.add("infra", t.Infra)
	o.add("never_started", t.NeverStarted)
	var history []object
	for i := range t.History {
		history = append(history, attemptObject(t.ID, &t.History[i]))
	}
	if history != nil {
		o["history"] = history
	}
	if t.End != nil {
		end := object{}
		if t.State == task.Fetching { // else it is that of the task
			end["state"] = t.End.State.String()
		}
		end.add("at", t.End.At)
		end.add("launch", t.End.Launch)
		end.add("reason", t.End.Reason)
		end.add("message", t.End.Message)
		addExit(end, t.End.Exit)
		end.add("stderr", t.End.Stderr)
		o["end"] = end
	}
	return o
}

func attemptObject(id task.ID, a *task.Attempt) object {
	o := object{"number": a.Number, "id": task.LaunchID(id, a.Number)}
	o.add("agent", a.Agent)
	o.add("host", a.Host)
	o.add("framework", a.Framework)
	o.add("executor", a.Executor)
	o.add("queued", a.Queued)
	o.add("launched", a.Launched)
	o.add("starting", a.Starting)
	o.add("started", a.Started)
	o.add("ended", a.Ended)
	if len(a.Ports) > 0 {
		o["ports"] = a.Ports
	}
	o.add("may_still_run", a.MayStillRun)
	o.add("killed_at", a.KilledAt)
	o.add("settle", a.Settle)
	o.add("seen", a.Seen)
	o.add("adrift", a.Adrift)
	o.add("state", a.State)
	o.add("reason", a.Reason)
	o.add("message", a.Message)
	addExit(o, a.Exit)
	return o
}

func addExit(o object, x task.Exit) {
	switch {
	case x.Known && x.Signal != "":
		o["signal"] = x.Signal
	case x.Known:
		o["exit_code"] = x.Code
	}
}

func specObject(s *task.Spec) object {
	o := object{"id": s.ID, "retries": s.Retries}
	o.add("line", s.Line)
	o.add("command", s.Command)
	if s.Argv != nil {
		o["argv"] = s.Argv
	}
	o["cpus"] = json.Number(task.FormatCPUs(s.Resources.CPUs))
	o.add("mem", s.Resources.Mem)
	o.add("disk", s.Resources.Disk)
	o.add("gpus", s.Resources.GPUs)
	if len(s.Env) > 0 {
		o["env"] = slices.Sorted(maps.Keys(s.Env)) // values may be secrets
	}
	o.add("user", s.User)
	o.add("name", s.Name)
	o.add("timeout", s.Timeout)
	o.add("kill_grace", s.KillGrace)
	o.add("priority", s.Priority)
	if len(s.Labels) > 0 {
		o["labels"] = s.Labels
	}
	var uris []string
	for _, u := range s.URIs {
		uris = append(uris, executor.Redacted(u.Value))
	}
	if uris != nil {
		o["uris"] = uris
	}
	var files, outputs []object
	for _, f := range s.Files {
		file := object{"path": f.Path, "name": f.Name}
		file.add("executable", f.Executable)
		files = append(files, file)
	}
	if files != nil {
		o["files"] = files
	}
	for _, p := range s.Outputs {
		output := object{"path": p.Path}
		output.add("optional", p.Optional)
		outputs = append(outputs, output)
	}
	if outputs != nil {
		o["outputs"] = outputs
	}
	o.add("executor", string(s.Executor))
	addRules(o, s.Asks())
	if s.Series != nil {
		o.add("count", s.Series.Count)
	}
	return o
}

func addRules(o object, r *task.Rules) {
	if len(r.After) > 0 {
		o["after"] = r.After
	}
	o.add("group", r.Group)
	var constraints []string
	for _, c := range r.Constraints {
		constraints = append(constraints, c.String())
	}
	if constraints != nil {
		o["constraints"] = constraints
	}
	o.add("ports", r.Ports)
	if c := r.Container; c != nil {
		container := object{"type": c.Type, "image": c.Image}
		var volumes []string
		for _, v := range c.Volumes {
			volumes = append(volumes, v.String())
		}
		if volumes != nil {
			container["volumes"] = volumes
		}
		o["container"] = container
	}
	o.add("role", r.Role)
}

// policyObject is a policy without what its notices hold.
func policyObject(data []byte) any {
	var p task.Policy
	if json.Unmarshal(data, &p) != nil {
		return "(not readable)"
	}
	o, groups := object{}, object{}
	for name, g := range p.Groups {
		group := object{}
		group.add("max_running", g.MaxRunning)
		if g.MaxFailures != task.Unlimited {
			group["max_failures"] = g.MaxFailures
		}
		group.add("on_failure", string(g.OnFailure))
		addNotices(group, "on_finish", g.Finish)
		addNotices(group, "on_first_failure", g.Failure)
		groups[name] = group
	}
	if len(groups) > 0 {
		o["groups"] = groups
	}
	addNotices(o, "on_finish", p.OnFinish)
	addNotices(o, "on_failure", p.OnFailure)
	return o
}

func addNotices(o object, name string, list []task.Notice) {
	var to []string
	for _, n := range list {
		to = append(to, noticeTo(n.Command, n.URL))
	}
	if to != nil {
		o[name] = to
	}
}

// noticeTo says where one goes, without what may be a secret: a command, or all of
// an address but its host.
func noticeTo(command, address string) string {
	if command != "" {
		return "(command)"
	}
	u, err := url.Parse(address)
	if err != nil {
		return "(not shown)"
	}
	return u.Scheme + "://" + u.Host
}
