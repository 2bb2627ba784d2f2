package sandbox

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Disk reads sandboxes from the work directory of an embedded Mesos that has
// ended, or that still runs. Nothing outside of a sandbox is read, whatever
// links its command left in it, and what is no file is not opened to the point of
// waiting for it.
type Disk struct {
	Dir string // holds slaves/AGENT/frameworks/FRAMEWORK/executors/EXECUTOR/runs
}

// List reads a directory. A link is told as a link.
func (d Disk) List(ctx context.Context, l Launch, dir string) ([]Entry, error) {
	f, root, err := d.open(ctx, l, dir)
	if err != nil {
		return nil, failed("list", dir, err)
	}
	defer root.Close()
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, failed("list", dir, err)
	}
	if !info.IsDir() {
		return nil, nil
	}
	names, err := f.Readdirnames(maxEntries + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, failed("list", dir, err)
	}
	if len(names) > maxEntries {
		return nil, failed("list", dir, refused("more than %d files", maxEntries))
	}
	list := make([]Entry, 0, len(names))
	for _, name := range names {
		info, err := root.Lstat(filepath.Join(dir, name))
		if err != nil {
			continue // it has gone since
		}
		list = append(list, Entry{Name: name, Size: info.Size(), Mode: info.Mode(), Modified: info.ModTime()})
	}
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// Read reads a part of a file.
func (d Disk) Read(ctx context.Context, l Launch, name string, offset int64, most int) ([]byte, int64, error) {
	f, size, err := d.file(ctx, l, name)
	if err != nil {
		return nil, 0, failed("read", name, err)
	}
	defer f.Close()
	data := make([]byte, max(0, min(int64(most), PartSize, size-offset)))
	n, err := f.ReadAt(data, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, failed("read", name, err)
	}
	return data[:n], size, nil
}

// Open opens a file.
func (d Disk) Open(ctx context.Context, l Launch, name string, offset int64) (io.ReadCloser, error) {
	f, _, err := d.file(ctx, l, name)
	if err != nil {
		return nil, failed("open", name, err)
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		f.Close()
		return nil, failed("open", name, err)
	}
	return &fileReader{ctx, f}, nil
}

// fileReader is a file whose reading ends with ctx.
type fileReader struct {
	ctx context.Context
	*os.File
}

func (r *fileReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.File.Read(b)
}

// file opens a regular file and gives its size.
func (d Disk) file(ctx context.Context, l Launch, name string) (*os.File, int64, error) {
	f, root, err := d.open(ctx, l, name)
	if err != nil {
		return nil, 0, err
	}
	root.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = refused("it is a %s", kind(info.Mode()))
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

func kind(m fs.FileMode) string {
	if m.IsDir() {
		return "directory"
	}
	return "special file"
}

// open opens a path in a sandbox, and the sandbox.
func (d Disk) open(ctx context.Context, l Launch, name string) (*os.File, *os.Root, error) {
	if err := errors.Join(ctx.Err(), l.check(), checkPath(name)); err != nil {
		return nil, nil, err
	}
	root, err := d.sandbox(l)
	if err != nil {
		return nil, nil, err
	}
	if name == "" {
		name = "."
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO would make us wait
	if err != nil {
		root.Close()
		return nil, nil, diskError(err)
	}
	return f, root, nil
}

// sandbox opens the directory of a launch. Commands own what sandboxes lie in
// (all are run by the same user), so a link on the way there is not followed;
// but runs/latest is one, to what is beside it.
func (d Disk) sandbox(l Launch) (*os.Root, error) {
	root, err := os.OpenRoot(d.Dir)
	if err != nil {
		return nil, diskError(err)
	}
	way := []string{"slaves", l.Agent, "frameworks", l.Framework, "executors", l.executor(), "runs"}
	for _, part := range way {
		if root, err = enter(root, part); err != nil {
			return nil, err
		}
	}
	latest, err := root.Readlink("latest")
	if err != nil || checkName(latest) != nil {
		root.Close()
		return nil, ErrNotFound
	}
	if root, err = enter(root, latest); err != nil {
		return nil, err
	}
	if l.Executor != "" {
		for _, part := range []string{"tasks", l.Task} {
			if root, err = enter(root, part); err != nil {
				return nil, err
			}
		}
	}
	return root, nil
}

// enter goes into a directory that is no link, and closes the one above.
func enter(root *os.Root, name string) (*os.Root, error) {
	defer root.Close()
	before, err := root.Lstat(name)
	if err != nil {
		return nil, diskError(err)
	}
	if !before.IsDir() {
		return nil, refused("%q is not a directory of its own", name)
	}
	next, err := root.OpenRoot(name)
	if err != nil {
		return nil, diskError(err)
	}
	now, err := next.Stat(".")
	if err != nil || !os.SameFile(before, now) { // exchanged meanwhile
		next.Close()
		return nil, refused("%q is not a directory of its own", name)
	}
	return next, nil
}

// leftRoot tells whether a path led out of its os.Root, which has no name for it.
func leftRoot(err error) bool { return strings.Contains(err.Error(), "path escapes from parent") }

// diskError sorts what the operating system says.
func diskError(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP): // links that lead nowhere
		return ErrNotFound
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENXIO):
		return &Refused{Words: err.Error()}
	case leftRoot(err):
		return refused("it leaves the sandbox")
	}
	return err
}
