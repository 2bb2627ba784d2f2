package task

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxMergeDepth bounds how deep `<<` may lie in `<<`; an anchor may even hold itself.
const maxMergeDepth = 16

// spareVisits is how many nodes a small file may come to through aliases. It
// leaves room for 100,000 tasks that share an environment of 50 variables.
const spareVisits = 20_000_000

// walker goes through the nodes of a file. It follows aliases where it meets
// them, with a bound on the whole, so that a small file cannot blow up.
type walker struct {
	report
	left  int // nodes that may still be visited
	spent bool
	nth   int // number of the mapping visited last
	pairs []pair
}

// pair is one entry of a mapping.
type pair struct {
	name       string
	key, value *yaml.Node
	in         int    // the mapping it stands in, by order of visit
	text       string // of value, where textMap has read it
}

// deref is what an alias stands for. YAML has no alias of an alias.
func deref(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func hasKnownTag(n *yaml.Node) bool {
	switch n.Tag {
	case "!!str", "!!int", "!!float", "!!bool", "!!null", "!!timestamp", "!!merge":
		return true
	}
	return false
}

// visit charges the entries of n to the bound of the file. It tells false when
// that is used up, which is said once.
func (w *walker) visit(n *yaml.Node) bool {
	if w.left -= len(n.Content) + 1; w.left >= 0 {
		return true
	}
	if !w.spent {
		w.spent = true
		w.fail(n, "found aliases that stand for too much by far, allowed are fewer of them, or of smaller things")
	}
	return false
}

// isText tells whether n holds text, whatever its quotes; null is none.
func isText(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag != "!!null" && hasKnownTag(n)
}

// scalar is the text of n.
func (w *walker) scalar(name string, n *yaml.Node, allowed string) (string, bool) {
	n = deref(n)
	if !isText(n) {
		w.wrong(n, name, allowed)
		return "", false
	}
	if strings.IndexByte(n.Value, 0) >= 0 {
		w.fail(n, "%s: found a NUL byte, allowed is text without one", name)
		return "", false
	}
	return n.Value, true
}

// items are the entries of a list.
func (w *walker) items(name string, n *yaml.Node, allowed string) ([]*yaml.Node, bool) {
	n = deref(n)
	if n.Kind != yaml.SequenceNode || n.Tag != "!!seq" {
		w.wrong(n, name, allowed)
		return nil, false
	}
	return n.Content, w.visit(n)
}

// entries are those of a map, by name, with what its merge keys (`<<`) bring
// in. The slice is good until the next call.
func (w *walker) entries(name string, n *yaml.Node, allowed string) ([]pair, bool) {
	n = deref(n)
	if n.Kind != yaml.MappingNode || n.Tag != "!!map" {
		w.wrong(n, name, allowed)
		return nil, false
	}
	w.pairs = w.pairs[:0]
	w.gather(n, 0)
	slices.SortStableFunc(w.pairs, func(a, b pair) int { return strings.Compare(a.name, b.name) })

	kept := w.pairs[:0]
	var last pair
	for i, p := range w.pairs {
		switch {
		case i == 0 || p.name != last.name:
			kept = append(kept, p)
		case p.in == last.in:
			w.fail(p.key, "found %s twice, first on line %d; allowed is once", quote(p.name, 60), last.key.Line)
		}
		last = p
	}
	return kept, !w.spent
}

// gather appends the pairs of n: its own, then those of its merge keys, so that
// of one name the first counts.
func (w *walker) gather(n *yaml.Node, depth int) {
	if !w.visit(n) {
		return
	}
	w.nth++
	in, merges := w.nth, false
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := deref(n.Content[i])
		switch {
		case isMerge(key):
			merges = true
		case !isText(key):
			w.fail(key, "found %s as the name of a field, allowed is text", found(key))
		default:
			w.pairs = append(w.pairs, pair{name: key.Value, key: key, value: n.Content[i+1], in: in})
		}
	}
	for i := 0; merges && i+1 < len(n.Content); i += 2 {
		if isMerge(deref(n.Content[i])) {
			w.merge(deref(n.Content[i+1]), depth+1)
		}
	}
}

// merge gathers what a merge key names: a map, or a list of maps.
func (w *walker) merge(n *yaml.Node, depth int) {
	if depth > maxMergeDepth {
		w.fail(n, "<<: found more than %d of them within each other, allowed are fewer", maxMergeDepth)
		return
	}
	list := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		if !w.visit(n) {
			return
		}
		list = n.Content
	}
	for _, m := range list {
		m = deref(m)
		if m.Kind != yaml.MappingNode || m.Tag != "!!map" {
			w.wrong(m, "<<", "a map or a list of maps")
			continue
		}
		if w.gather(m, depth); w.spent {
			return
		}
	}
}

func isMerge(key *yaml.Node) bool { return key.Value == "<<" && key.Tag == "!!merge" }
