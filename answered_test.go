package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cmdq/web"
)

// dialed waits until a cmdq answers for a state directory. It says nothing of
// that, at this log level.
func dialed(t *testing.T, dir string) *web.Client {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		client, err := web.DialControl(filepath.Join(dir, ".cmdq"))
		if err == nil {
			return client
		}
		if !errors.Is(err, web.ErrNotRunning) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// TestAnsweredIsKept kills cmdq with SIGKILL right after it has answered, again
// and again: what it said it had taken is there after the restart.
func TestAnsweredIsKept(t *testing.T) {
	t.Parallel()
	m := startMesos(t, append([]string{"--allocation-interval", "50ms"}, crashResources...)...)
	dir := t.TempDir()
	writeTasks(t, dir, tasksYAML("{id: gate, command: 'true', cpus: 100}", "{id: other, command: 'true', cpus: 100}"))
	start := func() (*program, *web.Client) {
		p := startIn(t, dir, "--master", m.addr, "--progress", "none", "--log-level", "error")
		return p, dialed(t, dir)
	}
	for i := range 10 {
		p, client := start()
		id := fmt.Sprintf("given-%d", i)
		file := fmt.Sprintf("tasks: [{id: %s, command: 'true', cpus: 100, mem: 1}]", id)
		var out web.Outcome
		var err error
		changes := []func(context.Context) (web.Outcome, error){
			func(ctx context.Context) (web.Outcome, error) { return client.Submit(ctx, []byte(file), dir) },
			func(ctx context.Context) (web.Outcome, error) {
				return client.Hold(ctx, web.Selection{IDs: []string{"gate"}})
			},
			func(ctx context.Context) (web.Outcome, error) {
				return client.Release(ctx, web.Selection{IDs: []string{"gate"}})
			},
			func(ctx context.Context) (web.Outcome, error) {
				return client.Cancel(ctx, web.Selection{IDs: []string{"other"}})
			},
			func(ctx context.Context) (web.Outcome, error) {
				return client.Retry(ctx, web.Selection{IDs: []string{"other"}})
			},
		}
		if out, err = changes[i%len(changes)](t.Context()); err != nil || out.Count != 1 {
			t.Fatalf("change %d: %+v, %v", i, out, err)
		}
		p.cmd.Process.Kill()
		p.cmd.Wait()

		p, client = start()
		check := func(id, state, waits string) {
			t.Helper()
			if got, err := client.Task(t.Context(), id); err != nil || got.State != state || got.Waits != waits {
				t.Errorf("after change %d: %s is %s %s, %v; want %s %s", i, id, got.State, got.Waits, err, state, waits)
			}
		}
		switch i % len(changes) {
		case 0:
			check(id, "idle", "")
		case 1:
			check("gate", "idle", "held")
		case 2:
			check("gate", "idle", "")
		case 3:
			check("other", "killed", "")
		case 4:
			check("other", "idle", "")
		}
		p.cmd.Process.Signal(os.Interrupt)
		p.exits(exitSIGINT)
	}
}
