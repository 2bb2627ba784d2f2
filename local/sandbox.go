package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/mesos/mesos-go/api/v1/lib"
)

// Sandbox is the directory a task's command runs in, or ran in last. An
// executor of its own aside, a task's executor has the task's id.
func Sandbox(workDir, agentID, frameworkID, taskID string) string {
	return filepath.Join(runsDir(workDir, agentID, frameworkID, taskID), "latest")
}

// runsDir holds the sandboxes of an executor's runs (Mesos: src/slave/paths.cpp).
func runsDir(workDir, agentID, frameworkID, executorID string) string {
	return filepath.Join(workDir, "slaves", agentID, "frameworks", frameworkID, "executors", executorID, "runs")
}

func runDir(workDir, agentID, frameworkID, executorID, container string) string {
	return filepath.Join(runsDir(workDir, agentID, frameworkID, executorID), container)
}

// makeSandbox makes the directory and points runs/latest to it.
func makeSandbox(dir string) error {
	if err := makeRunDir(dir); err != nil {
		return fmt.Errorf("make the sandbox: %w", err)
	}
	latest := filepath.Join(filepath.Dir(dir), "latest")
	err := os.Symlink(filepath.Base(dir), latest)
	if errors.Is(err, fs.ErrExist) {
		next := dir + ".latest"
		if err = os.Symlink(filepath.Base(dir), next); err == nil {
			err = os.Rename(next, latest)
		}
	}
	if err != nil {
		return fmt.Errorf("make the sandbox: %w", err)
	}
	return nil
}

// makeRunDir makes the directory of a run and those above it. Mostly the
// framework's is there and the task's is not: then that is three calls.
func makeRunDir(dir string) error {
	runs := filepath.Dir(dir)
	for _, d := range []string{filepath.Dir(runs), runs, dir} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return os.MkdirAll(dir, 0o700)
		}
	}
	return nil
}

// defaultPath is the PATH of a command that is given none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// process is how a command is run: by a shell, or directly.
func (a *agent) process(c *command) process {
	env := a.environment(c)
	p := process{
		ID: c.container, Env: env, Dir: c.sandbox,
		Stdout: filepath.Join(c.sandbox, "stdout"), Stderr: filepath.Join(c.sandbox, "stderr"),
	}
	value := c.task.Command.GetValue()
	if c.task.Command.GetShell() {
		p.Path, p.Argv = "/bin/sh", []string{"sh", "-c", value}
		return p
	}
	p.Path, p.Argv = lookUp(value, env, c.sandbox), c.task.Command.Arguments
	if len(p.Argv) == 0 {
		p.Argv = []string{value}
	}
	return p
}

// environment is all a command finds; nothing of ours is inherited. What comes
// later wins (Mesos: executorEnvironment in src/slave/slave.cpp).
func (a *agent) environment(c *command) []string {
	checkpoint := "0"
	if c.framework.brief.checkpoint {
		checkpoint = "1"
	}
	vars := []mesos.Environment_Variable{}
	set := func(name, value string) {
		vars = append(vars, mesos.Environment_Variable{Name: name, Value: &value})
	}
	set("PATH", defaultPath)
	set("MESOS_FRAMEWORK_ID", c.framework.brief.id)
	set("MESOS_EXECUTOR_ID", c.id())
	set("MESOS_DIRECTORY", c.sandbox)
	set("MESOS_SLAVE_ID", a.id)
	set("MESOS_SLAVE_PID", "slave(1)@"+a.addr.String())
	set("MESOS_AGENT_ENDPOINT", a.addr.String())
	set("MESOS_CHECKPOINT", checkpoint)
	set("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "5secs")
	set("MESOS_HTTP_COMMAND_EXECUTOR", "0")
	if c.framework.brief.checkpoint {
		set("MESOS_RECOVERY_TIMEOUT", "15mins")
		set("MESOS_SUBSCRIPTION_BACKOFF_MAX", "2secs")
	}
	set("MESOS_SANDBOX", c.sandbox)
	vars = append(vars, c.task.Command.GetEnvironment().GetVariables()...)
	set("MESOS_ALLOCATION_ROLE", c.role)
	return flatten(vars)
}

// flatten writes variables as NAME=value, each name once, the last value.
func flatten(vars []mesos.Environment_Variable) []string {
	at := make(map[string]int, len(vars))
	out := make([]string, 0, len(vars))
	for i := range vars {
		entry := vars[i].Name + "=" + vars[i].GetValue()
		if j, there := at[vars[i].Name]; there {
			out[j] = entry
			continue
		}
		at[vars[i].Name] = len(out)
		out = append(out, entry)
	}
	return out
}

// lookUp finds a program: a name without a slash in the PATH of its
// environment and then in its working directory. What is not found is left as
// it is; its start will fail and say why.
func lookUp(name string, env []string, dir string) string {
	if strings.Contains(name, "/") {
		return name
	}
	var path string
	for _, entry := range env {
		if value, ok := strings.CutPrefix(entry, "PATH="); ok {
			path = value
		}
	}
	for _, d := range append(filepath.SplitList(path), dir) {
		if !filepath.IsAbs(d) {
			d = filepath.Join(dir, d)
		}
		file := filepath.Join(d, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return file
		}
	}
	return name
}

// signalName is a signal as strsignal(3) of glibc says it.
func signalName(s syscall.Signal) string {
	if int(s) < len(signalNames) && signalNames[s] != "" {
		return signalNames[s]
	}
	if s >= 34 && s <= 64 {
		return "Real-time signal " + strconv.Itoa(int(s)-34)
	}
	return "Unknown signal " + strconv.Itoa(int(s))
}

var signalNames = [...]string{
	1: "Hangup", 2: "Interrupt", 3: "Quit", 4: "Illegal instruction", 5: "Trace/breakpoint trap", 6: "Aborted", 7: "Bus error",
	8: "Floating point exception", 9: "Killed", 10: "User defined signal 1", 11: "Segmentation fault", 12: "User defined signal 2",
	13: "Broken pipe", 14: "Alarm clock", 15: "Terminated", 16: "Stack fault", 17: "Child exited", 18: "Continued",
	19: "Stopped (signal)", 20: "Stopped", 21: "Stopped (tty input)", 22: "Stopped (tty output)", 23: "Urgent I/O condition",
	24: "CPU time limit exceeded", 25: "File size limit exceeded", 26: "Virtual timer expired", 27: "Profiling timer expired",
	28: "Window changed", 29: "I/O possible", 30: "Power failure", 31: "Bad system call",
}
