package mesosapi

import (
	"net"
	"strings"
	"testing"
)

// realInfo is what Mesos 1.12 put into /mesos/json.info_0000000003.
const realInfo = `{"address":{"hostname":"m1.example.org","ip":"127.0.0.1","port":5050},"capabilities":[{"type":"AGENT_UPDATE"},` +
	`{"type":"AGENT_DRAINING"},{"type":"QUOTA_V2"}],"hostname":"m1.example.org","id":"710b77b7-8a3c-4b4a-b8a5-000000000000",` +
	`"ip":16777343,"pid":"master@127.0.0.1:5050","port":5050,"version":"1.12.0"}`

func TestLeaderAt(t *testing.T) {
	for _, tt := range []struct{ data, byIP, byName string }{
		{realInfo, "127.0.0.1:5050", "m1.example.org:5050"},
		{`{"address":{"ip":"10.0.0.7","port":5051}}`, "10.0.0.7:5051", "10.0.0.7:5051"},
		{`{"address":{"ip":"fe80::1","port":1}}`, "[fe80::1]:1", "[fe80::1]:1"},
		{`{"address":{"hostname":"a","port":1},"hostname":"b"}`, "a:1", "a:1"},
		{`{"address":{"ip":"0.0.0.0","hostname":"a","port":1}}`, "a:1", "a:1"},
		{`{"address":{"port":1},"hostname":"b","port":2}`, "b:1", "b:1"},
		{`{"ip":16777343,"port":5052}`, "127.0.0.1:5052", "127.0.0.1:5052"},
		{`{"ip":117440522}`, "10.0.0.7:5050", "10.0.0.7:5050"},
		{`{"ip":117440522,"hostname":"a"}`, "10.0.0.7:5050", "a:5050"},
		{`{"hostname":"a","port":7}`, "a:7", "a:7"},
	} {
		for byName, want := range map[bool]string{false: tt.byIP, true: tt.byName} {
			if got, err := leaderAt([]byte(tt.data), byName); got != want || err != nil {
				t.Errorf("%s: got %q %v, not %q", tt.data, got, err, want)
			}
		}
	}
}

func TestNoLeaderAt(t *testing.T) {
	for _, data := range []string{
		"", "{", "null", "{}", "[]", `"a"`, `{"hostname":"a","port":0}`, `{"hostname":"a","port":-1}`, `{"hostname":"a","port":70000}`,
		`{"hostname":"a b"}`, `{"hostname":"u:p@h"}`, `{"hostname":"h/x"}`, `{"ip":-1}`, `{"ip":1e30}`, `{"address":{"ip":"a","port":1}}`,
		`{"address":{"ip":"10.0.0.1"}}`, `{"address":7}`, "\x00\x01master@h:1",
	} {
		got, err := leaderAt([]byte(data), false)
		if err == nil || strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("%q: got %q %v", data, got, err)
		}
	}
}

func TestLowest(t *testing.T) {
	for _, tt := range []struct {
		names []string
		want  string
	}{
		{nil, ""},
		{[]string{"log_replicas", "info_0000000001", "0000000000", "json.info_", "json.info_x", "json.info", "json.info_99999999999"}, ""},
		{[]string{"json.info_0000000003", "log_replicas"}, "json.info_0000000003"},
		{[]string{"json.info_0000000010", "json.info_0000000009", "info_0000000001"}, "json.info_0000000009"},
		{[]string{"json.info_10", "json.info_9"}, "json.info_9"}, // by number, though "10" < "9"
		{[]string{"json.info_2147483647", "json.info_-2147483648"}, "json.info_-2147483648"},
		{[]string{"json.info_7", "json.info_0000000007"}, "json.info_0000000007"}, // never both; but then the same each time
	} {
		if got, any := lowest(tt.names); got != tt.want || any != (tt.want != "") {
			t.Errorf("%q: got %q %t, not %q", tt.names, got, any, tt.want)
		}
	}
}

func FuzzMasterInfo(f *testing.F) {
	f.Add([]byte(realInfo), true)
	f.Add([]byte(`{"ip":16777343,"port":5052,"hostname":"a"}`), false)
	f.Add([]byte(`{"address":{"ip":"::1","port":1}}`), false)
	f.Fuzz(func(t *testing.T, data []byte, byName bool) {
		got, err := leaderAt(data, byName)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") || len(err.Error()) > 200 {
				t.Fatalf("%q: %q", data, err)
			}
			return
		}
		if host, port, err := net.SplitHostPort(got); err != nil || host == "" || port == "" || strings.ContainsAny(got, "/@ \n,") {
			t.Fatalf("%q: got %q", data, got)
		}
		if m, err := ParseMasters(got); err != nil || m.String() != got {
			t.Fatalf("%q: %q read again is %q %v", data, got, m, err)
		}
	})
}
