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

// packet puts a length before the words of a packet.
func packet(words ...any) []byte {
	var b []byte
	for _, w := range words {
		if text, ok := w.(string); ok {
			b = append(b, text...)
		} else {
			b, _ = binary.Append(b, binary.BigEndian, w)
		}
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

// hello is the answer of a server to a new connection.
func hello(timeout int32, session int64) []byte {
	return packet(int32(0), timeout, session, int32(16), "a password of 16", "\x00")
}

// reply is an answer to a question.
func reply(words ...any) []byte {
	return packet(append([]any{int32(1), int64(1), int32(0)}, words...)...)
}

type readerConn struct {
	net.Conn
	io.Reader
}

func (c readerConn) Read(b []byte) (int, error) { return c.Reader.Read(b) }

func TestFrameConn(t *testing.T) {
	good := string(hello(4000, 7))
	for name, tt := range map[string]struct {
		data    string
		timeout int64
		bad     bool
	}{
		"shorter timeout":  {good, 4000, false},
		"expired session":  {string(hello(0, 0)), 10_000, false},
		"answers":          {good + string(reply()) + string(reply(int32(2), "abc")), 4000, false},
		"news of a watch":  {good + string(packet(int32(-1), int64(-1), int32(0), int32(-1), int32(3), int32(2), "/m")), 4000, false},
		"no timeout":       {string(hello(0, 7)), 10_000, true},
		"negative timeout": {string(hello(-1, 7)), 10_000, true},
		"short timeout":    {string(hello(99, 7)), 10_000, true},
		"long password":    {string(packet(int32(0), int32(4000), int64(7), int32(1<<30))), 10_000, true},
		"longer password":  {string(packet(int32(-1), int32(4000), int64(7), int32(1<<30))), 10_000, true},
		"long hello":       {"\x7f" + good[1:], 10_000, true},
		"ends early":       {good[:11], 10_000, true},
		"another protocol": {"HTTP/1.1 400 Bad Request\r\n", 10_000, true},
		"empty packet":     {good + string(packet()), 4000, true},
		"short packet":     {good + string(packet(int32(1))), 4000, true},
		"endless packet":   {good + "\xff\xff\xff\xff", 4000, true},
		"many children":    {good + string(reply(int32(1<<27), "abc")), 4000, true},
	} {
		for kind, slow := range map[string]func(io.Reader) io.Reader{"whole": func(r io.Reader) io.Reader { return r }, "bytewise": iotest.OneByteReader} {
			t.Run(name+" "+kind, func(t *testing.T) {
				var timeout atomic.Int64
				timeout.Store(10_000)
				got, err := io.ReadAll(&frameConn{Conn: readerConn{Reader: slow(strings.NewReader(tt.data))}, timeout: &timeout})
				if (err != nil) != tt.bad || timeout.Load() != tt.timeout || !tt.bad && string(got) != tt.data {
					t.Errorf("%q, %v, timeout %d", got, err, timeout.Load())
				}
			})
		}
	}
	got, err := io.ReadAll(&frameConn{Conn: readerConn{Reader: strings.NewReader(good + string(reply(int32(-1))))}, timeout: new(atomic.Int64)})
	if err != nil || string(got) != good+string(reply(int32(0))) {
		t.Errorf("no data at all: %q, %v", got, err)
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
