package mesosapi

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"cmdq/zookeeper"
	"cmdq/zookeeper/zookeepertest"
)

var _ znodes = (*zookeeper.Client)(nil)

func infoAt(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	return `{"address":{"ip":"` + host + `","port":` + port + `}}`
}

// From zk:// to a stream and on to the next leader, with a server that is dead,
// a connection that breaks, and a password.
func TestThroughZooKeeper(t *testing.T) {
	k, a, b := zookeepertest.New(t), newFake(t, false), newFake(t, false)
	atA, atB := a.start(), b.start()
	k.Change(func(nodes map[string]string) {
		nodes["json.info_0000000002"] = infoAt(atA)
		nodes["json.info_0000000010"] = infoAt(atB)
		nodes["log_replicas"] = ""
	})
	c := connect(t, "zk://u:hush@"+nobody(t)+","+k.Addr()+"/m", Config{})
	c.limits.leader = patience
	if c.Page() != "" {
		t.Errorf("page %s", c.Page())
	}
	c.Subscribe(subscribe())
	wantEvent(t, c, scheduler.Event_SUBSCRIBED)
	if c.Page() != "http://"+atA+"/" {
		t.Errorf("page %s", c.Page())
	}
	k.Drop() // we connect again, and look again
	k.Change(func(nodes map[string]string) { delete(nodes, "json.info_0000000002") })
	wantUnreachable(t, wantDown(t, c), "the leader changed from "+atA+" to "+atB)
	wantMoved(t, c, 1)
	c.Subscribe(subscribe())
	wantEvent(t, c, scheduler.Event_SUBSCRIBED)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if auth := k.Credentials(); len(auth) < 2 || auth[0] != "digest u:hush" || auth[1] != auth[0] {
		t.Errorf("credentials %q", auth)
	}
	if len(k.Greeted) < 2 {
		t.Errorf("%d sessions", len(k.Greeted))
	}
}

// troubled subscribes until it is said why ZooKeeper cannot be asked.
func troubled(t *testing.T, addr string) error {
	t.Helper()
	c := connect(t, "zk://u:hush@"+addr+"/m", Config{})
	c.limits.leader = 200 * time.Millisecond
	for late := time.Now().Add(patience); ; {
		c.Subscribe(subscribe())
		err := wantDown(t, c)
		if !strings.Contains(err.Error(), "has not answered yet") || time.Now().After(late) {
			return err
		}
	}
}

func TestZooKeeperOutOfReach(t *testing.T) {
	dead := nobody(t)
	err := troubled(t, dead)
	wantUnreachable(t, err, "master zk://"+dead+"/m: ZooKeeper cannot be asked: dial tcp "+dead)
	if strings.Contains(err.Error(), "hush") {
		t.Error(err)
	}
}
