package scheduler

import (
	"math"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"cmdq/task"
)

// pool is what the offers of one agent have together, less what was taken from
// it in this step.
type pool struct {
	role  string // it was offered to
	free  task.Resources
	ports []portRange
	coins []coin // reserved ones first, so that they are used up first
}

// room is what is left.
func (p *pool) room() room { return room{p.free, p.portsLeft(), p.role} }

// coin is one scalar resource of an offer: unreserved, or reserved for our role.
type coin struct {
	proto mesos.Resource // without its amount
	milli int64          // thousandths left
}

// add puts a resource of an offer into the pool, if it is one we may use for
// any command: a scalar we know, unreserved or reserved for our role, and
// neither revocable, shared nor a disk with a volume or source of its own.
// Ports, sets and attributes stay in the offer untouched.
func (p *pool) add(r mesos.Resource, role string) {
	if r.GetType() != mesos.SCALAR || r.Scalar == nil || r.Disk != nil || r.Revocable != nil || r.Shared != nil || r.ProviderID != nil {
		return
	}
	owner := reservedFor(&r)
	if owner != "*" && owner != role {
		return
	}
	milli := thousandths(r.Scalar.Value)
	if milli <= 0 {
		return
	}
	switch r.Name {
	case "cpus", "mem", "disk", "gpus":
	default:
		return
	}
	r.Scalar = nil
	if owner == "*" {
		p.coins = append(p.coins, coin{r, milli})
	} else {
		p.coins = append([]coin{{r, milli}}, p.coins...)
	}
	p.free = p.sum()
}

// sum counts whole MB only: half a MB helps nobody.
func (p *pool) sum() task.Resources {
	var cpus, mem, disk, gpus int64
	for _, c := range p.coins {
		switch c.proto.Name {
		case "cpus":
			cpus += c.milli
		case "mem":
			mem += c.milli
		case "disk":
			disk += c.milli
		case "gpus":
			gpus += c.milli
		}
	}
	return task.Resources{CPUs: cpus, Mem: mem / 1000, Disk: disk / 1000, GPUs: gpus / 1000}
}

// take removes need from the pool and says it in the resources of a TaskInfo.
// need fits: the caller has looked.
func (p *pool) take(need task.Resources) []mesos.Resource {
	var out []mesos.Resource
	for _, part := range []struct {
		name  string
		milli int64
	}{{"cpus", need.CPUs}, {"mem", need.Mem * 1000}, {"disk", need.Disk * 1000}, {"gpus", need.GPUs * 1000}} {
		left := part.milli
		for i := range p.coins {
			c := &p.coins[i]
			if left == 0 || c.proto.Name != part.name || c.milli == 0 {
				continue
			}
			n := min(left, c.milli)
			left -= n
			c.milli -= n
			r := c.proto
			r.Scalar = &mesos.Value_Scalar{Value: float64(n) / 1000}
			out = append(out, r)
		}
		if left != 0 {
			panic("scheduler: took more than an offer has")
		}
	}
	p.free = p.sum()
	return out
}

// reservedFor is the role a resource is reserved for, "*" if for nobody, in
// either of the formats of Mesos (src/common/resources_utils.cpp).
func reservedFor(r *mesos.Resource) string {
	if n := len(r.Reservations); n > 0 {
		return r.Reservations[n-1].GetRole()
	}
	if r.Role != nil && *r.Role != "" {
		return *r.Role
	}
	return "*"
}

// thousandths reads a scalar as Mesos does, with three decimals. What is no
// number, or far too large, counts as nothing.
func thousandths(v float64) int64 {
	if math.IsNaN(v) || v <= 0 || v > 1e12 {
		return 0
	}
	return int64(math.Round(v * 1000))
}
