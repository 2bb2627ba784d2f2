package mesosapi

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// keeper is a ZooKeeper server of one path, /m, in its own words on a socket. It
// knows what a detector asks, and can answer with anything.
type keeper struct {
	t    *testing.T
	l    net.Listener
	wrap func(op int32, frame []byte) []byte // changes what is sent; nil: nothing

	mu       sync.Mutex
	nodes    map[string]string
	watchers map[net.Conn]bool
	conns    map[net.Conn]bool
	auth     []string
	greeted  chan struct{} // one for every session, as far as there is room
}

// The operations of ZooKeeper's protocol that are known.
const (
	opWatchNews    = -1
	opGreeting     = 0
	opGet          = 4
	opPing         = 11
	opGetChildren2 = 12
	opAuth         = 100
	opSetWatches   = 101
	opClose        = -11
)

func newKeeper(t *testing.T) *keeper {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &keeper{t: t, l: l, nodes: map[string]string{}, watchers: map[net.Conn]bool{}, conns: map[net.Conn]bool{},
		greeted: make(chan struct{}, 100)}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			k.mu.Lock()
			k.conns[conn] = true
			k.mu.Unlock()
			served.Go(func() { k.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		k.drop()
		served.Wait()
	})
	return k
}

func (k *keeper) addr() string { return k.l.Addr().String() }

// drop cuts all connections.
func (k *keeper) drop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for conn := range k.conns {
		conn.Close()
	}
}

func readFrame(r io.Reader) []byte {
	var size uint32
	if binary.Read(r, binary.BigEndian, &size) != nil || size > 1<<20 {
		return nil
	}
	frame := make([]byte, size)
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil
	}
	return frame
}

// words puts numbers and texts together as the protocol does.
func words(things ...any) []byte {
	var b bytes.Buffer
	for _, thing := range things {
		if text, ok := thing.(string); ok {
			_ = binary.Write(&b, binary.BigEndian, int32(len(text)))
			b.WriteString(text)
			continue
		}
		_ = binary.Write(&b, binary.BigEndian, thing)
	}
	return b.Bytes()
}

// stat is what ends answers: 68 bytes of numbers.
var stat [68]byte

func (k *keeper) send(conn net.Conn, op int32, frame []byte) {
	frame = append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...)
	if k.wrap != nil {
		frame = k.wrap(op, frame)
	}
	_, _ = conn.Write(frame)
}

func (k *keeper) serve(conn net.Conn) {
	defer func() {
		k.mu.Lock()
		delete(k.conns, conn)
		delete(k.watchers, conn)
		k.mu.Unlock()
		conn.Close()
	}()
	if readFrame(conn) == nil {
		return
	}
	select {
	case k.greeted <- struct{}{}:
	default:
	}
	k.send(conn, opGreeting, words(int32(0), int32(10_000), int64(7), strings.Repeat("p", 16), byte(0)))
	for {
		frame := readFrame(conn)
		if len(frame) < 8 {
			return
		}
		xid, op := int32(binary.BigEndian.Uint32(frame)), int32(binary.BigEndian.Uint32(frame[4:]))
		k.send(conn, op, append(words(xid, int64(1)), k.answer(conn, op, frame[8:])...))
		if op == opClose {
			return
		}
	}
}

// answer gives the error code and what follows it.
func (k *keeper) answer(conn net.Conn, op int32, request []byte) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch op {
	case opGet:
		path := string(request[4 : 4+binary.BigEndian.Uint32(request)])
		data, there := k.nodes[strings.TrimPrefix(path, "/m/")]
		if !there {
			return words(int32(-101))
		}
		return words(int32(0), data, stat)
	case opGetChildren2:
		if watch := request[len(request)-1]; watch == 1 {
			k.watchers[conn] = true
		}
		body := words(int32(0), int32(len(k.nodes)))
		for name := range k.nodes {
			body = append(body, words(name)...)
		}
		return append(body, stat[:]...)
	case opAuth: // type, scheme, secret
		rest := request[4:]
		scheme := string(rest[4 : 4+binary.BigEndian.Uint32(rest)])
		rest = rest[4+len(scheme):]
		k.auth = append(k.auth, scheme+" "+string(rest[4:]))
	case opSetWatches:
		k.watchers[conn] = true
	case opPing, opClose:
	default:
		k.t.Errorf("operation %d was asked for", op)
	}
	return words(int32(0))
}

func (k *keeper) change(do func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	do()
	for conn := range k.watchers {
		k.send(conn, opWatchNews, words(int32(-1), int64(-1), int32(0), int32(4), int32(3), "/m"))
	}
	clear(k.watchers)
}

