package notice

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"
)

// try does what is next for a notice. The entry is the try's until it has ended.
func (c *Courier) try(e *entry) {
	if !e.over {
		c.deliver(e)
	}
	if e.over {
		c.drop(e)
	}
}

func (c *Courier) deliver(e *entry) {
	begun := e.begun(time.Now())
	if err := c.cfg.Book.Keep(c.ctx, begun); err != nil {
		c.notKept(e, err)
		return
	}
	e.Owed = begun
	err := c.cfg.Deliver(c.ctx, e.Owed)
	switch {
	case err == nil:
		e.over = true
		c.log(e).Debug("notice delivered")
	case c.ctx.Err() != nil: // cut off; the next start tries again
	case e.hopeless():
		e.over = true
		c.log(e).Errorf("notice of the %s given up after %d tries since %s: %s: %v",
			e.Kind, e.Tries, e.Since.Local().Format(time.DateTime), place(e.Notice), err)
	default:
		e.Owed = e.failed(time.Now())
		level := logrus.DebugLevel
		if e.Tries == 1 {
			level = logrus.WarnLevel // once, not for a day
		}
		c.log(e).Logf(level, "notice of the %s was not taken: %s: %v; tried again until it is", e.Kind, place(e.Notice), err)
		if err := c.cfg.Book.Keep(c.ctx, e.Owed); err != nil {
			c.notKept(e, err)
		}
	}
}

// drop may have to be tried again too, lest the next start delivers it once more.
func (c *Courier) drop(e *entry) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), dropTime)
	defer cancel()
	if err := c.cfg.Book.Drop(ctx, e.ID); err != nil {
		c.notKept(e, err)
		return
	}
	e.gone = true
}

// notKept puts off what cannot be noted; the journal itself says what is wrong.
func (c *Courier) notKept(e *entry, err error) {
	c.log(e).WithError(err).Debug("a notice could not be noted")
	e.Next = time.Now().Add(wait(max(e.Tries, 1)))
}

func (c *Courier) log(e *entry) *logrus.Entry { return c.cfg.Log.WithField("notice", e.ID) }
