package local

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/sirupsen/logrus"
)

// The adapter, without a ZooKeeper: integration/test_zookeeper.py has the real
// one.

// hello is the answer of a server to a new connection.
func hello(length, timeout uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, length)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, timeout)
	b = binary.BigEndian.AppendUint64(b, 7)
	return append(b, "the password and what follows"...)
}

type readerConn struct {
	net.Conn
	io.Reader
}

func (c readerConn) Read(b []byte) (int, error) { return c.Reader.Read(b) }

func TestHelloConn(t *testing.T) {
	for name, tt := range map[string]struct {
		data    []byte
		timeout int64
		bad     bool
	}{
		"shorter timeout":  {hello(36, 4000), 4000, false},
		"expired session":  {hello(36, 0), 10_000, false},
		"length":           {hello(1<<31, 4000), 10_000, true},
		"small":            {hello(7, 4000), 10_000, true},
		"negative timeout": {hello(36, 1<<31), 10_000, true},
		"ends early":       {hello(36, 4000)[:11], 10_000, true},
		"another protocol": {[]byte("HTTP/1.1 400 Bad Request\r\n"), 10_000, true},
	} {
		for kind, slow := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r }, "bytewise": iotest.OneByteReader} {
			t.Run(name+" "+kind, func(t *testing.T) {
				var timeout atomic.Int64
				timeout.Store(10_000)
				got, err := io.ReadAll(&helloConn{Conn: readerConn{Reader: slow(strings.NewReader(string(tt.data)))}, timeout: &timeout})
				if (err != nil) != tt.bad || timeout.Load() != tt.timeout || !tt.bad && string(got) != string(tt.data) {
					t.Errorf("%q, %v, timeout %d", got, err, timeout.Load())
				}
			})
		}
	}
}

// TestZooKeeperSilent is a session with servers that are not there, or that take
// connections and say nothing: its end is quick, and nothing is left of it.
func TestZooKeeperSilent(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	for name, server := range map[string]string{"silent": silent.Addr().String(), "closed": closed.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			at, err := ParseZooKeeper("zk://ann:s3cret@" + server + "/mesos")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			g, err := dialZooKeeper(ctx, at, time.Hour, logrus.NewEntry(quiet), func(error) {})
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { _, _, err := g.enter(nil); ended <- err }()
			if name == "silent" {
				cancel()
			}
			err = <-ended
			var denied *denial
			if err == nil || errors.As(err, &denied) || strings.Contains(err.Error(), "s3cret") {
				t.Error(err)
			}
			g.close()
			cancel()
			awaitGoroutines(t, before)
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
