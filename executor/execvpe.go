package executor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Execvpe starts a program as execvpe(3) finds it: with the PATH of env, which is
// its own environment, below dir, which is to be its own directory. fork does the
// forking. What has no format that the kernel knows is a script for /bin/sh.
func Execvpe(name, dir string, argv, env []string, fork func(path string, argv []string) (pid int, err error)) (int, error) {
	err := error(syscall.ENOENT)
	for _, path := range candidates(name, dir, env) {
		pid, tried := fork(path, argv)
		if errors.Is(tried, syscall.ENOEXEC) {
			pid, tried = fork("/bin/sh", append([]string{"/bin/sh", path}, argv[1:]...))
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
			search = value // the first one counts, as getenv(3) has it
			break
		}
	}
	var found []string
	for _, d := range strings.Split(search, ":") {
		if d == "" {
			d = "."
		}
		file := d + "/" + name
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
