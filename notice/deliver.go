package notice

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// Bounds of a try.
const (
	commandTime = time.Minute
	postTime    = 10 * time.Second
	maxAnswer   = 4 << 10 // bytes that are read of what a command or a server says to it
	maxWords    = 300     // runes of that in an error
)

// Deliverer delivers notices, each once. NewDeliverer makes one.
type Deliverer struct {
	dir   string // where commands begin
	agent string // User-Agent
	http  *http.Client
	limit time.Duration // of a command; commandTime but for tests
}

// NewDeliverer makes a Deliverer whose commands begin in dir; agent is what we call
// ourselves over HTTP, such as "cmdq/1.2".
func NewDeliverer(dir, agent string) *Deliverer {
	transport := http.DefaultTransport.(*http.Transport).Clone() // with the proxies of the environment: hooks are out in the world
	transport.MaxIdleConns, transport.IdleConnTimeout = maxTrying, postTime
	transport.MaxResponseHeaderBytes = 16 << 10
	return &Deliverer{dir: dir, agent: agent, limit: commandTime,
		http: &http.Client{Transport: transport, Timeout: postTime, CheckRedirect: sameHost}}
}

// Deliver runs the command, or makes the POST, of a notice. Nil says that the
// command ended with 0, or that the answer was a 2xx. Errors hold no address.
func (d *Deliverer) Deliver(ctx context.Context, o Owed) error {
	switch {
	case o.Notice.Command != "":
		return d.run(ctx, o)
	case o.Notice.URL != "":
		return d.post(ctx, o)
	}
	return errors.New("a notice to nobody")
}

// words makes what somebody answered fit for a log: one line, printable, short.
func words(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) > maxWords {
		return string(runes[:maxWords]) + "…"
	}
	return string(runes)
}
