package scheduler

import (
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"cmdq/mesosapi"
	"cmdq/task"
)

// Event is something that happened: in the cluster, at the API or at a person's
// keyboard. step decides what follows from it.
type Event interface{ event() }

// The callbacks of the classic scheduler API are ten of these.
// registered and reregistered are both Subscribed: the first one of a run, and
// those after it.
type (
	// Subscribed opens every stream: registered, reregistered.
	Subscribed struct{ Info *sched.Event_Subscribed }
	// Down says that the stream ended, or could not be opened: disconnected.
	Down struct{ Err error }
	// LeaderMoved says, after Down, that another master leads than the one that
	// was tried.
	LeaderMoved struct{}
	// Offers brings what agents have left: resourceOffers.
	Offers struct{ Offers []mesos.Offer }
	// Rescinded takes an offer back: offerRescinded.
	Rescinded struct{ Offer string }
	// Updated tells of one launch: statusUpdate.
	Updated struct{ Status *mesos.TaskStatus }
	// Message comes from an executor: frameworkMessage.
	Message struct {
		Agent, Executor string
		Data            []byte
	}
	// AgentLost says that an agent is gone: slaveLost.
	AgentLost struct{ Agent string }
	// ExecutorLost says that an executor ended: executorLost.
	ExecutorLost struct {
		Agent, Executor string
		Status          int32 // raw wait(2) status
	}
	// Errored is the master's last word on a stream: error.
	Errored struct{ Message string }
	// Heartbeat says that the master holds us for subscribed.
	Heartbeat struct{}

	// Answered says how a call went; Err nil is well.
	Answered struct {
		Call *sched.Call
		Err  error
	}
	// Restored says that the queue was filled from a journal: a run of before
	// goes on. It comes before the first Load.
	Restored struct{}
	// Load brings all tasks of the tasks file, at the start and after a change.
	// File tells it from other files; it is recorded with the tasks.
	Load struct {
		Tasks  []task.Task
		Policy task.Policy
		File   string
	}
	// Unchanged comes instead of the first Load if the journal has all that the
	// tasks file says.
	Unchanged struct{}
	// Asked is a change that somebody wants. Answer is called once what came of
	// it is stored.
	Asked struct {
		Change Change
		Answer func(Outcome)
	}
	// Noted says how far the delivery of a notice is. Answer is called once that
	// is stored.
	Noted struct {
		Delivery Delivery
		Answer   func()
	}
	// Interrupt asks cmdq to stop: no launches, kill what runs, tear down.
	Interrupt struct{}
	// Detach asks cmdq to go away and leave alone what runs.
	Detach struct{}
	// Collected answers a Collection.
	Collected struct {
		Task    task.ID
		Launch  int
		Last    bool     // as in the Collection
		Missing []string // outputs that are not there and should be
		Err     error    // the outputs could not be fetched, and will not be
		Stderr  string   // the last lines of standard error; empty: not known
	}
	// Tick is the clock's: something is due.
	Tick struct{}
)

func (Subscribed) event()   {}
func (Down) event()         {}
func (LeaderMoved) event()  {}
func (Offers) event()       {}
func (Rescinded) event()    {}
func (Updated) event()      {}
func (Message) event()      {}
func (AgentLost) event()    {}
func (ExecutorLost) event() {}
func (Errored) event()      {}
func (Heartbeat) event()    {}
func (Answered) event()     {}
func (Restored) event()     {}
func (Load) event()         {}
func (Unchanged) event()    {}
func (Asked) event()        {}
func (Noted) event()        {}
func (Interrupt) event()    {}
func (Detach) event()       {}
func (Collected) event()    {}
func (Tick) event()         {}

// fromWire says in our words what came from the master. Nil: nothing of interest.
func fromWire(in mesosapi.Incoming) Event {
	switch {
	case in.Down != nil:
		return Down{in.Down}
	case in.Moved:
		return LeaderMoved{}
	case in.Call != nil:
		return Answered{in.Call, in.Err}
	case in.Event == nil:
		return nil
	}
	e := in.Event
	switch e.Type {
	case sched.Event_SUBSCRIBED:
		return Subscribed{e.Subscribed}
	case sched.Event_OFFERS:
		return Offers{e.GetOffers().GetOffers()}
	case sched.Event_RESCIND:
		offer := e.GetRescind().GetOfferID()
		return Rescinded{offer.GetValue()}
	case sched.Event_UPDATE:
		if e.Update == nil {
			return nil
		}
		return Updated{&e.Update.Status}
	case sched.Event_MESSAGE:
		if e.Message == nil {
			return nil
		}
		return Message{e.Message.AgentID.Value, e.Message.ExecutorID.Value, e.Message.Data}
	case sched.Event_FAILURE:
		f := e.GetFailure()
		if f.GetExecutorID() == nil {
			return AgentLost{f.GetAgentID().GetValue()}
		}
		return ExecutorLost{f.GetAgentID().GetValue(), f.GetExecutorID().GetValue(), f.GetStatus()}
	case sched.Event_ERROR:
		return Errored{e.GetError().GetMessage()}
	case sched.Event_HEARTBEAT:
		return Heartbeat{}
	}
	return nil // what we never ask for: inverse offers, operations
}
