package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Place is where something of a task goes on this machine: Dir is a directory
// that the user named, and Name, a relative path, is below it. Both are made if
// they are not there, as the umask says. Nothing is written outside of
// Dir/Name, whatever links there are in it.
type Place struct {
	Dir, Name string
}

func (p Place) String() string { return filepath.Join(p.Dir, p.Name) }

// partPrefix begins the names of files that are not whole yet. They lie at the
// top of their place.
const partPrefix = ".cmdq-part-"

// folder is an open Place. what tells the parts of one purpose from those of
// another one in the same place.
type folder struct {
	place  Place
	dir    *os.Root // Place.Dir
	root   *os.Root // the place
	launch Launch
	what   string
}

func (p Place) open(l Launch, what string) (*folder, error) {
	p.Name = path.Clean(p.Name)
	if !filepath.IsLocal(p.Name) || p.Name == "." {
		return nil, refused("%q cannot be below %s", p.Name, p.Dir)
	}
	if err := os.MkdirAll(p.Dir, 0o777); err != nil {
		return nil, localError(err)
	}
	dir, err := os.OpenRoot(p.Dir)
	if err != nil {
		return nil, localError(err)
	}
	if err := dir.MkdirAll(p.Name, 0o777); err != nil {
		dir.Close()
		return nil, fmt.Errorf("make %s: %w", p, localError(err))
	}
	root, err := dir.OpenRoot(p.Name)
	if err != nil {
		dir.Close()
		return nil, fmt.Errorf("open %s: %w", p, localError(err))
	}
	return &folder{place: p, dir: dir, root: root, launch: l, what: what}, nil
}

func (d *folder) close() {
	d.root.Close()
	d.dir.Close()
}

func (d *folder) at(name string) string { return filepath.Join(d.place.String(), name) }

// clear refuses what could not be put in its place in the end.
func (d *folder) clear(o *outputs) error {
	for _, f := range o.files {
		if info, err := d.root.Lstat(f.name); err == nil && info.IsDir() {
			return refused("%s: a directory is in the way of a file", d.at(f.name))
		}
	}
	for _, dir := range o.dirs {
		info, err := d.root.Stat(dir)
		switch {
		case err == nil && !info.IsDir():
			return refused("%s: a file is in the way of a directory", d.at(dir))
		case err != nil && leftRoot(err):
			return fmt.Errorf("write %s: %w", d.at(dir), localError(err))
		}
	}
	return nil
}

// part is the name of a file that is not whole yet. Another version of the file,
// another launch and another boot of this machine give another name: what a
// crash of the machine left of a file cannot be relied on.
func (d *folder) part(f found) string {
	h := sha256.New()
	for _, text := range []string{d.launch.Framework, d.launch.Agent, d.launch.Executor, d.launch.Task, f.name, bootID()} {
		fmt.Fprintf(h, "%d %s\n", len(text), text)
	}
	fmt.Fprintf(h, "%d %d %o\n", f.Size, f.Modified.UnixNano(), f.Mode)
	return partPrefix + d.what + "-" + hex.EncodeToString(h.Sum(nil)[:16])
}

var bootID = sync.OnceValue(func() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // without it: as if never booted again
	return string(id)
})

// The slowest that a file may come: then whoever sends it holds us up.
const (
	leastRate = 16 << 10 // bytes a second
	leastTime = 2 * time.Minute
)

// fetch brings a file into its part, going on where an earlier try stopped.
func (d *folder) fetch(ctx context.Context, files Files, f found) error {
	perm := fs.FileMode(0o666)
	if f.Mode&0o111 != 0 {
		perm = 0o777
	}
	out, err := d.root.OpenFile(d.part(f), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, perm)
	if err != nil {
		return fmt.Errorf("write %s: %w", d.at(f.name), localError(err))
	}
	defer out.Close()
	if f.Size == 0 || f.Size > PartSize {
		// May we read it at all? Of an empty file nothing is read that would tell, and
		// a large one that is out of the sandbox needs no room on this disk.
		if _, _, err := files.Read(ctx, d.launch, f.name, 0, 0); err != nil {
			return err
		}
	}
	have, err := d.have(out, f)
	if err != nil {
		return err
	}
	if have < f.Size {
		if err := d.copy(ctx, out, files, f, have); err != nil {
			return err
		}
	}
	if err := syncFile(out); err != nil {
		// What could not be written may be gone although a later sync is well: the
		// next try begins anew.
		return errors.Join(fmt.Errorf("write %s: %w", d.at(f.name), err), out.Truncate(0))
	}
	return nil
}

