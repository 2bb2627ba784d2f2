package main

import (
	"errors"
	"net"
	"strings"

	"cmdq/web"
)

// listen binds the address of --listen, or else a free port of this machine.
func (s *session) listen() error {
	var err error
	if s.listener, err = s.bind(s.cfg.agent.listen); err != nil {
		return usage("%w", err)
	}
	return nil
}

// bind makes a listener as the flags want it, at this address.
func (s *session) bind(at string) (*web.Listener, error) {
	a := s.cfg.agent
	l, err := web.Listen(at, a.advertise, s.nearby())
	if err != nil || a.tlsCert == "" {
		return l, err
	}
	if err := l.Secure(a.tlsCert, a.tlsKey); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// keepsPort tells whether the port of our address is ours to choose, and should be
// the same after a restart: for who has the page open, and for agents that do not
// end with us.
func (s *session) keepsPort() bool {
	return s.cfg.agent.listen == "" && !s.cfg.embedded || strings.HasSuffix(s.cfg.agent.listen, ":0")
}

// formerPort is the port of before, which agents may have been told of; empty if
// there was none, or if --listen says which it is.
func (s *session) formerPort() string {
	_, port, err := net.SplitHostPort(s.journal.run.Listen)
	if err != nil || !s.resumed || !s.keepsPort() {
		return ""
	}
	return port
}

// samePort goes back to the port of before where --listen leaves that to us.
func (s *session) samePort() error {
	first, port := s.listener, s.formerPort()
	if first == nil || port == "" || port == portOf(first.Addr()) || !s.rebind(port) {
		return nil
	}
	return first.Close()
}

// listenAgain binds the port of before, or a free one if another program has that
// now.
func (s *session) listenAgain() error {
	if port := s.formerPort(); port != "" && s.rebind(port) {
		return nil
	}
	return s.listen()
}

// rebind puts a listener at this port in the place of ours, if it can be had. Its
// host is what --listen says now: who was reached from everywhere before may not
// want to be any more.
func (s *session) rebind(port string) bool {
	host := "127.0.0.1"
	if at := s.cfg.agent.listen; at != "" {
		host, _, _ = net.SplitHostPort(at) // it has been bound
	}
	l, err := s.bind(net.JoinHostPort(host, port))
	if err != nil {
		s.log.Warnf("agents that were told of an address of before will not find it: %v", err)
		return false
	}
	s.listener = l
	return true
}

func portOf(a net.Addr) string {
	_, port, _ := net.SplitHostPort(a.String()) // it is that of a TCP socket
	return port
}
