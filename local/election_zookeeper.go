package local

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/go-zookeeper/zk"

	"cmdq/zookeeper"
)

// zkGroup is a group on a real ZooKeeper.
type zkGroup struct {
	at     *zookeeper.Address
	client *zookeeper.Client
	acl    []zk.ACL
}

// dialZooKeeper begins a session. notify is told of changes, with an error of
// the session's end.
func dialZooKeeper(ctx context.Context, at *zookeeper.Address, timeout time.Duration, notify func(error)) (group, error) {
	g := &zkGroup{at: at, acl: zk.WorldACL(zk.PermAll)}
	if at.Digest() != "" { // Mesos: EVERYONE_READ_CREATOR_ALL
		g.acl = append(zk.WorldACL(zk.PermRead), zk.AuthACL(zk.PermAll)...)
	}
	var err error
	g.client, err = zookeeper.Connect(ctx, zookeeper.Config{At: *at, Timeout: timeout, Event: func(e zk.Event) {
		switch {
		case e.State == zk.StateExpired && e.Type == zk.EventSession:
			notify(errExpired)
		case e.Type == zk.EventNodeChildrenChanged || e.Type == zk.EventNodeDeleted:
			notify(nil)
		}
	}})
	if err != nil {
		return nil, fmt.Errorf("find ZooKeeper: %w", err)
	}
	return g, nil
}

// enter proves who we are, makes the path and then our node.
func (g *zkGroup) enter(data []byte) (string, time.Duration, error) {
	if err := g.client.Identify(); err != nil {
		return "", 0, failure("authenticate", err)
	}
	for i := 1; i <= len(g.at.Path); i++ {
		if i < len(g.at.Path) && g.at.Path[i] != '/' {
			continue
		}
		if err := g.make(g.at.Path[:i]); err != nil {
			return "", 0, failure("make "+g.at.Path[:i], err)
		}
	}
	node, err := g.client.Create(g.at.Path+"/"+announcementName+"_", data, zk.FlagEphemeral|zk.FlagSequence, g.acl)
	if err != nil {
		return "", 0, failure("make a node in "+g.at.Path, err)
	}
	return path.Base(node), g.client.Timeout(), nil
}

// make makes a part of the path, unless it is there. To look first spares the
// right to make it; one that may not be read is there.
func (g *zkGroup) make(node string) error {
	_, err := g.client.Get(node)
	if errors.Is(err, zk.ErrNoAuth) {
		return nil
	}
	if !errors.Is(err, zk.ErrNoNode) {
		return err
	}
	if _, err = g.client.Create(node, nil, 0, g.acl); errors.Is(err, zk.ErrNodeExists) {
		return nil // somebody else was faster
	}
	return err
}

func (g *zkGroup) members(watch bool) (nodes []string, err error) {
	if watch {
		nodes, _, err = g.client.ChildrenW(g.at.Path)
	} else {
		nodes, err = g.client.Children(g.at.Path)
	}
	if errors.Is(err, zk.ErrNoNode) {
		return nil, nil // the path was removed, and our node with it
	}
	return nodes, failure("list "+g.at.Path, err)
}

func (g *zkGroup) read(name string) ([]byte, error) {
	data, err := g.client.Get(g.at.Path + "/" + name)
	if errors.Is(err, zk.ErrNoNode) {
		return nil, errNoNode
	}
	return data, failure("read "+name, err)
}

// failure says what did not go well; a denial if it will not get better. nil
// stays nil.
func failure(what string, err error) error {
	if err == nil {
		return nil
	}
	wrapped := fmt.Errorf("ZooKeeper: %s: %w", what, err)
	for _, final := range []error{
		zk.ErrNoAuth, zk.ErrAuthFailed, zk.ErrInvalidACL, zk.ErrBadArguments, zk.ErrInvalidPath,
		zk.ErrNoChildrenForEphemerals, zk.ErrAPIError, zk.ErrReconfigDisabled,
	} {
		if errors.Is(err, final) {
			return &denial{wrapped}
		}
	}
	return wrapped
}

// close ends the session and waits until nothing of the client is left.
func (g *zkGroup) close() { g.client.Close() }
