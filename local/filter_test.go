package local

import (
	"math"
	"testing"
	"time"
)

func TestRefusal(t *testing.T) {
	tests := []struct {
		said *float64
		want time.Duration
	}{
		{nil, 5 * time.Second},
		{new(0.0), 0},
		{new(0.25), 250 * time.Millisecond},
		{new(-1.0), 5 * time.Second},
		{new(math.NaN()), 5 * time.Second},
		{new(math.Inf(1)), 365 * 24 * time.Hour},
		{new(1e12), 365 * 24 * time.Hour},
	}
	for _, tt := range tests {
		if got := refusal(tt.said); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.said, got, tt.want)
		}
	}
}

func TestFilters(t *testing.T) {
	now := time.Unix(1000, 0)
	small, large := mustResources(t, "cpus:1;mem:10"), mustResources(t, "cpus:2;mem:10")
	f := filters{}
	f.add("a", "r", large, now, 4*time.Second, time.Second)

	if !f.block("a", "r", large, now) || !f.block("a", "r", small, now) {
		t.Error("what was refused, or a part of it, is offered again")
	}
	if f.block("a", "r", mustResources(t, "cpus:2;mem:11"), now) || f.block("a", "r", mustResources(t, "gpus:1"), now) {
		t.Error("what goes beyond the refused is held back")
	}
	if f.block("b", "r", small, now) || f.block("a", "s", small, now) {
		t.Error("another agent or role is held back")
	}
	if f.block("a", "r", small, now.Add(4*time.Second)) {
		t.Error("the filter does not end")
	}

	f.add("a", "r", small, now, time.Second, time.Second)
	if len(f["a"]) != 2 {
		t.Errorf("%d filters, want both: the first lasts longer", len(f["a"]))
	}
	f.add("a", "r", large, now, 10*time.Second, time.Second)
	if len(f["a"]) != 1 {
		t.Errorf("%d filters, want the one that covers all", len(f["a"]))
	}
	f.add("a", "s", small, now, time.Millisecond, time.Second)
	if !f.block("a", "s", small, now.Add(999*time.Millisecond)) {
		t.Error("a filter ends before the next allocation")
	}
	f.expire(now.Add(time.Second))
	if len(f["a"]) != 1 {
		t.Error("an expired filter stays")
	}
	f.clearRole("r")
	if len(f) != 0 {
		t.Error("a revived role keeps a filter")
	}
	f.add("a", "r", large, now, 0, time.Second)
	f.add("a", "r", nil, now, time.Second, time.Second)
	if len(f) != 0 {
		t.Error("refusing for no time, or nothing, makes a filter")
	}
}
