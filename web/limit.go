package web

import (
	"net"
	"sync"
)

// limited is a listener that leaves further connections to the kernel's queue
// while there are as many as it may have.
type limited struct {
	net.Listener
	slots  chan struct{} // one is in it for every connection
	close  sync.Once
	closed chan struct{}
}

func limit(l net.Listener, most int) *limited {
	return &limited{Listener: l, slots: make(chan struct{}, most), closed: make(chan struct{})}
}

// Accept waits for a slot and a connection.
func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &slotted{Conn: c, slots: l.slots}, nil
}

// Close also wakes an Accept that waits for a slot.
func (l *limited) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// slotted is a connection that gives its slot back, once.
type slotted struct {
	net.Conn
	slots <-chan struct{}
	close sync.Once
}

func (c *slotted) Close() error {
	err := c.Conn.Close()
	c.close.Do(func() { <-c.slots })
	return err
}

// CloseWrite lets net/http end its answers so that who is still sending gets to
// read them.
func (c *slotted) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}
