package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadme runs the commands of README.md one after the other, with another
// folder in the place of work.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := os.ReadFile("tasks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	var script strings.Builder
	script.WriteString("set -eu\nexport IMAGES_WORK=" + work + "\n")
	for line := range strings.Lines(string(readme)) {
		if command, ok := strings.CutPrefix(line, "    "); ok && !strings.Contains(string(tasks), command) {
			script.WriteString(regexp.MustCompile(`\bwork\b`).ReplaceAllLiteralString(command, work))
		}
	}
	out, status := start(t, ".", "sh", "-c", script.String())
	if status != 0 {
		t.Fatalf("exit status %d of\n%s", status, &script)
	}
	said := "images: Get \"http://127.0.0.1:1/lost.png\": dial tcp 127.0.0.1:1: connect: connection refused\n"
	for text, times := range map[string]int{
		"12 tasks: 12 finished, 0 failed":  2,
		"/tasks/invert-12\n":               1, // where it ran, by cmdq's executor
		"outputs/invert-12/inverted.png\n": 2,
		"13 tasks: 12 finished, 1 failed":  1,
		"exit status 1\n":                  1,
		`"stderr_tail":"images: Get`:       1,
		said:                               2, // in the summary, and by cmdq logs
	} {
		if n := strings.Count(out, text); n != times {
			t.Errorf("%q was said %d times, want %d", text, n, times)
		}
	}
	found, err := filepath.Glob(filepath.Join(work, "outputs", "*", "*"))
	if err != nil || len(found) != 12 {
		t.Errorf("outputs: %q, %v", found, err)
	}
}

// What tasks.yaml is in README.md is what it is.
func TestReadmeShowsTasks(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := os.ReadFile("tasks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	for line := range strings.Lines(string(tasks)) {
		if !strings.HasPrefix(line, "#") {
			shown.WriteString("    " + line)
		}
	}
	if !strings.Contains(string(readme), "\n\n"+shown.String()+"\n") {
		t.Errorf("README.md does not show\n%s", &shown)
	}
}
