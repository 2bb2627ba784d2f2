package task

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

func (r *reader) uris(n *yaml.Node) []URI {
	items, ok := r.items("uris", n, "a list of addresses, or of maps with value")
	if !ok || len(items) == 0 {
		return nil
	}
	uris := make([]URI, len(items))
	for i, item := range items {
		uris[i] = URI{Extract: true}
		if deref(item).Kind == yaml.MappingNode {
			r.uri(&uris[i], item)
		} else {
			uris[i].Value = r.text("uris", item)
		}
	}
	return uris
}

// uri reads one that is written as a map.
func (r *reader) uri(u *URI, n *yaml.Node) {
	entries, ok := r.entries("uris", n, "a map with value")
	for _, e := range entries {
		switch e.name {
		case "value":
			u.Value = r.text("uris value", e.value)
		case "extract":
			u.Extract = r.boolean("uris extract", e.value)
		case "executable":
			u.Executable = r.boolean("uris executable", e.value)
		case "cache":
			u.Cache = r.boolean("uris cache", e.value)
		case "output_file":
			u.OutputFile = r.outputFile(e.value)
		default:
			r.unknown(e.key, []string{"value", "extract", "executable", "cache", "output_file"})
		}
	}
	if ok && !slices.ContainsFunc(entries, func(e pair) bool { return e.name == "value" }) {
		r.fail(deref(n), "uris: found no value, and every uri needs one")
	}
}

func (r *reader) boolean(name string, n *yaml.Node) bool {
	const allowed = "true or false"
	s, ok := r.scalar(name, n, allowed)
	if ok && !strings.EqualFold(s, "true") && !strings.EqualFold(s, "false") {
		r.wrong(deref(n), name, allowed)
	}
	return strings.EqualFold(s, "true")
}

// outputFile is where in the sandbox a uri is put. Mesos' fetcher makes the
// folders on the way (src/launcher/fetcher.cpp).
func (r *reader) outputFile(n *yaml.Node) string {
	s, ok := r.scalar("uris output_file", n, allowedName)
	if ok && !isInSandbox(s) {
		r.wrong(deref(n), "uris output_file", allowedName)
	}
	return r.keep(s)
}
