package scheduler

import (
	"context"
	"errors"
	"strings"
	"testing"

	"cmdq/mesosapi"
)

// refusing is a master that takes us and refuses the TEARDOWN.
type refusing struct{ *scripted }

func (r refusing) Flush(context.Context) error {
	return &mesosapi.Refused{Addr: "m:5050", Status: 401, Realm: "mesos-master-scheduler"}
}

// TestTearDownRefused: it is said what was refused, by whom, and there is no
// other try.
func TestTearDownRefused(t *testing.T) {
	m := newScripted()
	err := TearDown(t.Context(), DefaultConfig(), "f-7", refusing{m}, m.incoming)
	var refused *mesosapi.Refused
	if !errors.As(err, &refused) || !strings.HasPrefix(err.Error(), "tear down framework f-7: master m:5050: refused: 401") {
		t.Error(err)
	}
	if got := strings.Join(m.seen, " "); got != "SUBSCRIBE TEARDOWN" {
		t.Error(got)
	}
}