func infoAt(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	return `{"address":{"ip":"` + host + `","port":` + port + `}}`
}

// From zk:// to a stream and on to the next leader, with a server that is dead,
// a connection that breaks, and a password.
func TestThroughZooKeeper(t *testing.T) {
	k, a, b := newKeeper(t), newFake(t, false), newFake(t, false)
	atA, atB := a.start(), b.start()
	k.change(func() {
		k.nodes["json.info_0000000002"] = infoAt(atA)
		k.nodes["json.info_0000000010"] = infoAt(atB)
		k.nodes["log_replicas"] = ""
	})
	c := connect(t, "zk://u:hush@"+nobody(t)+","+k.addr()+"/m", Config{})
	c.limits.leader = patience
	if c.Page() != "" {
		t.Errorf("page %s", c.Page())
	}
	c.Subscribe(subscribe())
	wantEvent(t, c, scheduler.Event_SUBSCRIBED)
	if c.Page() != "http://"+atA+"/" {
		t.Errorf("page %s", c.Page())
	}
	k.drop() // we connect again, and look again
	k.change(func() { delete(k.nodes, "json.info_0000000002") })
	wantUnreachable(t, wantDown(t, c), "the leader changed from "+atA+" to "+atB)
	c.Subscribe(subscribe())
	wantEvent(t, c, scheduler.Event_SUBSCRIBED)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.auth) < 2 || k.auth[0] != "digest u:hush" || k.auth[1] != k.auth[0] {
		t.Errorf("credentials %q", k.auth)
	}
	if len(k.greeted) < 2 {
		t.Errorf("%d sessions", len(k.greeted))
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

// What is no ZooKeeper, or lies about lengths, ends neither us nor the search.
func TestHostileZooKeeper(t *testing.T) {
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
		"empty frame":      broken(opGetChildren2, 0, 0, 0, 0, 0),
		"short frame":      broken(opGetChildren2, 0, 0, 0, 0, 5),
		"endless frame":    broken(opGetChildren2, 0, 0xff, 0xff, 0xff, 0xff),
		"no timeout":       broken(opGreeting, 8, 0, 0, 0, 0),
		"negative timeout": broken(opGreeting, 8, 0x80, 0, 0, 0),
		"long password":    broken(opGreeting, 20, 0x7f, 0xff, 0xff, 0xff),
		"many children":    broken(opGetChildren2, 20, 0x7f, 0xff, 0xff, 0xff),
		"more children":    broken(opGetChildren2, 20, 0, 0, 0, 60),
		"long name":        broken(opGetChildren2, 24, 0x7f, 0xff, 0xff, 0xff),
		"much data":        broken(opGet, 20, 0x7f, 0xff, 0xff, 0xff),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKeeper(t)
			k.nodes["json.info_1"] = infoAt("127.0.0.1:1")
			k.wrap = wrap
			wantUnreachable(t, troubled(t, k.addr()), "ZooKeeper cannot be asked")
			for try := range 2 {
				select {
				case <-k.greeted:
				case <-time.After(patience):
					t.Fatalf("%d tries", try)
				}
			}
		})
	}
}

// No data at all is -1 to ZooKeeper.
func TestNoData(t *testing.T) {
	frame := func(things ...any) io.Reader {
		b := words(things...)
		return bytes.NewReader(append(words(int32(len(b))), b...))
	}
	got, err := readZKFrame(frame(int32(3), int64(1), int32(0), int32(-1), stat), false)
	if err != nil || !bytes.Equal(got[20:24], make([]byte, 4)) {
		t.Errorf("got %x %v", got, err)
	}
	news := frame(int32(-1), int64(-1), int32(0), int32(-1), int32(3), "")
	if got, err := readZKFrame(news, false); err != nil || !bytes.Equal(got[20:24], []byte{255, 255, 255, 255}) {
		t.Errorf("got %x %v", got, err)
	}
	expired := frame(int32(0), int32(0), int64(0), strings.Repeat("\x00", 16), byte(0))
	if _, err := readZKFrame(expired, true); err != nil {
		t.Errorf("a session that has expired: %v", err)
	}
}

// Whatever passes the check is taken by the library without a panic, which it
// would not survive.
func FuzzZKFrames(f *testing.F) {
	f.Add(append(words(int32(20)), words(int32(3), int64(1), int32(0), int32(-1))...), false)
	f.Add(append(words(int32(37)), words(int32(0), int32(10_000), int64(7), strings.Repeat("p", 16), byte(0))...), true)
	f.Fuzz(func(t *testing.T, in []byte, greeting bool) {
		got, err := readZKFrame(bytes.NewReader(in), greeting)
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

var _ znodes = (*zk.Conn)(nil)
