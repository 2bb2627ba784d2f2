package local

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib"

	"cmdq/zookeeper"
)

// TestAnnounce compares with what a master of Apache Mesos 1.12 wrote.
func TestAnnounce(t *testing.T) {
	const mesosWrote = `{"address":{"hostname":"127.0.0.1","ip":"127.0.0.1","port":5050},` +
		`"capabilities":[{"type":"AGENT_UPDATE"},{"type":"AGENT_DRAINING"},{"type":"QUOTA_V2"}],` +
		`"hostname":"127.0.0.1","id":"710b77b7-8f22-4b52-9e2b-7e0a3c1d2f4e","ip":16777343,"pid":"master@127.0.0.1:5050","port":5050,"version":"1.12.0"}`
	got := string(announce("710b77b7-8f22-4b52-9e2b-7e0a3c1d2f4e", netip.MustParseAddrPort("127.0.0.1:5050")))
	if want := strings.Replace(mesosWrote, "1.12.0", version, 1); got != want {
		t.Errorf("wrote %s\nwant  %s", got, want)
	}
	at, err := readAnnouncement("json.info_0000000003", []byte(mesosWrote))
	if err != nil || at != "127.0.0.1:5050" {
		t.Error(at, err)
	}
}

func TestReadAnnouncement(t *testing.T) {
	old := &mesos.MasterInfo{ID: "m", IP: networkOrder(netip.MustParseAddr("10.1.2.3")), Port: new(uint32(5051))}
	binary, err := old.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ node, data, want string }{
		{"json.info_1", `{"id":"m","ip":50462986,"port":5051,"hostname":"host.example"}`, "host.example:5051"},
		{"json.info_1", `{"id":"m","ip":50462986,"port":5051}`, "10.1.2.3:5051"},
		{"json.info_1", `{"id":"m","ip":0,"port":5051,"address":{"ip":"::1","port":5051}}`, "[::1]:5051"},
		{"json.info_1", `{"id":"m","ip":1,"port":0,"hostname":"h"}`, ""},
		{"json.info_1", `{"id":"m","ip":1,"port":65536,"hostname":"h"}`, ""},
		{"json.info_1", `{"id":"m","ip":0,"port":5050}`, ""},
		{"json.info_1", `{"id":"m","ip":1,"port":5050,"hostname":"h/evil?"}`, ""},
		{"json.info_1", `{"id":"m","ip":1,"port":5050,"hostname":"h\r\nX: y"}`, ""},
		{"json.info_1", `{"ip":1,"port":5050,"hostname":"h"}`, ""}, // no id
		{"json.info_1", `null`, ""},
		{"json.info_1", ``, ""},
		{"json.info_1", `{"id":"` + strings.Repeat("m", maxAnnouncement) + `","ip":1,"port":5050,"hostname":"h"}`, ""},
		{"info_0000000007", string(binary), "10.1.2.3:5051"},
		{"info_0000000007", "\xff\xff", ""},
		{"0000000007", "master@127.0.0.1:5050", ""},
		{"other_0000000007", `{"id":"m","ip":50462986,"port":5051,"hostname":"host.example"}`, ""},
	} {
		at, err := readAnnouncement(tt.node, []byte(tt.data))
		if at != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s %.60s: %q, %v; want %q", tt.node, tt.data, at, err, tt.want)
		}
	}
}

func TestForemost(t *testing.T) {
	for _, tt := range []struct{ nodes, want string }{
		{"", ""},
		{"log_replicas", ""},
		{"json.info_0000000010 json.info_0000000009 log_replicas", "json.info_0000000009"},
		{"json.info_9999999999 json.info_2147483647", "json.info_2147483647"}, // one number is none
		{"json.info_0000000002 0000000001", "0000000001"},
		{"json.info_0000000002 info_0000000001", "info_0000000001"},
		{"json.info_ json.info_x json.info_0000000005", "json.info_0000000005"},
		{"json.info_-000000001 json.info_0000000000", "json.info_-000000001"},
	} {
		if got := foremost(strings.Fields(tt.nodes)); got != tt.want {
			t.Errorf("%s: %q; want %q", tt.nodes, got, tt.want)
		}
	}
}

// FuzzReadAnnouncement: whatever stands there, what comes out is fit for a
// header.
func FuzzReadAnnouncement(f *testing.F) {
	f.Add("json.info_0000000001", announce("m", netip.MustParseAddrPort("[::1]:5050")))
	f.Add("info_0000000001", []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, node string, data []byte) {
		at, err := readAnnouncement(node, data)
		if err != nil {
			return
		}
		if again, err := zookeeper.HostPort(at, ""); err != nil || again != at {
			t.Fatalf("%q from %q", at, data)
		}
		if strings.HasPrefix(node, announcementName) && !json.Valid(data) {
			t.Fatalf("read what is no JSON: %q", data)
		}
	})
}
