package mesosapi

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
)

const (
	// DefaultPort is where a Mesos master listens unless it is told otherwise.
	DefaultPort = "5050"

	zkPort = "2181" // of ZooKeeper
	zkSign = "zk://"
)

// Masters says where the masters of a cluster are: one address, some of them, or
// the ZooKeeper that knows the leader. The zero value is nowhere. No form of it
// that fmt prints holds a password.
type Masters struct {
	hosts  []string // host:port, of the masters or of the ZooKeeper servers
	secure bool     // https:// stood before them
	path   string   // in ZooKeeper, without a slash at its end; empty: not ZooKeeper
	digest *string  // user:password for ZooKeeper, or nil; a pointer, as fmt would print what is here
}

// ParseMasters reads where the masters are:
//
//	host  host:port  http://host:port  https://host:port
//	h1:5050,h2:5050              a list of these, all http or all https;
//	https://h1,h2                the scheme may stand before the first alone
//	zk://[user:password@]h1:2181,h2:2181/path
//
// Ports are 5050 and 2181 where none is said; an IPv6 address stands in brackets
// if a port follows. The path must be more than "/", as Mesos wants it, and user
// and password are taken as they stand, as Mesos takes them: the last @ ends
// them, and they hold no slash (include/mesos/zookeeper/url.hpp). The error is
// one line and does not repeat an address that may hold a password: the @ behind
// one may be missing, or written as %40.
func ParseMasters(s string) (Masters, error) {
	var m Masters
	var err error
	switch {
	case strings.HasPrefix(s, zkSign):
		m, err = parseZooKeeper(strings.TrimPrefix(s, zkSign))
	case strings.Contains(s, "@"):
		return Masters{}, errors.New("master address: credentials do not belong there; use --principal and --secret-file")
	default:
		m, err = parseList(s)
	}
	if err == nil {
		return m, nil
	}
	const use = "use host, host:port, http:// or https:// and these, a list with commas, or zk://host:2181/path"
	if strings.Contains(s, "@") || strings.Contains(s, "%40") || strings.Contains(strings.ToLower(s), zkSign) {
		return Masters{}, fmt.Errorf("master address: %w; use zk://host:2181/path or zk://user:password@host:2181/path", err)
	}
	return Masters{}, fmt.Errorf("master address %q: %w; %s", oneLine(s), err, use)
}

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
		hostport, err := parseHostPort(rest, DefaultPort)
		if err != nil {
			return Masters{}, err
		}
		if err := m.add(hostport); err != nil {
			return Masters{}, err
		}
	}
	return m, nil
}

func (m *Masters) add(hostport string) error {
	for _, before := range m.hosts {
		if before == hostport {
			return fmt.Errorf("%s is named twice", hostport)
		}
	}
	m.hosts = append(m.hosts, hostport)
	return nil
}

// parseZooKeeper reads what stands behind zk://. Its errors repeat none of it,
// unless it has no credentials.
func parseZooKeeper(s string) (Masters, error) {
	var m Masters
	slash := strings.IndexByte(s, '/')
	if slash < 0 {
		slash = len(s)
	}
	authority, path := s[:slash], strings.TrimSuffix(s[slash:], "/")
	if strings.Contains(path, "@") {
		return m, errors.New("the path in ZooKeeper holds an @; user and password hold no slash")
	}
	if path == "" {
		return m, errors.New(`there is no path in ZooKeeper, such as /mesos ("/" alone is none)`)
	}
	if err := checkPath(path); err != nil {
		return m, err
	}
	m.path = path
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		user, password, both := strings.Cut(authority[:at], ":")
		if !both || user == "" || password == "" {
			return Masters{}, errors.New("the credentials for ZooKeeper are no user:password")
		}
		digest := authority[:at]
		m.digest, authority = &digest, authority[at+1:]
	}
	for one := range strings.SplitSeq(authority, ",") {
		hostport, err := parseHostPort(one, zkPort)
		if err == nil {
			err = m.add(hostport)
		}
		if err != nil {
			return Masters{}, fmt.Errorf("ZooKeeper server: %w", err)
		}
	}
	return m, nil
}

// checkPath refuses what ZooKeeper would not take as the path of a node.
func checkPath(path string) error {
	for part := range strings.SplitSeq(path[1:], "/") {
		if part == "" || part == "." || part == ".." {
			return errors.New("the path in ZooKeeper has an empty part, . or .. in it")
		}
	}
	odd := func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) || r == ' ' }
	if len(path) > 1000 || strings.ContainsFunc(path, odd) {
		return errors.New("the path in ZooKeeper is none that can be printed")
	}
	return nil
}

// String is the canonical form, without credentials: host:port, or more of them
// with commas, after https:// if that is spoken; or zk://host:port,…/path.
// ParseMasters reads it again.
func (m Masters) String() string {
	hosts := strings.Join(m.hosts, ",")
	switch {
	case m.path != "":
		return zkSign + hosts + m.path
	case m.secure:
		return "https://" + hosts
	}
	return hosts
}

// GoString keeps the password from %#v too.
func (m Masters) GoString() string { return "mesosapi.Masters(" + m.String() + ")" }

// ZooKeeper tells whether ZooKeeper is asked who leads.
func (m Masters) ZooKeeper() bool { return m.path != "" }

// Secure tells whether https:// stands before the address. Behind zk:// it
// cannot stand: there Config.TLS decides.
func (m Masters) Secure() bool { return m.secure }

// Page is the address of the page of the first master; empty if only ZooKeeper
// knows one. Conn.Page knows better once there was a stream.
func (m Masters) Page() string {
	if len(m.hosts) == 0 || m.ZooKeeper() {
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
	return len(m.hosts) > 0 && m.path == ""
}

// parseHostPort reads host or host:port and gives host:port.
func parseHostPort(s, defaultPort string) (string, error) {
	bare := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		bare = s[1 : len(s)-1]
	}
	if addr, err := netip.ParseAddr(bare); err == nil && addr.Is6() {
		return joinHostPort(bare, defaultPort)
	}
	host, port := s, defaultPort
	if strings.ContainsAny(s, ":[]") {
		var err error
		if host, port, err = net.SplitHostPort(s); err != nil {
			return "", errors.New("not host:port")
		}
	}
	return joinHostPort(host, port)
}

func joinHostPort(host, port string) (string, error) {
	if err := checkHost(host); err != nil {
		return "", err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", errors.New("the port is a number from 1 to 65535")
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10)), nil
}

func checkHost(host string) error {
	if host == "" {
		return errors.New("no host")
	}
	// A zone is any text to netip; ours are names of interfaces.
	addr, zone, _ := strings.Cut(host, "%")
	if _, err := netip.ParseAddr(addr); err == nil && (zone == "" || !strings.ContainsFunc(zone, notInHost)) {
		return nil
	}
	if len(host) > 253 || host[0] == '-' || strings.ContainsFunc(host, notInHost) {
		return errors.New("not the name or the address of a host")
	}
	return nil
}

func notInHost(r rune) bool {
	letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	return !letter && r != '.' && r != '-' && r != '_'
}
