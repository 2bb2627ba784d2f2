package local

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestParseZooKeeper: what an address can be is for package zookeeper to test.
func TestParseZooKeeper(t *testing.T) {
	for text, want := range map[string]string{
		" zk://ann:s3cr:e@t@h,i:1/a/b\n": "zk://h:2181,i:1/a/b",
		"zk://[::1]/mesos":               "zk://[::1]:2181/mesos",
		"":                               "!not zk://",
		"zk://ann:s3cret%40h/mesos":      "!port",
		"zk://ann:s3cr/et@h/mesos":       "!hold no slash",
		"file://relative":                "!full path",
		"file:///nowhere/at/all":         "!no such file",
	} {
		at, err := ParseZooKeeper(text)
		why, wrong := strings.CutPrefix(want, "!")
		switch {
		case wrong && (err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "s3cr")):
			t.Errorf("%q: %v; want %q", text, err, why)
		case !wrong && (err != nil || at.String() != want):
			t.Errorf("%q: %v, %v", text, at, err)
		}
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
	if err != nil || z.String() != "zk://h:2181/mesos" || z.Digest() != "ann:s3cret" {
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
