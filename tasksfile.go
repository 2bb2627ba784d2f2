package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"cmdq/task"
)

// tasksFile is the file that the queue follows.
type tasksFile struct {
	path string // "-" is standard input
	user string // the only user that may run commands; empty: anyone
	seen [sha256.Size]byte
}

// read reads the file if its content is another one than the last time; nil if
// it is not.
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
	if sum == t.seen {
		return nil, nil
	}
	t.seen = sum
	file, err := task.Read(name, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if err := t.checkUsers(file); err != nil {
		return nil, err
	}
	return file, nil
}

// checkUsers refuses commands for other users where they could not run: the
// embedded Mesos runs everything as its own user.
func (t *tasksFile) checkUsers(file *task.File) error {
	if t.user == "" {
		return nil
	}
	var wrong task.Errors
	for _, s := range file.Specs {
		if s.User != "" && s.User != t.user {
			wrong = append(wrong, task.Error{File: file.Name, Line: s.Line, Task: string(s.ID),
				What: fmt.Sprintf("user: found %q, allowed with --master local is %q only, as who cmdq itself runs", s.User, t.user)})
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
