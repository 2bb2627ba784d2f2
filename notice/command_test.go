package notice

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cmdq/task"
)

func toCommand(t *testing.T, command string, m Message) Owed {
	t.Helper()
	m.ID, m.Kind = "n1", Failure
	o, err := Owe(task.Notice{Command: command}, m, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestCommand(t *testing.T) {
	t.Setenv("MESOS_MASTER", "zk://ann:secret@h/mesos")
	t.Setenv("CMDQ_TASK", "of another cmdq")
	t.Setenv("KEEP", "kept")
	d := testDeliverer(t)
	o := toCommand(t, `cat >body; env >env; pwd >pwd; echo a lot; echo $CMDQ_TEXT >text`, Message{Text: "it's <b>done</b> $(touch oops)\x00", Group: "nightly",
		File: "/t.yaml", Tasks: 5, States: map[string]int{"finished": 3, "failed": 1, "killed": 1}, Task: &Failed{ID: "a-1", Reason: "R", Host: "h1"}})
	if err := d.Deliver(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(d.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got := read("body"); got != string(o.Body) || !json.Valid([]byte(got)) {
		t.Errorf("standard input was %q", got)
	}
	env := "\n" + read("env")
	for _, line := range []string{"CMDQ_NOTICE=n1", "CMDQ_NOTICE_KIND=failure", "CMDQ_GROUP=nightly", "CMDQ_FILE=/t.yaml", "CMDQ_TASKS=5",
		"CMDQ_FINISHED=3", "CMDQ_FAILED=1", "CMDQ_KILLED=1", "CMDQ_TASK=a-1", "CMDQ_REASON=R", "CMDQ_HOST=h1", "KEEP=kept",
		"CMDQ_TEXT=it's <b>done</b> $(touch oops)"} {
		if !strings.Contains(env, "\n"+line+"\n") {
			t.Errorf("%s is not in its environment:%s", line, env)
		}
	}
	if strings.Contains(env, "secret") || strings.Contains(env, "another cmdq") {
		t.Errorf("its environment has too much:%s", env)
	}
	if _, err := os.Stat(filepath.Join(d.dir, "oops")); err == nil {
		t.Error("text was run")
	}
}

func TestCommandEnds(t *testing.T) {
	for _, tt := range []struct{ name, command, want string }{
		{"well", "true", ""},
		{"reads nothing", "exec <&-; true", ""},
		{"in the background", "sleep 1000 & echo $! >pid", ""},
		{"badly", "echo '\x1b[1mno  mail\r' >&2; exit 3", "exit status 3: [1mno mail"},
		{"quietly", "exit 4", "exit status 4"},
		{"by a signal", "kill -9 $$", "signal: killed"},
		{"not there", "nosuchcommand", "exit status 127: "},
		{"with much to say", "yes no | head -c 1000000; exit 1", "exit status 1: no no no"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := testDeliverer(t)
			o := toCommand(t, tt.command, Message{Text: strings.Repeat("x", 200_000)}) // more than a pipe or a variable holds
			began := time.Now()
			err := d.Deliver(t.Context(), o)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if !strings.HasPrefix(text, tt.want) || (text == "") != (tt.want == "") || len(text) > 2*maxWords || strings.ContainsAny(text, "\x1b\r\n") {
				t.Errorf("error %q, not %q", text, tt.want)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %s", took)
			}
			if pid, err := os.ReadFile(filepath.Join(d.dir, "pid")); err == nil {
				kill(t, string(pid))
			}
		})
	}
}

// kill ends what a test left behind.
func kill(t *testing.T, text string) {
	var pid int
	if err := json.Unmarshal([]byte(text), &pid); err != nil || pid < 2 {
		t.Fatalf("pid %q", text)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

// A command that does not end is killed, with all that it started.
func TestCommandTimeout(t *testing.T) {
	for _, tt := range []struct {
		name  string
		limit time.Duration
		ends  bool // cmdq does
		want  string
	}{
		{"too long", 300 * time.Millisecond, false, "not ended within 300ms"},
		{"cmdq ends", time.Hour, true, "context canceled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := testDeliverer(t)
			if d.limit != commandTime {
				t.Fatalf("a command has %s", d.limit)
			}
			d.limit = tt.limit
			fifo := filepath.Join(d.dir, "fifo")
			if err := syscall.Mkfifo(fifo, 0o600); err != nil {
				t.Fatal(err)
			}
			// With hold no open of the fifo blocks, so that the command may be
			// killed wherever it is.
			hold, read := openFIFO(t, fifo, os.O_RDWR), openFIFO(t, fifo, os.O_RDONLY)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() {
				ended <- d.Deliver(ctx, toCommand(t, "trap '' TERM; exec 3>fifo; echo >&3; sleep 1000 & sleep 1000", Message{}))
			}()
			if tt.ends { // once the command is there
				soon(t, read)
				if _, err := io.ReadFull(read, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				cancel()
			}
			if err := <-ended; err == nil || err.Error() != tt.want {
				t.Errorf("error %v, not %q", err, tt.want)
			}
			hold.Close()
			soon(t, read)
			if _, err := io.Copy(io.Discard, read); err != nil { // until the last holder of the other end is gone
				t.Errorf("something that it started lives on: %v", err)
			}
		})
	}
}

func openFIFO(t *testing.T, path string, how int) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, how, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// soon bounds the reads to come.
func soon(t *testing.T, f *os.File) {
	t.Helper()
	if err := f.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
}

func TestTail(t *testing.T) {
	x := &tail{most: 4}
	for _, tt := range []struct{ write, want string }{{"", ""}, {"ab", "ab"}, {"cde", "bcde"}, {"123456", "3456"}, {"7", "4567"}} {
		if n, err := x.Write([]byte(tt.write)); n != len(tt.write) || err != nil {
			t.Errorf("write %q: %d, %v", tt.write, n, err)
		}
		if x.String() != tt.want {
			t.Errorf("after %q: %q, not %q", tt.write, x, tt.want)
		}
	}
}
