package executor

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// attributes are what a new file gets besides its content.
type attributes struct {
	perm    fs.FileMode // permission bits only
	exact   bool        // whatever the umask says
	modTime time.Time   // zero is now
}

// temporary is a name for a file that is not whole yet.
func temporary() string { return ".fetch-" + rand.Text() }

// place writes src to a new file and then gives it its name below root, in
// place of a file or link that had it. Name's directory exists. On error
// nothing is left, and what had the name still has it.
//
// While what can be executed is written, this process forks nothing: a child
// would have our descriptor until its own exec is done, and who executes the file
// then gets ETXTBSY (https://go.dev/issue/22315). So src of such a file is on this
// machine.
func place(root *os.Root, name string, src io.Reader, a attributes) error {
	if a.perm&0o111 != 0 {
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
	}
	tmp := temporary()
	file, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, a.perm.Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(file, src)
	if err == nil && a.exact {
		err = file.Chmod(a.perm.Perm())
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil && !a.modTime.IsZero() {
		err = root.Chtimes(tmp, a.modTime, a.modTime)
	}
	if err == nil {
		err = root.Rename(tmp, name)
	}
	if err != nil {
		return errors.Join(err, root.Remove(tmp))
	}
	return nil
}

// spool brings src whole to the disk below root, under no name.
func spool(root *os.Root, src io.Reader) (*os.File, error) {
	tmp := temporary()
	if err := place(root, tmp, src, attributes{perm: 0o600}); err != nil {
		return nil, err
	}
	file, err := root.Open(tmp)
	if gone := root.Remove(tmp); err == nil && gone != nil {
		return nil, errors.Join(gone, file.Close())
	}
	return file, err
}
