// Command scheduler is about the smallest Mesos framework that is of use: it runs
// tasks on the executor beside it. README.md goes through its callbacks.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/resources"
	api "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"

	"cmdq/mesosapi"
)

var (
	master   = flag.String("master", "127.0.0.1:5050", "host:port, or zk://host:port/path")
	user     = flag.String("user", "root", "who the tasks run as")
	executor = flag.String("executor", "", "path of the executor on the agents")
	command  = flag.String("command", "echo hello", "what each task runs")
	todo     = flag.Int("tasks", 5, "how many tasks")
)

// framework is owned by one goroutine, main's.
type framework struct {
	conn               *mesosapi.Conn
	id                 *mesos.FrameworkID
	running, executors map[string]bool // tasks; agents with an executor of ours
}

func main() {
	flag.Parse()
	conn, err := mesosapi.New(mesosapi.Config{Master: *master})
	if err != nil {
		log.Fatal(err)
	}
	f := &framework{conn: conn, running: map[string]bool{}, executors: map[string]bool{}}
	conn.Subscribe(calls.Subscribe(&mesos.FrameworkInfo{Name: "minimal", User: *user}))
	for *todo+len(f.running)+len(f.executors) > 0 {
		switch in := <-conn.Incoming(); {
		case in.Down != nil: // disconnected: the master ends what a framework without failover_timeout runs
			log.Fatal(in.Down)
		case in.Event.GetType() == api.Event_SUBSCRIBED: // registered
			f.id = in.Event.Subscribed.FrameworkID
		case in.Event.GetType() == api.Event_OFFERS: // resourceOffers
			for _, o := range in.Event.Offers.Offers {
				f.resourceOffer(o, o.Resources)
			}
		case in.Event.GetType() == api.Event_UPDATE:
			f.statusUpdate(in.Event.Update.Status)
		case in.Event.GetType() == api.Event_FAILURE: // executorLost, slaveLost
			log.Print("executor gone, status ", in.Event.Failure.GetStatus())
			delete(f.executors, in.Event.Failure.AgentID.GetValue())
		case in.Event.GetType() == api.Event_ERROR:
			log.Fatal(in.Event.Error.Message)
		}
	}
	conn.Send(&api.Call{Type: api.Call_TEARDOWN, FrameworkID: f.id})
	if err := conn.Flush(context.Background()); err != nil { // no call takes for ever
		log.Fatal(err)
	}
}

func (f *framework) resourceOffer(o mesos.Offer, left mesos.Resources) {
	each := mesos.Resources{resources.NewCPUs(0.1).Resource, resources.NewMemory(32).Resource} // of a task, and of an executor
	x := &mesos.ExecutorInfo{Type: mesos.ExecutorInfo_CUSTOM, ExecutorID: mesos.ExecutorID{Value: "minimal"}, FrameworkID: f.id,
		Resources: each, Command: &mesos.CommandInfo{Value: executor}}
	var tasks []mesos.TaskInfo // the first one brings the executor, so its share is left over
	for ; *todo > 0 && resources.ContainsAll(left, each.Plus(each...)); *todo-- {
		id := mesos.TaskID{Value: fmt.Sprint("task-", *todo)}
		tasks = append(tasks, mesos.TaskInfo{Name: id.Value, TaskID: id, AgentID: o.AgentID, Resources: each, Executor: x, Data: []byte(*command)})
		left, f.running[id.Value], f.executors[o.AgentID.Value] = left.Minus(each...), true, true
	}
	call := calls.Decline(o.ID)
	if tasks != nil {
		call = calls.Accept(calls.OfferOperations{calls.OpLaunch(tasks...)}.WithOffers(o.ID))
	}
	f.conn.Send(call.With(calls.Framework(f.id.Value)))
}

func (f *framework) statusUpdate(s mesos.TaskStatus) {
	log.Print(s.TaskID.Value, " ", s.State, " ", s.GetMessage())
	if *s.State == mesos.TASK_FINISHED {
		delete(f.running, s.TaskID.Value)
	} else if *s.State != mesos.TASK_RUNNING {
		log.Fatal("a task came to nothing")
	}
	if len(s.UUID) > 0 {
		f.conn.Acknowledge(calls.Acknowledge(s.AgentID.GetValue(), s.TaskID.Value, s.UUID).With(calls.Framework(f.id.Value)))
	}
	for agent := range f.executors {
		if *todo+len(f.running) == 0 {
			f.conn.Send(calls.Shutdown("minimal", agent).With(calls.Framework(f.id.Value)))
		}
	}
}
