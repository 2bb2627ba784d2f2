package scheduler

import (
	"slices"
	"strconv"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"cmdq/task"
)

// maxAttributes bounds what is kept of the attributes of an agent.
const maxAttributes = 256

// attributesOf are the attributes that an agent tells in an offer, by name, as
// text: a scalar as Mesos writes it, ranges and sets by their items.
func attributesOf(list []mesos.Attribute) map[string][]string {
	out := map[string][]string{}
	for i := range list {
		a := &list[i]
		if i == maxAttributes {
			break
		}
		name := clean(a.Name)
		switch a.Type {
		case mesos.TEXT:
			out[name] = append(out[name], clean(a.GetText().GetValue()))
		case mesos.SCALAR:
			out[name] = append(out[name], strconv.FormatFloat(a.GetScalar().GetValue(), 'f', -1, 64))
		case mesos.SET:
			for _, item := range a.GetSet().GetItem() {
				if len(out[name]) < maxAttributes {
					out[name] = append(out[name], clean(item))
				}
			}
		default:
			out[name] = append(out[name], "")
		}
	}
	return out
}

// meets tells whether an agent is what the constraints of a task ask for.
func (a *agent) meets(t *task.Task) bool { return a.unmet(t) == nil }

// unmet is the first constraint of a task that an agent does not meet.
func (a *agent) unmet(t *task.Task) *task.Constraint {
	constraints := t.Spec.Asks().Constraints
	for i := range constraints {
		c := &constraints[i]
		values, there := a.attributes[c.Attribute]
		if c.Attribute == "hostname" {
			values, there = []string{a.host}, true
		}
		ok := false
		switch c.Op {
		case task.Is:
			ok = slices.Contains(values, c.Value)
		case task.IsNot:
			ok = !slices.Contains(values, c.Value)
		case task.Exists:
			ok = there
		case task.Absent:
			ok = !there
		}
		if !ok {
			return c
		}
	}
	return nil
}
