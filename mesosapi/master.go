package mesosapi

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// DefaultPort is where a Mesos master listens unless it is told otherwise.
const DefaultPort = "5050"

// apiPath is the scheduler API of a master.
const apiPath = "/master/api/v1/scheduler"

// ParseMaster reads the address of a master: host, host:port, an IPv6 address
// (in brackets if a port follows), or http:// before one of these. It gives
// host:port, with port 5050 where none is said. The error says what is allowed;
// it does not repeat an address that holds an @, which may be a password.
func ParseMaster(s string) (hostport string, err error) {
	switch {
	case strings.HasPrefix(s, "https://"):
		return "", errors.New("master address: https:// is not supported yet; use http://host:port")
	case strings.HasPrefix(s, "zk://"):
		return "", errors.New("master address: zk:// is not supported yet; use the leading master's host:port")
	case strings.Contains(s, "@"):
		return "", errors.New("master address: credentials do not belong there; use host, host:port or http://host:port")
	case strings.Contains(s, ","):
		return "", errors.New("master address: a list of masters is not supported yet; give one host:port")
	}
	rest, isURL := strings.CutPrefix(s, "http://")
	if isURL {
		rest = strings.TrimSuffix(rest, "/")
	}
	hostport, err = parseHostPort(rest)
	if err != nil {
		return "", fmt.Errorf("master address %q: %w; use host, host:port or http://host:port", oneLine(s), err)
	}
	return hostport, nil
}

func parseHostPort(s string) (string, error) {
	bare := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		bare = s[1 : len(s)-1]
	}
	if addr, err := netip.ParseAddr(bare); err == nil && addr.Is6() {
		return net.JoinHostPort(bare, DefaultPort), nil
	}
	host, port := s, DefaultPort
	if strings.ContainsAny(s, ":[]") {
		var err error
		if host, port, err = net.SplitHostPort(s); err != nil {
			return "", errors.New("not host:port")
		}
	}
	if err := checkHost(host); err != nil {
		return "", err
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", errors.New("the port is a number from 1 to 65535")
	}
	return net.JoinHostPort(host, port), nil
}

func checkHost(host string) error {
	if host == "" {
		return errors.New("no host")
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	bad := func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && r != '.' && r != '-' && r != '_'
	}
	if len(host) > 253 || host[0] == '-' || strings.ContainsFunc(host, bad) {
		return errors.New("not the name or the address of a host")
	}
	return nil
}

// leaderIn reads the Location of a redirect. Mesos leaves the scheme out on
// purpose: //host:port/path (src/master/http.cpp, redirect). Only a redirect
// that names another master counts: to its scheduler API or to its root, over
// plain http. Anything else is not followed, as credentials would go along.
func leaderIn(location string) (hostport string, err error) {
	fail := func(why string) (string, error) {
		return "", fmt.Errorf("redirected to %q: %s", oneLine(location), why)
	}
	rest := location
	if scheme, after, ok := strings.Cut(location, "://"); ok {
		if scheme != "http" {
			return fail("only http is supported")
		}
		rest = after
	} else {
		rest = strings.TrimPrefix(rest, "//")
	}
	path := ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest, path = rest[:i], rest[i:]
	}
	if rest == "" {
		return fail("no leader is named")
	}
	if path != "" && path != "/" && path != apiPath && path != strings.TrimPrefix(apiPath, "/master") {
		return fail("that is no scheduler API")
	}
	hostport, err = parseHostPort(rest)
	if err != nil {
		return fail(err.Error())
	}
	return hostport, nil
}
