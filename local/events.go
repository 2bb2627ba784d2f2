package local

import "github.com/mesos/mesos-go/api/v1/lib/scheduler"

func heartbeatEvent() *scheduler.Event { return &scheduler.Event{Type: scheduler.Event_HEARTBEAT} }

func errorEvent(message string) *scheduler.Event {
	return &scheduler.Event{Type: scheduler.Event_ERROR, Error: &scheduler.Event_Error{Message: message}}
}

// mustFrame encodes an event that is complete by construction.
func mustFrame(c *codec, e *scheduler.Event) []byte {
	frame, err := c.frame(e)
	if err != nil {
		panic("local: encode " + e.Type.String() + ": " + err.Error())
	}
	return frame
}
