package executor

import (
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	api "github.com/mesos/mesos-go/api/v1/lib/executor"

	"cmdq/mesosapi"
)

// translate is what came from the agent as ours; nil: nothing to do.
func translate(in mesosapi.FromAgent) event {
	switch {
	case in.Down != nil:
		return down{err: in.Down, fatal: in.Final}
	case in.Taken != nil:
		return delivered{id: in.Taken.TaskID.Value, uuid: in.Taken.UUID}
	case in.Event == nil:
		return nil
	}
	switch e := in.Event; e.Type {
	case api.Event_SUBSCRIBED:
		for _, c := range e.Subscribed.FrameworkInfo.Capabilities {
			if c.Type == mesos.FrameworkInfo_Capability_TASK_KILLING_STATE {
				return subscribed{killing: true}
			}
		}
		return subscribed{}
	case api.Event_LAUNCH:
		return launched{e.Launch.Task}
	case api.Event_LAUNCH_GROUP:
		return launchedGroup{e.LaunchGroup.TaskGroup.Tasks}
	case api.Event_KILL:
		kill := killAsked{id: e.Kill.TaskID.Value}
		if d := e.Kill.KillPolicy.GetGracePeriod(); d != nil {
			grace := time.Duration(d.Nanoseconds)
			kill.grace = &grace
		}
		return kill
	case api.Event_ACKNOWLEDGED:
		return acknowledged{e.Acknowledged.TaskID.Value, e.Acknowledged.UUID}
	case api.Event_MESSAGE:
		return messaged{len(e.Message.Data)}
	case api.Event_SHUTDOWN:
		return shutdownAsked{by: "the agent"}
	case api.Event_ERROR:
		return errored{e.Error.Message}
	}
	return nil // HEARTBEAT
}
