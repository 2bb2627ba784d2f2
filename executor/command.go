package executor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"cmdq/wire"
)

// maxData bounds TaskInfo.data, in bytes; a longer command could not be executed
// (execve(2): arguments and environment together).
const maxData = 8 << 20

// Command is what a task runs. It travels as JSON in TaskInfo.data, since a
// TaskInfo holds no CommandInfo beside an ExecutorInfo. docs/executor.md says
// what each member means.
type Command struct {
	Command   string            `json:"command,omitempty"` // for /bin/sh -c; this or Argv
	Argv      []string          `json:"argv,omitempty"`    // found in the PATH of Env
	Env       map[string]string `json:"env,omitempty"`     // added to the executor's own
	User      string            `json:"user,omitempty"`    // "": the executor's
	URIs      []CommandURI      `json:"uris,omitempty"`
	Files     []CommandFile     `json:"files,omitempty"`
	Timeout   Duration          `json:"timeout,omitzero"`    // 0: no limit
	KillGrace *Duration         `json:"kill_grace,omitzero"` // from SIGTERM to SIGKILL; nil: 3 s
}

// CommandURI is a URI in a Command, as Mesos' CommandInfo.URI.
type CommandURI struct {
	Value      string `json:"value"`
	Extract    *bool  `json:"extract,omitzero"` // nil: true
	Executable bool   `json:"executable,omitempty"`
	Cache      bool   `json:"cache,omitempty"` // kept for the executor's other tasks
	OutputFile string `json:"output_file,omitempty"`
}

// CommandFile is a file that is put beside the command as it is, never unpacked.
type CommandFile struct {
	URL        string `json:"url"`
	Name       string `json:"name"` // relative to the task's directory
	Executable bool   `json:"executable,omitempty"`
}

// Duration is a time.Duration that JSON holds in Go's notation, such as "1m30s".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return err
	}
	if v < 0 {
		return fmt.Errorf("duration %s is negative", v)
	}
	*d = Duration(v)
	return nil
}

// ParseCommand reads the data of a task. Unknown members are errors, and so are
// those that are given twice: whoever sent them expects something of them.
func ParseCommand(data []byte) (*Command, error) {
	if len(data) > maxData {
		return nil, fmt.Errorf("read the task's data: %d bytes, more than %d", len(data), maxData)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	c := new(Command)
	if err := d.Decode(c); err != nil {
		return nil, fmt.Errorf("read the task's data: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read the task's data: more than one JSON value")
	}
	if err := wire.CheckMembers(data, c); err != nil {
		return nil, fmt.Errorf("read the task's data: %w", err)
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("read the task's data: %w", err)
	}
	return c, nil
}

// check finds what the kernel or the fetcher could only stumble over.
func (c *Command) check() error {
	switch {
	case c.Command == "" && len(c.Argv) == 0:
		return errors.New("neither command nor argv")
	case c.Command != "" && len(c.Argv) > 0:
		return errors.New("both command and argv")
	case len(c.Argv) > 0 && c.Argv[0] == "":
		return errors.New("argv: the program has no name")
	case strings.ContainsRune(c.Command+c.User+strings.Join(c.Argv, ""), 0):
		return errors.New("a NUL byte in command, argv or user")
	}
	for name, value := range c.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value, 0) {
			return fmt.Errorf("env: %q is no name, or its value no text", name) // the value may be a secret
		}
	}
	for _, f := range c.Files {
		if !filepath.IsLocal(f.Name) {
			return fmt.Errorf("files: name %q is not below the task's directory", f.Name)
		}
	}
	for _, u := range c.fetches() {
		if _, err := parse(u); err != nil {
			return fmt.Errorf("uris and files: %q: %w", Redacted(u.Value), err)
		}
	}
	return nil
}

// fetches is what the fetcher has to bring, the files last.
func (c *Command) fetches() []URI {
	var list []URI
	for _, u := range c.URIs {
		list = append(list, URI{Value: u.Value, OutputFile: u.OutputFile,
			Extract: u.Extract == nil || *u.Extract, Executable: u.Executable, Cache: u.Cache})
	}
	for _, f := range c.Files {
		list = append(list, URI{Value: f.URL, OutputFile: f.Name, Executable: f.Executable})
	}
	return list
}

// arguments are the argv of the process; the first also says what is executed.
func (c *Command) arguments() []string {
	if c.Command != "" {
		return []string{"/bin/sh", "-c", c.Command}
	}
	return c.Argv
}
