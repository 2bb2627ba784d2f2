package local

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"cmdq/zookeeper"
	"cmdq/zookeeper/zookeepertest"
)

// The adapter, without a real ZooKeeper: integration/test_zookeeper.py has that.

// dialled is a session with a server of our own.
func dialled(t *testing.T, s *zookeepertest.Server, notify func(error)) group {
	t.Helper()
	at, err := zookeeper.Parse("zk://ann:s3cret@" + s.Addr() + zookeepertest.Path)
	if err != nil {
		t.Fatal(err)
	}
	g, err := dialZooKeeper(t.Context(), &at, time.Hour, notify)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.close)
	return g
}

// TestZooKeeperGroup enters a group, and hears of others.
func TestZooKeeperGroup(t *testing.T) {
	s := zookeepertest.New(t)
	told := make(chan error, 10)
	g := dialled(t, s, func(err error) { told <- err })
	name, timeout, err := g.enter([]byte("we"))
	if err != nil || name != "json.info_0000000001" || timeout != 10*time.Second {
		t.Fatal(name, timeout, err)
	}
	if nodes, err := g.members(true); err != nil || len(nodes) != 1 || nodes[0] != name {
		t.Fatal(nodes, err)
	}
	s.Change(func(nodes map[string]string) { nodes["json.info_0000000002"] = "other" })
	select {
	case err := <-told:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("not told")
	}
	if nodes, err := g.members(false); err != nil || len(nodes) != 2 {
		t.Fatal(nodes, err)
	}
	for node, want := range map[string]string{name: "we", "json.info_0000000002": "other", "gone": ""} {
		data, err := g.read(node)
		if string(data) != want || errors.Is(err, errNoNode) != (want == "") {
			t.Error(node, string(data), err)
		}
	}
	if auth := s.Credentials(); len(auth) != 1 || auth[0] != "digest ann:s3cret" {
		t.Error(auth)
	}
}

// TestPathNotOurs: a part of the path that we may not read is there.
func TestPathNotOurs(t *testing.T) {
	s := zookeepertest.New(t)
	s.Wrap = func(op int32, frame []byte) []byte {
		if op == zookeepertest.Get {
			copy(frame[16:], zookeepertest.Words(int32(-102))) // no authentication
		}
		return frame
	}
	if name, _, err := dialled(t, s, func(error) {}).enter(nil); err != nil || name == "" {
		t.Error(name, err)
	}
}

// TestHostileZooKeeper: what answers with rubbish ends a question, not us.
func TestHostileZooKeeper(t *testing.T) {
	for name, wrong := range map[string]struct {
		op   int32
		at   int
		with []byte
	}{
		"no session timeout": {zookeepertest.Greeting, 8, make([]byte, 4)},
		"many children":      {zookeepertest.Children, 20, []byte{255, 255, 255, 254}},
		"short answer":       {zookeepertest.Children, 0, []byte{0, 0, 0, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			s := zookeepertest.New(t)
			s.Wrap = func(op int32, frame []byte) []byte {
				if op == wrong.op {
					copy(frame[wrong.at:], wrong.with)
				}
				return frame
			}
			g := dialled(t, s, func(error) {})
			_, _, err := g.enter(nil)
			if err == nil {
				_, err = g.members(true)
			}
			var denied *denial
			if err == nil || errors.As(err, &denied) {
				t.Error(err)
			}
		})
	}
}

func TestFailure(t *testing.T) {
	for err, final := range map[error]bool{
		zk.ErrNoAuth: true, zk.ErrAuthFailed: true, zk.ErrInvalidACL: true, zk.ErrNoChildrenForEphemerals: true,
		zk.ErrConnectionClosed: false, zk.ErrNoServer: false, zk.ErrSessionExpired: false, zk.ErrSessionMoved: false,
		zk.ErrClosing: false, io.ErrUnexpectedEOF: false,
	} {
		var denied *denial
		if got := failure("ask", err); errors.As(got, &denied) != final || !errors.Is(got, err) {
			t.Errorf("%v: %v, final %t", err, got, denied != nil)
		}
	}
	if failure("ask", nil) != nil {
		t.Error("nil is a failure")
	}
}
