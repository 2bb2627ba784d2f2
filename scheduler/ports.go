package scheduler

import (
	"strconv"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"cmdq/task"
)

// portRange is a piece of the ports of an offer, both ends included.
type portRange struct {
	proto      mesos.Resource // without its ranges
	begin, end uint64
}

// maxRanges bounds the pieces that are kept of an offer.
const maxRanges = 10_000

// addPorts puts the ports of an offer into the pool, if we may use them.
func (p *pool) addPorts(r mesos.Resource, role string) {
	if r.Name != "ports" || r.GetType() != mesos.RANGES || r.Revocable != nil || r.Shared != nil || r.ProviderID != nil {
		return
	}
	if owner := reservedFor(&r); owner != "*" && owner != role {
		return
	}
	ranges := r.GetRanges().GetRange()
	r.Ranges = nil
	for _, piece := range ranges {
		if piece.Begin <= piece.End && piece.End <= 65535 && len(p.ports) < maxRanges {
			p.ports = append(p.ports, portRange{r, piece.Begin, piece.End})
		}
	}
}

// portsLeft is how many ports the pool has.
func (p *pool) portsLeft() int {
	n := 0
	for _, r := range p.ports {
		n += int(r.end - r.begin + 1)
	}
	return n
}

// takePorts removes so many ports from the pool, which has them, and says them in
// resources of a TaskInfo.
func (p *pool) takePorts(n int) (out []mesos.Resource, ports []uint16) {
	for n > 0 {
		r := &p.ports[0]
		size := min(n, int(r.end-r.begin+1))
		taken := r.proto
		taken.Ranges = &mesos.Value_Ranges{Range: []mesos.Value_Range{{Begin: r.begin, End: r.begin + uint64(size) - 1}}}
		out = append(out, taken)
		for i := range size {
			ports = append(ports, uint16(r.begin)+uint16(i))
		}
		n -= size
		if r.begin += uint64(size); r.begin > r.end {
			p.ports = p.ports[1:]
		}
	}
	return out, ports
}

// portsOf is how many ports a task asks for.
func portsOf(t *task.Task) int { return t.Spec.Asks().Ports }

// portsFit tells whether an agent was ever seen to have the ports that t needs.
func (s *state) portsFit(a *agent, t *task.Task) bool { return portsOf(t) <= a.mostPorts }

// portVariables are PORT0 and so on.
func portVariables(ports []uint16) []task.Variable {
	var out []task.Variable
	for i, port := range ports {
		out = append(out, task.Variable{Name: "PORT" + strconv.Itoa(i), Value: strconv.Itoa(int(port))})
	}
	return out
}
