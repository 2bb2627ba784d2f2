// Package minimal is the test of the two programs below it.
package minimal

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cmdq/local"
)

func TestMain(m *testing.M) {
	local.Guard()
	os.Exit(m.Run())
}

// TestMinimal runs the scheduler, which runs five tasks with the executor.
func TestMinimal(t *testing.T) {
	bin := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./scheduler", "./executor").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // not of the build, which may take that long
	defer cancel()
	work := t.TempDir()
	cluster, err := local.Start(local.Config{WorkDir: work, Resources: "cpus:1;mem:1000;disk:1000", AllocationInterval: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := cluster.Stop(ctx); err != nil {
			t.Error(err)
		}
	}()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}

	scheduler := exec.CommandContext(ctx, filepath.Join(bin, "scheduler"), "-master", cluster.Addr(), "-user", me.Username,
		"-executor", filepath.Join(bin, "executor"), "-command", "echo it works; echo again >&2")
	var said bytes.Buffer
	scheduler.Stdout, scheduler.Stderr = &said, &said
	if err := scheduler.Run(); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	for state, n := range map[string]int{"TASK_RUNNING": 5, "TASK_FINISHED": 5, "executor gone, status 0": 1} {
		if got := strings.Count(said.String(), state); got != n {
			t.Errorf("%d times %q, not %d:\n%s", got, state, n, said.String())
		}
	}
	outputs, err := filepath.Glob(filepath.Join(work, "slaves/*/frameworks/*/executors/minimal/runs/latest/stdout"))
	if err != nil || len(outputs) != 1 {
		t.Fatal(outputs, err)
	}
	if text, err := os.ReadFile(outputs[0]); err != nil || strings.Count(string(text), "it works\n") != 5 {
		t.Errorf("the tasks wrote %q %v", text, err)
	}
	if left := running(t, work); left != "" {
		t.Errorf("left: %s", left)
	}
}

// running lists the processes that have the work directory of the cluster in
// their environment.
func running(t *testing.T, work string) string {
	environments, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, path := range environments {
		if env, err := os.ReadFile(path); err == nil && strings.Contains(string(env), work) {
			args, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline")) // it may have ended
			left = append(left, strings.ReplaceAll(string(args), "\x00", " "))
		}
	}
	return strings.Join(left, ", ")
}
