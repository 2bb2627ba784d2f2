package local

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// BenchmarkGuardianTrue runs `sh -c true`, 40 at a time, and says how many a
// second; beside it what xargs does, two at a time.
func BenchmarkGuardianTrue(b *testing.B) { benchmarkTrue(b, newGuardEnv(b)) }

// BenchmarkGuardianTrueBesideADaemon is the same while a command runs that has
// daemonised: every end takes a look at /proc then.
func BenchmarkGuardianTrueBesideADaemon(b *testing.B) {
	e := newGuardEnv(b)
	e.start(e.sandboxed("(setsid sleep 1000 &); sleep 1000"))
	benchmarkTrue(b, e)
}

func benchmarkTrue(b *testing.B, e *guardEnv) {
	p := e.sandboxed("true")
	p.Stdout, p.Stderr = filepath.Join(p.Dir, "stdout"), filepath.Join(p.Dir, "stderr")
	next := make(chan string)
	var all sync.WaitGroup
	b.ResetTimer()
	for range 40 {
		all.Go(func() {
			for id := range next {
				p := p
				p.ID = id
				exit, _, err := e.Run(p)
				if err != nil {
					b.Error(err)
					return
				}
				if x := <-exit; x.Err != nil || x.Status != 0 {
					b.Errorf("status %#x %v", x.Status, x.Err)
				}
			}
		})
	}
	for i := range b.N {
		next <- p.ID + "-" + string(rune('a'+i%26)) + strings.Repeat("x", i%3) + time.Now().Format("150405.000000000")
	}
	close(next)
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")

	cmd := exec.Command("xargs", "-P", "2", "-n", "1", "sh", "-c", "true")
	cmd.Stdin = bytes.NewReader(bytes.Repeat([]byte("x\n"), b.N))
	began := time.Now()
	if err := cmd.Run(); err != nil {
		b.Logf("xargs: %v", err)
		return
	}
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "xargs/s")
}
