package mesosapi

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

func TestParseMasters(t *testing.T) {
	for in, want := range map[string]string{
		"localhost":                "localhost:5050",
		"10.0.0.1":                 "10.0.0.1:5050",
		"10.0.0.1:5051":            "10.0.0.1:5051",
		"mesos_1.example.org":      "mesos_1.example.org:5050",
		"m:05051":                  "m:5051",
		"http://m":                 "m:5050",
		"http://m/":                "m:5050",
		"http://m:80":              "m:80",
		"::1":                      "[::1]:5050",
		"[::1]":                    "[::1]:5050",
		"[::1]:80":                 "[::1]:80",
		"http://[fe80::1%eth0]:80": "[fe80::1%eth0]:80",

		"https://m":              "https://m:5050",
		"https://[::1]:443/":     "https://[::1]:443",
		"a,b:1":                  "a:5050,b:1",
		"http://a,b":             "a:5050,b:5050",
		"http://a/,http://b/":    "a:5050,b:5050",
		"a,http://b":             "a:5050,b:5050",
		"https://a,b,[::1]:2":    "https://a:5050,b:5050,[::1]:2",
		"https://a,https://b":    "https://a:5050,b:5050",
		"zk://z/m":               "zk://z:2181/m",
		"zk://z:1/m/":            "zk://z:1/m",
		"zk://z1:1,z2,[::1]/a/b": "zk://z1:1,z2:2181,[::1]:2181/a/b",
		"zk://u:pw@z/m":          "zk://z:2181/m",
		"zk://u:p@w:x@z1,z2/m":   "zk://z1:2181,z2:2181/m",
	} {
		m, err := ParseMasters(in)
		if got := m.String(); got != want || err != nil {
			t.Errorf("%q: got %q %v, not %q", in, got, err, want)
		}
		if again, err := ParseMasters(m.String()); again.String() != want || err != nil {
			t.Errorf("%q: read again it is %q %v", in, again, err)
		}
		if m.Secure() != strings.HasPrefix(want, "https") || m.ZooKeeper() != strings.HasPrefix(want, "zk") {
			t.Errorf("%q: secure %t, ZooKeeper %t", in, m.Secure(), m.ZooKeeper())
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			for _, thing := range []any{m, &m, struct{ in Masters }{m}} {
				if said := fmt.Sprintf(verb, thing); strings.Contains(said, "pw") || strings.Contains(said, "p@w") {
					t.Errorf("%s of %q tells the password: %s", verb, in, said)
				}
			}
		}
	}
}

func TestParseMastersRefuses(t *testing.T) {
	const allowed = "use host, host:port, http:// or https://"
	for in, words := range map[string]string{
		"":                   allowed,
		"http://":            allowed,
		" ":                  allowed,
		" m":                 allowed,
		"m m":                allowed,
		"m\n":                allowed,
		"m/":                 allowed,
		"m:5050/path":        allowed,
		"http://m/path":      allowed,
		"https://m/path":     allowed,
		"http://m?x":         allowed,
		"m:":                 allowed,
		":5050":              allowed,
		"m:0":                allowed,
		"m:65536":            allowed,
		"m:-1":               allowed,
		"m:http":             allowed,
		"m:1:2":              allowed,
		"[::1":               allowed,
		"::1]":               allowed,
		"::1%a b":            allowed,
		"-m":                 allowed,
		"mäster":             allowed,
		"ftp://m":            allowed,
		"//m":                allowed,
		"file:///etc/zk":     allowed,
		"a,":                 "no host",
		",a":                 "no host",
		"a,,b":               "no host",
		"a, b":               allowed,
		"a,a:5050":           "named twice",
		"http://a,https://b": "all http or all https",
		"https://a,http://b": "all http or all https",
		"a,https://b":        "all http or all https",
		"a,zk://b/m":         "not zk://",
		"a,zk://u:hu%40b/m":  "not zk://",
		"ZK://u:hu%40b/m":    "not zk://",
		" zk://u:hu%40b/m":   "not zk://",
		"zk:/u:hu%40b/m":     "not zk://",
		"zk://u:hu%40b/m":    "ZooKeeper server: the port",
		"zk://u:hu":          "no path",
		"u:hush@m:5050":      "credentials do not belong there",
		"https://u:hush@m":   "credentials do not belong there",

		"zk://z":                         "no path",
		"zk://z/":                        "no path",
		"zk:///":                         "no path",
		"zk:///m":                        "no host",
		"zk://":                          "no path",
		"zk://z//m":                      "empty part",
		"zk://z/m/../n":                  "empty part",
		"zk://z/m\x00":                   "printed",
		"zk://z/m n":                     "printed",
		"zk://z/m?x=\x1b":                "printed",
		"zk://z,/m":                      "no host",
		"zk://z,z:2181/m":                "named twice",
		"zk://z:0/m":                     "port",
		"zk://a/m,zk://b/m":              "empty part",
		"zk://hush@z/m":                  "no user:password",
		"zk://:hush@z/m":                 "no user:password",
		"zk://u:@z/m":                    "no user:password",
		"zk://u:hush@/m":                 "no host",
		"zk://u:hush@z":                  "no path",
		"zk://u:hu/sh@z/m":               "an @",
		"zk://u:hush@z!/m":               "not the name",
		"zk:///u:hush/../m":              "empty part",
		"http://u:hush%40z":              "credentials do not belong there",
		"zk://" + strings.Repeat("x", 9): "no path",
	} {
		m, err := ParseMasters(in)
		if err == nil {
			t.Errorf("%q: got %q", in, m)
			continue
		}
		if text := err.Error(); !strings.Contains(text, words) || strings.Contains(text, "hu") || strings.ContainsAny(text, "\n\x1b") {
			t.Errorf("%q: got %v", in, err)
		}
		if _, err := New(Config{Master: in}); err == nil {
			t.Errorf("%q: New takes it", in)
		}
	}
}

