package mesosapi

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"cmdq/zookeeper"
)

// DefaultPort is where a Mesos master listens unless it is told otherwise.
const DefaultPort = "5050"

// Masters says where the masters of a cluster are: one address, some of them, or
// the ZooKeeper that knows the leader. The zero value is nowhere. No form of it
// that fmt prints holds a password.
type Masters struct {
	hosts  []string          // host:port; none if ZooKeeper is asked
	secure bool              // https:// stood before them
	zk     zookeeper.Address // or nowhere
}

// ParseMasters reads where the masters are:
//
//	host  host:port  http://host:port  https://host:port
//	h1:5050,h2:5050              a list of these, all http or all https;
//	https://h1,h2                the scheme may stand before the first alone
//	zk://[user:password@]h1:2181,h2:2181/path
//
// Ports are 5050 and 2181 where none is said; an IPv6 address stands in brackets
// if a port follows. What stands behind zk:// is read by zookeeper.Parse. The
// error is one line, and does not repeat an address that may hold a password: the
// @ behind one may be missing, or written as %40.
func ParseMasters(s string) (Masters, error) {
	switch {
	case strings.Contains(strings.ToLower(s), "zk:/"):
		at, err := zookeeper.Parse(s)
		if err != nil {
			return Masters{}, fmt.Errorf("master address: %w; use zk://host:2181/path or zk://user:password@host:2181/path", err)
		}
		return Masters{zk: at}, nil
	case strings.Contains(s, "@"):
		return Masters{}, errors.New("master address: " + noCredentials)
	}
	m, err := parseList(s)
	switch {
	case err != nil && strings.Contains(s, "%40"):
		return Masters{}, fmt.Errorf("master address: %w; %s", err, noCredentials)
	case err != nil:
		const use = "use host, host:port, http:// or https:// and these, a list with commas, or zk://host:2181/path"
		return Masters{}, fmt.Errorf("master address %q: %w; %s", oneLine(s), err, use)
	}
	return m, nil
}

const noCredentials = "credentials do not belong there; use --principal and --secret-file"

func parseList(s string) (Masters, error) {
	var m Masters
	for i, one := range strings.Split(s, ",") {
		scheme, rest := "", one
		for _, known := range []string{"http", "https"} {
			if after, ok := strings.CutPrefix(one, known+"://"); ok {
				scheme, rest = known, strings.TrimSuffix(after, "/")
			}
		}
		if i == 0 {
			m.secure = scheme == "https"
		} else if scheme != "" && m.secure != (scheme == "https") {
			return Masters{}, errors.New("a list is all http or all https")
		}
		hostport, err := zookeeper.HostPort(rest, DefaultPort)
		if err != nil {
			return Masters{}, err
		}
		if slices.Contains(m.hosts, hostport) {
			return Masters{}, fmt.Errorf("%s is named twice", hostport)
		}
		m.hosts = append(m.hosts, hostport)
	}
	return m, nil
}

// String is the canonical form, without credentials: host:port, or more of them
// with commas, after https:// if that is spoken; or zk://host:port,…/path.
// ParseMasters reads it again.
func (m Masters) String() string {
	hosts := strings.Join(m.hosts, ",")
	switch {
	case m.ZooKeeper():
		return m.zk.String()
	case m.secure:
		return "https://" + hosts
	}
	return hosts
}

// GoString keeps the password from %#v too.
func (m Masters) GoString() string { return "mesosapi.Masters(" + m.String() + ")" }

// ZooKeeper tells whether ZooKeeper is asked who leads.
func (m Masters) ZooKeeper() bool { return m.zk.Path != "" }

// Secure tells whether https:// stands before the address. Behind zk:// it
// cannot stand: there Config.TLS decides.
func (m Masters) Secure() bool { return m.secure }

// Page is the address of the page of the first master; empty if only ZooKeeper
// knows one. Conn.Page knows better once there was a stream.
func (m Masters) Page() string {
	if len(m.hosts) == 0 {
		return ""
	}
	scheme := "http://"
	if m.secure {
		scheme = "https://"
	}
	return scheme + m.hosts[0] + "/"
}

// Loopback tells whether all of them are surely on this machine. Where the
// leader behind ZooKeeper is, nobody knows.
func (m Masters) Loopback() bool {
	for _, hostport := range m.hosts {
		host, _, _ := net.SplitHostPort(hostport)
		addr, err := netip.ParseAddr(host)
		if host != "localhost" && (err != nil || !addr.IsLoopback()) {
			return false
		}
	}
	return len(m.hosts) > 0
}
