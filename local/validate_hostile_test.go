package local

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// TestRolesAreBounded: roles without end would keep the allocation busy without
// end, and so would one of parts without end.
func TestRolesAreBounded(t *testing.T) {
	c := startCluster(t, Config{})
	live := subscribe(t, c, codecProtobuf, modern)
	var many []string
	for i := range maxRoles + 1 {
		many = append(many, strconv.Itoa(i))
	}
	long := strings.Repeat("a/", maxRole/2) + "a"
	for name, tt := range map[string]struct {
		roles, suppressed []string
		fine              bool
	}{
		"most":            {roles: many[1:], suppressed: many[1:], fine: true},
		"too many":        {roles: many},
		"twice":           {roles: slices.Repeat(many, 400)},
		"suppressed":      {roles: many[1:], suppressed: slices.Repeat(many[1:], 400)},
		"strangers":       {roles: many[1:], suppressed: slices.Repeat([]string{"x"}, 400_000)},
		"longest":         {roles: []string{long[2:]}, fine: true},
		"too long":        {roles: []string{long}},
		"millions of one": {roles: []string{strings.Repeat("a/", 4<<20) + "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			info := modern
			info.Roles = tt.roles
			s := subscribe(t, c, codecProtobuf, info, tt.suppressed...)
			if fine := s.id != ""; fine != tt.fine {
				t.Errorf("subscribed: %t, want %t", fine, tt.fine)
			}
			s.breakOff()
		})
	}
	live.call(&scheduler.Call{Type: scheduler.Call_SUPPRESS, Suppress: &scheduler.Call_Suppress{Roles: slices.Repeat([]string{"*"}, maxRoles+1)}})
	live.call(&scheduler.Call{Type: scheduler.Call_REVIVE})
}

// TestSameURIs: the order does not matter, and many are compared in no time.
func TestSameURIs(t *testing.T) {
	uri := func(i int) mesos.CommandInfo_URI { return mesos.CommandInfo_URI{Value: fmt.Sprint(i)} }
	var many []mesos.CommandInfo_URI
	for i := range 300_000 {
		many = append(many, uri(i))
	}
	turned := slices.Clone(many)
	slices.Reverse(turned)
	executable := uri(1)
	executable.Executable = new(true)
	began := time.Now()
	for _, tt := range []struct {
		a, b []mesos.CommandInfo_URI
		want bool
	}{
		{nil, nil, true}, {nil, many[:1], false}, {many[:1], nil, false}, {many[:2], []mesos.CommandInfo_URI{uri(1), uri(0)}, true},
		{many[:2], []mesos.CommandInfo_URI{uri(0), uri(0)}, false}, {[]mesos.CommandInfo_URI{uri(0), uri(0)}, many[:2], false},
		{[]mesos.CommandInfo_URI{executable}, many[1:2], false}, {many, turned, true},
	} {
		if got := sameURIs(tt.a, tt.b); got != tt.want {
			t.Errorf("%.50v and %.50v are the same: %t", tt.a, tt.b, got)
		}
	}
	if took := time.Since(began); took > patience {
		t.Errorf("it took %v", took)
	}
}
