package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"runtime"
	"slices"

	"cmdq/executor"
	"cmdq/task"
	"cmdq/web"
)

// needs is what tasks want of us beside the queue.
type needs struct {
	executor, outputs bool
	files             map[task.Input]bool
}

// needsOf looks at specs, each of them as often as it comes.
func (s *session) needsOf(specs iter.Seq[*task.Spec]) needs {
	n := needs{files: map[task.Input]bool{}}
	var last *task.Spec
	for spec := range specs {
		if spec == last {
			continue // of a series
		}
		last = spec
		n.executor = n.executor || spec.Executor == task.ByCmdq || spec.Executor == "" && s.cfg.agent.executor == string(task.ByCmdq) && !spec.Contained()
		n.outputs = n.outputs || len(spec.Outputs) > 0
		for _, f := range spec.Files {
			n.files[f] = true
		}
	}
	return n
}

// and is what both need.
func (n needs) and(o needs) needs {
	n.executor, n.outputs = n.executor || o.executor, n.outputs || o.outputs
	for f := range o.files {
		n.files[f] = true
	}
	return n
}

func specsOf(f *task.File) iter.Seq[*task.Spec] { return slices.Values(f.Specs) }

// keptSpecs are those of the tasks that a run of before has left.
func (s *session) keptSpecs() iter.Seq[*task.Spec] {
	return func(yield func(*task.Spec) bool) {
		for t := range s.sched.Tasks() {
			if !t.State.Terminal() && !yield(t.Spec) {
				return
			}
		}
	}
}

// fromUs tells whether agents have to fetch something from us.
func (s *session) fromUs(n needs) bool {
	return len(n.files) > 0 || n.executor && s.cfg.agent.uri == ""
}

// nearby tells whether agents are on this machine, as far as the master is.
func (s *session) nearby() bool { return s.cfg.embedded || s.cfg.masters.Loopback() }

// reachable finds out whether agents could fetch what they need from us.
func (s *session) reachable(n needs) error {
	if !s.fromUs(n) || s.nearby() || s.cfg.agent.listen != "" {
		return nil
	}
	const how = "agents have to fetch from this cmdq: give --listen HOST:PORT, an address of this machine that they reach"
	if len(n.files) > 0 {
		return usage("files: %s", how)
	}
	return usage("executor: cmdq: %s, or --executor-uri", how)
}

// openArtifacts opens the artifact server if these tasks need it, or where others
// may that are submitted, or come with a change of the tasks file.
func (s *session) openArtifacts(n needs) error {
	if s.listener == nil && (s.fromUs(n) || s.nearby()) {
		if err := s.listenAgain(); err != nil {
			return err
		}
	}
	if s.listener == nil {
		return nil
	}
	if err := s.keepPlace(); err != nil {
		return err
	}
	var err error
	log := s.log.WithField("part", "web")
	if s.artifacts, err = web.NewArtifacts(s.listener.URL(), s.journal.run.Secret, log); err != nil {
		return err
	}
	s.executorURI, err = s.artifacts.OfferProgram()
	return err
}

// keepPlace keeps with the run where agents find what is ours, and the secret of
// its paths, so that what they were told stays true after a restart.
func (s *session) keepPlace() error {
	run, changed := s.journal.run, false
	if len(run.Secret) == 0 {
		run.Secret, changed = newArtifactSecret(), true
	}
	if at := s.listener.Addr().String(); s.keepsPort() && run.Listen != at {
		run.Listen, changed = at, true
	}
	if !changed {
		return nil
	}
	if err := s.journal.write(run); err != nil {
		return badState(err)
	}
	return nil
}

func newArtifactSecret() []byte {
	b := make([]byte, 32)
	rand.Read(b) // never fails: crypto/rand ends the process instead
	return b
}

// provide makes ready what these tasks need; nothing of them is launched before.
func (s *session) provide(n needs) error {
	if err := s.reachable(n); err != nil {
		return err
	}
	for f := range n.files {
		if err := s.artifacts.Offer(f.Path, f.Name); err != nil {
			s.log.Warnf("an agent that asks for it will not get it: %v", err)
		}
	}
	return s.makeDirectories(n)
}

// makeDirectories makes those that what tasks leave is put into.
func (s *session) makeDirectories(n needs) error {
	if n.outputs {
		if err := os.MkdirAll(s.cfg.agent.outputs, 0o777); err != nil {
			return usage("--outputs: %w", err)
		}
	}
	if s.cfg.agent.keep != "" {
		if err := os.MkdirAll(s.cfg.agent.keep, 0o777); err != nil {
			return usage("--output-dir: %w", err)
		}
	}
	return nil
}

// fileURL is where an agent finds a file of ours.
func (s *session) fileURL(f task.Input) string {
	return s.artifacts.URL(f.Path, f.Name)
}

// executorAt is where an agent finds the program of our executor.
func (s *session) executorAt() string {
	if s.cfg.agent.uri != "" {
		return s.cfg.agent.uri
	}
	return s.executorURI
}

// arch is that of the executor that agents fetch; empty if it is not ours.
func (s *session) arch() string {
	if s.cfg.agent.uri != "" {
		return ""
	}
	return runtime.GOARCH
}

// taskData says to our executor what launch number n of a task runs.
func (s *session) taskData(t *task.Task, n int, more []task.Variable) []byte {
	c := executor.Command{Command: t.Command(), Argv: t.Argv(), Env: map[string]string{},
		Timeout: executor.Duration(t.Spec.Timeout)}
	grace := executor.Duration(t.Spec.KillGrace)
	c.KillGrace = &grace
	for _, v := range append(t.Environment(n), more...) {
		c.Env[v.Name] = v.Value
	}
	for _, u := range t.Spec.URIs {
		c.URIs = append(c.URIs, executor.CommandURI{Value: u.Value, Extract: &u.Extract, Executable: u.Executable, Cache: u.Cache, OutputFile: u.OutputFile})
	}
	for _, f := range t.Spec.Files {
		c.Files = append(c.Files, executor.CommandFile{URL: s.fileURL(f), Name: f.Name, Executable: f.Executable})
	}
	data, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("task %s: %v", t.ID, err)) // texts and numbers
	}
	return data
}
