package main

import (
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// clusterSetup runs scripts/cluster-setup, with --root unless root is empty.
func clusterSetup(t *testing.T, root string, args ...string) (out string, status int) {
	t.Helper()
	if root != "" {
		args = append(args, "--root", root)
	}
	cmd := exec.Command("sh", append([]string{"scripts/cluster-setup"}, args...)...)
	text, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// written is what stands below a directory, by path.
func written(t *testing.T, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, root)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func place(t *testing.T, root, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, path), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

const (
	threeServers = "server.1=10.0.0.1:2888:3888\nserver.2=10.0.0.2:2888:3888\nserver.3=10.0.0.3:2888:3888\n"
	threeZK      = "zk://10.0.0.1:2181,10.0.0.2:2181,10.0.0.3:2181/mesos\n"
	zooDefaults  = "tickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir=/var/lib/zookeeper\nclientPort=2181\n"
)

// TestClusterSetup: which files there are afterwards, with what in them; a
// second run changes none of them.
func TestClusterSetup(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		args   string
		before map[string]string
		want   map[string]string
	}{
		{
			name: "second of three masters",
			args: "--role master --masters 10.0.0.1,10.0.0.2,10.0.0.3 --ip 10.0.0.2",
			want: map[string]string{
				"/etc/zookeeper/conf/zoo.cfg": zooDefaults + threeServers,
				"/etc/zookeeper/conf/myid":    "2\n",
				"/var/lib/zookeeper/myid":     "2\n",
				"/etc/mesos/zk":               threeZK,
				"/etc/mesos-master/quorum":    "2\n",
				"/etc/mesos-master/ip":        "10.0.0.2\n",
				"/etc/mesos-master/hostname":  "10.0.0.2\n",
			},
		},
		{
			name: "agent",
			args: "--role agent --masters 10.0.0.1,10.0.0.2,10.0.0.3 --ip 10.0.0.9 --hostname a9.example",
			want: map[string]string{
				"/etc/mesos/zk":             threeZK,
				"/etc/mesos-slave/ip":       "10.0.0.9\n",
				"/etc/mesos-slave/hostname": "a9.example\n",
			},
		},
		{
			name:   "agent of a package that says agent",
			args:   "--role=agent --masters=m1 --ip=10.0.0.9",
			before: map[string]string{"/etc/mesos-agent/work_dir": "/var/lib/mesos"},
			want: map[string]string{
				"/etc/mesos-agent/work_dir": "/var/lib/mesos",
				"/etc/mesos/zk":             "zk://m1:2181/mesos\n",
				"/etc/mesos-slave/ip":       "10.0.0.9\n",
				"/etc/mesos-slave/hostname": "10.0.0.9\n",
				"/etc/mesos-agent/ip":       "10.0.0.9\n",
				"/etc/mesos-agent/hostname": "10.0.0.9\n",
			},
		},
		{
			name: "both on one machine",
			args: "--role both --masters 127.0.0.1 --ip 127.0.0.1",
			want: map[string]string{
				"/etc/zookeeper/conf/zoo.cfg": zooDefaults + "server.1=127.0.0.1:2888:3888\n",
				"/etc/zookeeper/conf/myid":    "1\n",
				"/var/lib/zookeeper/myid":     "1\n",
				"/etc/mesos/zk":               "zk://127.0.0.1:2181/mesos\n",
				"/etc/mesos-master/quorum":    "1\n",
				"/etc/mesos-master/ip":        "127.0.0.1\n",
				"/etc/mesos-master/hostname":  "127.0.0.1\n",
				"/etc/mesos-slave/ip":         "127.0.0.1\n",
				"/etc/mesos-slave/hostname":   "127.0.0.1\n",
			},
		},
		{
			name: "names, a place that is said, a larger quorum",
			args: "--role master --masters m1,m2,m3,m4,m5 --ip 10.0.0.4 --id 4 --quorum 4",
			want: map[string]string{
				"/etc/zookeeper/conf/zoo.cfg": zooDefaults + "server.1=m1:2888:3888\nserver.2=m2:2888:3888\nserver.3=m3:2888:3888\nserver.4=m4:2888:3888\nserver.5=m5:2888:3888\n",
				"/etc/zookeeper/conf/myid":    "4\n",
				"/var/lib/zookeeper/myid":     "4\n",
				"/etc/mesos/zk":               "zk://m1:2181,m2:2181,m3:2181,m4:2181,m5:2181/mesos\n",
				"/etc/mesos-master/quorum":    "4\n",
				"/etc/mesos-master/ip":        "10.0.0.4\n",
				"/etc/mesos-master/hostname":  "10.0.0.4\n",
			},
		},
		{
			name:   "the example of Debian's package",
			args:   "--role master --masters 10.0.0.1 --ip 10.0.0.1",
			before: map[string]string{"/etc/zookeeper/conf/zoo.cfg": "tickTime=2000\ninitLimit=10\nsyncLimit=5\n# example\ndataDir=/tmp/zookeeper\nclientPort=2181\n"},
			want: map[string]string{
				"/etc/zookeeper/conf/zoo.cfg":                             "tickTime=2000\ninitLimit=10\nsyncLimit=5\n# example\nclientPort=2181\ndataDir=/var/lib/zookeeper\nserver.1=10.0.0.1:2888:3888\n",
				"/etc/zookeeper/conf/myid":                                "1\n",
				"/var/lib/zookeeper/myid":                                 "1\n",
				"/etc/mesos/zk":                                           "zk://10.0.0.1:2181/mesos\n",
				"/etc/mesos-master/quorum":                                "1\n",
				"/etc/mesos-master/ip":                                    "10.0.0.1\n",
				"/etc/mesos-master/hostname":                              "10.0.0.1\n",
				"/var/backups/cluster-setup/etc/zookeeper/conf/zoo.cfg.1": "tickTime=2000\ninitLimit=10\nsyncLimit=5\n# example\ndataDir=/tmp/zookeeper\nclientPort=2181\n",
			},
		},
		{
			name: "files of others",
			args: "--role master --masters 10.0.0.1,10.0.0.2,10.0.0.3 --ip 10.0.0.1",
			before: map[string]string{
				"/etc/zookeeper/conf/zoo.cfg":                      "# mine\ntickTime = 3000\n server.1=old:2888:3888\n#server.9=a comment\nserver.12 = gone:2888:3888\ndataDir=/srv/zk\nautopurge.purgeInterval=1", // no newline
				"/etc/zookeeper/conf/myid":                         "replace this text\n",
				"/etc/mesos/zk":                                    "zk://localhost:2181/mesos\n",
				"/etc/mesos-master/work_dir":                       "/var/lib/mesos\n",
				"/var/backups/cluster-setup/etc/mesos/zk.1":        "of an earlier run\n",
				"/var/backups/cluster-setup/etc/mesos/unrelated.1": "x",
			},
			want: map[string]string{
				"/etc/zookeeper/conf/zoo.cfg": "# mine\ntickTime = 3000\n#server.9=a comment\ndataDir=/srv/zk\nautopurge.purgeInterval=1\ninitLimit=10\nsyncLimit=5\nclientPort=2181\n" + threeServers,
				"/etc/zookeeper/conf/myid":    "1\n",
				"/srv/zk/myid":                "1\n",
				"/etc/mesos/zk":               threeZK,
				"/etc/mesos-master/quorum":    "2\n",
				"/etc/mesos-master/ip":        "10.0.0.1\n",
				"/etc/mesos-master/hostname":  "10.0.0.1\n",
				"/etc/mesos-master/work_dir":  "/var/lib/mesos\n",
				"/var/backups/cluster-setup/etc/zookeeper/conf/zoo.cfg.1": "# mine\ntickTime = 3000\n server.1=old:2888:3888\n#server.9=a comment\nserver.12 = gone:2888:3888\ndataDir=/srv/zk\nautopurge.purgeInterval=1",
				"/var/backups/cluster-setup/etc/zookeeper/conf/myid.1":    "replace this text\n",
				"/var/backups/cluster-setup/etc/mesos/zk.1":               "of an earlier run\n",
				"/var/backups/cluster-setup/etc/mesos/zk.2":               "zk://localhost:2181/mesos\n",
				"/var/backups/cluster-setup/etc/mesos/unrelated.1":        "x",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for path, text := range tt.before {
				place(t, root, path, text)
			}
			args := strings.Fields(tt.args)

			out, status := clusterSetup(t, root, append(args, "--dry-run")...)
			if now := written(t, root); status != 0 || !maps.Equal(now, tt.before) && len(now)+len(tt.before) > 0 {
				t.Errorf("--dry-run: status %d, and there is %q\n%s", status, now, out)
			}
			for path, text := range tt.want {
				if text != tt.before[path] && !strings.Contains(path, "backups") &&
					!strings.Contains(out, "would write "+root+path+":\n    "+strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ")+"\n") {
					t.Errorf("--dry-run does not show %s:\n%s", path, out)
				}
			}

			if out, status := clusterSetup(t, root, args...); status != 0 {
				t.Fatalf("status %d: %s", status, out)
			}
			got := written(t, root)
			for _, path := range slices.Sorted(maps.Keys(got)) {
				if got[path] != tt.want[path] {
					t.Errorf("%s is %q, want %q", path, got[path], tt.want[path])
				}
			}
			if len(got) != len(tt.want) {
				t.Errorf("%d files, want %d", len(got), len(tt.want))
			}

			out, status = clusterSetup(t, root, args...)
			if status != 0 || !strings.HasSuffix(out, "\nnothing to change\n") || strings.Contains(out, "wrote") || strings.Contains(out, "kept") {
				t.Errorf("a second run: status %d, %s", status, out)
			}
			if again := written(t, root); !maps.Equal(again, got) {
				t.Errorf("a second run left %q", again)
			}
		})
	}
}

// TestClusterSetupLink: the id behind Debian's link is not written twice, and a
// link that leads out of --root is not followed.
func TestClusterSetupLink(t *testing.T) {
	t.Parallel()
	root, outside := t.TempDir(), t.TempDir()
	args := strings.Fields("--role master --masters 10.0.0.1 --ip 10.0.0.1")
	if err := os.MkdirAll(root+"/var/lib/zookeeper", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/zookeeper/conf/myid", root+"/var/lib/zookeeper/myid"); err != nil {
		t.Fatal(err)
	}
	if out, status := clusterSetup(t, root, args...); status != 0 {
		t.Fatalf("status %d: %s", status, out)
	}
	if to, err := os.Readlink(root + "/var/lib/zookeeper/myid"); err != nil || to != "/etc/zookeeper/conf/myid" {
		t.Errorf("the link leads to %q %v", to, err)
	}

	root = t.TempDir()
	if err := os.Symlink(outside, root+"/etc"); err != nil {
		t.Fatal(err)
	}
	if out, status := clusterSetup(t, root, args...); status != 1 || !strings.Contains(out, "leads out of") {
		t.Errorf("status %d: %s", status, out)
	}
	if left := written(t, outside); len(left) != 0 {
		t.Errorf("written outside: %q", left)
	}
}

// TestClusterSetupWrong: wrong arguments are refused before anything is written.
func TestClusterSetupWrong(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ args, says string }{
		{"", "--role is missing"},
		{"--role slave --masters m --ip 10.0.0.1", "--role slave"},
		{"--role agent --ip 10.0.0.1", "--masters is missing"},
		{"--role agent --masters m", "--ip is missing"},
		{"--role agent --masters m --ip", "--ip needs a value"},
		{"--role agent --masters m --ip=", "--ip is empty"},
		{"--role agent --masters m --ip 10.0.0.256", "no IPv4"},
		{"--role agent --masters m --ip 10.0.0", "no IPv4"},
		{"--role agent --masters m --ip 10.0.0.1.", "no IPv4"},
		{"--role agent --masters m --ip 10.0.0.01", "no IPv4"},
		{"--role agent --masters m --ip ::1", "no IPv4"},
		{"--role agent --masters m --ip 0.0.0.0", "0.0.0.0"},
		{"--role agent --masters m --ip 10.0.0.1 --hostname a_b", "--hostname a_b"},
		{"--role agent --masters m --ip 10.0.0.1 --hostname a/../../b", "no host name"},
		{"--role agent --masters m --ip 10.0.0.1 --agent-service a/b", "--agent-service"},
		{"--role agent --masters m --ip 10.0.0.1 --id 1", "--id and --quorum are for masters"},
		{"--role agent --masters m,,n --ip 10.0.0.1", "a comma too many"},
		{"--role master --masters 10.0.0.1,10.0.0.2 --ip 10.0.0.1", "--masters: 2 of them; want 1, 3 or 5"},
		{"--role agent --masters m1,m2,m3,m4 --ip 10.0.0.1", "--masters: 4 of them; want 1, 3 or 5"},
		{"--role agent --masters m,n,m --ip 10.0.0.1", "m twice"},
		{"--role agent --masters 1.2.3.400 --ip 10.0.0.1", "1.2.3.400"},
		{"--role agent --masters m:2181 --ip 10.0.0.1", "m:2181"},
		{"--role agent --masters 127.0.0.1 --ip 10.0.0.1", "127.0.0.1 is this host to every host"},
		{"--role master --masters 127.0.0.1,10.0.0.1,m --ip 10.0.0.1", "127.0.0.1 is this host to every host"},
		{"--role master --masters 10.0.0.1,10.0.0.2,m --ip 10.0.0.3", "not among --masters"},
		{"--role master --masters 10.0.0.1,10.0.0.2,m --ip 10.0.0.3 --id 2", "--id 2 is 10.0.0.2"},
		{"--role master --masters 10.0.0.1,10.0.0.2,m --ip 10.0.0.1 --id 2", "number 1"},
		{"--role master --masters 10.0.0.1,a --ip 10.0.0.1 --hostname a", "both 10.0.0.1 and a"},
		{"--role master --masters m --ip 10.0.0.1 --id 0", "--id 0"},
		{"--role master --masters m --ip 10.0.0.1 --id 1x", "--id 1x"},
		{"--role master --masters 10.0.0.1,m2,m3,m4,m5 --ip 10.0.0.1 --quorum 2", "at least 3 and at most 5"},
		{"--role master --masters 10.0.0.1 --ip 10.0.0.1 --quorum 2", "--quorum 2"},
		{"--role agent --masters m --ip 10.0.0.1 --no-such-thing", "no such option: --no-such-thing"},
		{"--role agent --masters m --ip 10.0.0.1 --no=such", "no such option: --no"},
		{"--role agent --masters m --ip 10.0.0.1 more", "no such argument: more"},
		{"--role agent --masters m --ip 10.0.0.1 --hostname $(reboot)", "no host name"},
	} {
		root := t.TempDir()
		out, status := clusterSetup(t, "", append(strings.Fields(tt.args), "--root="+root)...)
		if strings.HasSuffix(tt.args, "--ip") { // which takes what follows
			out, status = clusterSetup(t, "", strings.Fields(tt.args)...)
		}
		if status != 2 || !strings.Contains(out, tt.says) {
			t.Errorf("%s: status %d, %q", tt.args, status, out)
		}
		if left := written(t, root); len(left) != 0 {
			t.Errorf("%s: wrote %q", tt.args, left)
		}
	}
	for path, text := range map[string]string{"clientPort=2182\n": "2181", "dataDir=relative\n": "no absolute path", "dynamicConfigFile=/x\n": "/x"} {
		root := t.TempDir()
		place(t, root, "/etc/zookeeper/conf/zoo.cfg", path)
		out, status := clusterSetup(t, root, strings.Fields("--role master --masters 10.0.0.1 --ip 10.0.0.1")...)
		if left := written(t, root); status != 1 || !strings.Contains(out, text) || len(left) != 1 {
			t.Errorf("zoo.cfg with %q: status %d, %q, %q", path, status, out, left)
		}
	}
	out, status := clusterSetup(t, "", "--help")
	if status != 0 || !strings.Contains(out, "retired") || !strings.Contains(out, "archive.apache.org") {
		t.Errorf("--help: status %d, %s", status, out)
	}
}
