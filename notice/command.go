package notice

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"cmdq/task"
)

// run gives the command the message on its standard input. It is a process group
// of its own: a Ctrl-C at the terminal is not for it, and what it started ends with
// it when it takes too long.
func (d *Deliverer) run(ctx context.Context, o Owed) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d.limit, fmt.Errorf("not ended within %s", d.limit))
	defer cancel()
	said := &tail{most: maxAnswer}
	cmd := exec.CommandContext(ctx, "sh", "-c", o.Notice.Command)
	cmd.Dir, cmd.Env = d.dir, environment(os.Environ(), o)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(o.Body), said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // for what it left behind with our pipe in hand
	err := cmd.Run()
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return nil // what it left in the background may go on
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	if text := words(said.String()); text != "" {
		return fmt.Errorf("%w: %s", err, text)
	}
	return err
}

// environment is ours, but for the master's address, which may hold a password,
// and with what the message says in CMDQ_….
func environment(ours []string, o Owed) []string {
	var env []string
	for _, v := range ours {
		if !strings.HasPrefix(v, "MESOS_MASTER=") && !strings.HasPrefix(v, "CMDQ_") {
			env = append(env, v)
		}
	}
	var m Message
	if err := json.Unmarshal(o.Body, &m); err != nil { // of an older cmdq perhaps
		m = Message{}
	}
	set := func(name, value string) { env = append(env, name+"="+fit(value)) }
	set("CMDQ_NOTICE", o.ID)
	set("CMDQ_NOTICE_KIND", o.Kind)
	set("CMDQ_TEXT", m.Text)
	set("CMDQ_GROUP", m.Group)
	set("CMDQ_FILE", m.File)
	set("CMDQ_TASKS", strconv.Itoa(m.Tasks))
	for _, state := range []task.State{task.Finished, task.Failed, task.Killed} {
		set("CMDQ_"+strings.ToUpper(state.String()), strconv.Itoa(m.States[state.String()]))
	}
	if m.Task != nil {
		set("CMDQ_TASK", m.Task.ID)
		set("CMDQ_REASON", m.Task.Reason)
		set("CMDQ_HOST", m.Task.Host)
	}
	return env
}

// fit makes a text a value that every exec takes. All of it is in the body.
func fit(text string) string {
	const most = 4 << 10 // bytes
	if len(text) > most {
		text = text[:most]
	}
	return strings.ReplaceAll(text, "\x00", "")
}

// tail keeps the end of what is written to it.
type tail struct {
	most int // bytes
	kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	if n > t.most {
		p = p[n-t.most:]
	}
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - t.most; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return n, nil
}

func (t *tail) String() string { return string(t.kept) }
