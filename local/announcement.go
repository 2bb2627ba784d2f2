package local

import (
	"bytes"
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/mesos/mesos-go/api/v1/lib"

	"cmdq/zookeeper"
)

// announcement is what a master writes about itself for all who look for the
// leader: a MasterInfo as JSON, its fields in the order in which Mesos writes
// them. mesos-go does not know the capability QUOTA_V2.
type announcement struct {
	Address      announcedAddress      `json:"address"`
	Capabilities []announcedCapability `json:"capabilities"`
	Hostname     string                `json:"hostname"`
	ID           string                `json:"id"`
	IP           uint32                `json:"ip"` // in network order; 0 for IPv6
	PID          string                `json:"pid"`
	Port         uint16                `json:"port"`
	Version      string                `json:"version"`
}

type announcedAddress struct {
	Hostname string `json:"hostname"`
	IP       string `json:"ip"`
	Port     uint16 `json:"port"`
}

type announcedCapability struct {
	Type string `json:"type"`
}

// announce writes the announcement of the master with an id at an address.
func announce(id string, at netip.AddrPort) []byte {
	ip, port := at.Addr().String(), at.Port()
	a := announcement{
		Address: announcedAddress{Hostname: ip, IP: ip, Port: port}, Hostname: ip, ID: id,
		IP: networkOrder(at.Addr()), PID: "master@" + at.String(), Port: port, Version: version,
	}
	for _, name := range masterCapabilities {
		a.Capabilities = append(a.Capabilities, announcedCapability{name})
	}
	return bytes.TrimSpace(marshal(a))
}

// The names of nodes, up to their number. The second one is that of Mesos
// before 0.24, whose content is a protobuf message.
const (
	announcementName    = "json.info"
	oldAnnouncementName = "info"

	maxAnnouncement = 64 << 10
)

var errNoMaster = errors.New("it does not say which master it is of")

// readAnnouncement finds where another master is: host:port, for a redirect.
// The host is the name that the master gave itself, as in Mesos' redirects.
func readAnnouncement(node string, data []byte) (string, error) {
	cdc := codecJSON
	switch label, _, _ := nodeNumber(node); {
	case len(data) > maxAnnouncement:
		return "", errors.New("it is too large")
	case label == oldAnnouncementName:
		cdc = codecProtobuf
	case label != announcementName:
		return "", errNoMaster
	}
	var info mesos.MasterInfo
	if err := cdc.decode(data, &info); err != nil {
		return "", err
	}
	host, port := info.GetHostname(), info.GetPort()
	if host == "" {
		host = info.GetAddress().GetIP()
	}
	if host == "" && info.IP != 0 {
		ip := info.IP
		host = netip.AddrFrom4([4]byte{byte(ip), byte(ip >> 8), byte(ip >> 16), byte(ip >> 24)}).String()
	}
	at, err := zookeeper.JoinHostPort(host, strconv.FormatUint(uint64(port), 10))
	if err != nil {
		return "", errNoMaster
	}
	return at, nil
}

// nodeNumber takes the name of a node apart: what comes before the number that
// ZooKeeper gave it, and the number. Names without one are of no master, such
// as log_replicas (Mesos: GroupProcess::cache in src/zookeeper/group.cpp).
func nodeNumber(node string) (label string, number int32, ok bool) {
	label, text := "", node
	if at := strings.LastIndexByte(node, '_'); at >= 0 {
		label, text = node[:at], node[at+1:]
	}
	n, err := strconv.ParseInt(text, 10, 32)
	return label, int32(n), err == nil
}

// foremost is the node with the lowest number, whose master leads; "" if there
// is none.
func foremost(nodes []string) string {
	first, lowest := "", int32(0)
	for _, node := range nodes {
		_, n, ok := nodeNumber(node)
		if ok && (first == "" || n < lowest || n == lowest && node < first) {
			first, lowest = node, n
		}
	}
	return first
}
