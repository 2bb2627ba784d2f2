package mesosapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	agentsPath = "/master/slaves"
	maxAgents  = 4 << 20         // bytes of an answer about an agent
	agentStays = 1 * time.Minute // how long an agent is believed to be where it was
	agentsKept = 100_000         // addresses; then all are asked for again
	mostAsked  = 8               // masters that are asked for one address, redirects included
)

// Agents knows where the agents of a cluster are and sends them requests: the
// leading master is asked, found as a Conn finds it. Its methods may be called by
// several goroutines. It decides nothing about what is asked of agents.
type Agents struct {
	cfg     Config
	masters Masters

	mu     sync.Mutex
	conn   *Conn             // for its way to masters; nil until needed; protected by mu
	closed bool              // protected by mu
	known  map[string]agent  // by agent id; protected by mu
	named  map[string]string // host:port of those to their id; protected by mu
}

// agent is where one was when the master was asked.
type agent struct {
	addr  string // host:port
	asked time.Time
}

// NewAgents needs of the Config what is said of masters, TLS and credentials:
// credentials go to the masters, and to the agents that the leader names. By
// https agents are spoken to if masters are. Nobody hears of it before Agent is
// called, ZooKeeper neither. The error is that of ParseMasters.
func NewAgents(cfg Config) (*Agents, error) {
	masters, err := ParseMasters(cfg.Master)
	if err != nil {
		return nil, err
	}
	return &Agents{cfg: cfg, masters: masters, known: map[string]agent{}, named: map[string]string{}}, nil
}

// Agent gives where an agent listens, such as http://10.0.0.1:5051. The master is
// asked at most once a minute unless a request to the agent failed. The error is
// an *Unreachable or a *Refused of a master, or says that the leader does not
// know the agent, which may change.
func (a *Agents) Agent(ctx context.Context, id string) (base string, err error) {
	c, known, err := a.open(id)
	if err != nil {
		return "", err
	}
	if known != "" {
		return c.scheme + "://" + known, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	addr, err := c.findAgent(ctx, id)
	if err != nil {
		return "", err
	}
	a.note(id, addr)
	return c.scheme + "://" + addr, nil
}

// Do sends a request to an agent that Agent named, with our credentials. It
// follows nothing, and the request's context has to bound it. After an error the
// agent is asked for again.
func (a *Agents) Do(req *http.Request) (*http.Response, error) {
	host := req.URL.Host
	a.mu.Lock()
	c := a.conn
	_, named := a.named[host]
	a.mu.Unlock()
	if c == nil || !named || req.URL.Scheme != c.scheme {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, fmt.Errorf("agent %s: the master does not name it", oneLine(host))
	}
	if c.authorize != nil {
		c.authorize(req)
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		if req.Context().Err() == nil || errors.Is(req.Context().Err(), context.DeadlineExceeded) {
			a.forget(host)
		}
		return nil, fmt.Errorf("agent %s: %w", host, err)
	}
	return resp, nil
}

// Close ends what runs, also answers that are being read. It may be called again.
func (a *Agents) Close() error {
	a.mu.Lock()
	a.closed = true
	c := a.conn
	a.mu.Unlock()
	if c == nil {
		return nil
	}
	return c.Close()
}

// open gives the way to masters, and where the agent is if that is known.
func (a *Agents) open(id string) (c *Conn, addr string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, "", errors.New("find an agent: closed")
	}
	if a.conn == nil {
		if a.conn, err = New(a.cfg); err != nil {
			return nil, "", err
		}
	}
	if at, ok := a.known[id]; ok && time.Since(at.asked) < agentStays {
		addr = at.addr
	}
	return a.conn, addr, nil
}

func (a *Agents) note(id, addr string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.named) >= agentsKept {
		clear(a.known)
		clear(a.named)
	}
	if before, ok := a.known[id]; ok && a.named[before.addr] == id {
		delete(a.named, before.addr)
	}
	a.known[id] = agent{addr, time.Now()}
	a.named[addr] = id
}

// forget lets the master be asked again about the agent at addr. Requests under
// way to it stay allowed.
func (a *Agents) forget(addr string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if id, ok := a.named[addr]; ok && a.known[id].addr == addr {
		delete(a.known, id)
	}
}

