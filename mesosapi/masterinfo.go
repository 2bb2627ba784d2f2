package mesosapi

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"cmdq/zookeeper"
)

// infoPrefix begins the names of the nodes that masters put into ZooKeeper. The
// binary ones of before Mesos 0.24 (info_) are ignored: such a master has no v1
// API. So is log_replicas, which is no master.
const infoPrefix = "json.info_"

// lowest gives the node of the master that leads: the one with the lowest
// number, not the first by name (src/zookeeper/group.cpp; the numbers have ten
// digits, or more and a sign once ZooKeeper's counter has run over).
func lowest(names []string) (leader string, found bool) {
	var least int64
	for _, name := range names {
		digits, ok := strings.CutPrefix(name, infoPrefix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 32)
		if err != nil {
			continue
		}
		if !found || n < least || n == least && name < leader {
			leader, least, found = name, n, true
		}
	}
	return leader, found
}

// masterInfo is the part of Mesos' message MasterInfo that says where a master
// listens. Masters since 0.24 have an address; the rest is for older ones.
type masterInfo struct {
	Address *struct {
		Hostname string `json:"hostname"`
		IP       string `json:"ip"`
		Port     int64  `json:"port"`
	} `json:"address"`
	Hostname string `json:"hostname"`
	IP       uint32 `json:"ip"` // the four bytes in the order of the network, read as a little-endian number
	Port     *int64 `json:"port"`
}

// leaderAt reads host:port from the JSON of a MasterInfo. The address counts and
// not the name, which need not resolve here; byName turns that round, for TLS,
// whose certificates are given to names.
func leaderAt(data []byte, byName bool) (hostport string, err error) {
	var info masterInfo
	if err := json.Unmarshal(data, &info); err != nil {
		// What it says of the text could be anything; what it is, is enough.
		return "", errors.New("is no MasterInfo")
	}
	ip, name, port := "", info.Hostname, int64(5050)
	if info.IP != 0 {
		var b [4]byte
		binary.LittleEndian.PutUint32(b[:], info.IP)
		ip = netip.AddrFrom4(b).String()
	}
	if info.Port != nil {
		port = *info.Port
	}
	if a := info.Address; a != nil {
		port = a.Port
		if a.Hostname != "" {
			name = a.Hostname
		}
		if a.IP != "" {
			ip = a.IP
		}
	}
	if addr, err := netip.ParseAddr(ip); err != nil || addr.IsUnspecified() {
		ip = ""
	}
	host := ip
	if host == "" || byName && name != "" {
		host = name
	}
	hostport, err = zookeeper.JoinHostPort(host, strconv.FormatInt(port, 10))
	if err != nil {
		return "", fmt.Errorf("has no usable address: %w", err)
	}
	return hostport, nil
}
