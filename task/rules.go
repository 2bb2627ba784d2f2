package task

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Rules say when and where a task may run, beside what it needs. A Spec without
// any has none of them (nil).
type Rules struct {
	After       []ID // tasks, or series, all of which have to finish first
	Group       string
	Constraints []Constraint
	Ports       int // how many of the agent's ports it gets, as PORT0 and so on
	Container   *Container
	Role        string // whose resources it takes; empty: those of --role
}

// Constraint is what a task wants of an agent.
type Constraint struct {
	Attribute string // its name, or "hostname"
	Op        Op
	Value     string // of Is and IsNot
}

// Op is how an attribute is looked at.
type Op string

// The operators of a constraint.
const (
	Is     Op = "=="
	IsNot  Op = "!=" // true also of agents without the attribute
	Exists Op = "exists"
	Absent Op = "absent"
)

func (c Constraint) String() string {
	if c.Op == Is || c.Op == IsNot {
		return c.Attribute + " " + string(c.Op) + " " + c.Value
	}
	return c.Attribute + " " + string(c.Op)
}

// Container is an image that a command runs in.
type Container struct {
	Type    string // MesosContainer or DockerContainer
	Image   string
	Volumes []Volume
}

// Asks gives the rules of a task, also of one that has none: they ask for nothing
// then. They must not be changed.
func (s *Spec) Asks() *Rules {
	if s.Rules == nil {
		return &noRules
	}
	return s.Rules
}

var noRules Rules

// Contained tells whether the command runs in a container of its own.
func (s *Spec) Contained() bool { return s.Asks().Container != nil }

// Volume is a directory of the agent within a container.
type Volume struct {
	Host, Container string // absolute paths
	ReadOnly        bool
}

// String is the volume as a tasks file has it.
func (v Volume) String() string {
	if v.ReadOnly {
		return v.Host + ":" + v.Container + ":ro"
	}
	return v.Host + ":" + v.Container
}

// Key tells apart the rules that decide where a task fits; the same for all that
// fit the same agents at the same time. It is empty for nil.
func (r *Rules) Key() string {
	if r == nil || r.Group == "" && len(r.Constraints) == 0 && r.Ports == 0 && r.Role == "" && r.Container == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%q %d %q %t", r.Group, r.Ports, r.Role, r.Container != nil)
	for _, c := range r.Constraints {
		fmt.Fprintf(&b, " %q", c.String())
	}
	return b.String()
}

// Equal tells whether both say the same; nil says nothing.
func (r *Rules) Equal(o *Rules) bool {
	if r == o {
		return true
	}
	a, b := cmp.Or(r, &noRules), cmp.Or(o, &noRules)
	return sameNames(a.After, b.After) && a.Group == b.Group && slices.Equal(a.Constraints, b.Constraints) &&
		a.Ports == b.Ports && a.Container.equal(b.Container) && a.Role == b.Role
}

// sameNames: a task waits for the same tasks in whatever order they are named.
func sameNames(a, b []ID) bool {
	if len(a) != len(b) || slices.Equal(a, b) {
		return len(a) == len(b)
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func (c *Container) equal(o *Container) bool {
	if c == nil || o == nil {
		return c == o
	}
	return c.Type == o.Type && c.Image == o.Image && slices.Equal(c.Volumes, o.Volumes)
}

// size is how many bytes of text the rules hold.
func (r *Rules) size() int {
	if r == nil {
		return 0
	}
	n := len(r.Group) + len(r.Role)
	for _, id := range r.After {
		n += len(id)
	}
	for _, c := range r.Constraints {
		n += len(c.Attribute) + len(c.Value)
	}
	if c := r.Container; c != nil {
		n += len(c.Image)
		for _, v := range c.Volumes {
			n += len(v.Host) + len(v.Container)
		}
	}
	return n
}

// Policy is what a tasks file says beside its tasks.
type Policy struct {
	Groups map[string]Group `json:"groups,omitempty"` // the whole run is the group ""
	// OnFinish is done once every task has ended, OnFailure once the first has
	// failed for good.
	OnFinish  []Notice `json:"on_finish,omitempty"`
	OnFailure []Notice `json:"on_failure,omitempty"`
}

// Group bounds tasks that belong together.
type Group struct {
	MaxRunning  int       `json:"max_running,omitempty"`  // at a time; 0: no limit
	MaxFailures int       `json:"max_failures,omitempty"` // that it bears; Unlimited, or from 0
	OnFailure   OnFailure `json:"on_failure,omitempty"`   // what follows one more; empty: StopGroup
	Finish      []Notice  `json:"finish,omitempty"`       // once all of it have ended
	Failure     []Notice  `json:"failure,omitempty"`      // once the first has failed for good
}

// Unlimited is the MaxFailures of a group that bears all.
const Unlimited = -1

// OnFailure is what becomes of a group that had too many failures.
type OnFailure string

// What becomes of it. What ends so ends killed.
const (
	Continue    OnFailure = "continue"
	StopGroup   OnFailure = "stop"   // what is not running ends
	CancelGroup OnFailure = "cancel" // all of it ends
)

// Notice tells somebody of an end: a command of this machine, or an address that
// gets a POST of JSON.
type Notice struct {
	Command string `json:"command,omitempty"`
	URL     string `json:"url,omitempty"`
}
