//go:build integration

// Package page_test opens the web pages of cmdq in headless Chromium: that of a
// queue and that of `cmdq local`. It is a module of its own so that cmdq itself
// does not depend on what drives the browser.
//
//	CMDQ       a cmdq that is built already; else one is built
//	CHROMIUM   the browser; default: chromium of the PATH
//	ARTEFACTS  where the screenshots go; default: a new directory, which is printed
package page_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience bounds every wait; no test is meant to use it up.
const patience = 60 * time.Second

// tallest is the height of a page, in pixels, of which all is kept as an image; of
// a taller one, only its beginning.
const tallest = 4000

var (
	cmdq      string // the binary
	scratch   string // a directory for what the tests share
	artefacts string
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "cmdq-page")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	scratch = dir
	if cmdq = os.Getenv("CMDQ"); cmdq == "" {
		cmdq = filepath.Join(dir, "cmdq")
		build := exec.Command("go", "build", "-C", "../..", "-o", cmdq, ".")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build cmdq: %v\n%s", err, out)
			return 1
		}
	}
	if artefacts = os.Getenv("ARTEFACTS"); artefacts == "" {
		if artefacts, err = os.MkdirTemp("", "cmdq-screenshots"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	} else if err := os.MkdirAll(artefacts, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	fmt.Println("screenshots are in", artefacts)
	return code
}

// cluster is a running `cmdq local`.
type cluster struct {
	t      *testing.T
	master string // ip:port
	dir    string
}

// startCluster runs `cmdq local` until the test ends.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: t.TempDir()}
	server := exec.Command(cmdq, "local", "--port", "0", "--work-dir", filepath.Join(c.dir, "mesos"), "--agents", "2",
		"--resources", "cpus:8;mem:8192;disk:10000;ports:[31000-32000]", "--allocation-interval", "50ms", "--log-level", "error")
	server.Stderr = os.Stderr
	ready, _ := startServer(t, server, server.StdoutPipe, "ready: master ", syscall.SIGTERM, 0)
	c.master, _, _ = strings.Cut(ready, ",")
	return c
}

// url is the address of a page.
func (c *cluster) url(path string) string { return "http://" + c.master + path }

// tasks starts `cmdq run` with a tasks file; finish waits for its end.
func (c *cluster) tasks(file string) (finish func()) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	client := exec.CommandContext(ctx, cmdq, "run", "--master", c.master, "--progress", "none", "--log-level", "warn", file)
	client.Dir = c.t.TempDir()
	var out strings.Builder
	client.Stdout, client.Stderr = &out, &out
	if err := client.Start(); err != nil {
		c.t.Fatal(err)
	}
	wait := sync.OnceFunc(func() {
		defer cancel()
		if err := client.Wait(); err != nil {
			c.t.Errorf("cmdq run: %v\n%s", err, &out)
		}
	})
	c.t.Cleanup(wait)
	return wait
}

// file writes a file of the test.
func (c *cluster) file(name, text string) string {
	c.t.Helper()
	name = filepath.Join(c.dir, name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return name
}

// tab is a page of the browser.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	errors []string // what the browser complained of
	fine   []string // parts of complaints that a test brings about
}

// expects names a part of what the browser may complain of.
func (b *tab) expects(part string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fine = append(b.fine, part)
}

// openTab starts a browser of its own. Whatever it complains of, a script that
// failed or a thing that the page's policy forbids, fails the test.
func openTab(t *testing.T) *tab {
	t.Helper()
	browser := os.Getenv("CHROMIUM")
	if browser == "" {
		browser = "chromium"
	}
	path, err := exec.LookPath(browser)
	if err != nil {
		t.Fatal("there is no browser: ", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(patience),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {})) // it does not know all of a new browser's events
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			b.errors = append(b.errors, e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			b.errors = append(b.errors, fmt.Sprintf("%s: %s (%s)", e.Entry.Level, e.Entry.Text, e.Entry.URL))
		}
	})
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, text := range b.errors {
			if !slices.ContainsFunc(b.fine, func(part string) bool { return strings.Contains(text, part) }) {
				t.Error("the browser says:", text)
			}
		}
		if err := chromedp.Cancel(ctx); err != nil {
			t.Error("close the browser:", err)
		}
	})
	b.do(log.Enable(), chromedp.EmulateViewport(1400, 900))
	return b
}

// do runs actions that must succeed within patience.
func (b *tab) do(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	// The first run must not be with a context that ends: it starts the browser.
	if chromedp.FromContext(b.ctx).Target == nil {
		ctx = b.ctx
	}
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// open goes to a page.
func (b *tab) open(address string) {
	b.t.Helper()
	b.do(chromedp.Navigate(address), chromedp.WaitReady("main"))
}

// until waits until an expression of JavaScript is true, on this page or, when
// the browser is on its way, the next.
func (b *tab) until(expression string) {
	b.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		var done bool
		if err := chromedp.Run(b.ctx, chromedp.Evaluate(expression, &done)); err == nil && done {
			return
		} else if time.Now().After(end) {
			b.t.Fatalf("%s: %v\n%s", expression, err, evaluate[string](b, "document.body.innerText.slice(0, 3000)"))
		}
	}
}

// evaluate is the value of an expression of JavaScript.
func evaluate[T any](b *tab, expression string) T {
	b.t.Helper()
	var v T
	b.do(chromedp.Evaluate(expression, &v))
	return v
}

// keep writes an image to the artefacts.
func keep(t *testing.T, name string, image []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(artefacts, name+".png"), image, 0o644); err != nil {
		t.Fatal(err)
	}
}

// screenshots keeps the page as it looks on a desk and on a telephone, light
// and dark, and checks what can be checked without looking.
func (b *tab) screenshots(name string) {
	b.t.Helper()
	for _, width := range []int64{1400, 390} {
		for _, scheme := range []string{"light", "dark"} {
			var image []byte
			b.do(chromedp.EmulateViewport(width, 900),
				emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
			if evaluate[int64](b, "document.documentElement.scrollHeight") > tallest {
				b.do(chromedp.Evaluate("scrollTo(0, 0)", nil), chromedp.CaptureScreenshot(&image))
			} else {
				b.do(chromedp.FullScreenshot(&image, 100))
			}
			keep(b.t, fmt.Sprintf("%s-%d-%s", name, width, scheme), image)
			if wide := evaluate[int64](b, "document.documentElement.scrollWidth"); wide > width {
				b.t.Errorf("%s: the page is %d wide on a screen of %d", name, wide, width)
			}
			if pale := evaluate[[]string](b, contrast); len(pale) > 0 {
				b.t.Errorf("%s, %s: too little contrast: %q", name, scheme, pale)
			}
			if bare := evaluate[[]string](b, overlaps); len(bare) > 0 {
				b.t.Errorf("%s at %d: texts overlap: %q", name, width, bare)
			}
		}
	}
	b.do(chromedp.EmulateViewport(1400, 900))
}
