package task

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gopkg.in/yaml.v3"
)

// Bounds of one tasks file.
const (
	MaxFileSize = 256 << 20  // bytes; also of all lists of each_line together
	MaxTasks    = 10_000_000 // after expansion
)

// File is a tasks file that was read without an error.
type File struct {
	Name   string
	Specs  []*Spec // in file order; a list may be several
	Policy Policy
	tasks  int
}

// ReadFile reads a tasks file. What is wrong with its content comes as Errors;
// any other error is one of opening or reading it.
func ReadFile(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read tasks: %w", err)
	}
	defer f.Close()
	return Read(path, f)
}

// Read is ReadFile for what is open already, such as standard input; name is
// used in messages, and the paths of each_line and files begin in its folder.
func Read(name string, r io.Reader) (*File, error) {
	data, err := readAll(r, MaxFileSize)
	if err != nil {
		return nil, fmt.Errorf("read tasks: %w", err)
	}
	return Parse(name, data)
}

// readAll reads to the end, or one byte more than limit.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	return io.ReadAll(io.LimitReader(r, limit+1))
}

// Parse is Read from memory. All errors are Errors.
func Parse(name string, data []byte) (*File, error) { return ParseWith(name, data, Outside{}) }

// Outside is what a tasks file needs of what is around it. Each function is asked
// once for a path.
type Outside struct {
	Folder string                                         // where paths begin; empty: the folder of the file
	List   func(path string) ([]byte, error)              // reads one of each_line, perhaps a byte too many; nil: ReadList
	Look   func(path string) (executable bool, err error) // looks at one of files, by an absolute path; nil: LookAt
	Known  func(name ID) bool                             // tells whether tasks may wait for a task, or series, that is not in the file; nil: for none
}

// ParseWith is Parse with other surroundings.
func ParseWith(name string, data []byte, o Outside) (*File, error) {
	if len(data) > MaxFileSize {
		what := fmt.Sprintf("found more than %d MB, allowed are at most so many", MaxFileSize>>20)
		return nil, Errors{{File: name, Line: 1, What: what}}
	}
	r := newReader(name, data)
	r.surround(o)
	if root := r.document(data); root != nil {
		r.file(root)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return &File{Name: name, Specs: r.specs, Policy: r.policy, tasks: r.tasks}, nil
}

// Len is the number of tasks after expansion.
func (f *File) Len() int { return f.tasks }

// Tasks makes the tasks of the file, idle, numbered in file order from 0.
func (f *File) Tasks(submitted time.Time) []Task {
	tasks := make([]Task, 0, f.tasks)
	for _, s := range f.Specs {
		tasks = s.expand(tasks, submitted)
	}
	for i := range tasks {
		tasks[i].Seq = uint64(i)
	}
	return tasks
}

// reader reads one file.
type reader struct {
	walker
	folder   string // where paths begin
	defaults Spec
	given    [numFields]bool // what defaults has, right or wrong
	policy   Policy

	specs []*Spec
	tasks int                // after expansion
	byID  map[ID]*Spec       // as it is written, the first one
	texts map[string]string  // equal strings are kept once
	maps  map[string]textMap // and equal maps
	ruled map[string]*Rules  // and equal rules
	key   []byte             // of those two, scratch

	readList  func(path string) ([]byte, error)
	lists     map[string]list          // of each_line, by path
	listBytes int                      // of all of them
	listLines int                      // of all tasks, those that are empty too
	parts     map[partsKey]([]*Series) // what many tasks share is kept once

	look   func(path string) (executable bool, err error)
	looked map[string]looked // of files, by path

	groupUses map[string]groupUse // the first of each group that a task is in

	known   func(ID) bool
	waits   []wait  // of all tasks, and of defaults
	inherit []*Spec // those that wait for what defaults says
	looks   int     // at ids, for those that were mistyped
}

func newReader(name string, data []byte) *reader {
	r := &reader{texts: make(map[string]string), maps: make(map[string]textMap), ruled: make(map[string]*Rules),
		groupUses: make(map[string]groupUse), lists: make(map[string]list), parts: make(map[partsKey][]*Series), looked: make(map[string]looked)}
	r.report.file, r.last = name, lineCount(data)
	r.left = 2*len(data) + spareVisits // a node of the file takes half a byte or more, as in {a,b}
	r.defaults = Spec{Retries: DefaultRetries, KillGrace: DefaultKillGrace}
	r.surround(Outside{})
	return r
}

func (r *reader) surround(o Outside) {
	r.folder, r.readList, r.look, r.known = o.Folder, o.List, o.Look, o.Known
	if r.folder == "" {
		r.folder = filepath.Dir(r.report.file)
	}
	if r.readList == nil {
		r.readList = ReadList
	}
	if r.look == nil {
		r.look = LookAt
	}
}

const allowedFile = "a map with tasks, and perhaps defaults"

// file reads the outermost map.
func (r *reader) file(root *yaml.Node) {
	found, _ := r.entries("the file", root, allowedFile)
	entries := slices.Clone(found) // the walk goes on to other maps
	var defaults, tasks *yaml.Node
	for _, e := range entries {
		switch {
		case e.name == "defaults":
			defaults = e.value
		case e.name == "tasks":
			tasks = e.value
		case e.name == "groups":
			r.policy.Groups = r.groups(e.value)
		case e.name == "on_finish":
			r.policy.OnFinish = r.notices(e.name, e.value)
		case e.name == "on_failure":
			r.policy.OnFailure = r.notices(e.name, e.value)
		case fieldOf[e.name] != noField:
			r.fail(e.key, "found %s beside tasks, allowed is in a task or in defaults", e.name)
		default:
			r.unknown(e.key, []string{"tasks", "defaults", "groups", "on_finish", "on_failure"})
		}
	}
	if defaults != nil {
		r.readDefaults(defaults)
	}
	switch {
	case tasks != nil:
		r.readTasks(tasks)
	case deref(root).Kind == yaml.MappingNode:
		r.fail(root, "found no tasks, allowed is %s", allowedFile)
	}
}

func (r *reader) readDefaults(n *yaml.Node) {
	if d := deref(n); d.Kind == yaml.ScalarNode && d.Tag == "!!null" {
		return // all its lines are commented out
	}
	e, ok := r.fields("defaults", n)
	if !ok {
		r.defaults.Resources = Resources{CPUs: -1, Mem: -1} // said once, not again for every task
	}
	r.oneSeries(&e)
	for f, value := range e {
		r.given[f] = value != nil || !ok
		if value == nil {
			continue
		}
		switch f := field(f); f {
		case fieldID, fieldCommand, fieldArgv:
			r.fail(value, "%s: found in defaults, allowed is only in a task", fieldNames[f])
		default:
			r.set(&r.defaults, f, value)
		}
	}
}

func (r *reader) readTasks(n *yaml.Node) {
	list, ok := r.items("tasks", n, "a list of maps with id and command")
	if ok && len(list) == 0 {
		r.fail(deref(n), "tasks: found an empty list, allowed is one task or more")
	}
	r.specs = make([]*Spec, 0, len(list))
	r.byID = make(map[ID]*Spec, len(list))
	for i, item := range list {
		if r.spent {
			return
		}
		r.readTask(item)
		list[i] = nil // let the tree go as the specs come
	}
	r.clashes()
	r.waitsEnd()
	r.groupsEnd()
}
