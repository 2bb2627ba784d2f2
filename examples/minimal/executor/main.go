// Command executor is about the smallest Mesos executor that is of use: it runs
// the data of each task with /bin/sh. README.md goes through its callbacks.
package main

import (
	"context"
	"log"
	"os"
	"os/exec"
	"syscall"

	"github.com/google/uuid"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	api "github.com/mesos/mesos-go/api/v1/lib/executor"
	"github.com/mesos/mesos-go/api/v1/lib/executor/config"

	"cmdq/mesosapi"
)

// executor is owned by one goroutine, main's.
type executor struct {
	agent   *mesosapi.ExecutorConn
	running map[string]func() // by task; ends it
	owed    map[string]bool   // uuids of updates that are not acknowledged
	ended   chan func()       // what is to be done now that a command has ended
}

func main() {
	env, err := config.FromEnv() // what an agent tells its executors
	if err != nil {
		log.Fatal(err)
	}
	agent := mesosapi.NewExecutorConn(mesosapi.ExecutorConfig{Addr: env.AgentEndpoint, FrameworkID: env.FrameworkID,
		ExecutorID: env.ExecutorID, Token: os.Getenv("MESOS_EXECUTOR_AUTHENTICATION_TOKEN")})
	x := &executor{agent, map[string]func(){}, map[string]bool{}, make(chan func())}
	leaving := false
	agent.Subscribe(&api.Call_Subscribe{})
	for !leaving || len(x.running)+len(x.owed) > 0 {
		select {
		case in := <-agent.Incoming():
			switch e := in.Event; {
			case in.Down != nil: // disconnected: there is nobody to report to; the agent ends what still runs
				log.Fatal(in.Down)
			case e == nil: // an update came through
			case e.Type == api.Event_SUBSCRIBED: // registered
				log.Print("registered")
			case e.Type == api.Event_LAUNCH:
				x.launchTask(&e.Launch.Task)
			case e.Type == api.Event_KILL: // killTask
				if end := x.running[e.Kill.TaskID.Value]; end != nil {
					end()
				}
			case e.Type == api.Event_ACKNOWLEDGED:
				delete(x.owed, string(e.Acknowledged.UUID))
			case e.Type == api.Event_SHUTDOWN:
				leaving = true
				for _, end := range x.running {
					end()
				}
			}
		case next := <-x.ended:
			next()
		}
	}
	agent.Close()
}

func (x *executor) launchTask(task *mesos.TaskInfo) {
	id := task.TaskID.Value
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", string(task.Data))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr // files in the sandbox
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	x.running[id] = cancel
	x.sendStatusUpdate(id, mesos.TASK_RUNNING, "")
	go func() {
		err := cmd.Run()
		x.ended <- func() {
			state, text := mesos.TASK_FINISHED, cmd.ProcessState.String()
			if ctx.Err() != nil {
				state = mesos.TASK_KILLED
			} else if err != nil {
				state, text = mesos.TASK_FAILED, err.Error()
			}
			delete(x.running, id)
			x.sendStatusUpdate(id, state, text)
		}
	}()
}

func (x *executor) sendStatusUpdate(id string, state mesos.TaskState, message string) {
	u := uuid.New()
	x.owed[string(u[:])] = true
	x.agent.Update(mesos.TaskStatus{TaskID: mesos.TaskID{Value: id}, State: &state, Message: &message,
		Source: mesos.SOURCE_EXECUTOR.Enum(), UUID: u[:]})
}
