package task

import "gopkg.in/yaml.v3"

// field is one field of a task in a tasks file.
type field uint8

const (
	noField field = iota
	fieldID
	fieldCommand
	fieldArgv
	fieldCPUs
	fieldMem
	fieldDisk
	fieldGPUs
	fieldEnv
	fieldUser
	fieldName
	fieldRetries
	fieldTimeout
	fieldKillGrace
	fieldPriority
	fieldLabels
	fieldURIs
	fieldFiles
	fieldOutputs
	fieldExecutor
	fieldAfter
	fieldGroup
	fieldConstraints
	fieldPorts
	fieldContainer
	fieldRole
	fieldCount
	fieldEach
	fieldEachLine

	numFields
)

var fieldNames = [numFields]string{
	"", "id", "command", "argv", "cpus", "mem", "disk", "gpus", "env", "user", "name", "retries",
	"timeout", "kill_grace", "priority", "labels", "uris", "files", "outputs", "executor",
	"after", "group", "constraints", "ports", "container", "role", "count", "each", "each_line",
}

var fieldOf = func() map[string]field {
	m := make(map[string]field, numFields)
	for f := noField + 1; f < numFields; f++ {
		m[fieldNames[f]] = f
	}
	return m
}()

// fields sorts the entries of a task, or of defaults, by field. It tells
// false if n is no map at all.
func (r *reader) fields(name string, n *yaml.Node) (e [numFields]*yaml.Node, ok bool) {
	entries, ok := r.entries(name, n, "a map of fields")
	for _, p := range entries {
		if f := fieldOf[p.name]; f != noField {
			e[f] = p.value
		} else {
			r.unknown(p.key, fieldNames[1:])
		}
	}
	return e, ok
}

// readTask reads one item of tasks.
func (r *reader) readTask(n *yaml.Node) {
	r.task = peekID(n)
	defer func() { r.task = "" }()
	e, ok := r.fields("tasks", n)
	if !ok {
		return
	}
	s := new(Spec)
	*s = r.defaults
	s.Line = n.Line
	if r.oneSeries(&e) {
		s.Series = nil // not that of defaults
	}
	for f, value := range e {
		if value != nil {
			r.set(s, field(f), value)
		}
	}
	if e[fieldAfter] == nil && r.given[fieldAfter] {
		r.inherit = append(r.inherit, s)
	}
	r.shareRules(s)
	r.complete(s, n, &e)
	r.admit(s, n)
	r.specs = r.appendParts(r.specs, s, n)
}

// peekID is the id a task seems to have, for messages on its way.
func peekID(n *yaml.Node) string {
	n = deref(n)
	if n.Kind != yaml.MappingNode {
		return ""
	}
	for i := 0; i+1 < len(n.Content) && i < 2*int(numFields); i += 2 {
		if n.Content[i].Value == "id" {
			return deref(n.Content[i+1]).Value
		}
	}
	return ""
}

// complete checks what a task must have.
func (r *reader) complete(s *Spec, n *yaml.Node, e *[numFields]*yaml.Node) {
	if e[fieldID] == nil {
		r.fail(n, "found no id, and every task needs one")
	}
	switch command, argv := e[fieldCommand], e[fieldArgv]; {
	case command == nil && argv == nil:
		r.fail(n, "found no command, and every task needs command or argv")
	case command != nil && argv != nil:
		later := command
		if argv.Line > later.Line {
			later = argv
		}
		r.fail(later, "found both command and argv, allowed is one of them")
	}
	missing := false
	for _, f := range []field{fieldCPUs, fieldMem} {
		if e[f] == nil && !r.given[f] {
			missing = true
			r.fail(n, "found no %s, and every task needs it, here or in defaults", fieldNames[f])
		}
	}
	if !missing && s.Resources.CPUs == 0 && s.Resources.Mem == 0 {
		r.fail(n, "found no need of cpus and of mem, and a task must need some cpus or mem")
	}
	if s.Series != nil && s.Series.Lines != nil {
		r.noHole(s, n, e)
	}
	r.ruleConflicts(s, n, e)
	if size := s.size(); size > maxSpec {
		r.fail(n, "found %d bytes of text in all, allowed are at most %d: no command can be started with more", size, maxSpec)
	}
}

// set reads the value of field f into s. After an error, which is noted, the
// field holds what no legal value is, or nothing.
func (r *reader) set(s *Spec, f field, n *yaml.Node) {
	switch f {
	case fieldID:
		s.ID = r.id(n)
	case fieldCommand:
		s.Command = r.command(n)
	case fieldArgv:
		s.Argv = r.argv(n)
	case fieldCPUs:
		s.Resources.CPUs = r.cpus(n)
	case fieldMem:
		s.Resources.Mem = r.megabytes("mem", n)
	case fieldDisk:
		s.Resources.Disk = r.megabytes("disk", n)
	case fieldGPUs:
		s.Resources.GPUs = r.whole("gpus", n, gpuSpan)
	case fieldEnv:
		s.Env = r.textMap("env", n, r.defaults.Env)
	case fieldUser:
		s.User = r.text("user", n)
	case fieldName:
		s.Name = r.text("name", n)
	case fieldRetries:
		s.Retries = int(r.whole("retries", n, retrySpan))
	case fieldTimeout:
		s.Timeout = r.duration("timeout", n, 1)
	case fieldKillGrace:
		s.KillGrace = r.duration("kill_grace", n, 0)
	case fieldPriority:
		s.Priority = int(r.whole("priority", n, prioritySpan))
	case fieldLabels:
		s.Labels = r.textMap("labels", n, r.defaults.Labels)
	case fieldURIs:
		s.URIs = r.uris(n)
	case fieldFiles:
		s.Files = r.files(n)
	case fieldOutputs:
		s.Outputs = r.outputs(n)
	case fieldExecutor:
		s.Executor = r.executor(n)
	case fieldAfter, fieldGroup, fieldConstraints, fieldPorts, fieldContainer, fieldRole:
		r.setRule(s, f, n)
	case fieldCount:
		s.Series = &Series{Count: int(r.whole("count", n, countSpan))}
	case fieldEach:
		s.Series = r.each(n)
	case fieldEachLine:
		s.Series = r.eachLine(n)
	}
}
