package executor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
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

// execute forks and executes, finding the program as execvpe(3) does, with the
// PATH of its own environment, below its own directory.
func execute(argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	err = syscall.ENOENT
	for _, path := range candidates(argv[0], attr.Dir, attr.Env) {
		pid, tried := syscall.ForkExec(path, argv, attr)
		if errors.Is(tried, syscall.ENOEXEC) { // a script without #!
			pid, tried = syscall.ForkExec("/bin/sh", append([]string{"/bin/sh", path}, argv[1:]...), attr)
		}
		switch {
		case tried == nil:
			return pid, nil
		case errors.Is(tried, syscall.EACCES):
			err = tried // worth saying, if nothing better is found
		case !errors.Is(tried, syscall.ENOENT) && !errors.Is(tried, syscall.ENOTDIR):
			return 0, tried
		}
	}
	return 0, err
}

// candidates are the files that name may mean: itself if it has a slash, else
// one in each directory of the PATH.
func candidates(name, dir string, env []string) []string {
	if strings.Contains(name, "/") {
		return []string{name}
	}
	search := "/bin:/usr/bin" // as execvpe(3) without PATH
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, "PATH="); ok {
			search = value
		}
	}
	var found []string
	for _, d := range strings.Split(search, ":") {
		file := name
		if d != "" {
			file = filepath.Join(d, name)
		}
		if !strings.Contains(file, "/") {
			file = "./" + file
		}
		at := file
		if !filepath.IsAbs(at) {
			at = filepath.Join(dir, at) // the fork changes the directory first
		}
		if _, err := os.Stat(at); err == nil {
			found = append(found, file)
		}
	}
	return found
}

// reason is an error as strerror(3) says it.
func reason(err error) string {
	text := err.Error()
	first, n := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[n:]
}