func TestPage(t *testing.T) {
	for in, want := range map[string]string{"m": "http://m:5050/", "https://a:1,b": "https://a:1/", "zk://z/m": "", "[::1]": "http://[::1]:5050/"} {
		if m, err := ParseMasters(in); err != nil || m.Page() != want {
			t.Errorf("%q: %q %v", in, m.Page(), err)
		}
	}
}

func TestLoopback(t *testing.T) {
	for in, want := range map[string]bool{
		"127.0.0.1": true, "localhost:80": true, "[::1]": true, "https://127.0.0.2": true, "localhost,127.0.0.1": true,
		"10.0.0.1": false, "m": false, "localhost,m": false, "zk://127.0.0.1/m": false, "localhost.example.org": false,
	} {
		if m, err := ParseMasters(in); err != nil || m.Loopback() != want {
			t.Errorf("%q: %t %v", in, m.Loopback(), err)
		}
	}
	if (Masters{}).Loopback() {
		t.Error("nowhere is this machine")
	}
}

func FuzzMasters(f *testing.F) {
	for _, in := range []string{"m", "[::1]:1", "http://m:1/", "//m:5050/master/api/v1/scheduler", "http://u:p@m",
		"https://a,b:1", "zk://u:p@a:1,b/x/y/", "zk://a,[::1]:3/m", "::1%eth0", "https:1"} {
		f.Add(in)
	}
	isHostPort := func(t *testing.T, in, got string) {
		if host, port, err := net.SplitHostPort(got); err != nil || host == "" || port == "" || strings.ContainsAny(got, "/@ \n,") {
			t.Fatalf("%q: got %q", in, got)
		}
	}
	f.Fuzz(func(t *testing.T, in string) {
		m, err := ParseMasters(in)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Fatalf("%q: error of more than a line: %q", in, err)
			}
		} else {
			if again, err := ParseMasters(m.String()); again.String() != m.String() || err != nil || again.zk.Digest() != "" {
				t.Fatalf("%q: %q read again is %q %v", in, m, again, err)
			}
			if strings.ContainsAny(m.String(), "@ \n\x1b") || m.ZooKeeper() && m.Secure() || len(m.hosts) == 0 && !m.ZooKeeper() {
				t.Fatalf("%q: got %q", in, m)
			}
			for _, hostport := range append(m.hosts, m.zk.Servers...) {
				isHostPort(t, in, hostport)
			}
		}
		to, err := leaderIn(in, "http")
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Fatalf("%q: error of more than a line: %q", in, err)
			}
			return
		}
		isHostPort(t, in, to)
		if strings.HasPrefix(in, "https:/") { // "https:1" is a host
			t.Fatalf("%q: followed by http", in)
		}
	})
}
