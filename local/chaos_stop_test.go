package local

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"regexp"
	"runtime"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// waitsAtPlug finds a request that is held back in the stacks of all goroutines;
// it is nowhere else to be seen.
var waitsAtPlug = regexp.MustCompile(`\(\*plug\)\.waits\(.*\n.*\n.*\(\*plug\)\.guard`)

// dialHealth asks an agent how it is, once, so that it has taken the connection
// in.
func dialHealth(t *testing.T, at netip.AddrPort) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(2 * patience)); err != nil { // of what is awaited in between, and of the end
		t.Fatal(err)
	}
	askHealth(t, conn)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || answer.StatusCode != http.StatusOK || answer.ContentLength != 0 {
		t.Fatal(answer, err)
	}
	return conn
}

func askHealth(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := io.WriteString(conn, "GET /health HTTP/1.1\r\nHost: "+conn.RemoteAddr().String()+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
}

// TestStopInChaos: whatever was done to the agents, the end of the cluster is
// the end of all it ran.
func TestStopInChaos(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("chaos", func(t *testing.T) {
		c, ends := chaosCluster(t, 3)
		s := subscribe(t, c, codecProtobuf, modern)
		offers := s.wait(scheduler.Event_OFFERS, nil).Offers.Offers
		if len(offers) != 3 {
			t.Fatalf("%d offers of 3 agents", len(offers))
		}
		for i, id := range []string{"t1", "t2", "t3"} {
			s.accept(0, offers[i:i+1], command1(id, offers[i], "trap '' TERM; while :; do sleep 1000; done"))
			s.until(id, mesos.TASK_RUNNING)
		}
		health := dialHealth(t, c.agents[0].addr)
		for _, err := range []error{c.HangAgent(0), c.KillAgent(1), c.ShutdownAgent(2), c.RestartMaster()} {
			if err != nil {
				t.Fatal(err)
			}
		}
		askHealth(t, health)
		eventually(t, "a question that waits at a plug", func() bool {
			all := make([]byte, 1<<20)
			return waitsAtPlug.Match(all[:runtime.Stack(all, true)])
		})
		if err := c.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		ends.awaitAll(t)
		if text, err := io.ReadAll(health); len(text) > 0 || errors.Is(err, os.ErrDeadlineExceeded) { // a reset is fine
			t.Errorf("an agent that hung has answered %q, %v", text, err)
		}
		if err := c.HangAgent(1); !errors.Is(err, errEnded) {
			t.Errorf("a fault in a cluster that has ended: %v", err)
		}
	})
	http.DefaultClient.CloseIdleConnections()
	awaitGoroutines(t, before)
}
