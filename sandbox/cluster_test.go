package sandbox

import (
	"context"
	"net/http"
	"os"
	"os/user"
	"syscall"
	"testing"
	"time"

	lib "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/resources"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"cmdq/local"
	"cmdq/mesosapi"
)

func TestMain(m *testing.M) {
	local.Guard()
	if os.Getenv("GORACE") == "" { // else every guardian's end takes a second under the race detector
		_ = os.Setenv("GORACE", "atexit_sleep_ms=0")
	}
	syscall.Umask(0o022)
	os.Exit(m.Run())
}

const patience = 30 * time.Second

// cluster is an embedded Mesos that has a secret, with a framework on it. With
// $CMDQ_TEST_MASTER another Mesos is used; $CMDQ_TEST_AGENT_DIR is the work
// directory of its agent, which has 4 cpus and 2000 MB of disk at least.
type cluster struct {
	t      testing.TB
	dir    string // the agent's work directory
	conn   *mesosapi.Conn
	agents *mesosapi.Agents
	id     lib.FrameworkID
	offers []lib.Offer
	last   map[string]lib.TaskState
	stop   func()
}

func startCluster(t testing.TB) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: os.Getenv("CMDQ_TEST_AGENT_DIR"), last: map[string]lib.TaskState{}}
	cfg := mesosapi.Config{Master: os.Getenv("CMDQ_TEST_MASTER")}
	end := func() {}
	if cfg.Master == "" {
		c.dir = t.TempDir()
		embedded, err := local.Start(local.Config{WorkDir: c.dir, Secret: "s3cret", Resources: "cpus:4;mem:4096;disk:4000",
			AllocationInterval: 20 * time.Millisecond, Eager: true})
		if err != nil {
			t.Fatal(err)
		}
		end = func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := embedded.Stop(ctx); err != nil {
				t.Error(err)
			}
		}
		cfg.Master = embedded.Addr()
		cfg.Authorize = func(r *http.Request) { r.Header.Set("Authorization", "Bearer s3cret") }
	}
	var err error
	if c.conn, err = mesosapi.New(cfg); err != nil {
		t.Fatal(err)
	}
	if c.agents, err = mesosapi.NewAgents(cfg); err != nil {
		t.Fatal(err)
	}
	ended := false
	c.stop = func() {
		if ended {
			return
		}
		ended = true
		c.conn.Send(&scheduler.Call{Type: scheduler.Call_TEARDOWN, FrameworkID: &c.id})
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := c.conn.Flush(ctx); err != nil {
			t.Error(err)
		}
		c.conn.Close()
		c.agents.Close()
		end()
	}
	t.Cleanup(c.stop)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	c.conn.Subscribe(&scheduler.Call{Type: scheduler.Call_SUBSCRIBE, Subscribe: &scheduler.Call_Subscribe{FrameworkInfo: &lib.FrameworkInfo{
		User: me.Username, Name: t.Name(), Roles: []string{"*"}, FailoverTimeout: new(60.0),
		Capabilities: []lib.FrameworkInfo_Capability{{Type: lib.FrameworkInfo_Capability_MULTI_ROLE}},
	}}})
	return c
}

// embedded tells whether it is one that is read from disk, too.
func (c *cluster) embedded() bool { return os.Getenv("CMDQ_TEST_MASTER") == "" }

// start launches a command and returns when it runs.
func (c *cluster) start(id, command string) Launch {
	c.t.Helper()
	o := c.offer()
	c.conn.Send(&scheduler.Call{Type: scheduler.Call_ACCEPT, FrameworkID: &c.id, Accept: &scheduler.Call_Accept{
		OfferIDs: []lib.OfferID{o.ID}, Filters: &lib.Filters{RefuseSeconds: new(0.0)},
		Operations: []lib.Offer_Operation{{Type: lib.Offer_Operation_LAUNCH, Launch: &lib.Offer_Operation_Launch{TaskInfos: []lib.TaskInfo{{
			Name: id, TaskID: lib.TaskID{Value: id}, AgentID: o.AgentID,
			Resources: lib.Resources{resources.NewCPUs(1).Resource, resources.NewMemory(64).Resource},
			Command:   &lib.CommandInfo{Shell: new(true), Value: &command},
		}}}}},
	}})
	c.wait(id, func() bool { return c.last[id] != lib.TASK_STAGING && c.last[id] != lib.TASK_STARTING })
	return Launch{Framework: c.id.Value, Agent: o.AgentID.Value, Task: id}
}

// offer is one that has room for a command. What is left of others may have none.
func (c *cluster) offer() lib.Offer {
	c.t.Helper()
	for {
		c.wait("offer", func() bool { return len(c.offers) > 0 })
		o := c.offers[0]
		c.offers = c.offers[1:]
		has := map[string]float64{}
		for _, r := range o.Resources {
			has[r.Name] += r.GetScalar().GetValue()
		}
		if has["cpus"] >= 1 && has["mem"] >= 64 {
			return o
		}
		c.conn.Send(&scheduler.Call{Type: scheduler.Call_DECLINE, FrameworkID: &c.id,
			Decline: &scheduler.Call_Decline{OfferIDs: []lib.OfferID{o.ID}, Filters: &lib.Filters{RefuseSeconds: new(0.0)}}})
	}
}

// run runs a command to its end.
func (c *cluster) run(id, command string) Launch {
	c.t.Helper()
	l := c.start(id, command)
	c.finish(id)
	return l
}

func (c *cluster) finish(id string) {
	c.t.Helper()
	c.wait(id, func() bool { return c.last[id] != lib.TASK_RUNNING })
	if c.last[id] != lib.TASK_FINISHED {
		c.t.Fatalf("%s ended %s", id, c.last[id])
	}
}

// wait takes events until something is so.
func (c *cluster) wait(what string, so func() bool) {
	c.t.Helper()
	timeout := time.After(patience)
	for !so() {
		select {
		case in := <-c.conn.Incoming():
			c.take(in)
		case <-timeout:
			c.t.Fatalf("nothing of %s within %s", what, patience)
		}
	}
}

func (c *cluster) take(in mesosapi.Incoming) {
	c.t.Helper()
	if in.Down != nil || in.Err != nil {
		c.t.Fatalf("the master is gone: %v %v", in.Down, in.Err)
	}
	switch e := in.Event; {
	case e == nil:
	case e.Type == scheduler.Event_SUBSCRIBED:
		c.id = *e.Subscribed.FrameworkID
	case e.Type == scheduler.Event_OFFERS:
		c.offers = append(c.offers, e.Offers.Offers...)
	case e.Type == scheduler.Event_UPDATE:
		s := e.Update.Status
		c.last[s.TaskID.Value] = s.GetState()
		if len(s.UUID) > 0 {
			c.conn.Acknowledge(&scheduler.Call{Type: scheduler.Call_ACKNOWLEDGE, FrameworkID: &c.id,
				Acknowledge: &scheduler.Call_Acknowledge{AgentID: *s.AgentID, TaskID: s.TaskID, UUID: s.UUID}})
		}
	}
}
