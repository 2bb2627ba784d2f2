package task

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxPorts bounds the ports of a task: as many as Mesos' agents offer by default.
const maxPorts = 1000

var portSpan = newSpan(0, maxPorts)

// rules are those of s, to be written to: those of defaults are not.
func (r *reader) rules(s *Spec) *Rules {
	switch {
	case s.Rules == nil:
		s.Rules = &Rules{}
	case s != &r.defaults && s.Rules == r.defaults.Rules:
		own := *s.Rules
		s.Rules = &own
	}
	return s.Rules
}

// setRule reads a field of the rules of s.
func (r *reader) setRule(s *Spec, f field, n *yaml.Node) {
	switch rules := r.rules(s); f {
	case fieldAfter:
		rules.After = r.after(s, n)
	case fieldGroup:
		rules.Group = r.groupName("group", deref(n))
		if _, ok := r.groupUses[rules.Group]; !ok && rules.Group != "" {
			r.groupUses[rules.Group] = groupUse{n.Line, r.task}
		}
	case fieldConstraints:
		rules.Constraints = r.constraints(n)
	case fieldPorts:
		rules.Ports = int(r.whole("ports", n, portSpan))
	case fieldContainer:
		rules.Container = r.container(n)
	case fieldRole:
		rules.Role = r.role(n)
	}
}

// shareRules gives one of equal rules, and none for those that say nothing.
func (r *reader) shareRules(s *Spec) {
	if s.Rules == nil || s.Rules == r.defaults.Rules {
		return
	}
	if s.Rules.Equal(nil) {
		s.Rules = nil
		return
	}
	key := fmt.Appendf(r.key[:0], "%q %+v %s", s.Rules.After, s.Rules.Container, s.Rules.Key())
	r.key = key
	if shared, ok := r.ruled[string(key)]; ok && shared.Equal(s.Rules) {
		s.Rules = shared
	} else if len(r.ruled) < maxKept && len(key) <= maxKeptText {
		r.ruled[string(key)] = s.Rules
	}
}

// ruleConflicts notes rules that go not with other fields of the task.
func (r *reader) ruleConflicts(s *Spec, n *yaml.Node, e *[numFields]*yaml.Node) {
	if s.Rules == nil {
		return
	}
	if s.Rules.Container != nil && s.Executor == ByCmdq {
		r.fail(laterOf(n, e[fieldContainer], e[fieldExecutor]),
			"container: found it with executor: cmdq, which runs commands without containers, allowed is executor: command")
	}
	if s.Rules.Ports == 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		digits, ok := strings.CutPrefix(name, "PORT")
		if number, whole := integer(digits); ok && whole && number < int64(s.Rules.Ports) && name == PortVariable(int(number)) {
			r.fail(laterOf(n, e[fieldEnv], e[fieldPorts]), "env: found %s, which cmdq sets itself where ports are asked for, allowed is any other name", name)
		}
	}
}

// laterOf is the last of some nodes in the file, of which some may be nil, or
// else n.
func laterOf(n *yaml.Node, nodes ...*yaml.Node) *yaml.Node {
	var last *yaml.Node
	for _, node := range nodes {
		if node != nil && (last == nil || node.Line > last.Line) {
			last = node
		}
	}
	if last == nil {
		return n
	}
	return last
}

// PortVariable is the variable in which a command finds one of its ports: of
// the first, number 0, it is PORT0.
func PortVariable(number int) string { return fmt.Sprint("PORT", number) }

const allowedGroup = "letters, digits, _ . and -, beginning with a letter, a digit or _"

// groupName reads the name of a group; after an error it gives none.
func (r *reader) groupName(field string, n *yaml.Node) string {
	s, ok := r.scalar(field, n, allowedGroup)
	if !ok {
		return ""
	}
	if s == "" || len(s) > maxID || !isIDText(s) {
		r.fail(n, "%s: found the name %s, allowed are at most %d %s", field, quote(s, maxID), maxID, allowedGroup)
		return ""
	}
	return r.keep(s)
}

// role reads one as Mesos has them (src/common/roles.cpp). After an error it
// gives none.
func (r *reader) role(n *yaml.Node) string {
	const allowed = "a role of Mesos: text without blanks, that does not begin with -, and whose parts between / are neither empty nor . .. or *"
	s, ok := r.scalar("role", n, allowed)
	if !ok {
		return ""
	}
	wrong := s == "" || strings.HasPrefix(s, "-") || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c == 0x7f })
	for _, part := range strings.Split(s, "/") {
		wrong = wrong || s != "*" && (part == "" || part == "." || part == ".." || part == "*")
	}
	if wrong {
		r.wrong(deref(n), "role", allowed)
		return ""
	}
	return r.keep(s)
}
