package local

import (
	"fmt"
	"math"
	"strings"

	"github.com/mesos/mesos-go/api/v1/lib"
)

// minAllocatable says what must be left on an agent for it to be offered: one
// of these sets of scalars at least; anything if there is no set.
type minAllocatable []Resources

// defaultMinAllocatable is Mesos' default of --min_allocatable_resources.
const defaultMinAllocatable = "cpus:0.01|mem:32"

// CheckMinAllocatable finds what is wrong with a Config's MinAllocatable.
func CheckMinAllocatable(s string) error {
	_, err := parseMinAllocatable(s)
	return err
}

// parseMinAllocatable reads sets of scalars, of which one must be there, such as
// "cpus:0.1;mem:32|disk:100".
func parseMinAllocatable(s string) (minAllocatable, error) {
	var sets minAllocatable
	for part := range strings.SplitSeq(s, "|") {
		set, err := ParseResources(part)
		if err != nil {
			return nil, err
		}
		for _, x := range set {
			if x.ranges != nil || x.set != nil {
				return nil, fmt.Errorf("%q is no quantity", x.name)
			}
		}
		sets = append(sets, set)
	}
	return sets, nil
}

// allows tells whether resources are enough to be offered.
func (sets minAllocatable) allows(free Resources) bool {
	if len(free) == 0 {
		return false
	}
	for _, set := range sets {
		if free.contains(set) {
			return true
		}
	}
	return len(sets) == 0
}

// leastOf reads what a framework wants at least, by role. A role that is not
// in the result goes by the master's own rule. It has been validated.
func leastOf(info *mesos.FrameworkInfo) map[string]minAllocatable {
	var out map[string]minAllocatable
	for role, filter := range info.OfferFilters {
		if filter.MinAllocatableResources == nil {
			continue
		}
		sets := minAllocatable{}
		for _, q := range filter.MinAllocatableResources.Quantities {
			var set Resources
			for name, v := range q.Quantities {
				milli, ok := toMilli(v.Value)
				if !ok {
					milli = maxScalar // more than anybody has
				}
				set = set.plus(Resources{{name: name, scalar: milli}})
			}
			sets = append(sets, set)
		}
		if out == nil {
			out = map[string]minAllocatable{}
		}
		out[role] = sets
	}
	return out
}

// validateOfferFilters checks what a framework wants at least (Mesos:
// common::validation::validateOfferFilters); "" if nothing is wrong.
func validateOfferFilters(info *mesos.FrameworkInfo) string {
	for _, filter := range info.OfferFilters {
		for _, q := range filter.MinAllocatableResources.GetQuantities() {
			if len(q.Quantities) == 0 {
				return "Resource quantities must contain at least one quantity"
			}
			for name, v := range q.Quantities {
				switch {
				case math.IsInf(v.Value, 0):
					return "Invalid resource quantity for '" + name + "': Infinite values not supported"
				case math.IsNaN(v.Value):
					return "Invalid resource quantity for '" + name + "': NaN not supported"
				case v.Value < 0:
					return "Invalid resource quantity for '" + name + "': Negative values not supported"
				}
			}
		}
	}
	return ""
}