// syncFile is a variable for tests, which cannot break a disk.
var syncFile = (*os.File).Sync

// copy brings what is missing of a file, of which so much is there.
func (d *folder) copy(ctx context.Context, out *os.File, files Files, f found, have int64) error {
	wait, cancel := context.WithTimeout(ctx, leastTime+time.Duration(f.Size/leastRate)*time.Second)
	defer cancel()
	if _, err := copyPart(wait, out, files, d.launch, f.name, have, f.Size); err != nil {
		var write *writeError
		switch {
		case errors.As(err, &write):
			return fmt.Errorf("write %s: %w", d.at(f.name), localError(write.err))
		case ctx.Err() == nil && wait.Err() != nil:
			return fmt.Errorf("%q comes too slowly", f.name)
		}
		return err
	}
	return nil
}

// have finds the end of what is there of a part, and stays at it.
func (d *folder) have(out *os.File, f found) (int64, error) {
	info, err := out.Stat()
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", d.at(f.name), err)
	}
	if !info.Mode().IsRegular() {
		return 0, refused("%s is no file", d.at(info.Name()))
	}
	have := info.Size()
	if have > f.Size { // whatever that is
		have = 0
		if err := out.Truncate(0); err != nil {
			return 0, fmt.Errorf("write %s: %w", d.at(f.name), err)
		}
	}
	var disk unix.Statfs_t
	if err := unix.Fstatfs(int(out.Fd()), &disk); err == nil {
		if free := disk.Bavail * uint64(disk.Bsize); uint64(f.Size-have) > free {
			return 0, fmt.Errorf("write %s: %d bytes more are needed and %d are free", d.at(f.name), f.Size-have, free)
		}
	}
	if _, err := out.Seek(have, io.SeekStart); err != nil {
		return 0, fmt.Errorf("write %s: %w", d.at(f.name), err)
	}
	return have, nil
}

// install puts what was fetched in its place, each file at once, and makes sure
// that it stays there when the machine stops.
func (d *folder) install(o *outputs) error {
	touched := map[string]bool{} // directories in the place
	for _, dir := range o.dirs {
		if err := d.mkdir(dir, touched); err != nil {
			return err
		}
	}
	for _, f := range o.files {
		if err := d.mkdir(path.Dir(f.name), touched); err != nil {
			return err
		}
		if err := d.root.Rename(d.part(f), f.name); err != nil {
			return fmt.Errorf("write %s: %w", d.at(f.name), localError(err))
		}
	}
	for dir := range touched {
		if err := syncDir(d.root, dir); err != nil {
			return fmt.Errorf("write %s: %w", d.at(dir), err)
		}
	}
	for dir := path.Dir(d.place.Name); ; dir = path.Dir(dir) {
		if err := syncDir(d.dir, dir); err != nil {
			return fmt.Errorf("write %s: %w", filepath.Join(d.place.Dir, dir), err)
		}
		if dir == "." {
			return nil
		}
	}
}

// mkdir makes a directory in the place and notes it with those above it.
func (d *folder) mkdir(dir string, touched map[string]bool) error {
	if touched[dir] {
		return nil
	}
	if err := d.root.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("make %s: %w", d.at(dir), localError(err))
	}
	for ; !touched[dir]; dir = path.Dir(dir) {
		touched[dir] = true
	}
	return nil
}

func syncDir(root *os.Root, dir string) error {
	f, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // some file systems have none of that
		return err
	}
	return nil
}

// sweep removes the parts that are left.
func (d *folder) sweep() {
	f, err := d.root.Open(".")
	if err != nil {
		return
	}
	defer f.Close()
	for {
		names, err := f.Readdirnames(1000)
		for _, name := range names {
			if strings.HasPrefix(name, partPrefix+d.what+"-") {
				_ = d.root.Remove(name) // it is only in nobody's way
			}
		}
		if err != nil {
			return
		}
	}
}

// localError sorts what this machine says: what a person has to change first is
// final.
func localError(err error) error {
	if leftRoot(err) || errors.Is(err, syscall.EISDIR) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EEXIST) ||
		errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.ELOOP) {
		return &Refused{Words: err.Error()}
	}
	return err
}
