package zookeeper

import (
	"strings"
	"testing"
)

func TestTurns(t *testing.T) {
	turn := new(turns)
	if err := turn.Init([]string{"a", "b", "c"}); err != nil || turn.Len() != 3 {
		t.Fatal(err)
	}
	var got []string
	next := func() {
		server, pause := turn.Next()
		if pause {
			server = "," + server
		}
		got = append(got, server)
	}
	for range 7 {
		next()
	}
	turn.Connected()
	for range 3 {
		next()
	}
	if got, want := strings.Join(got, ""), "abc,abc,abc,a"; got != want {
		t.Errorf("got %s, not %s", got, want)
	}
	one := new(turns)
	if err := one.Init([]string{"a"}); err != nil {
		t.Fatal(err)
	}
	for try := range 5 {
		if _, pause := one.Next(); pause != (try > 0) {
			t.Errorf("try %d: pause %t", try, pause)
		}
		one.Connected()
	}
}
