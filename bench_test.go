package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// BenchmarkTrue runs 2,000 times the command true through cmdq and its embedded
// Mesos, and as many through `xargs -P 2 sh -c true`, in turns. The metric
// "ratio" is the wall time of the one by that of the other.
func BenchmarkTrue(b *testing.B) {
	const tasks = 2000
	cmdq, err := exec.LookPath("cmdq")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := exec.LookPath("xargs"); err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	file := filepath.Join(dir, "tasks.yaml")
	text := "tasks: [{id: t, command: 'true', cpus: 0.05, mem: 10, count: " + strconv.Itoa(tasks) + "}]\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	var ours, theirs time.Duration
	for i := range b.N {
		began := time.Now()
		runAll(b, exec.Command(cmdq, "run", file, "--resources", "cpus:2;mem:2000;disk:1000", "--progress", "none",
			"--log-level", "error", "--state", filepath.Join(dir, "state"+strconv.Itoa(i))))
		ours += time.Since(began)
		began = time.Now()
		runAll(b, exec.Command("sh", "-c", "seq "+strconv.Itoa(tasks)+" | xargs -P 2 -I{} sh -c true"))
		theirs += time.Since(began)
	}
	b.ReportMetric(float64(ours)/float64(theirs), "ratio")
	b.ReportMetric(float64(b.N*tasks)/ours.Seconds(), "tasks/s")
	b.ReportMetric(float64(b.N*tasks)/theirs.Seconds(), "xargs/s")
}

func runAll(b *testing.B, cmd *exec.Cmd) {
	b.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}
