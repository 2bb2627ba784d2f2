// Package zookeeper is the way to a ZooKeeper, for who looks for the leading
// master and for who stands for election: its address, and a client that neither
// a server that lies nor one that says nothing can harm.
//
// The protocol is github.com/go-zookeeper/zk's. A Client belongs to the one who
// made it; what it remembers of its connections is behind a mutex. The package
// knows no path and no node of Mesos, and it logs nothing.
package zookeeper

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

const (
	// Scheme stands before an address.
	Scheme = "zk://"

	port       = "2181"
	maxServers = 100
	maxPath    = 1000 // bytes
)

// Address says where nodes are kept: on which servers, and below which path. No
// form of it that fmt prints holds the password. The zero value is nowhere.
type Address struct {
	Servers []string // host:port
	Path    string   // begins with / and does not end with it; more than "/"

	digest *string // user:password, or nil; a pointer, as fmt would print what is here
}

// Parse reads zk://[user:password@]host[:2181],…/path. Nothing in it is encoded:
// user and password are taken as they stand, the last @ ends them, and they hold
// no slash (Mesos: include/mesos/zookeeper/url.hpp). An error is one line and
// never quotes what was given, as a password can stand anywhere in it.
func Parse(text string) (Address, error) {
	rest, ok := strings.CutPrefix(text, Scheme)
	if !ok {
		return Address{}, errors.New("not zk://host:2181,…/path")
	}
	servers, path, _ := strings.Cut(rest, "/")
	a := Address{Path: strings.TrimSuffix("/"+path, "/")}
	if err := checkPath(a.Path); err != nil {
		return Address{}, err
	}
	if at := strings.LastIndexByte(servers, '@'); at >= 0 {
		digest := servers[:at]
		user, password, both := strings.Cut(digest, ":")
		if !both || user == "" || password == "" {
			return Address{}, errors.New("the credentials for ZooKeeper are no user:password")
		}
		a.digest, servers = &digest, servers[at+1:]
	}
	if n := 1 + strings.Count(servers, ","); n > maxServers {
		return Address{}, fmt.Errorf("%d servers; at most %d are possible", n, maxServers)
	}
	for server := range strings.SplitSeq(servers, ",") {
		hostport, err := HostPort(server, port)
		if err == nil && slices.Contains(a.Servers, hostport) {
			err = errors.New("one is named twice")
		}
		if err != nil {
			return Address{}, fmt.Errorf("ZooKeeper server: %w", err)
		}
		a.Servers = append(a.Servers, hostport)
	}
	return a, nil
}

// checkPath refuses what ZooKeeper would not take as the path of our nodes, and
// what could not be printed.
func checkPath(path string) error {
	switch {
	case path == "":
		return errors.New(`there is no path in ZooKeeper, such as /mesos ("/" alone is none)`)
	case strings.Contains(path, "@"):
		return errors.New("the path in ZooKeeper holds an @; user and password hold no slash")
	case path == "/zookeeper" || strings.HasPrefix(path, "/zookeeper/"):
		return errors.New("the path /zookeeper is ZooKeeper's own")
	}
	for part := range strings.SplitSeq(path[1:], "/") {
		if part == "" || part == "." || part == ".." {
			return errors.New("the path in ZooKeeper has an empty part, . or .. in it")
		}
	}
	odd := func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) || r == ' ' }
	if len(path) > maxPath || strings.ContainsFunc(path, odd) {
		return errors.New("the path in ZooKeeper is none that can be printed")
	}
	return nil
}

// Digest is user:password as the scheme digest takes it, or empty: nobody in
// particular.
func (a Address) Digest() string {
	if a.digest == nil {
		return ""
	}
	return *a.digest
}

// String is the address without the credentials. Parse reads it again.
func (a Address) String() string { return Scheme + strings.Join(a.Servers, ",") + a.Path }

// GoString keeps the password from %#v too.
func (a Address) GoString() string { return "zookeeper.Address(" + a.String() + ")" }
