package task

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

const schemaPath = "../docs/tasks.schema.json"

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	data, err := os.ReadFile(schemaPath)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(jsonschema.SchemeURLLoader{}) // it needs nothing else
	if err := c.AddResource("tasks.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("tasks.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// asJSON is what an editor hands to a schema; false for what is no JSON, such as
// a text that is no YAML.
func asJSON(text []byte) (any, bool) {
	var v any
	if yaml.Unmarshal(text, &v) != nil {
		return nil, false
	}
	data, err := json.Marshal(plain(v))
	if err != nil {
		return nil, false
	}
	v, err = jsonschema.UnmarshalJSON(bytes.NewReader(data))
	return v, err == nil
}

// plain makes texts of what YAML has and JSON has not.
func plain(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k := range x {
			x[k] = plain(x[k])
		}
	case map[any]any: // with a name that is a number, say
		texts := map[string]any{}
		for k := range x {
			texts[fmt.Sprint(k)] = plain(x[k])
		}
		return texts
	case []any:
		for i := range x {
			x[i] = plain(x[i])
		}
	case time.Time:
		return x.Format(time.RFC3339)
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return ".nan"
		}
	}
	return v
}

// TestSchemaHasEveryField: an editor knows what the reader knows, and says
// something of all of it.
func TestSchemaHasEveryField(t *testing.T) {
	data, err := os.ReadFile(schemaPath)
	if err != nil {
		t.Fatal(err)
	}
	type object struct {
		Properties map[string]struct{ Description string }
	}
	var schema struct {
		object
		Defs map[string]object `json:"$defs"`
	}
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	for _, o := range []object{schema.Defs["fields"], schema.Defs["task"]} {
		for name, p := range o.Properties {
			known[name] = p.Description
		}
	}
	for _, name := range fieldNames[1:] {
		if known[name] == "" {
			t.Errorf("%s is not described", name)
		}
		delete(known, name)
	}
	if len(known) > 0 {
		t.Errorf("nothing reads %v", known)
	}
	for _, name := range []string{"tasks", "defaults", "groups", "on_finish", "on_failure"} {
		if schema.Properties[name].Description == "" {
			t.Errorf("%s is not described", name)
		}
	}
}

// TestSchemaTakesExamples: every tasks file of the repository that is one, those
// of its documents too.
func TestSchemaTakesExamples(t *testing.T) {
	schema := compileSchema(t)
	taken := map[string]int{}
	for kind, files := range map[string]map[string][]byte{"files": yamlFiles(t), "scripts": yamlOfScripts(t), "documents": yamlOfDocuments(t)} {
		for name, text := range files {
			if !isTasksFile(text) {
				continue
			}
			taken[kind]++
			v, ok := asJSON(text)
			if !ok {
				t.Errorf("%s is no JSON", name)
			} else if err := schema.Validate(v); err != nil {
				t.Errorf("%s: %v\n%s", name, err, text)
			}
		}
	}
	if taken["files"] < 2 || taken["scripts"] < 10 || taken["documents"] < 1 {
		t.Errorf("looked at %v only", taken)
	}
}

// TestSchemaTakesEverything: each field in the forms that it may have.
func TestSchemaTakesEverything(t *testing.T) {
	text := []byte(`
defaults: {cpus: '0.5', mem: 2GB, disk: 1 tb, gpus: '2', env: {A: 1, B: true, C: 2026-01-02}, labels: {x: 1.5}, retries: -1, priority: -3, kill_grace: 0, role: '*', ports: 0}
groups:
  g: {max_running: 2, on_finish: {url: http://h}, on_first_failure: [a, {command: b}]}
  h: {max_failures: 0, on_failure: cancel}
  1: {}
  g-1.x: {}
on_finish: [mail ann, {url: 'https://h:8/x?y=z'}]
on_failure: echo
tasks:
- {id: 1, command: 2, cpus: 1e-1, mem: 0.5GB, user: 1000, name: true, timeout: 1d12h30m, kill_grace: 1.5s, uris: [http://h, {value: x, extract: True, executable: false, cache: 'FALSE', output_file: a/b}]}
- {id: true, argv: [prog, '', 1, yes], after: 1, group: 1, role: a/b.c, timeout: 500ms, kill_grace: '0', executor: command, container: {image: r.io:5000/a@sha256:0f, type: docker, volumes: ['/a b:/c/:ro', /d:/e:rw, /f:/g]}}
- {id: s, command: x, count: '3', after: [1, true], constraints: [rack == r1, 'rack!=r 2', gpu exists, ' ssd absent '], ports: 1000, executor: cmdq}
- {id: e, command: x, each: [a, 1, true], after: [s-1, s], files: [a, {path: b, name: c/d}], outputs: ['*.log', {path: ./x/*, optional: true}], group: g-1.x}
- {id: l, command: x, each_line: list, role: r, constraints: [], uris: [], timeout: 2d, priority: +4}
`)
	if !isTasksFile(text) {
		_, err := Parse("f", text)
		t.Fatalf("the reader does not take it: %v", err)
	}
	v, ok := asJSON(text)
	if !ok {
		t.Fatal("no JSON")
	}
	if err := compileSchema(t).Validate(v); err != nil {
		t.Errorf("%v", err)
	}
}

