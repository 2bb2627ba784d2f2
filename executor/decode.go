package executor

import (
	"fmt"

	api "github.com/mesos/mesos-go/api/v1/lib/executor"

	"cmdq/wire"
)

// decode reads an event; nil without an error is one that nobody here knows.
func decode(frame []byte) (ev *api.Event, err error) {
	// The generated decoders are of 2020 and index out of range on some hostile
	// lengths (CVE-2021-3121). Nothing else can panic in here.
	defer func() {
		if r := recover(); r != nil {
			ev, err = nil, fmt.Errorf("decode an event: %v", r)
		}
	}()
	if err := wire.CheckNesting(frame); err != nil {
		return nil, fmt.Errorf("decode an event: %w", err)
	}
	ev = new(api.Event)
	if err := ev.Unmarshal(frame); err != nil {
		return nil, fmt.Errorf("decode an event: %w", err)
	}
	return ev, nil
}
