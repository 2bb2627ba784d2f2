package zookeeper

import (
	"time"

	"github.com/go-zookeeper/zk"
)

// What can be asked. The errors are the library's (zk.ErrNoNode and so on), but
// that where there is no connection they say why.

// Identify gives ZooKeeper our user and password, if there are any.
func (c *Client) Identify() error {
	digest := c.cfg.At.Digest()
	if digest == "" {
		return nil
	}
	defer time.AfterFunc(answerWait, c.cut).Stop()
	return c.explain(c.conn.AddAuth("digest", []byte(digest)))
}

// Children lists the nodes below a path.
func (c *Client) Children(path string) ([]string, error) {
	names, _, err := c.conn.Children(path)
	return names, c.explain(err)
}

// ChildrenW lists them too, and gives a watch of the next change.
//
// Before the first one something else is asked: zk v1.0.4 has a data race where a
// watch is there before the library has looked, on a new connection, for watches
// of an old one. Where a client connects again the race remains: the number that
// is read, the last change that was seen, is then a little too old or too new.
func (c *Client) ChildrenW(path string) ([]string, <-chan zk.Event, error) {
	c.warm.Do(func() { _, _, _ = c.conn.Children(path) })
	names, _, changed, err := c.conn.ChildrenW(path)
	return names, changed, c.explain(err)
}

// Get reads a node.
func (c *Client) Get(path string) ([]byte, error) {
	data, _, err := c.conn.Get(path)
	return data, c.explain(err)
}

// Create makes a node and gives its path, which has a number at its end if the
// flags say so.
func (c *Client) Create(path string, data []byte, flags int32, acl []zk.ACL) (string, error) {
	made, err := c.conn.Create(path, data, flags, acl)
	return made, c.explain(err)
}
