package web

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// self is the program that runs here, wherever its file is by now.
const self = "/proc/self/exe"

// offer is a file that is served.
type offer struct {
	at   string // the path of its URL
	file string // absolute and without links, or self
}

// open opens the file that is there now. It is regular, and no link led to it.
func (o offer) open() (*os.File, os.FileInfo, error) {
	f, err := o.openAny()
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

func (o offer) openAny() (*os.File, error) {
	if o.file == self {
		return os.Open(self)
	}
	return openPlain(o.file)
}

// openPlain opens a file through directories that are no links, and not a link
// itself, whatever is done to them meanwhile. It does not wait for a FIFO.
func openPlain(file string) (*os.File, error) {
	const dirs = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	const last = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Open("/", dirs, 0)
	parts := strings.Split(strings.Trim(file, "/"), "/")
	for i, part := range parts {
		if err != nil {
			break
		}
		how := dirs
		if i == len(parts)-1 {
			how = last
		}
		above := fd
		fd, err = openat(above, part, how)
		_ = unix.Close(above) // nothing was written
	}
	switch {
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENOTDIR):
		return nil, fmt.Errorf("open: %w: a link has come into its path", err)
	case err != nil:
		return nil, fmt.Errorf("open: %w", err)
	}
	return os.NewFile(uintptr(fd), file), nil
}

// openat is the system call, again when a signal interrupts it.
func openat(dir int, name string, how int) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, how, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// version tells one content of a file from another, by what the file system
// notes of changes.
func version(info os.FileInfo) string {
	v := fmt.Sprintf("%d %d", info.Size(), info.ModTime().UnixNano())
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		v += fmt.Sprintf(" %d %d %d", st.Dev, st.Ino, st.Ctim.Nano())
	}
	return v
}

// soundName says whether a name can be the last part of a URL and of a path.
func soundName(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= 255 && utf8.ValidString(name) &&
		!strings.ContainsAny(name, "/\x00")
}
