package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Why an archive is refused.
var (
	errOutside = errors.New("leads outside the sandbox")
	errTooBig  = errors.New("archive unpacks to too much")
	errKind    = errors.New("is not a file, directory or link")
)

// Bounds of an entry's name, in bytes (PATH_MAX) and in directories. An os.Root
// would follow a longer one, which takes it a time that grows with the square.
const (
	maxName  = 4096
	maxDepth = 256
)

// unpacker writes the entries of one archive into a sandbox, and can take them
// back. One goroutine uses it.
type unpacker struct {
	root        *os.Root
	bytesLeft   int64
	entriesLeft int64
	made        []string // what to take back, in the order made
	links       []string // symbolic links, looked at again at the end
}

// unpack unpacks an archive, or gunzips a file, into the sandbox. If it fails,
// what came out so far is removed.
func (f *Fetcher) unpack(ctx context.Context, sandbox *os.Root, file *os.File, it item) error {
	limit := f.MaxUnpacked
	if limit <= 0 {
		limit = DefaultMaxUnpacked
	}
	u := &unpacker{root: sandbox, bytesLeft: limit, entriesLeft: 1000 + limit/4096}
	err := u.archive(patient{ctx, file}, it)
	if err == nil {
		err = u.checkLinks()
	}
	if err != nil {
		u.takeBack()
		return fmt.Errorf("unpack: %w", err)
	}
	return nil
}

// takeBack removes what was made, as far as it goes: a directory that holds
// something else stays.
func (u *unpacker) takeBack() {
	for _, name := range slices.Backward(u.made) {
		_ = u.root.Remove(name)
	}
}

// entry begins an entry: its name is made clean, its parents are made. "." is
// the sandbox itself, which only a directory may be.
func (u *unpacker) entry(name string) (string, error) {
	if name != "." && !below(name) {
		return "", at(name, errOutside)
	}
	if len(name) > maxName || strings.Count(name, "/") > maxDepth {
		return "", at(name, errors.New("name is too long or too deep"))
	}
	name = path.Clean(name)
	if err := u.count(); err != nil {
		return "", err
	}
	return name, u.parents(name)
}

// count charges for one more file, directory or link.
func (u *unpacker) count() error {
	if u.entriesLeft--; u.entriesLeft < 0 {
		return fmt.Errorf("%w: too many entries", errTooBig)
	}
	return nil
}

// afford refuses n bytes at once that could not be written one by one.
func (u *unpacker) afford(n int64) error {
	if n > u.bytesLeft {
		return fmt.Errorf("%w: more than %d bytes are left for", errTooBig, u.bytesLeft)
	}
	return nil
}

// parents makes the directories above name that are not there.
func (u *unpacker) parents(name string) error {
	dir := path.Dir(name)
	switch info, err := u.root.Stat(dir); {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return at(name, syscall.ENOTDIR)
	case !errors.Is(err, fs.ErrNotExist):
		return at(name, err)
	}
	if err := u.parents(dir); err != nil {
		return err
	}
	return u.mkdir(dir, 0o755)
}

func (u *unpacker) mkdir(name string, perm fs.FileMode) error {
	if err := u.count(); err != nil {
		return err
	}
	if err := u.root.Mkdir(name, perm); err != nil {
		return at(name, err)
	}
	u.made = append(u.made, name)
	return nil
}

// dir makes a directory if it is not there. Its owner keeps all rights, or the
// sandbox could not be removed one day.
func (u *unpacker) dir(name string, perm fs.FileMode) error {
	name, err := u.entry(name)
	if err != nil {
		return err
	}
	if info, err := u.root.Stat(name); err == nil && info.IsDir() {
		return nil
	}
	return u.mkdir(name, perm.Perm()|0o700)
}

// file writes a file. Of its mode the permission bits count, less the umask
// (Mesos calls libarchive without ARCHIVE_EXTRACT_PERM; its time is kept).
func (u *unpacker) file(name string, perm fs.FileMode, modTime time.Time, src io.Reader) error {
	name, err := u.entry(name)
	if err != nil {
		return err
	}
	paying := readerFunc(func(p []byte) (int, error) {
		n, err := src.Read(p)
		if afford := u.afford(int64(n)); afford != nil {
			return 0, afford
		}
		u.bytesLeft -= int64(n)
		return n, err
	})
	if err := place(u.root, name, paying, attributes{perm: perm.Perm(), modTime: modTime}); err != nil {
		return at(name, err)
	}
	u.made = append(u.made, name)
	return nil
}

// symlink makes a symbolic link that stays in the sandbox, by its words and,
// since its parents can be links themselves, in fact.
func (u *unpacker) symlink(name, target string) error {
	name, err := u.entry(name)
	if err != nil {
		return err
	}
	if path.IsAbs(target) || !filepath.IsLocal(path.Join(path.Dir(name), target)) {
		return at(name, errOutside)
	}
	tmp := temporary()
	if err := u.root.Symlink(target, tmp); err != nil {
		return at(name, err)
	}
	if err := u.root.Rename(tmp, name); err != nil {
		return errors.Join(at(name, err), u.root.Remove(tmp))
	}
	u.made = append(u.made, name)
	u.links = append(u.links, name)
	return u.checkLink(name)
}

// checkLink follows a link. One that leads nowhere is allowed.
func (u *unpacker) checkLink(name string) error {
	_, err := u.root.Stat(name)
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	return at(name, fmt.Errorf("%w (%w)", errOutside, cause(err)))
}

// checkLinks follows all links again, as what they lead through can have been
// replaced since.
func (u *unpacker) checkLinks() error {
	for _, name := range u.links {
		if err := u.checkLink(name); err != nil {
			return err
		}
	}
	return nil
}

// link gives a file of the sandbox one more name.
func (u *unpacker) link(name, target string) error {
	name, err := u.entry(name)
	if err != nil {
		return err
	}
	if !below(target) {
		return at(name, errOutside)
	}
	target = path.Clean(target)
	info, err := u.root.Lstat(target)
	switch {
	case err != nil:
		return at(name, err)
	case info.Mode()&fs.ModeSymlink != 0:
		to, err := u.root.Readlink(target)
		if err != nil {
			return at(name, err)
		}
		return u.symlink(name, to) // so that where it leads is looked at
	case !info.Mode().IsRegular():
		return at(name, fmt.Errorf("its target %w", errKind))
	}
	tmp := temporary()
	if err := u.root.Link(target, tmp); err != nil {
		return at(name, err)
	}
	if err := u.root.Rename(tmp, name); err != nil {
		return errors.Join(at(name, err), u.root.Remove(tmp))
	}
	u.made = append(u.made, name)
	// Renaming between two names of one file does nothing at all.
	if err := u.root.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// at says which entry an error is about. The archive chose all names in it, so
// what is shown of them is short.
func at(name string, err error) error { return fmt.Errorf("entry %.100q: %w", name, cause(err)) }

// cause takes off the names that the os package puts around an error.
func cause(err error) error {
	var inPath *fs.PathError
	var inLink *os.LinkError
	switch {
	case errors.As(err, &inPath):
		return inPath.Err
	case errors.As(err, &inLink):
		return inLink.Err
	}
	return err
}

// pathOf is an entry's name without the slash that marks a directory.
func pathOf(name string) string { return strings.TrimRight(name, "/") }
