package task

import (
	"regexp"

	"gopkg.in/yaml.v3"
)

// maxConstraints bounds those of a task: each is looked at for every offer.
const maxConstraints = 100

const allowedConstraint = `an attribute, or hostname, with a test: "rack == r1", "rack != r1", "gpu exists" or "gpu absent"`

var (
	compares = regexp.MustCompile(`^\s*([^\s=!<>~]+)\s*(==|!=)\s*([^\s=].*?)\s*$`)
	asks     = regexp.MustCompile(`^\s*([^\s=!<>~]+)\s+(exists|absent)\s*$`)
)

// constraints reads what a task wants of an agent: all of them.
func (r *reader) constraints(n *yaml.Node) []Constraint {
	items, ok := r.items("constraints", n, "a list of texts such as \"rack == r1\"")
	if !ok || len(items) == 0 {
		return nil
	}
	if len(items) > maxConstraints {
		r.fail(deref(n), "constraints: found %d, allowed are at most %d", len(items), maxConstraints)
		return nil
	}
	list := make([]Constraint, 0, len(items))
	for _, item := range items {
		item = deref(item)
		s, ok := r.scalar("constraints", item, allowedConstraint)
		if !ok {
			continue
		}
		c, ok := parseConstraint(s)
		switch {
		case !ok || len(s) > maxPath:
			r.fail(item, "constraints: found %s, allowed is %s", quote(s, 200), allowedConstraint)
		case c.Attribute == hostname && (c.Op == Exists || c.Op == Absent):
			r.fail(item, "constraints: found %s, and every agent has a hostname, allowed with it are == and !=", quote(s, 200))
		default:
			list = append(list, Constraint{r.keep(c.Attribute), c.Op, r.keep(c.Value)})
		}
	}
	return list
}

// hostname is no attribute, but may be asked for as one.
const hostname = "hostname"

func parseConstraint(s string) (Constraint, bool) {
	if m := compares.FindStringSubmatch(s); m != nil {
		return Constraint{Attribute: m[1], Op: Op(m[2]), Value: m[3]}, true
	}
	if m := asks.FindStringSubmatch(s); m != nil {
		return Constraint{Attribute: m[1], Op: Op(m[2])}, true
	}
	return Constraint{}, false
}
