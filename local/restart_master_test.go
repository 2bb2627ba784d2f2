package local

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// TestMasterRestartUnanswered: what a master was asked before it was killed is
// neither answered nor done by its successor. pymesos gives up for good when a
// call of its old stream is answered with "Framework cannot be found", which no
// killed Mesos can say.
func TestMasterRestartUnanswered(t *testing.T) {
	for what, call := range map[string]*scheduler.Call{
		"a call":      {Type: scheduler.Call_REVIVE},
		"a SUBSCRIBE": {Type: scheduler.Call_SUBSCRIBE, Subscribe: &scheduler.Call_Subscribe{FrameworkInfo: &plain}},
	} {
		t.Run(what, func(t *testing.T) {
			c := startCluster(t, Config{Chaos: true})
			s := subscribe(t, c, codecJSON, modern)
			conn, err := net.Dial("tcp", c.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			var header string
			if call.Type != scheduler.Call_SUBSCRIBE {
				call.FrameworkID = &mesos.FrameworkID{Value: s.id}
				header = "Mesos-Stream-Id: " + s.streamID + "\r\n"
			}
			body := encodeCall(t, codecJSON, call)

			release := make(chan struct{})
			c.master.box.post(func() { <-release })
			awaitPosts(t, c.master.box, 0)
			restarted := make(chan error, 1)
			go func() { restarted <- c.RestartMaster() }()
			awaitPosts(t, c.master.box, 1)
			if _, err := fmt.Fprintf(conn, "POST /api/v1/scheduler HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"+
				"Accept: application/json\r\n%sContent-Length: %d\r\n\r\n%s", c.Addr(), header, len(body), body); err != nil {
				t.Fatal(err)
			}
			awaitPosts(t, c.master.box, 2)
			close(release)
			if err := <-restarted; err != nil {
				t.Fatal(err)
			}
			if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			// A connection that is cut with unread data ends with a reset.
			if got, err := io.ReadAll(conn); len(got) > 0 || err != nil && !strings.Contains(err.Error(), "reset") {
				t.Errorf("the new master answered %q (%v)", got, err)
			}
			s.closed()
			http.DefaultClient.CloseIdleConnections()
			if known := get[map[string]any](t, "http://"+c.Addr()+"/state")["frameworks"].([]any); len(known) != 0 {
				t.Errorf("the new master did what the old one was asked: %v", known)
			}
		})
	}
}

// awaitPosts waits until n posts wait in a mailbox.
func awaitPosts(t *testing.T, b *mailbox, n int) {
	t.Helper()
	for end := time.Now().Add(patience); ; runtime.Gosched() {
		b.mu.Lock()
		waiting := len(b.queue)
		b.mu.Unlock()
		if waiting == n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d posts wait, not %d", waiting, n)
		}
	}
}
