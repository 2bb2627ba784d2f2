package zookeeper

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]struct{ is, digest string }{
		"zk://z/m":                            {"zk://z:2181/m", ""},
		"zk://z:1/m/":                         {"zk://z:1/m", ""},
		"zk://z1:1,z2,[::1]/a/b":              {"zk://z1:1,z2:2181,[::1]:2181/a/b", ""},
		"zk://[::1]:2181,10.0.0.1:65535/m":    {"zk://[::1]:2181,10.0.0.1:65535/m", ""},
		"zk://u:hush@z/m":                     {"zk://z:2181/m", "u:hush"},
		"zk://u:hu@sh:x@z1,z2:3/m":            {"zk://z1:2181,z2:3/m", "u:hu@sh:x"},
		"zk://u:hu%40sh@z/m":                  {"zk://z:2181/m", "u:hu%40sh"},
		"zk://" + servers(maxServers) + "/m":  {"zk://" + servers(maxServers) + "/m", ""},
		"zk://z/zookeepers":                   {"zk://z:2181/zookeepers", ""},
		"zk://z/" + strings.Repeat("x", 1<<9): {"zk://z:2181/" + strings.Repeat("x", 1<<9), ""},
	} {
		a, err := Parse(in)
		if a.String() != want.is || a.Digest() != want.digest || err != nil {
			t.Errorf("%q: %q %q %v", in, a, a.Digest(), err)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			for _, thing := range []any{a, &a, struct{ in Address }{a}, struct{ In *Address }{&a}} {
				if said := fmt.Sprintf(verb, thing); strings.Contains(said, "hu") {
					t.Errorf("%s of %q tells the password: %s", verb, in, said)
				}
			}
		}
	}
}

func servers(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("z%d:2181", i))
	}
	return strings.Join(all, ",")
}

func TestParseRefuses(t *testing.T) {
	for in, words := range map[string]string{
		"":                                       "not zk://",
		"z:2181/m":                               "not zk://",
		" zk://z/m":                              "not zk://",
		"ZK://z/m":                               "not zk://",
		"http://u:hush@z/m":                      "not zk://",
		"zk://z":                                 "no path",
		"zk://z/":                                "no path",
		"zk://z//":                               "empty part",
		"zk://":                                  "no path",
		"zk:///m":                                "no host",
		"zk://z,/m":                              "no host",
		"zk://u:hush@/m":                         "no host",
		"zk://z//m":                              "empty part",
		"zk://z/m/../n":                          "empty part",
		"zk://z/m\x00":                           "printed",
		"zk://z/m n":                             "printed",
		"zk://z/m\x1b":                           "printed",
		"zk://z/\xff":                            "printed",
		"zk://z/zookeeper":                       "ZooKeeper's own",
		"zk://z/zookeeper/m":                     "ZooKeeper's own",
		"zk://z,z:2181/m":                        "named twice",
		"zk://z:/m":                              "the port",
		"zk://z:0/m":                             "the port",
		"zk://z:65536/m":                         "the port",
		"zk://z:1:2/m":                           "not host:port",
		"zk://z z/m":                             "not the name",
		"zk://hush@z/m":                          "no user:password",
		"zk://:hush@z/m":                         "no user:password",
		"zk://hush:@z/m":                         "no user:password",
		"zk://u:hush@z":                          "no path",
		"zk://u:hu/sh@z/m":                       "hold no slash",
		"zk://u:hush":                            "no path",
		"zk://u:hush%40z/m":                      "port",
		"zk://u:hush%40z:2181/m":                 "not host:port",
		"zk://" + servers(maxServers+1) + "/m":   "at most 100",
		"zk://z/" + strings.Repeat("x", maxPath): "printed",
	} {
		a, err := Parse(in)
		if err == nil || a.String() != (Address{}).String() {
			t.Errorf("%q: got %q %v", in, a, err)
			continue
		}
		if text := err.Error(); !strings.Contains(text, words) || strings.Contains(text, "hu") || strings.ContainsAny(text, "\n\x1b\x00") {
			t.Errorf("%q: got %v, not %q", in, err, words)
		}
	}
}

// What is read prints without credentials, reads the same again, and is fit to
// be dialled.
func FuzzParse(f *testing.F) {
	for _, in := range []string{"zk://u:p@a:1,b/x/y/", "zk://a,[::1]:3/m", "zk://[fe80::1%eth0]/m", "zk://u:p%40a/m"} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		a, err := Parse(in)
		if err != nil {
			return
		}
		again, err := Parse(a.String())
		if err != nil || again.String() != a.String() || again.Digest() != "" || len(a.Servers) == 0 || len(a.Path) < 2 {
			t.Fatalf("%q: %q, then %q %v", in, a, again, err)
		}
		for _, server := range a.Servers {
			if host, port, err := net.SplitHostPort(server); err != nil || host == "" || port == "" || strings.ContainsAny(server, "/@ \n,") {
				t.Fatalf("%q: server %q", in, server)
			}
		}
	})
}
