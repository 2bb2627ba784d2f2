package zookeeper

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/go-zookeeper/zk"

	"cmdq/zookeeper/zookeepertest"
)

// What is no ZooKeeper, or lies about lengths, ends neither us nor the search:
// not of a client that connects once, and not of one that connects again.
func TestHostileServer(t *testing.T) {
	broken := func(op int32, at int, with ...byte) func(int32, []byte) []byte {
		return func(is int32, frame []byte) []byte {
			if is == op {
				copy(frame[at:], with)
			}
			return frame
		}
	}
	for name, wrap := range map[string]func(int32, []byte) []byte{
		"http":             func(int32, []byte) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") },
		"empty frame":      broken(zookeepertest.Children, 0, 0, 0, 0, 0),
		"short frame":      broken(zookeepertest.Children, 0, 0, 0, 0, 5),
		"endless frame":    broken(zookeepertest.Children, 0, 0xff, 0xff, 0xff, 0xff),
		"no timeout":       broken(zookeepertest.Greeting, 8, 0, 0, 0, 0),
		"negative timeout": broken(zookeepertest.Greeting, 8, 0x80, 0, 0, 0),
		"long password":    broken(zookeepertest.Greeting, 20, 0x7f, 0xff, 0xff, 0xff),
		"many children":    broken(zookeepertest.Children, 20, 0x7f, 0xff, 0xff, 0xff),
		"more children":    broken(zookeepertest.Children, 20, 0, 0, 0, 60),
		"long name":        broken(zookeepertest.Children, 24, 0x7f, 0xff, 0xff, 0xff),
		"much text":        broken(zookeepertest.Create, 20, 0x7f, 0xff, 0xff, 0xff),
		"much data":        broken(zookeepertest.Get, 20, 0x7f, 0xff, 0xff, 0xff),
	} {
		for _, once := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := zookeepertest.New(t)
				s.Change(func(nodes map[string]string) { nodes["json.info_1"] = "x" })
				s.Wrap = wrap
				for try := range 2 {
					c := connect(t, Config{At: address(t, "zk://u:hush@"+s.Addr()+"/m"), Timeout: 10 * time.Second, Once: once})
					err := c.askAll()
					if err == nil || strings.Contains(err.Error(), "hush") {
						t.Errorf("try %d: %v", try, err)
					}
					c.Close()
				}
				if len(s.Greeted) < 2 {
					t.Errorf("%d sessions", len(s.Greeted))
				}
			})
		}
	}
}

// askAll asks for everything that can be asked.
func (c *Client) askAll() error {
	if err := c.Identify(); err != nil {
		return err
	}
	if _, err := c.Get("/m/json.info_1"); err != nil {
		return err
	}
	if _, err := c.Create("/m/json.info_", nil, zk.FlagEphemeral|zk.FlagSequence, zk.WorldACL(zk.PermAll)); err != nil {
		return err
	}
	if _, err := c.Children("/m"); err != nil {
		return err
	}
	_, _, err := c.ChildrenW("/m")
	return err
}

func TestGreeting(t *testing.T) {
	greet := func(version, timeout int32, session int64, password int32) []byte {
		b := zookeepertest.Words(version, timeout, session, password, make([]byte, 17))
		return append(zookeepertest.Words(int32(len(b))), b...)
	}
	for name, tt := range map[string]struct {
		in      []byte
		timeout time.Duration
		bad     bool
	}{
		"as asked":         {greet(0, 10_000, 7, 16), 10 * time.Second, false},
		"shorter timeout":  {greet(0, 4000, 7, 16), 4 * time.Second, false},
		"expired session":  {greet(0, 0, 0, 16), 0, false},
		"no timeout":       {greet(0, 0, 7, 16), 0, true},
		"short timeout":    {greet(0, 99, 7, 16), 0, true},
		"negative timeout": {greet(0, -1, 7, 16), 0, true},
		"long timeout":     {greet(0, 1<<30, 7, 16), 0, true},
		"long password":    {greet(0, 4000, 7, 1<<30), 0, true},
		"longer password":  {greet(-1, 4000, 7, 1<<30), 0, true}, // -1 is the sign of news elsewhere
		"ends early":       {greet(0, 4000, 7, 16)[:11], 0, true},
		"nothing":          {nil, 0, true},
		"http":             {[]byte("HTTP/1.1 400 Bad Request\r\n"), 0, true},
	} {
		got, err := readFrame(iotest.OneByteReader(bytes.NewReader(tt.in)), true)
		if (err != nil) != tt.bad || err == nil && (!bytes.Equal(got, tt.in) || sessionTimeout(got) != tt.timeout) {
			t.Errorf("%s: %x %v", name, got, err)
		}
	}
}

// No data at all is -1 to ZooKeeper.
func TestNoData(t *testing.T) {
	frame := func(things ...any) io.Reader {
		b := zookeepertest.Words(things...)
		return bytes.NewReader(append(zookeepertest.Words(int32(len(b))), b...))
	}
	got, err := readFrame(frame(int32(3), int64(1), int32(0), int32(-1), zookeepertest.Stat), false)
	if err != nil || !bytes.Equal(got[20:24], make([]byte, 4)) {
		t.Errorf("got %x %v", got, err)
	}
	news := frame(int32(-1), int64(-1), int32(0), int32(-1), int32(3), "")
	if got, err := readFrame(news, false); err != nil || !bytes.Equal(got[20:24], []byte{255, 255, 255, 255}) {
		t.Errorf("got %x %v", got, err)
	}
	expired := frame(int32(0), int32(0), int64(0), strings.Repeat("\x00", 16), byte(0))
	if _, err := readFrame(expired, true); err != nil {
		t.Errorf("a session that has expired: %v", err)
	}
}

// Whatever passes the check is taken by the library without a panic, which it
// would not survive.
func FuzzFrames(f *testing.F) {
	f.Add(append(zookeepertest.Words(int32(20)), zookeepertest.Words(int32(3), int64(1), int32(0), int32(-1))...), false)
	f.Add(append(zookeepertest.Words(int32(37)), zookeepertest.Words(int32(0), int32(10_000), int64(7), strings.Repeat("p", 16), byte(0))...), true)
	f.Fuzz(func(t *testing.T, in []byte, greeting bool) {
		got, err := readFrame(bytes.NewReader(in), greeting)
		if err != nil {
			return
		}
		size := binary.BigEndian.Uint32(got)
		if int(size) != len(got)-4 || size < 16 || !bytes.Equal(got[:20], in[:20]) {
			t.Fatalf("%x became %x", in, got)
		}
		if xid := int32(binary.BigEndian.Uint32(got[4:])); size >= 20 && (greeting || xid != -1) && binary.BigEndian.Uint32(got[20:]) > size {
			t.Fatalf("%x passes", got)
		}
	})
}
