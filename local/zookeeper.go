package local

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ZooKeeper says where masters stand for election: some servers, the path that
// holds a node for each candidate, and who we are there, if that matters. How
// it prints tells nothing of the password.
type ZooKeeper struct {
	servers []string // host:port
	path    string   // begins with / and does not end with it
	digest  string   // user:password; "" for nobody in particular
}

const (
	zooKeeperScheme = "zk://"
	zooKeeperPort   = "2181"
	maxServers      = 100
	maxZooKeeperURL = 64 << 10
)

// ParseZooKeeper reads zk://[user:password@]host[:2181],…/path, as Mesos does
// (include/mesos/zookeeper/url.hpp): nothing in it is encoded, so a password
// cannot hold a slash. With file:///path the address is what stands in a file
// that is open to nobody else: unlike an argument, other users do not see it.
// An error quotes nothing of an address: what is wrong with it may be its
// password, when the @ behind that is missing or written as %40.
func ParseZooKeeper(text string) (*ZooKeeper, error) {
	if name, ok := strings.CutPrefix(text, "file://"); ok {
		return readZooKeeper(name)
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), zooKeeperScheme)
	if !ok {
		return nil, errors.New("want zk://host:2181,…/path")
	}
	servers, path, _ := strings.Cut(rest, "/")
	z := &ZooKeeper{path: strings.TrimSuffix("/"+path, "/")}
	if at := strings.LastIndex(servers, "@"); at >= 0 {
		z.digest, servers = servers[:at], servers[at+1:]
		user, password, ok := strings.Cut(z.digest, ":")
		if !ok || user == "" || password == "" {
			return nil, errors.New("want user:password before the @")
		}
	}
	if strings.Contains(path, "@") {
		return nil, errors.New("the path holds an @; user and password cannot hold a slash")
	}
	if z.path == "" {
		return nil, errors.New("a path is needed behind the servers, such as zk://host:2181/mesos")
	}
	if err := checkNodePath(z.path); err != nil {
		return nil, err
	}
	for i, server := range strings.Split(servers, ",") {
		s, err := parseServer(server)
		if err != nil {
			return nil, fmt.Errorf("server %d is %w", i+1, err)
		}
		z.servers = append(z.servers, s)
	}
	if len(z.servers) > maxServers {
		return nil, fmt.Errorf("%d servers; at most %d are possible", len(z.servers), maxServers)
	}
	return z, nil
}

// readZooKeeper reads the address from a file that is open to nobody else.
func readZooKeeper(name string) (*ZooKeeper, error) {
	if !filepath.IsAbs(name) {
		return nil, errors.New("want the full path of a file behind file://")
	}
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0) // a FIFO does not hold us up
	if err != nil {
		return nil, err // it names the operation and the file
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", name)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%s is open to other users (mode %04o); run: chmod 600 %s", name, info.Mode().Perm(), name)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxZooKeeperURL+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxZooKeeperURL:
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxZooKeeperURL)
	case strings.HasPrefix(string(text), "file://"):
		return nil, fmt.Errorf("%s: want zk://host:2181,…/path", name)
	}
	z, err := ParseZooKeeper(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return z, nil
}

// parseServer reads host or host:port; an IPv6 address needs brackets if a port
// follows.
func parseServer(text string) (string, error) {
	host, port := text, zooKeeperPort
	bare := text
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		bare = text[1 : len(text)-1]
	}
	if addr, err := netip.ParseAddr(bare); err == nil && addr.Is6() {
		host = bare
	} else if strings.Contains(text, ":") {
		if host, port, err = net.SplitHostPort(text); err != nil {
			return "", errors.New("not host:port")
		}
	}
	if !isHost(host) {
		return "", errors.New("not a host")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", errors.New("not a host and a port from 1 to 65535")
	}
	return net.JoinHostPort(host, port), nil
}

// isHost tells whether a text can be the name of a host, or an IP address.
func isHost(text string) bool {
	for _, c := range []byte(text) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		if !letter && c != '-' && c != '.' && c != '_' && c != ':' {
			return false
		}
	}
	return text != "" && len(text) <= 255
}

// checkNodePath checks a path by ZooKeeper's own rules.
func checkNodePath(path string) error {
	if path == "/zookeeper" || strings.HasPrefix(path, "/zookeeper/") {
		return errors.New("the path /zookeeper is ZooKeeper's own")
	}
	for _, part := range strings.Split(path[1:], "/") {
		if part == "" || part == "." || part == ".." {
			return errors.New("ZooKeeper takes no path with an empty part, . or .. in it")
		}
	}
	for _, r := range path {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0xd800 && r <= 0xf8ff || r >= 0xfff0 && r <= 0xffff {
			return errors.New("the path holds a character that ZooKeeper does not take")
		}
	}
	return nil
}

// String is the address without the credentials.
func (z *ZooKeeper) String() string {
	return zooKeeperScheme + strings.Join(z.servers, ",") + z.path
}

// GoString keeps %#v from telling the password.
func (z *ZooKeeper) GoString() string { return z.String() }