// TestSchemaTakesNull: what is there and says nothing.
func TestSchemaTakesNull(t *testing.T) {
	schema := compileSchema(t)
	const tasks = "tasks: [{id: a, command: x, cpus: 1, mem: 1}]\n"
	for _, text := range []string{"defaults:\n" + tasks, "defaults: {}\n" + tasks, "groups:\n" + tasks, "on_finish:\n" + tasks, "defaults: ~\ngroups: {g: }\n" + tasks,
		"defaults: {cpus: 1, mem: 1, env: , labels: , uris: , constraints: , files: , outputs: , after: }\ntasks: [{id: a, command: x}]\n"} {
		v, ok := asJSON([]byte(text))
		if err := schema.Validate(v); !ok || isTasksFile([]byte(text)) != (err == nil) {
			t.Errorf("%s: the reader takes it: %v; the schema: %v", text, isTasksFile([]byte(text)), err)
		}
	}
}

// isTasksFile tells whether the reader takes a file, whatever it names elsewhere.
func isTasksFile(text []byte) bool {
	_, err := ParseWith("f", text, Outside{List: func(string) ([]byte, error) { return []byte("x\n"), nil },
		Look: func(string) (bool, error) { return true, nil }})
	return err == nil
}

func yamlFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return fs.SkipDir
		}
		if err == nil && (strings.HasSuffix(path, ".yaml") || strings.HasSuffix(path, ".yml")) {
			files[path], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func yamlOfScripts(t *testing.T) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("../testdata/script/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if strings.HasSuffix(f.Name, ".yaml") {
				files[path+":"+f.Name] = f.Data
			}
		}
	}
	return files
}

var indented = regexp.MustCompile(`(?m)(^(?:    .*)?\n)+`)

// yamlOfDocuments are the examples in Markdown, fenced or indented.
func yamlOfDocuments(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, pattern := range []string{"../*.md", "../docs/*.md", "../examples/*/*.md"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			blocks := indented.FindAllString(string(data), -1)
			for i, block := range strings.Split(string(data), "\n```") {
				if _, text, ok := strings.Cut(block, "\n"); ok && i%2 == 1 {
					blocks = append(blocks, text+"\n")
				}
			}
			for _, block := range blocks {
				files[path+": "+strings.TrimSpace(block)] = []byte(block)
			}
		}
	}
	return files
}

// beyond are the errors of files that no schema can have: of a whole, or of what
// is around it.
var beyond = regexp.MustCompile(`not YAML|no such file|file does not exist|document|the control character|the byte 0x|empty file|NUL|` + // no JSON
	`is finer than|not a whole number of MB|years|allowed are at most \d+ MB|` + // too fine
	`a second time|twice|found it here and among|within it|no task of this file|circle|itself, allowed are others|` + // two places
	`no need of cpus and of mem|of text in all|number of the last|more than \d+ tasks|bytes: no|the line of a list|line \d|no line with|found \d+ lines|` + // of a list
	`within the sandbox, without \.\., in which|the name stdout, where|PORT\d|<<|name of a field|the tag|"010"`) // patterns of path.Match; names that come of paths

// TestSchemaRefusesBadFiles: what the tests of the reader have that is wrong is
// wrong to an editor, too, but for what it cannot see.
func TestSchemaRefusesBadFiles(t *testing.T) {
	schema := compileSchema(t)
	files := badFiles()
	add := func(text string, want string) { files = append(files, badFile{text: text, want: want}) }
	for _, b := range badPolicies() {
		add(b.fields+policyTail, b.want)
	}
	_, lists := badLists()
	for _, b := range lists {
		add(listHead+"- {id: a, "+b.fields+"}\n", b.want)
	}
	for _, b := range append(badInputs(), badRules()...) {
		add(listHead+"- {id: a, command: x, "+b.fields+"}\n", b.want)
	}
	refused := 0
	for _, f := range files {
		if len(f.text) > 1<<20 {
			continue
		}
		v, ok := asJSON([]byte(f.text))
		if !ok {
			if !beyond.MatchString(f.want) {
				t.Errorf("no JSON, but to the reader it is only %s:\n%s", f.want, f.text)
			}
			continue
		}
		err := schema.Validate(v)
		if invalid := (*jsonschema.ValidationError)(nil); err != nil && !errors.As(err, &invalid) {
			t.Fatal(err)
		}
		if err != nil {
			refused++
		} else if !beyond.MatchString(f.want) {
			t.Errorf("taken, but to the reader it is %s:\n%s", f.want, f.text)
		}
	}
	if refused < len(files)/2 {
		t.Errorf("%d of %d bad files are refused", refused, len(files))
	}
	t.Logf("%d of %d bad files are refused", refused, len(files))
}
