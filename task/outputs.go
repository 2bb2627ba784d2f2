package task

import (
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// outputs reads what is to be fetched from the sandbox.
func (r *reader) outputs(n *yaml.Node) []Output {
	items, ok := r.items("outputs", n, "a list of paths, or of maps with path")
	if !ok || len(items) == 0 {
		return nil
	}
	outputs := make([]Output, 0, len(items))
	taken := make(map[string]bool, len(items))
	for _, item := range items {
		o, at := r.output(item)
		if o.Path == "" {
			continue // which was said
		}
		if taken[o.Path] {
			r.fail(at, "outputs: found %s a second time, allowed is once in a task", quote(o.Path, 200))
		}
		taken[o.Path] = true
		outputs = append(outputs, o)
	}
	return outputs
}

// output reads one item of outputs. After an error its Path is empty. At is where
// that comes from.
func (r *reader) output(n *yaml.Node) (o Output, at *yaml.Node) {
	at = deref(n)
	if at.Kind != yaml.MappingNode {
		o.Path = r.pattern("outputs", at)
		return o, at
	}
	entries, ok := r.entries("outputs", at, "a map with path")
	found := false
	for _, e := range entries {
		switch e.name {
		case "path":
			found = true
			at = deref(e.value)
			o.Path = r.pattern("outputs path", at)
		case "optional":
			o.Optional = r.boolean("outputs optional", e.value)
		default:
			r.unknown(e.key, []string{"path", "optional"})
		}
	}
	if ok && !found {
		r.fail(deref(n), "outputs: found no path, and every output needs one")
	}
	return o, at
}

const allowedPattern = "a relative path within the sandbox, without .., in which * ? and [a-z] may stand for characters of a name"

// pattern reads a path of which each part is a pattern of path.Match. Parts that
// say nothing, as in ./a, are left out.
func (r *reader) pattern(name string, n *yaml.Node) string {
	s, ok := r.scalar(name, n, allowedPattern)
	if !ok {
		return ""
	}
	if len(s) > maxPath {
		r.fail(n, "%s: found a path of %d bytes, allowed are at most %d", name, len(s), maxPath)
		return ""
	}
	parts := slices.DeleteFunc(strings.Split(s, "/"), func(part string) bool { return part == "." })
	wrong := len(parts) == 0
	for _, part := range parts {
		_, err := path.Match(part, "")
		wrong = wrong || part == "" || part == ".." || err != nil
	}
	if wrong {
		r.fail(n, "%s: found %s, allowed is %s", name, quote(s, 200), allowedPattern)
		return ""
	}
	return r.keep(strings.Join(parts, "/"))
}

// noHole checks that a task of a list does not hope for its line where {} stays
// as it is.
func (r *reader) noHole(s *Spec, n *yaml.Node, e *[numFields]*yaml.Node) {
	at := func(f field) *yaml.Node {
		if e[f] != nil {
			return deref(e[f])
		}
		return n
	}
	if slices.ContainsFunc(s.Files, func(f Input) bool { return strings.Contains(f.Name, hole) }) {
		r.fail(at(fieldFiles), "files: found a name with {}, which the line of a list does not take the place of, allowed is a name without it")
	}
	if slices.ContainsFunc(s.Outputs, func(o Output) bool { return strings.Contains(o.Path, hole) }) {
		r.fail(at(fieldOutputs), "outputs: found a path with {}, which the line of a list does not take the place of, allowed is a pattern such as *.log")
	}
}
