package task

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// wait is that a spec waits for a name.
type wait struct {
	spec *Spec
	name ID
	line int
}

const allowedAfter = "the id of a task, or a list of them"

// after reads what a task waits for: one id or a list. Whether they are there is
// seen once all tasks are read (see waitsEnd).
func (r *reader) after(s *Spec, n *yaml.Node) []ID {
	items := []*yaml.Node{n}
	if d := deref(n); d.Kind == yaml.SequenceNode {
		var ok bool
		if items, ok = r.items("after", n, allowedAfter); !ok || len(items) == 0 {
			return nil
		}
	}
	ids := make([]ID, 0, len(items))
	for _, item := range items {
		item = deref(item)
		text, ok := r.scalar("after", item, allowedAfter)
		if !ok {
			continue
		}
		if what := checkID(text); what != "" {
			r.fail(item, "after: %s", what)
			continue
		}
		id := ID(r.keep(text))
		ids = append(ids, id)
		r.waits = append(r.waits, wait{s, id, item.Line})
	}
	if len(ids) > 1 {
		r.noneTwice(ids, n)
	}
	return ids
}

func (r *reader) noneTwice(ids []ID, n *yaml.Node) {
	seen := make(map[ID]bool, len(ids))
	for _, id := range ids {
		if seen[id] {
			r.fail(deref(n), "after: found %s a second time, allowed is once", quote(string(id), maxID))
		}
		seen[id] = true
	}
}

// named finds the spec that has a name: that of a task or of a series, or of one
// task of a series. It is nil if there is none.
func (r *reader) named(name ID) *Spec {
	if s := r.byID[name]; s != nil {
		return s
	}
	dash := strings.LastIndexByte(string(name), '-')
	if dash < 0 {
		return nil
	}
	digits := string(name[dash+1:])
	number, ok := integer(digits)
	s := r.byID[name[:dash]]
	if s == nil || s.Series == nil || !ok || !allDigits(digits) || number > MaxCount || !s.Series.has(int(number)) {
		return nil
	}
	return s
}

// waitsEnd checks that what tasks wait for is there, and that there is an order
// in which all can run.
func (r *reader) waitsEnd() {
	targets, backwards := make([]*Spec, len(r.waits)), true
	for i, w := range r.waits {
		s := r.named(w.name)
		targets[i] = s
		if s == nil && (r.known == nil || !r.known(w.name)) {
			r.task = string(w.spec.ID)
			r.failLine(w.line, "after: found "+quote(string(w.name), maxID)+", which is no task of this file"+r.meant(w.name))
		}
		backwards = backwards && w.spec != &r.defaults && (s == nil || s.Line < w.spec.Line)
	}
	r.task = ""
	if backwards {
		return // all wait for tasks above them
	}
	g := waitGraph{report: &r.report, waits: r.waits, targets: targets, first: make(map[*Spec]int), path: make(map[*Spec]bool)}
	for i, w := range r.waits {
		if _, ok := g.first[w.spec]; !ok {
			g.first[w.spec] = i
		}
	}
	if i, ok := g.first[&r.defaults]; ok {
		delete(g.first, &r.defaults) // is no task
		for _, s := range r.inherit {
			g.first[s] = i
		}
	}
	for _, w := range r.waits {
		g.search(w.spec)
	}
	for _, s := range r.inherit {
		g.search(s)
	}
}

// maxLook bounds in how many ids a mistyped one is looked for, and how often.
const maxLook = 10_000

// meant says which id was probably meant, or nothing.
func (r *reader) meant(name ID) string {
	if r.looks += len(r.byID); r.looks > maxLook || len(name) > 60 {
		return ""
	}
	best, least := "", 3
	for id := range r.byID {
		d := distance(string(name), string(id))
		if d < least && d < len(name) || d == least && best != "" && string(id) < best {
			best, least = string(id), d
		}
	}
	if best == "" {
		return ""
	}
	return ", did you mean " + best + "?"
}
