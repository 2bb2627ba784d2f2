package executor

import (
	"fmt"
	"os"
	"path/filepath"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// standardFiles are a command's stdin, stdout and stderr.
type standardFiles [3]uintptr

// openFiles opens the outputs in a task's directory, for appending.
func openFiles(dir string) (f standardFiles, err error) {
	open := func(i int, path string, flags int) {
		if err != nil {
			return
		}
		var fd int
		if fd, err = unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NOCTTY, 0o640); err != nil {
			err = fmt.Errorf("open %s: %w", path, err)
			return
		}
		f[i] = uintptr(fd)
	}
	open(0, os.DevNull, unix.O_RDONLY)
	for i, name := range []string{"stdout", "stderr"} {
		// O_NONBLOCK: a FIFO in its place must not hold us up.
		open(i+1, filepath.Join(dir, name), unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK)
		var st unix.Stat_t
		switch {
		case err != nil:
		case unix.Fstat(int(f[i+1]), &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG:
			err = fmt.Errorf("open %s: not a regular file", filepath.Join(dir, name))
		default:
			_, err = unix.FcntlInt(f[i+1], unix.F_SETFL, unix.O_APPEND)
		}
	}
	if err != nil {
		f.close()
	}
	return f, err
}

func (f *standardFiles) close() {
	for _, fd := range f {
		if fd != 0 {
			_ = unix.Close(int(fd)) // nothing was written through it
		}
	}
}

// reason is an error as strerror(3) says it.
func reason(err error) string {
	text := err.Error()
	first, n := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[n:]
}
