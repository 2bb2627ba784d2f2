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
	"time"

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
	if err := pointTo(filepath.Base(dir), filepath.Join(filepath.Dir(dir), "latest"), dir); err != nil {
		return fmt.Errorf("make the sandbox: %w", err)
	}
	return nil
}

// nestedDir is where a task of the default executor runs.
func nestedDir(sandbox, container string) string {
	return filepath.Join(sandbox, "containers", container)
}

// makeNestedSandbox makes the directory of a task below its executor's
// sandbox, and points tasks/<task id> to it.
func makeNestedSandbox(sandbox, container, task string) error {
	if err := os.MkdirAll(nestedDir(sandbox, container), 0o700); err != nil {
		return fmt.Errorf("make the sandbox: %w", err)
	}
	tasks := filepath.Join(sandbox, "tasks")
	if err := os.MkdirAll(tasks, 0o700); err != nil {
		return fmt.Errorf("make the sandbox: %w", err)
	}
	if err := pointTo(filepath.Join("..", "containers", container), filepath.Join(tasks, task), nestedDir(sandbox, container)); err != nil {
		return fmt.Errorf("make the sandbox: %w", err)
	}
	return nil
}

// makeOutputs makes the files that users look for in every sandbox; the default
// executor itself writes nothing.
func makeOutputs(sandbox string) error {
	for _, name := range []string{"stdout", "stderr"} {
		if err := os.WriteFile(filepath.Join(sandbox, name), nil, 0o640); err != nil {
			return fmt.Errorf("make the sandbox: %w", err)
		}
	}
	return nil
}

// pointTo makes a link, or lets the one that is there point elsewhere, all at
// once; spare is a name that begins no other.
func pointTo(target, link, spare string) error {
	err := os.Symlink(target, link)
	if errors.Is(err, fs.ErrExist) {
		next := spare + ".latest"
		if err = os.Symlink(target, next); err == nil {
			err = os.Rename(next, link)
		}
	}
	return err
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
	return runs(c.task.Command, c.container, c.sandbox, a.environment(c))
}

// runs is how a command is run in a sandbox.
func runs(cmd *mesos.CommandInfo, container, sandbox string, env []string) process {
	p := process{
		ID: container, Env: env, Dir: sandbox,
		Stdout: filepath.Join(sandbox, "stdout"), Stderr: filepath.Join(sandbox, "stderr"),
	}
	value := cmd.GetValue()
	if cmd.GetShell() {
		p.Path, p.Argv = "/bin/sh", []string{"sh", "-c", value}
		return p
	}
	p.Path, p.Argv = lookUp(value, env, sandbox), cmd.Arguments
	if len(p.Argv) == 0 {
		p.Argv = []string{value}
	}
	return p
}

// environment is all a command finds; nothing of ours is inherited. What comes
// later wins (Mesos: executorEnvironment in src/slave/slave.cpp).
func (a *agent) environment(c *command) []string {
	var v variables
	if c.executor == nil {
		v = a.variables(c.framework, c.executorID, c.sandbox, a.timing.shutdownGrace)
	} else { // the default executor tells its tasks little, as seen on Apache Mesos
		v.set("PATH", defaultPath)
		v.set("MESOS_CONTAINER_IP", a.addr.Addr().String())
	}
	v.set("MESOS_SANDBOX", c.sandbox)
	v = append(v, c.task.Command.GetEnvironment().GetVariables()...)
	v.set("MESOS_ALLOCATION_ROLE", c.role)
	return flatten(v)
}

// executorProcess is how an executor is run.
func (a *agent) executorProcess(e *agentExecutor) process {
	grace := a.timing.shutdownGrace
	if own := e.info.ShutdownGracePeriod; own != nil {
		grace = nanoseconds(own)
	}
	v := a.variables(e.framework, e.id(), e.sandbox, grace)
	v.set("MESOS_SANDBOX", e.sandbox)
	v = append(v, e.info.Command.GetEnvironment().GetVariables()...)
	if e.token != "" {
		v.set("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", e.token)
	}
	v.set("MESOS_ALLOCATION_ROLE", e.role)
	return runs(e.info.Command, e.container, e.sandbox, flatten(v))
}

// variables of an environment; a name may come twice, then the last one counts.
type variables []mesos.Environment_Variable

func (v *variables) set(name, value string) {
	*v = append(*v, mesos.Environment_Variable{Name: name, Value: &value})
}

// variables are those that every executor finds.
func (a *agent) variables(f *agentFramework, executorID, directory string, grace time.Duration) variables {
	var v variables
	v.set("PATH", defaultPath)
	v.set("MESOS_FRAMEWORK_ID", f.brief.id)
	v.set("MESOS_EXECUTOR_ID", executorID)
	v.set("MESOS_DIRECTORY", directory)
	v.set("MESOS_SLAVE_ID", a.id)
	v.set("MESOS_SLAVE_PID", "slave(1)@"+a.addr.String())
	v.set("MESOS_AGENT_ENDPOINT", a.addr.String())
	v.set("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", formatDuration(grace))
	v.set("MESOS_HTTP_COMMAND_EXECUTOR", "0")
	if f.brief.checkpoint {
		v.set("MESOS_CHECKPOINT", "1")
		v.set("MESOS_RECOVERY_TIMEOUT", "15mins")
		v.set("MESOS_SUBSCRIPTION_BACKOFF_MAX", "2secs")
	} else {
		v.set("MESOS_CHECKPOINT", "0")
	}
	return v
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
