package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// ListenControl binds the control socket of a state directory, which the caller
// has locked: nobody else listens there, and what lies there is of a process that
// has ended. It is the socket "control" in there, mode 0600 from the first
// instant. Where that path is too long for a socket, the socket is elsewhere
// (shortPath), and "control" a link to it. Only processes of our own user and of
// root get through Accept. Close removes both.
func ListenControl(dir string) (net.Listener, error) {
	name, err := controlPath(dir)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	at := name
	if len(name) > maxSocketPath {
		if at, err = shortPath(name); err != nil {
			return nil, fmt.Errorf("control socket: %w", err)
		}
	}
	for _, stale := range []string{name, at} {
		if err := removeStale(stale); err != nil {
			return nil, fmt.Errorf("control socket: %w", err)
		}
	}
	l, err := bind(at)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	// bind took the umask off; a strange one leaves us without our own bits.
	err = os.Chmod(at, 0o600)
	if err == nil && at != name {
		err = os.Symlink(at, name)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("control socket: %w", err), l.Close())
	}
	return &control{UnixListener: l, name: name, linked: at != name}, nil
}

// bind makes a socket that is never open to others: Linux creates its file with
// the mode that the socket itself has (unix(7), and af_unix.c, unix_bind).
func bind(at string) (*net.UnixListener, error) {
	how := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		if err := c.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), 0o600) }); err != nil {
			return err
		}
		return failed
	}}
	l, err := how.Listen(context.Background(), "unix", at)
	if err != nil {
		return nil, err
	}
	return l.(*net.UnixListener), nil
}

// removeStale removes a socket, or a link to one, and nothing else.
func removeStale(name string) error {
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&(os.ModeSocket|os.ModeSymlink) == 0:
		return fmt.Errorf("%s is in the way", name)
	}
	return os.Remove(name)
}

// control is a bound control socket.
type control struct {
	*net.UnixListener // its Close removes the socket
	name              string
	linked            bool // name is a link to the socket
	close             sync.Once
	err               error // of the one Close
}

// Accept waits for somebody who may come in; others are hung up on.
func (c *control) Accept() (net.Conn, error) {
	for {
		conn, err := c.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if uid, err := peer(conn); err == nil && trusted(uid) {
			return conn, nil
		}
		_ = conn.Close() // nothing was written
	}
}

func (c *control) Close() error {
	c.close.Do(func() {
		if c.linked {
			c.err = os.Remove(c.name)
		}
		c.err = errors.Join(c.err, c.UnixListener.Close())
	})
	return c.err
}

// peer is the user at the other end, when the connection was made.
func peer(conn *net.UnixConn) (int, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) {
		cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if failed != nil {
		return 0, os.NewSyscallError("getsockopt", failed)
	}
	return int(cred.Uid), nil
}

// trusted tells whether a user can do all that we can anyway.
func trusted(uid int) bool { return uid == 0 || uid == os.Geteuid() }

// controlPath is where a state directory has its socket, or a link to it. It has
// no links itself, so it is the same however the directory is called.
func controlPath(dir string) (string, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	real, err = filepath.Abs(real)
	if err != nil {
		return "", err
	}
	return filepath.Join(real, "control"), nil
}
