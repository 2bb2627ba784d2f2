// Package zookeepertest has a ZooKeeper for tests: one path, in ZooKeeper's own
// words on a socket. It knows what detectors and candidates ask, and can answer
// with anything. A Server belongs to its test and ends with it.
package zookeepertest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// The operations of ZooKeeper's protocol that are known, the first two by numbers
// that the protocol does not use.
const (
	News        = -1
	Greeting    = 0
	Create      = 1
	Get         = 4
	Ping        = 11
	Children    = 12
	Auth        = 100
	setWatches  = 101
	closing     = -11
	noNode      = -101
	nodeExists  = -110
	sessionTime = 10_000 // ms
)

// Path is where the nodes are.
const Path = "/m"

// Server is a ZooKeeper server. Nodes of who has left stay.
type Server struct {
	// Wrap changes what is sent, its length in four bytes before it; nil: nothing.
	// It is set before the first client comes.
	Wrap func(op int32, frame []byte) []byte

	// Greeted gets one for every session, as far as there is room.
	Greeted chan struct{}

	t *testing.T
	l net.Listener

	mu       sync.Mutex        // protects what follows
	nodes    map[string]string // name to content; the path itself is ""
	number   int               // of the next node
	watchers map[net.Conn]bool
	conns    map[net.Conn]bool
	auth     []string
}

// New starts a server, which ends with the test.
func New(t *testing.T) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, l: l, nodes: map[string]string{}, watchers: map[net.Conn]bool{}, conns: map[net.Conn]bool{},
		Greeted: make(chan struct{}, 100)}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[conn] = true
			s.mu.Unlock()
			served.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.Drop()
		served.Wait()
	})
	return s
}

// Addr is its host:port.
func (s *Server) Addr() string { return s.l.Addr().String() }

// Drop cuts all connections.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		conn.Close()
	}
}

// Change changes the nodes, and tells who watches them.
func (s *Server) Change(do func(nodes map[string]string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do(s.nodes)
	for conn := range s.watchers {
		s.send(conn, News, Words(int32(-1), int64(-1), int32(0), int32(4), int32(3), Path))
	}
	clear(s.watchers)
}

// Credentials are those that were given, each with its scheme before it.
func (s *Server) Credentials() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.auth...)
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

// Words puts numbers and texts together as the protocol does.
func Words(things ...any) []byte {
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

// Stat is what ends answers: 68 bytes of numbers.
var Stat [68]byte

func (s *Server) send(conn net.Conn, op int32, frame []byte) {
	frame = append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...)
	if s.Wrap != nil {
		frame = s.Wrap(op, frame)
	}
	_, _ = conn.Write(frame)
}

func (s *Server) serve(conn net.Conn) {
	defer func() {
		s.mu.Lock()
		delete(s.conns, conn)
		delete(s.watchers, conn)
		s.mu.Unlock()
		conn.Close()
	}()
	if readFrame(conn) == nil {
		return
	}
	select {
	case s.Greeted <- struct{}{}:
	default:
	}
	s.send(conn, Greeting, Words(int32(0), int32(sessionTime), int64(7), strings.Repeat("p", 16), byte(0)))
	for {
		frame := readFrame(conn)
		if len(frame) < 8 {
			return
		}
		xid, op := int32(binary.BigEndian.Uint32(frame)), int32(binary.BigEndian.Uint32(frame[4:]))
		s.send(conn, op, append(Words(xid, int64(1)), s.answer(conn, op, frame[8:])...))
		if op == closing {
			return
		}
	}
}

// text takes the first text of a request off it.
func text(request []byte) (first string, rest []byte) {
	end := 4 + max(0, int32(binary.BigEndian.Uint32(request))) // -1: none
	return string(request[4:end]), request[end:]
}

// answer gives the error code and what follows it.
func (s *Server) answer(conn net.Conn, op int32, request []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch op {
	case Get:
		path, _ := text(request)
		data, there := s.nodes[strings.TrimPrefix(path, Path+"/")]
		if !there && path != Path {
			return Words(int32(noNode))
		}
		return Words(int32(0), data, Stat)
	case Create: // path, data, rights, flags
		path, rest := text(request)
		data, _ := text(rest)
		if path == Path {
			return Words(int32(nodeExists))
		}
		s.number++
		path += fmt.Sprintf("%010d", s.number)
		s.nodes[strings.TrimPrefix(path, Path+"/")] = data
		return Words(int32(0), path)
	case Children:
		if watch := request[len(request)-1]; watch == 1 {
			s.watchers[conn] = true
		}
		body := Words(int32(0), int32(len(s.nodes)))
		for name := range s.nodes {
			body = append(body, Words(name)...)
		}
		return append(body, Stat[:]...)
	case Auth: // type, scheme, secret
		scheme, rest := text(request[4:])
		secret, _ := text(rest)
		s.auth = append(s.auth, scheme+" "+secret)
	case setWatches:
		s.watchers[conn] = true
	case Ping, closing:
	default:
		s.t.Errorf("operation %d was asked for", op)
	}
	return Words(int32(0))
}
