package local

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"cmdq/zookeeper"
)

const maxZooKeeperURL = 64 << 10

// ParseZooKeeper reads where masters stand for election, as zookeeper.Parse does.
// With file:///path the address is what stands in a file that is open to nobody
// else: unlike an argument, other users do not see it. An error never quotes the
// address.
func ParseZooKeeper(text string) (*zookeeper.Address, error) {
	if name, ok := strings.CutPrefix(text, "file://"); ok {
		return readZooKeeper(name)
	}
	at, err := zookeeper.Parse(strings.TrimSpace(text))
	if err != nil {
		return nil, err
	}
	return &at, nil
}

// readZooKeeper reads the address from a file that is open to nobody else.
func readZooKeeper(name string) (*zookeeper.Address, error) {
	if !filepath.IsAbs(name) {
		return nil, errors.New("want the full path of a file behind file://")
	}
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0) // a FIFO does not hold us up
	if err != nil {
		return nil, err // it names the operation and the file
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", name)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%s is open to other users (mode %04o); run: chmod 600 %s", name, info.Mode().Perm(), name)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxZooKeeperURL+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxZooKeeperURL:
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxZooKeeperURL)
	case strings.HasPrefix(string(text), "file://"):
		return nil, fmt.Errorf("%s: not zk://host:2181,…/path", name)
	}
	z, err := ParseZooKeeper(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return z, nil
}
