package task

import (
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// textMap is an environment, or labels.
type textMap = map[string]string

// textMap reads env or labels, with what base has beside them.
func (r *reader) textMap(name string, n *yaml.Node, base textMap) textMap {
	entries, ok := r.entries(name, n, "a map of names to texts")
	if !ok {
		return nil
	}
	for i, e := range entries {
		if name == "env" {
			r.variable(e.key)
		} else if e.name == "" || strings.IndexByte(e.name, 0) >= 0 {
			r.fail(e.key, "%s: found the name %s, allowed is text that is not empty, without NUL", name, quote(e.name, 60))
		}
		if v := deref(e.value); isText(v) && strings.IndexByte(v.Value, 0) < 0 {
			entries[i].text = v.Value
		} else { // an env value may be a secret: it is not shown
			r.scalar(name+" "+quote(e.name, 60), v, "text, a number or a boolean")
		}
	}
	return r.share(name, entries, base)
}

// variable checks the name of an environment variable.
func (r *reader) variable(key *yaml.Node) {
	switch name := key.Value; {
	case name == "" || strings.ContainsAny(name, "=\x00"):
		r.fail(key, "env: found the name %s, allowed is text that is not empty, without = and NUL", quote(name, 60))
	case strings.HasPrefix(name, "CMDQ_") && slices.Contains(ownVariables, name):
		r.fail(key, "env: found %s, which cmdq sets itself, allowed is any other name", name)
	}
}

// ownVariables are those that cmdq sets for every command (see Environment).
var ownVariables = []string{"CMDQ_TASK", "CMDQ_ATTEMPT", "CMDQ_INDEX", "CMDQ_LINE"}

// share makes the map of the entries and of what base has beside them, or
// gives the one that was made of equal entries before.
func (r *reader) share(name string, entries []pair, base textMap) textMap {
	if len(entries) == 0 {
		return base
	}
	key := append(r.key[:0], name...)
	for _, e := range entries {
		key = append(append(append(append(key, 0), e.name...), 0), e.text...)
	}
	r.key = key
	if m, ok := r.maps[string(key)]; ok {
		return m
	}
	m := make(textMap, len(base)+len(entries))
	maps.Copy(m, base)
	for _, e := range entries {
		m[r.keep(e.name)] = r.keep(e.text)
	}
	if len(r.maps) < maxKept {
		r.maps[string(key)] = m
	}
	return m
}
