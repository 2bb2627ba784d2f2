package zookeeper

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// HostPort reads host or host:port and gives host:port, an IPv6 address in
// brackets. A name is letters, digits, dots, dashes and underscores, so what
// comes out is fit for a URL and a header. An error does not quote the text.
func HostPort(text, defaultPort string) (string, error) {
	bare := text
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		bare = text[1 : len(text)-1]
	}
	if addr, err := netip.ParseAddr(bare); err == nil && addr.Is6() {
		return JoinHostPort(bare, defaultPort)
	}
	host, port := text, defaultPort
	if strings.ContainsAny(text, ":[]") {
		var err error
		if host, port, err = net.SplitHostPort(text); err != nil {
			return "", errors.New("not host:port")
		}
	}
	return JoinHostPort(host, port)
}

// JoinHostPort is net.JoinHostPort for a host and a port that somebody else
// said; the rules are those of HostPort.
func JoinHostPort(host, port string) (string, error) {
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
