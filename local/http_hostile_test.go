package local

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestViewsReadNoBody: a GET that brings a form and never ends it is answered
// at once, and holds up nobody.
func TestViewsReadNoBody(t *testing.T) {
	c := startCluster(t, Config{})
	for _, path := range []string{"/frameworks?framework_id=x", "/slaves?slave_id=x", "/tasks?limit=1", "/state"} {
		conn, err := net.Dial("tcp", c.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000000\r\n\r\n--x\r\n", path, c.Addr())
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, resp.Status)
		}
		resp.Body.Close()
	}
}

// TestOptionsOfNoPath: OPTIONS * is answered by net/http itself unless it is
// told not to; it passes the same door as everything else.
func TestOptionsOfNoPath(t *testing.T) {
	c := startCluster(t, Config{})
	for _, address := range []string{c.Addr(), c.Agents()[0].Addr} {
		for host, want := range map[string]int{"evil.example": http.StatusForbidden, address: http.StatusBadRequest} {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "OPTIONS * HTTP/1.1\r\nHost: %s\r\n\r\n", host)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != want {
				t.Errorf("%s: %s, want %d", host, resp.Status, want)
			}
			resp.Body.Close()
		}
	}
}
