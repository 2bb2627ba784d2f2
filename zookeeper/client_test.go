package zookeeper

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"cmdq/zookeeper/zookeepertest"
)

const patience = 20 * time.Second

func address(t *testing.T, text string) Address {
	t.Helper()
	at, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func connect(t *testing.T, cfg Config) *Client {
	t.Helper()
	c, err := Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// nobody is an address where nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A client that connects again does so by itself; one that does not, says so.
func TestConnectionLost(t *testing.T) {
	for _, once := range []bool{true, false} {
		s := zookeepertest.New(t)
		s.Change(func(nodes map[string]string) { nodes["a_1"] = "x" })
		// The first server is dead, and the name of the second is nobody's.
		at := address(t, "zk://u:hush@"+nobody(t)+",nobody.invalid,"+s.Addr()+"/m")
		c := connect(t, Config{At: at, Timeout: time.Hour, Once: once})
		for late := time.Now().Add(patience); ; {
			_, err := c.Get("/m/none")
			if errors.Is(err, zk.ErrNoNode) {
				break
			}
			if err == nil || time.Now().After(late) {
				t.Fatalf("once %t: %v", once, err)
			}
		}
		if c.Timeout() != 10*time.Second {
			t.Errorf("once %t: timeout %s, not the server's", once, c.Timeout())
		}
		s.Drop()
		if once {
			select {
			case <-c.Lost():
			case <-time.After(patience):
				t.Fatal("not lost")
			}
			if _, err := c.Children("/m"); !errors.Is(err, ErrLost) {
				t.Errorf("%v", err)
			}
			continue
		}
		for late := time.Now().Add(patience); ; {
			_, err := c.Children("/m")
			if err == nil {
				break
			}
			if time.Now().After(late) {
				t.Fatal(err)
			}
		}
		if n := len(s.Greeted); n < 2 {
			t.Errorf("%d sessions", n)
		}
	}
}

// What cannot be reached, or says nothing, is named, and leaves nothing behind.
func TestOutOfReach(t *testing.T) {
	mute, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	before := runtime.NumGoroutine()
	dead := nobody(t)
	for name, tt := range map[string]struct {
		server, want string
		end          func(c *Client, cancel func())
	}{
		"dead":            {dead, "dial tcp " + dead, nil},
		"unknown":         {"nobody.invalid", "nobody.invalid", nil},
		"mute, cancelled": {mute.Addr().String(), "zk:", func(_ *Client, cancel func()) { cancel() }},
		"mute, closed":    {mute.Addr().String(), "zk:", func(c *Client, _ func()) { go c.Close() }},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		c, err := Connect(ctx, Config{At: address(t, "zk://u:hush@"+tt.server+"/m"), Timeout: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if tt.end != nil {
			tt.end(c, cancel)
		}
		err = c.Identify()
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v, not %q", name, err, tt.want)
		}
		c.Close()
		cancel()
	}
	for late := time.Now().Add(patience); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(late) {
			t.Fatalf("%d goroutines, and %d before", runtime.NumGoroutine(), before)
		}
	}
}

// A server that takes a connection and ends it, or speaks otherwise, is named.
func TestNoZooKeeper(t *testing.T) {
	for want, words := range map[string]string{"EOF": "", "a frame of 1213486160 bytes": "HTTP/1.1 400 Bad Request\r\n\r\n"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Read(make([]byte, 100))
				_, _ = conn.Write([]byte(words))
				conn.Close()
			}
		}()
		c := connect(t, Config{At: address(t, "zk://"+l.Addr().String()+"/m"), Timeout: time.Hour})
		for late := time.Now().Add(patience); ; {
			_, err := c.Children("/m")
			if err != nil && strings.HasSuffix(err.Error(), l.Addr().String()+" does not answer as ZooKeeper does: "+want) {
				break
			}
			if err == nil || time.Now().After(late) {
				t.Fatal(err)
			}
		}
		l.Close()
	}
}

func TestExplain(t *testing.T) {
	c := new(Client)
	if err := c.explain(zk.ErrNoServer); err != zk.ErrNoServer {
		t.Error(err)
	}
	c.session = new(checkedConn)
	if err := c.explain(zk.ErrConnectionClosed); err != ErrLost {
		t.Error(err)
	}
	c.why = errors.New("why")
	for err, want := range map[error]error{zk.ErrNoServer: c.why, zk.ErrNoNode: zk.ErrNoNode, zk.ErrSessionExpired: zk.ErrSessionExpired} {
		if got := c.explain(err); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
	if err := c.explain(nil); err != nil {
		t.Error(err)
	}
}
