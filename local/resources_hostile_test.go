package local

import (
	"slices"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
)

// TestResourcesDoNotWrap: a sum that is too large for an integer is too large
// for every offer, and not a small one.
func TestResourcesDoNotWrap(t *testing.T) {
	const most = maxScalar/1000 - 1
	for _, n := range []int{2, 2048, 2049, 4100} { // 2049 of them are more than 2^63
		need, err := fromWire(slices.Repeat([]mesos.Resource{scalarResource("cpus", most)}, n), "*")
		if err != nil || mustResources(t, "cpus:8").contains(need) {
			t.Errorf("%d times %v are %v, %v", n, float64(most), need, err)
		}
		if sum := need.plus(need).plus(need); mustResources(t, "cpus:8").contains(sum) {
			t.Errorf("their sum is %v", sum)
		}
	}
}

// TestManyResources: as many entries as a call can hold are read in a time that
// holds up nobody; sorting them again for each one would take minutes.
func TestManyResources(t *testing.T) {
	const n = 200_000
	ranges := &mesos.Value_Ranges{}
	for i := range uint64(n) {
		ranges.Range = append(ranges.Range, mesos.Value_Range{Begin: 3 * i, End: 3*i + 1})
	}
	slices.Reverse(ranges.Range)
	one := []mesos.Resource{{Name: "ports", Type: mesos.RANGES.Enum(), Ranges: ranges}}
	var each, names []mesos.Resource
	for i := range n {
		each = append(each, mesos.Resource{Name: "ports", Type: mesos.RANGES.Enum(), Ranges: &mesos.Value_Ranges{Range: ranges.Range[i : i+1]}})
		names = append(names, scalarResource(string([]byte{byte(i), byte(i >> 8), byte(i >> 16)}), 1))
	}
	began := time.Now()
	for name, list := range map[string][]mesos.Resource{"ranges": one, "entries": each, "names": names} {
		r, err := fromWire(list, "*")
		if err != nil {
			t.Fatal(err)
		}
		if got := max(len(r), len(r.named("ports").ranges)); got != n {
			t.Errorf("%s: %d are left of %d", name, got, n)
		}
		if took := time.Since(began); took > patience {
			t.Fatalf("%s took %v", name, took)
		}
	}
}
