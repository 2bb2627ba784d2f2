package web

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Listener is where agents reach us. It is bound; Serve answers.
type Listener struct {
	net.Listener
	base  string
	named bool        // by --advertise
	tls   *tls.Config // nil: it speaks plain HTTP
}

// URL is what agents are told, without a slash at its end: http://host:port.
func (l *Listener) URL() string { return l.base }

// Listen binds at, a host:port (--listen; no host: every address; port 0: a free
// one), and finds out what agents shall call it: advertise (--advertise), or else
// the address that was bound. loopback tells that the master, and so its agents,
// are on this machine; then at may be empty, and is a free port of 127.0.0.1. A
// master elsewhere needs an address that its agents can reach. Errors begin with
// the flag that is at fault, and are one line.
func Listen(at, advertise string, loopback bool) (*Listener, error) {
	named, err := parseAdvertise(advertise)
	if err != nil {
		return nil, err
	}
	switch {
	case at == "" && advertise != "":
		return nil, errors.New("--advertise needs --listen, the address that it is another name of")
	case at == "" && !loopback:
		return nil, errors.New("--listen is missing: agents on other machines have to reach cmdq; use --listen HOST:PORT, or --listen 0.0.0.0:PORT with --advertise http://HOST:PORT")
	case at == "":
		at = "127.0.0.1:0"
	}
	_, port, err := net.SplitHostPort(at)
	if err != nil {
		return nil, fmt.Errorf("--listen %q: want host:port, such as 10.0.0.1:8080", at)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return nil, fmt.Errorf("--listen %q: the port is not a number from 0 to 65535", at)
	}
	l, err := net.Listen("tcp", at)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err // the rest repeats the address
		}
		return nil, fmt.Errorf("--listen %s: %w", at, err)
	}
	base, err := named.base(l.Addr().(*net.TCPAddr).AddrPort(), loopback)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("--listen %s: %w", at, err), l.Close())
	}
	return &Listener{Listener: l, base: base, named: advertise != ""}, nil
}

// advertised is what --advertise says; the zero value is nothing.
type advertised struct{ scheme, host, port string }

// parseAdvertise reads http://host:port or https://host:port (a proxy before
// us). There is no path: a proxy would have to take it off again. The error does
// not repeat what may hold a password.
func parseAdvertise(s string) (advertised, error) {
	if s == "" {
		return advertised{}, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.User != nil || strings.Contains(s, "@") {
		return advertised{}, errors.New("--advertise: want http://HOST:PORT, without a password")
	}
	wrong := func(what string) (advertised, error) {
		return advertised{}, fmt.Errorf("--advertise %q: %s; want http://HOST:PORT", s, what)
	}
	host := u.Hostname()
	ip, notIP := netip.ParseAddr(host)
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return wrong("no http:// before it")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(s, "#"):
		return wrong("something stands behind the address")
	case host == "":
		return wrong("no host")
	case notIP != nil && strings.Trim(host, hostLetters) != "", notIP == nil && ip.Zone() != "":
		return wrong("that is no name or address of a host")
	case notIP == nil && ip.IsUnspecified():
		return wrong("nobody can connect to " + host)
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return wrong("the port is not a number from 1 to 65535")
		}
	} else if strings.HasSuffix(u.Host, ":") {
		return wrong("no port behind the colon")
	}
	return advertised{u.Scheme, host, u.Port()}, nil
}

const hostLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

// base is what agents are told of a bound address.
func (a advertised) base(bound netip.AddrPort, loopback bool) (string, error) {
	port := strconv.Itoa(int(bound.Port()))
	if a.host != "" {
		if a.port != "" {
			port = a.port
		}
		return a.scheme + "://" + net.JoinHostPort(a.host, port), nil
	}
	ip := bound.Addr().Unmap()
	switch {
	case ip.IsUnspecified() && loopback:
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1}) // [::] takes IPv4 too
	case ip.IsUnspecified():
		return "", errors.New("agents cannot tell from that where cmdq is; add --advertise http://HOST:" + port)
	case ip.IsLoopback() && !loopback:
		return "", errors.New("agents on other machines cannot reach that; listen on another address, or add --advertise http://HOST:PORT, where they can")
	case ip.Zone() != "":
		return "", errors.New("the zone means nothing to agents; add --advertise http://HOST:" + port)
	}
	return "http://" + net.JoinHostPort(ip.String(), port), nil
}
