package local

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"
)

// read hands what the guardian says to those who wait for it, until it ends.
func (g *guardian) read(r *bufio.Reader) {
	var cause error
	for cause == nil {
		var m guardMessage
		if m, cause = readGuardMessage(r); cause == nil {
			g.onMessage(m)
		}
	}
	if !errors.Is(cause, io.EOF) {
		g.log.WithError(cause).Debug("guardian: read")
	}
	// It ends with its socket, and all that runs with it. Killed sooner, it
	// would leave that behind; this is only for one that hangs.
	_ = g.conn.Close()
	late := time.AfterFunc(guardCloseTimeout, func() { _ = g.child.Kill() })
	state, err := g.child.Wait()
	late.Stop()
	switch {
	case err != nil:
		g.fail(fmt.Errorf("guardian: wait: %w", err))
	case !g.isClosed():
		g.log.WithField("status", state.String()).Error("guardian lost, its commands are reported as lost")
		g.fail(fmt.Errorf("guardian: it ended: %v", state))
	default:
		g.fail(errGuardianClosed)
	}
	g.reportLost()
	close(g.done)
}

func (g *guardian) isClosed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}

// fail lets nothing start any more, for this reason unless there is one, and
// cuts the guardian off, so that read ends.
func (g *guardian) fail(cause error) {
	g.mu.Lock()
	if g.gone == nil {
		g.gone = cause
	}
	g.mu.Unlock()
	_ = g.conn.Close() // a second close of it does no harm
}

// lost is why nothing can be started.
func (g *guardian) lost() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.gone
}

// reportLost gives every command that has not ended an exit with an error.
func (g *guardian) reportLost() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.bySeq {
		select {
		case <-c.started:
			// Whoever overlooks Err must not take it for a success.
			c.exit <- processExit{Status: syscall.WaitStatus(syscall.SIGKILL), Err: g.gone}
		default:
			c.refused = g.gone
			close(c.started)
		}
	}
	clear(g.bySeq)
	clear(g.byID)
}

// onMessage handles one frame of the guardian.
func (g *guardian) onMessage(m guardMessage) {
	text := ""
	if len(m.texts) > 0 {
		text = m.texts[0]
	}
	if m.kind == guardNote {
		g.log.Warn("guardian: " + text)
		return
	}
	if g.settle(m, text) {
		g.log.WithField("pid", m.num).Warn("guardian: a command started too late, it is ended")
		// Not from here: a guardian that waits for us to read must not be waited for.
		go func() { _ = g.send(guardMessage{kind: guardSignal, seq: m.seq, num: int64(syscall.SIGKILL)}) }()
	}
}

// settle notes the start or the end of a command. It tells whether one has
// started that nobody waits for any more.
func (g *guardian) settle(m guardMessage, text string) (late bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.bySeq[m.seq]
	if c == nil {
		return false
	}
	switch m.kind {
	case guardStarted:
		c.pid = int(m.num)
		close(c.started)
		return c.abandoned
	case guardRefused:
		c.refused = fmt.Errorf("start %s: %s", c.id, text)
		close(c.started)
	case guardExit:
		exit := processExit{Status: syscall.WaitStatus(m.num)}
		if text != "" {
			exit.Err = errors.New(text)
		}
		c.exit <- exit
	default:
		return false
	}
	delete(g.bySeq, m.seq)
	delete(g.byID, c.id)
	return false
}
