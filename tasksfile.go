package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"cmdq/task"
)

// tasksFile is the file that the queue follows, with the lists that its
// each_line names, and those of its files that are missing.
type tasksFile struct {
	path string // "-" is standard input
	user string // behind --master local the only user that may run commands; else empty
	seen [sha256.Size]byte
	bad  error // why what was seen last was refused; nil: it was not

	// lists are those of each_line as they were when they were last read, by
	// path; one that could not be read has no sum.
	lists map[string][sha256.Size]byte

	// missing are those of files that could not be had when it was last read, some
	// of them: a file that was refused for them is read again once they are there.
	// What the others hold, or whether they are still there, is not followed.
	missing map[string]bool
}

// maxMissing bounds how many missing files are followed.
const maxMissing = 100

// read reads the file if what it says, or one of its lists, is another than the
// last time, or what was missing is there; nil if it is not.
func (t *tasksFile) read() (*task.File, error) {
	name, in := t.path, io.ReadCloser(os.Stdin)
	if t.path == "-" {
		name = "<stdin>"
	} else {
		f, err := os.Open(t.path)
		if err != nil {
			return nil, fmt.Errorf("read tasks: %w", err)
		}
		in = f
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, task.MaxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("read tasks: %w", err)
	}
	sum := sha256.Sum256(data)
	if sum == t.seen && !t.listChanged() && !t.someFound() {
		return nil, nil
	}
	t.seen, t.bad, t.lists, t.missing = sum, nil, make(map[string][sha256.Size]byte), make(map[string]bool)
	file, err := task.ParseWith(name, data, task.Outside{List: t.list, Look: t.lookAt})
	if err == nil {
		err = checkLocal(file, t.user)
	}
	if err != nil {
		t.bad = badFile(err)
		return nil, t.bad
	}
	return file, nil
}

// refuse notes that what was read cannot be used here and now: it is read again
// at the next look.
func (t *tasksFile) refuse(why error) { t.seen, t.bad = [sha256.Size]byte{}, why }

// list reads a list, and notes what it was.
func (t *tasksFile) list(path string) ([]byte, error) {
	data, err := task.ReadList(path)
	t.lists[path] = sumOf(data, err)
	return data, err
}

func sumOf(data []byte, err error) (sum [sha256.Size]byte) {
	if err == nil {
		sum = sha256.Sum256(data)
	}
	return sum
}

func (t *tasksFile) listChanged() bool {
	for path, was := range t.lists {
		if sumOf(task.ReadList(path)) != was {
			return true
		}
	}
	return false
}

// lookAt looks at one of files, and notes if it cannot be had.
func (t *tasksFile) lookAt(path string) (executable bool, err error) {
	executable, err = task.LookAt(path)
	if err != nil && len(t.missing) < maxMissing {
		t.missing[path] = true
	}
	return executable, err
}

func (t *tasksFile) someFound() bool {
	for path := range t.missing {
		if _, err := task.LookAt(path); err == nil {
			return true
		}
	}
	return false
}

// paths are the files to watch: those that make up what was read last, and those
// that it waits for.
func (t *tasksFile) paths() []string {
	return slices.Concat(slices.Sorted(maps.Keys(t.lists)), slices.Sorted(maps.Keys(t.missing)), []string{t.path})
}

// checkLocal refuses what the embedded Mesos cannot run: it runs everything as its
// own user, and has no containers. Nothing is refused without a user, since then
// it is another Mesos.
func checkLocal(file *task.File, user string) error {
	if user == "" {
		return nil
	}
	var wrong task.Errors
	for i, s := range file.Specs {
		if i > 0 && s.ID == file.Specs[i-1].ID {
			continue // another part of one list
		}
		fail := func(what string) {
			wrong = append(wrong, task.Error{File: file.Name, Line: s.Line, Task: string(s.ID), What: what})
		}
		if s.User != "" && s.User != user {
			fail(fmt.Sprintf("user: found %q, allowed with --master local is %q only, as who cmdq itself runs", s.User, user))
		}
		if s.Contained() {
			fail("container: found one, allowed with --master local is none: images run only on a Mesos cluster")
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return wrong
}

// badFile turns what is wrong with a tasks file into an exit status.
func badFile(err error) error {
	var list task.Errors
	if errors.As(err, &list) && len(list) > maxErrors {
		more := len(list) - maxErrors
		return &exit{exitUsage, fmt.Errorf("%w\n… and %d more", list[:maxErrors], more)}
	}
	return &exit{exitUsage, err}
}

// maxErrors bounds how much of a bad file is told to a terminal.
const maxErrors = 1000
