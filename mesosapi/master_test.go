package mesosapi

import (
	"net"
	"strings"
	"testing"
)

func TestParseMaster(t *testing.T) {
	for in, want := range map[string]string{
		"localhost":                "localhost:5050",
		"10.0.0.1":                 "10.0.0.1:5050",
		"10.0.0.1:5051":            "10.0.0.1:5051",
		"mesos_1.example.org":      "mesos_1.example.org:5050",
		"http://m":                 "m:5050",
		"http://m/":                "m:5050",
		"http://m:80":              "m:80",
		"::1":                      "[::1]:5050",
		"[::1]":                    "[::1]:5050",
		"[::1]:80":                 "[::1]:80",
		"http://[fe80::1%eth0]:80": "[fe80::1%eth0]:80",
	} {
		got, err := ParseMaster(in)
		if got != want || err != nil {
			t.Errorf("%q: got %q %v, not %q", in, got, err, want)
		}
		if again, err := ParseMaster(got); again != got || err != nil {
			t.Errorf("%q: read again it is %q %v", got, again, err)
		}
	}
}

func TestParseMasterRefuses(t *testing.T) {
	const soon, allowed = "not supported yet", "use host, host:port or http://host:port"
	for in, words := range map[string]string{
		"https://m:5050":    soon,
		"zk://a:2181/mesos": soon,
		"a:5050,b:5050":     soon,
		"":                  allowed,
		"http://":           allowed,
		" ":                 allowed,
		" m":                allowed,
		"m m":               allowed,
		"m\n":               allowed,
		"m/":                allowed,
		"m:5050/path":       allowed,
		"http://m/path":     allowed,
		"http://m?x":        allowed,
		"m:":                allowed,
		":5050":             allowed,
		"m:0":               allowed,
		"m:65536":           allowed,
		"m:-1":              allowed,
		"m:http":            allowed,
		"m:1:2":             allowed,
		"[::1":              allowed,
		"::1]":              allowed,
		"[m]:1":             "",
		"-m":                allowed,
		"mäster":            allowed,
		"ftp://m":           allowed,
		"//m":               allowed,
		"u:secret@m:5050":   allowed,
	} {
		got, err := ParseMaster(in)
		if err == nil {
			if words == "" {
				continue
			}
			t.Errorf("%q: got %q", in, got)
			continue
		}
		if !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: got %v", in, err)
		}
		if _, err := New(Config{Master: in}); err == nil {
			t.Errorf("%q: New takes it", in)
		}
	}
}

func FuzzAddresses(f *testing.F) {
	for _, in := range []string{"m", "[::1]:1", "http://m:1/", "//m:5050/master/api/v1/scheduler", "http://u:p@m"} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		for _, parse := range []func(string) (string, error){ParseMaster, leaderIn} {
			got, err := parse(in)
			if err != nil {
				if strings.ContainsAny(err.Error(), "\n\r\x1b") {
					t.Fatalf("%q: error of more than a line: %q", in, err)
				}
				continue
			}
			if host, port, err := net.SplitHostPort(got); err != nil || host == "" || port == "" || strings.ContainsAny(got, "/@ \n") {
				t.Fatalf("%q: got %q", in, got)
			}
			if again, err := ParseMaster(got); again != got || err != nil {
				t.Fatalf("%q: %q read again is %q %v", in, got, again, err)
			}
		}
	})
}
