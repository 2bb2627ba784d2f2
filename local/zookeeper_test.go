package local

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestParseZooKeeper(t *testing.T) {
	many := "zk://" + strings.TrimSuffix(strings.Repeat("h,", maxServers+1), ",") + "/mesos"
	for text, want := range map[string]string{
		"zk://h/mesos":                       "zk://h:2181/mesos",
		" zk://h:1/mesos\n":                  "zk://h:1/mesos",
		"zk://a:1,b,10.0.0.1:65535/a/b/c/":   "zk://a:1,b:2181,10.0.0.1:65535/a/b/c",
		"zk://[::1]:2181/mesos":              "zk://[::1]:2181/mesos",
		"zk://[::1],::2/mesos":               "zk://[::1]:2181,[::2]:2181/mesos",
		"zk://ann:s3cret@h/mesos":            "zk://h:2181/mesos",
		"zk://ann:s3cr:e@t@h:2181,i:1/mesos": "zk://h:2181,i:1/mesos",
		"":                                   "!want zk://",
		"h:2181/mesos":                       "!want zk://",
		"http://ann:s3cret@h/mesos":          "!want zk://",
		"zk://h":                             "!a path is needed",
		"zk://h/":                            "!a path is needed",
		"zk://ann:s3cret@h":                  "!a path is needed",
		"zk:///mesos":                        "!is not a host",
		"zk://h,/mesos":                      "!is not a host",
		"zk://h:/mesos":                      "!and a port",
		"zk://h:0/mesos":                     "!and a port",
		"zk://h:65536/mesos":                 "!and a port",
		"zk://h:1:2/mesos":                   "!not host:port",
		"zk://h h/mesos":                     "!not a host",
		"zk://s3cret@h/mesos":                "!want user:password",
		"zk://ann:@h/mesos":                  "!want user:password",
		"zk://:s3cret@h/mesos":               "!want user:password",
		"zk://ann:s3cr/ret@h/mesos":          "!an @",
		"zk://ann:12/s3cret@h/mesos":         "!an @",
		"zk://ann:s3cret%40h/mesos":          "!server 1 is not a host and a port",
		"zk://i,ann:s3cret":                  "!a path is needed",
		"zk://i,s3cret!/mesos":               "!server 2 is not a host",
		"zk://ann:s3cret:h/mesos":            "!not host:port",
		"zk://h/a//b":                        "!takes no path",
		"zk://h/a/../b":                      "!takes no path",
		"zk://h//":                           "!takes no path",
		"zk://h/zookeeper/x":                 "!own",
		"zk://h/a\x01":                       "!character",
		many:                                 "!at most 100",
		"file://relative":                    "!full path",
		"file:///nowhere/at/all":             "!no such file",
	} {
		z, err := ParseZooKeeper(text)
		why, wrong := strings.CutPrefix(want, "!")
		switch {
		case wrong && (err == nil || !strings.Contains(err.Error(), why)):
			t.Errorf("%q: %v; want %q", text, err, why)
		case !wrong && (err != nil || z.String() != want):
			t.Errorf("%q: %v, %v", text, z, err)
		case !wrong:
			if told := fmt.Sprintf("%v %+v %#v %s", z, struct{ At *ZooKeeper }{z}, z, z); strings.Contains(told, "s3c") {
				t.Errorf("%q tells its password: %s", text, told)
			}
		case strings.Contains(err.Error(), "s3cr"):
			t.Errorf("%q: the error tells the password: %v", text, err)
		}
	}
	z, err := ParseZooKeeper("zk://ann:s3cr:e@t@h:2181,i:1/a/b")
	if err != nil || z.digest != "ann:s3cr:e@t" || z.path != "/a/b" || !slices.Equal(z.servers, []string{"h:2181", "i:1"}) {
		t.Error(err, z)
	}
}

func TestReadZooKeeper(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "zk")
	writeFile(t, file, "zk://ann:s3cret@h/mesos\n")
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	z, err := ParseZooKeeper("file://" + file)
	if err != nil || z.String() != "zk://h:2181/mesos" || z.digest != "ann:s3cret" {
		t.Fatal(z, err)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := ParseZooKeeper("file://" + file); err == nil || !strings.Contains(err.Error(), "open to other users (mode 0640)") {
		t.Error(err)
	}
	for name, text := range map[string]string{
		"large": strings.Repeat("x", maxZooKeeperURL+1), "another": "file://" + file, "bad": "zk://ann:s3cret@h",
	} {
		path := filepath.Join(dir, name)
		writeFile(t, path, text)
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if z, err := ParseZooKeeper("file://" + path); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Error(name, z, err)
		}
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, dir} { // neither holds us up
		if z, err := ParseZooKeeper("file://" + path); err == nil {
			t.Error(path, z)
		}
	}
}

// FuzzParseZooKeeper: what is read prints without credentials, and reads the
// same again.
func FuzzParseZooKeeper(f *testing.F) {
	f.Add("zk://ann:secret@a:1,b/mesos")
	f.Add("zk://[::1]:2181/a/b/")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.HasPrefix(text, "file:") {
			return
		}
		z, err := ParseZooKeeper(text)
		if err != nil {
			return
		}
		again, err := ParseZooKeeper(z.String())
		if err != nil || again.path != z.path || !slices.Equal(again.servers, z.servers) || again.digest != "" {
			t.Fatalf("%q: %v, then %v, %v", text, z, again, err)
		}
	})
}