// findAgent asks masters until one says where the agent is.
func (c *Conn) findAgent(ctx context.Context, id string) (addr string, err error) {
	asked := ""
	next := func() (string, error) {
		wait, cancel := context.WithTimeout(ctx, c.limits.leader)
		defer cancel()
		return c.leaders.next(wait)
	}
	at := ""
	for range min(mostAsked, len(c.masters.hosts)+maxRedirects) {
		if at == "" {
			if at, err = next(); err != nil {
				return "", &Unreachable{Addr: c.masters.String(), Err: err}
			}
			asked = at
		}
		addr, err = c.askForAgent(ctx, at, id)
		if moved, ok := err.(*redirect); ok && moved.err == nil {
			at = moved.to
			continue
		}
		var down *Unreachable
		if !errors.As(err, &down) {
			c.leaders.tried(asked, at)
			return addr, err
		}
		c.leaders.tried(asked, "")
		at = ""
		if ctx.Err() != nil || len(c.masters.hosts) < 2 {
			return "", err
		}
	}
	if moved, ok := err.(*redirect); ok {
		err = &Unreachable{Addr: asked, Err: moved}
	}
	return "", err
}

// askForAgent asks one master. The error may be a *redirect.
func (c *Conn) askForAgent(ctx context.Context, master, id string) (addr string, err error) {
	req := (&http.Request{
		Method: http.MethodGet,
		URL:    &url.URL{Scheme: c.scheme, Host: master, Path: agentsPath, RawQuery: url.Values{"slave_id": {id}}.Encode()},
		Header: http.Header{"Accept": {"application/json"}},
	}).WithContext(ctx)
	if c.authorize != nil {
		c.authorize(req)
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return "", &Unreachable{Addr: master, Err: err}
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusTemporaryRedirect:
		to, err := leaderIn(rootOf(resp.Header.Get("Location")), c.scheme)
		if err != nil {
			return "", &Unreachable{Addr: master, Err: err}
		}
		return "", &redirect{to: to}
	case resp.StatusCode == http.StatusForbidden:
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxWords)) // what there is of it
		return "", &Refused{Addr: master, Status: resp.StatusCode, Message: oneLine(string(body))}
	case resp.StatusCode != http.StatusOK:
		return "", c.answer(master, resp)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAgents+1))
	if err == nil && len(body) > maxAgents {
		err = fmt.Errorf("the answer about agent %s is longer than %d bytes", id, maxAgents)
	}
	if err != nil {
		return "", &Unreachable{Addr: master, Err: err}
	}
	return agentIn(body, master, id)
}

// agentIn finds an agent in what /slaves tells.
func agentIn(body []byte, master, id string) (addr string, err error) {
	var list struct {
		Slaves []struct{ ID, PID string }
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return "", &Unreachable{Addr: master, Err: fmt.Errorf("read the agents: %w", err)}
	}
	for _, s := range list.Slaves {
		if s.ID == id {
			addr, err := addressOf(s.PID)
			if err != nil {
				return "", fmt.Errorf("agent %s: %w", id, err)
			}
			return addr, nil
		}
	}
	return "", fmt.Errorf("the master at %s does not know agent %s now", master, oneLine(id))
}

// addressOf reads where a process of Mesos listens out of its pid, such as
// slave(1)@10.0.0.1:5051.
func addressOf(pid string) (string, error) {
	_, hostport, ok := strings.Cut(pid, "@")
	at, err := netip.ParseAddrPort(hostport)
	if !ok || err != nil || at.Port() == 0 || at.Addr().IsUnspecified() || at.Addr().IsMulticast() || at.Addr().Zone() != "" {
		return "", fmt.Errorf("%q is no address of an agent", oneLine(pid))
	}
	return at.String(), nil
}

// rootOf is the location of a redirect without the path and query that we asked
// for, which masters put behind the address of the leader. Any other path stays,
// and leaderIn refuses it.
func rootOf(location string) string {
	if at, _, ok := strings.Cut(location, agentsPath+"?"); ok {
		return at + "/"
	}
	return strings.TrimSuffix(location, agentsPath)
}
