package main

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

var rewriteDocs = flag.Bool("update", false, "write docs/verbs and docs/man as the commands are now")

// documents are the pages of every command, by path: Markdown and a man page.
func documents(t *testing.T) map[string]string {
	t.Helper()
	root := command()
	root.DisableAutoGenTag = true
	root.InitDefaultHelpCmd()
	pages := map[string]string{}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if !cmd.IsAvailableCommand() && cmd != root || cmd.IsAdditionalHelpTopicCommand() {
			return
		}
		neutral(cmd)
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
		var md, man bytes.Buffer
		if err := doc.GenMarkdownCustom(cmd, &md, pageOf); err != nil {
			t.Fatal(err)
		}
		pages["docs/verbs/"+name+".md"] = md.String()
		date := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC) // or it would be today's
		header := &doc.GenManHeader{Section: "1", Date: &date, Source: "cmdq", Manual: "cmdq"}
		if err := doc.GenMan(cmd, header, &man); err != nil {
			t.Fatal(err)
		}
		pages["docs/man/"+name+".1"] = man.String()
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk(root)
	return pages
}

// pageOf turns what cobra calls a page into what it is called here.
func pageOf(link string) string { return strings.ReplaceAll(link, "_", "-") }

// neutral takes out of a command what it has of this machine, and makes its
// examples, which --help shows by two spaces, examples in Markdown.
func neutral(cmd *cobra.Command) {
	if f := cmd.Flags().Lookup("user"); f != nil {
		f.DefValue = "you"
	}
	lines := strings.Split(cmd.Long, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "  ") {
			lines[i] = "  " + line
		}
	}
	cmd.Long = strings.Join(lines, "\n")
}

// TestOperations: docs/operations.md speaks of no verb that is not there, and
// says what to do about everything that explain may answer.
func TestOperations(t *testing.T) {
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	text := read("docs/operations.md")
	for _, m := range regexp.MustCompile(`(?m)(?:`+"`"+`|^    )(?:sudo )?cmdq ([a-z]+)(?: ([a-z]+))?`).FindAllStringSubmatch(text, -1) {
		found, _, err := command().Find(m[1:2])
		if err != nil || found.Name() != m[1] {
			t.Errorf("there is no cmdq %s", m[1])
		} else if sub, _, _ := found.Find(m[2:3]); found.HasSubCommands() && sub.Name() != m[2] {
			t.Errorf("there is no cmdq %s %s", m[1], m[2])
		}
	}
	codes := regexp.MustCompile(`(?m)^\tWhy[A-Za-z]+ += "([a-z-]+)"`).FindAllStringSubmatch(read("scheduler/explain.go"), -1)
	if len(codes) < 10 {
		t.Errorf("only %d codes of explain were found", len(codes))
	}
	for _, m := range codes {
		if !strings.Contains(text, "\n| `"+m[1]+"` |") {
			t.Errorf("nothing is said of %s", m[1])
		}
	}
}

// TestDocs compares docs/verbs and docs/man with what the commands say now:
//
//	go test -run '^TestDocs$' . -update
//
// writes them anew.
func TestDocs(t *testing.T) {
	pages := documents(t)
	var there []string
	for _, pattern := range []string{"docs/verbs/*", "docs/man/*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		there = append(there, found...)
	}
	for _, path := range there {
		if _, ok := pages[path]; ok {
			continue
		}
		if !*rewriteDocs {
			t.Errorf("%s: there is no such command any more", path)
		} else if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(pages)) {
		if *rewriteDocs {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(pages[path]), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != pages[path] {
			t.Errorf("%s is not what the command says (%v); go test -run '^TestDocs$' . -update", path, err)
		}
	}
}
