package local

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/gogo/protobuf/proto"
	"github.com/google/uuid"
	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
)

// executorConn speaks the executor API: in the process of an executor, or in a
// test that poses as one.
type executorConn struct {
	url, framework, id, token string
	codec                     *codec
}

func (x *executorConn) request(ctx context.Context, c *executor.Call) (*http.Response, error) {
	c.FrameworkID.Value, c.ExecutorID.Value = x.framework, x.id
	body := appendJSON(nil, c)
	if x.codec.protobuf {
		var err error
		if body, err = proto.Marshal(c); err != nil {
			return nil, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, x.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", x.codec.contentType)
	r.Header.Set("Accept", x.codec.contentType)
	if x.token != "" {
		r.Header.Set("Authorization", "Bearer "+x.token)
	}
	return http.DefaultClient.Do(r)
}

// send sends a call other than SUBSCRIBE.
func (x *executorConn) send(c *executor.Call) (status int, text string, err error) {
	resp, err := x.request(context.Background(), c)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, strings.TrimSpace(string(body)), err
}

// subscribe opens the stream; its events end with it, or with ctx.
func (x *executorConn) subscribe(ctx context.Context, s *executor.Call_Subscribe) (<-chan *executor.Event, int, error) {
	resp, err := x.request(ctx, &executor.Call{Type: executor.Call_SUBSCRIBE, Subscribe: s})
	if err != nil {
		return nil, 0, err
	}
	events := make(chan *executor.Event, 1000)
	go func() {
		defer close(events)
		defer resp.Body.Close()
		readEvents(resp.Body, x.codec, events)
	}()
	return events, resp.StatusCode, nil
}

func statusOf(task string, state mesos.TaskState) mesos.TaskStatus {
	id := uuid.New()
	return mesos.TaskStatus{TaskID: mesos.TaskID{Value: task}, State: &state, Source: mesos.SOURCE_EXECUTOR.Enum(), UUID: id[:]}
}

func updateCall(s mesos.TaskStatus) *executor.Call {
	return &executor.Call{Type: executor.Call_UPDATE, Update: &executor.Call_Update{Status: s}}
}

// testExecutorEnv makes the test binary an executor; it holds the codec's name.
const testExecutorEnv = "CMDQ_TEST_EXECUTOR"

// actAsExecutor runs an executor and exits, if this process was started as one.
// A task's data says what is to be done with it:
//
//	run     RUNNING, FINISHED
//	hold    RUNNING; KILLED when it is killed
//	ignore  nothing
//	exit N  RUNNING, and the executor exits with status N
//
// A message comes back with "echo " before it; "exit N" is obeyed. At SHUTDOWN
// it tells what it killed and exits with status 0.
func actAsExecutor() {
	name := os.Getenv(testExecutorEnv)
	if name == "" {
		return
	}
	x := &testExecutor{conn: executorConn{
		url:       "http://" + os.Getenv("MESOS_AGENT_ENDPOINT") + "/slave(1)/api/v1/executor",
		framework: os.Getenv("MESOS_FRAMEWORK_ID"), id: os.Getenv("MESOS_EXECUTOR_ID"), token: os.Getenv("MESOS_EXECUTOR_AUTHENTICATION_TOKEN"),
		codec: codecJSON,
	}}
	if name == "protobuf" {
		x.conn.codec = codecProtobuf
	}
	if os.Getenv("CMDQ_TEST_MUTE") != "" {
		select {}
	}
	events, status, err := x.conn.subscribe(context.Background(), &executor.Call_Subscribe{})
	if err != nil || status != http.StatusOK {
		fmt.Println("subscribe:", status, err)
		os.Exit(100)
	}
	for e := range events {
		x.on(e)
	}
	os.Exit(101)
}

// testExecutor is an executor that leaves when its agent does.
type testExecutor struct {
	conn executorConn
	held []string
}

func (x *testExecutor) on(e *executor.Event) {
	switch e.Type {
	case executor.Event_LAUNCH:
		x.launch(e.Launch.Task)
	case executor.Event_LAUNCH_GROUP:
		for _, t := range e.LaunchGroup.TaskGroup.Tasks {
			x.launch(t)
		}
	case executor.Event_KILL:
		x.update(e.Kill.TaskID.Value, mesos.TASK_KILLED)
	case executor.Event_MESSAGE:
		x.obey(string(e.Message.Data))
		x.must(&executor.Call{Type: executor.Call_MESSAGE, Message: &executor.Call_Message{Data: append([]byte("echo "), e.Message.Data...)}})
	case executor.Event_SHUTDOWN:
		if os.Getenv("CMDQ_TEST_DEAF") != "" {
			return
		}
		for _, id := range x.held {
			x.update(id, mesos.TASK_KILLED)
		}
		os.Exit(0)
	}
}

func (x *testExecutor) launch(t mesos.TaskInfo) {
	id := t.TaskID.Value
	if string(t.Data) == "ignore" {
		return
	}
	x.update(id, mesos.TASK_RUNNING)
	switch string(t.Data) {
	case "run":
		x.update(id, mesos.TASK_FINISHED)
	case "hold":
		x.held = append(x.held, id)
	}
	x.obey(string(t.Data))
}

// obey exits if it is told to.
func (x *testExecutor) obey(text string) {
	if n, ok := strings.CutPrefix(text, "exit "); ok {
		status, _ := strconv.Atoi(n)
		os.Exit(status)
	}
}

func (x *testExecutor) update(task string, state mesos.TaskState) {
	x.must(updateCall(statusOf(task, state)))
}

func (x *testExecutor) must(c *executor.Call) {
	if status, text, err := x.conn.send(c); err != nil || status != http.StatusAccepted {
		fmt.Println(c.Type, status, text, err)
		os.Exit(102)
	}
}
