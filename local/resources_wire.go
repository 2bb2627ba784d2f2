package local

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mesos/mesos-go/api/v1/lib"
)

// wireForm is how a framework wants resources written (Mesos:
// src/common/resources_utils.cpp).
type wireForm struct {
	role    string // what they are allocated to; said only if the framework has MULTI_ROLE
	refined bool   // RESERVATION_REFINEMENT: unreserved resources name no role
}

// wire writes unreserved resources as messages.
func (r Resources) wire(form wireForm) []mesos.Resource {
	out := make([]mesos.Resource, len(r))
	for i, x := range r {
		m := &out[i]
		m.Name = x.name
		switch {
		case x.ranges != nil:
			m.Type = mesos.RANGES.Enum()
			m.Ranges = &mesos.Value_Ranges{Range: make([]mesos.Value_Range, len(x.ranges))}
			for j, s := range x.ranges {
				m.Ranges.Range[j] = mesos.Value_Range{Begin: s.begin, End: s.end}
			}
		case x.set != nil:
			m.Type = mesos.SET.Enum()
			m.Set = &mesos.Value_Set{Item: x.set}
		default:
			m.Type = mesos.SCALAR.Enum()
			m.Scalar = &mesos.Value_Scalar{Value: float64(x.scalar) / 1000}
		}
		if !form.refined {
			m.Role = &anyRole
		}
		if form.role != "" {
			m.AllocationInfo = &mesos.Resource_AllocationInfo{Role: &form.role}
		}
	}
	return out
}

var anyRole = "*"

// fromWire reads the resources of a task that is launched from offers of one
// role. What is reserved, revocable, shared, a volume or allocated to another
// role can be in no offer of ours: it keeps a name of its own, such as
// "cpus(reserved: ads)", and so fits nowhere.
func fromWire(list []mesos.Resource, role string) (Resources, error) {
	all := make([]resource, len(list))
	for i := range list {
		r, err := readResource(&list[i])
		if err != nil {
			return nil, err
		}
		if mark := foreign(&list[i], role); mark != "" {
			r.name += "(" + mark + ")"
		}
		all[i] = r
	}
	return sumOf(all), nil
}

// sumOf adds up entries in any order, names more than once: in one go, for a
// call can hold a million of them.
func sumOf(all []resource) Resources {
	slices.SortStableFunc(all, func(a, b resource) int { return strings.Compare(a.name, b.name) })
	var out Resources
	for len(all) > 0 {
		sum, n := resource{name: all[0].name}, 0
		for ; n < len(all) && all[n].name == sum.name; n++ {
			sum.scalar = min(sum.scalar+all[n].scalar, maxSum)
			sum.ranges = append(sum.ranges, all[n].ranges...)
			sum.set = append(sum.set, all[n].set...)
		}
		if n > 1 {
			sum.ranges, sum.set = joinSpans(nil, sum.ranges), joinSets(nil, sum.set)
		}
		if !sum.empty() {
			out = append(out, sum)
		}
		all = all[n:]
	}
	return out
}

// readResource reads and checks the value of one resource.
func readResource(m *mesos.Resource) (resource, error) {
	r := resource{name: m.Name}
	if m.Name == "" {
		return r, fmt.Errorf("empty resource name")
	}
	switch m.GetType() {
	case mesos.SCALAR:
		if m.Scalar == nil || m.Ranges != nil || m.Set != nil {
			return r, fmt.Errorf("invalid scalar resource %q", m.Name)
		}
		n, ok := toMilli(m.Scalar.Value)
		if !ok {
			return r, fmt.Errorf("invalid scalar resource %q: %v is negative, too large or no number", m.Name, m.Scalar.Value)
		}
		r.scalar = n
	case mesos.RANGES:
		if m.Ranges == nil || m.Scalar != nil || m.Set != nil {
			return r, fmt.Errorf("invalid ranges resource %q", m.Name)
		}
		for _, x := range m.Ranges.Range {
			if x.Begin > x.End {
				return r, fmt.Errorf("invalid ranges resource %q: %d-%d", m.Name, x.Begin, x.End)
			}
			r.ranges = append(r.ranges, span{x.Begin, x.End})
		}
		r.ranges = joinSpans(nil, r.ranges)
	case mesos.SET:
		if m.Set == nil || m.Scalar != nil || m.Ranges != nil {
			return r, fmt.Errorf("invalid set resource %q", m.Name)
		}
		r.set = joinSets(nil, m.Set.Item)
	default:
		return r, fmt.Errorf("unsupported type of resource %q", m.Name)
	}
	if m.Name == "gpus" && r.scalar%1000 != 0 {
		return r, fmt.Errorf("the \"gpus\" resource must be an unsigned integer")
	}
	return r, nil
}

// foreign says what sets a resource apart from the unreserved ones offered to
// a role; "" if nothing does.
func foreign(m *mesos.Resource, role string) string {
	var marks []string
	if m.Role != nil && *m.Role != "*" {
		marks = append(marks, "reserved: "+*m.Role)
	}
	if m.Reservation != nil || len(m.Reservations) > 0 {
		marks = append(marks, "reserved")
	}
	if m.AllocationInfo != nil && m.AllocationInfo.GetRole() != role {
		marks = append(marks, "allocated: "+m.AllocationInfo.GetRole())
	}
	if m.Revocable != nil {
		marks = append(marks, "revocable")
	}
	if m.Shared != nil {
		marks = append(marks, "shared")
	}
	if m.Disk != nil {
		marks = append(marks, "volume")
	}
	if m.ProviderID != nil {
		marks = append(marks, "provider")
	}
	return strings.Join(marks, ", ")
}
