package mesosapi

import (
	"context"
	"slices"
	"sync"
)

// leaders knows where the leading master may be. Its methods may be called by
// several goroutines.
type leaders interface {
	// next gives the host:port to subscribe with. It waits for one as long as
	// ctx lasts; the error then says why there is none.
	next(ctx context.Context) (hostport string, err error)

	// moved waits until another master than from is known to lead and gives it,
	// or nothing when ctx has ended. That nobody leads is no such news: a stream
	// that is open stays so until it breaks.
	moved(ctx context.Context, from string) (hostport string)

	// why says why no leader is known, or why that may be old; nil if all is well.
	why() error

	// tried hears how a SUBSCRIBE ended: which address of next's was asked, and
	// which one took it, redirects followed; none if it was not taken. A master
	// that took it and then fell silent was asked and did not take it.
	tried(asked, took string)

	// close ends what runs, and waits for it. It may be called again.
	close()
}

// list is one master or more, tried in turn: the one that took the last
// SUBSCRIBE, or else the next after each that did not.
type list struct {
	hosts []string // host:port; not changed

	mu sync.Mutex
	at int // in hosts; protected by mu
}

func (l *list) next(context.Context) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hosts[l.at], nil
}

func (l *list) moved(ctx context.Context, _ string) string {
	<-ctx.Done()
	return ""
}

// tried moves on. A leader that is not in the list is not remembered: it is
// found again the way it was found, or it may have fallen.
func (l *list) tried(asked, took string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if took == "" {
		l.at = (slices.Index(l.hosts, asked) + 1) % len(l.hosts)
	} else if i := slices.Index(l.hosts, took); i >= 0 {
		l.at = i
	}
}

func (l *list) why() error { return nil }

func (l *list) close() {}
