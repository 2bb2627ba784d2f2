package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/sirupsen/logrus"

	"cmdq/local"
	"cmdq/mesosapi"
	"cmdq/scheduler"
	"cmdq/store"
	"cmdq/task"
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

// BenchmarkJournal runs 10,000 times the command true on the embedded Mesos with
// a journal and without one, in turns. The metric "ratio" is the wall time of
// the one by that of the other.
func BenchmarkJournal(b *testing.B) {
	var with, without time.Duration
	for range b.N {
		without += playTrue(b, 10_000, forgetful{})
		kept, err := store.Open(b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		j := &journal{store: kept, own: true}
		j.run = store.Run{Began: time.Now(), Master: "local", Framework: store.Framework{ID: "bench"}}
		if err := kept.Begin(j.run); err != nil {
			b.Fatal(err)
		}
		with += playTrue(b, 10_000, j)
		if err := j.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(with)/float64(without), "ratio")
	b.ReportMetric(float64(10_000*b.N)/with.Seconds(), "tasks/s")
}

// forgetful is a journal that keeps nothing.
type forgetful struct{}

func (forgetful) Append([]scheduler.Record) error { return nil }

// playTrue runs the command true so many times and tells how long that took.
func playTrue(b *testing.B, tasks int, j scheduler.Journal) time.Duration {
	b.Helper()
	cluster, err := local.Start(local.Config{Resources: "cpus:2;mem:4000;disk:1000", Eager: true, WorkDir: b.TempDir(), Secret: "s"})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := cluster.Stop(b.Context()); err != nil {
			b.Error(err)
		}
	}()
	conn, err := mesosapi.New(mesosapi.Config{Master: cluster.Addr(),
		Authorize: func(r *http.Request) { r.Header.Set("Authorization", "Bearer s") }})
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	cfg := scheduler.DefaultConfig()
	cfg.FrameworkID, cfg.NewID, cfg.Once, cfg.Own = "bench", uuid.NewString, true, true
	quiet := logrus.New()
	quiet.SetLevel(logrus.PanicLevel)
	s := scheduler.New(cfg, conn, conn.Incoming(), j, logrus.NewEntry(quiet))
	file, err := task.Read("bench", strings.NewReader(
		"tasks: [{id: t, command: 'true', cpus: 0.01, mem: 1, count: "+strconv.Itoa(tasks)+"}]"))
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	if err := s.Post(b.Context(), scheduler.Load{Tasks: file.Tasks(began)}); err != nil {
		b.Fatal(err)
	}
	over, err := s.Run(b.Context())
	if err != nil || over.Why != scheduler.Drained || s.Snapshot().Bad() > 0 {
		b.Fatalf("over %+v, %v, %+v", over, err, s.Snapshot())
	}
	return time.Since(began)
}
