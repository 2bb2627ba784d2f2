package task

import (
	"maps"
	"slices"
	"time"
)

// Spec is what a task file says of a command. It is not changed once made.
type Spec struct {
	ID        ID     // with a Series the common part: the tasks are ID-0, ID-1, …
	Line      int    // where it stands in its file, from 1; 0 if it comes from elsewhere
	Command   string // for the shell; empty if Argv is set. What a task runs: Task.Command
	Argv      []string
	Resources Resources
	Env       map[string]string
	User      string
	Name      string
	Retries   int           // further attempts after a failure; -1 without limit
	Timeout   time.Duration // longest run; 0 none
	KillGrace time.Duration // from SIGTERM to SIGKILL
	Priority  int           // higher first
	Labels    map[string]string
	URIs      []URI
	Files     []Input  // of this machine, put into the sandbox before the command starts
	Outputs   []Output // fetched from the sandbox once the command has finished
	Executor  Executor // who runs it on the agent; empty: what --executor says
	Rules     *Rules   // when and where it may run; nil: whenever and wherever it fits
	Series    *Series  // nil is one task with the plain ID
}

// URI is something Mesos fetches into the sandbox before the command starts.
type URI struct {
	Value      string
	Extract    bool
	Executable bool
	Cache      bool
	OutputFile string
}

// Input is a file of this machine that the command finds in its sandbox.
type Input struct {
	Path       string // absolute
	Name       string // in the sandbox: a relative path without ..
	Executable bool
}

// Output is what is fetched from the sandbox of a command that finished.
type Output struct {
	Path     string // in the sandbox: a relative path without .., each part of it a pattern of path.Match
	Optional bool   // its absence is no failure
}

// Executor is what runs a command on the agent.
type Executor string

// The executors there are.
const (
	ByCommand Executor = "command" // Mesos' command executor: a process for each command
	ByCmdq    Executor = "cmdq"    // cmdq's own: one process an agent and user
)

// The defaults of the fields that have one.
const (
	DefaultRetries   = 3
	DefaultKillGrace = 3 * time.Second
	MaxCount         = 1_000_000
)

// RunsSame tells whether the tasks of both run the same but for their lines (see
// Task.RunsSame), in the same container. What a file of Files holds is not looked
// at, nor is its mode: a command that has finished is not run again because
// somebody did a checkout.
func (s *Spec) RunsSame(o *Spec) bool {
	return s.Command == o.Command && slices.Equal(s.Argv, o.Argv) && maps.Equal(s.Env, o.Env) &&
		s.User == o.User && slices.Equal(s.URIs, o.URIs) &&
		slices.EqualFunc(s.Files, o.Files, func(a, b Input) bool { return a.Path == b.Path && a.Name == b.Name }) &&
		s.Asks().Container.equal(o.Asks().Container)
}

// Equal tells whether both say the same of a task, whatever line they stand on
// and whatever other tasks they are for.
func (s *Spec) Equal(o *Spec) bool {
	return s == o || s.RunsSame(o) && slices.Equal(s.Files, o.Files) && s.ID == o.ID && s.Resources == o.Resources && s.Name == o.Name &&
		s.Retries == o.Retries && s.Timeout == o.Timeout && s.KillGrace == o.KillGrace &&
		s.Priority == o.Priority && maps.Equal(s.Labels, o.Labels) && slices.Equal(s.Outputs, o.Outputs) &&
		s.Executor == o.Executor && s.Rules.Equal(o.Rules)
}

// maxSpec bounds the texts of a spec, in bytes. Linux starts nothing whose
// arguments and environment are together above 6 MB (execve(2)), and the journal
// keeps a spec in one record.
const maxSpec = 6 << 20

// size is how many bytes of text the spec holds.
func (s *Spec) size() int {
	n := len(s.Command) + len(s.Name) + len(s.User)
	for _, a := range s.Argv {
		n += len(a)
	}
	for _, m := range []map[string]string{s.Env, s.Labels} {
		for k, v := range m {
			n += len(k) + len(v)
		}
	}
	for _, u := range s.URIs {
		n += len(u.Value) + len(u.OutputFile)
	}
	for _, f := range s.Files {
		n += len(f.Path) + len(f.Name)
	}
	for _, o := range s.Outputs {
		n += len(o.Path)
	}
	return n + s.Rules.size()
}

// Describe is the command as a person would type it, for listings.
func (s *Spec) Describe() string {
	if s.Command != "" {
		return s.Command
	}
	line := ""
	for i, a := range s.Argv {
		if i > 0 {
			line += " "
		}
		line += a
	}
	return line
}
