package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"cmdq/notice"
	"cmdq/scheduler"
)

// noticeWait is how long cmdq run waits at its end until all notices are
// delivered.
const noticeWait = 10 * time.Second

// noticeSaid is after how long it says that it waits.
const noticeSaid = time.Second

// startNotices begins to deliver what is owed. How far that is goes to note, as
// long as somebody runs who owns the journal; nil: nobody does.
func (s *session) startNotices(note func(context.Context, scheduler.Delivery) error) {
	s.book = &noticeBook{note: note, late: make(chan lateDelivery)}
	s.courier = notice.Start(notice.Config{Book: s.book, Deliver: s.deliver(), Log: s.log.WithField("part", "notice")},
		owedOf(s.journal.run.Notices))
	s.journal.owe = s.courier.Owe
}

// deliver makes who delivers notices. Commands begin in the folder of the tasks
// file that they are about.
func (s *session) deliver() func(context.Context, notice.Owed) error {
	agent := "cmdq/" + strings.Fields(version())[1] // of "cmdq v1.2 …"
	posts := notice.NewDeliverer(".", agent)
	return func(ctx context.Context, o notice.Owed) error {
		file := fileOf(o)
		if o.Notice.Command == "" || file == "" {
			return posts.Deliver(ctx, o)
		}
		return notice.NewDeliverer(filepath.Dir(file), agent).Deliver(ctx, o)
	}
}

// settleNotices waits for deliveries, as long as it may, or until a signal, and
// ends them. What is owed then is for the next start. The journal is the
// caller's: nobody runs any more.
func (s *session) settleNotices(wait time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	ended := make(chan int, 1)
	go func() {
		s.courier.Settle(ctx)
		s.courier.Close()
		ended <- s.courier.Settle(ctx)
	}()
	patience := time.NewTimer(noticeSaid)
	defer patience.Stop()
	for {
		select {
		case l := <-s.book.late:
			l.stored <- s.journal.write(tried(s.journal.run, l.Delivery))
		case <-s.signals:
			cancel()
		case <-patience.C:
			if ctx.Err() == nil {
				fmt.Fprintf(s.show, "cmdq: waiting up to %s for the delivery of notices\n", wait)
			}
		case left := <-ended:
			if s.journal.owe = nil; left > 0 {
				fmt.Fprintf(s.show, "cmdq: %s not delivered yet: the next start with --state %s goes on with that\n", count(left, "notice"), s.cfg.state)
			}
			return
		}
	}
}

// noticeBook keeps how far deliveries are, in the journal. Who owns that writes
// it: first the scheduler's goroutine, and when that has ended settleNotices.
type noticeBook struct {
	note func(context.Context, scheduler.Delivery) error
	late chan lateDelivery
}

type lateDelivery struct {
	scheduler.Delivery
	stored chan error
}

// Keep implements notice.Book.
func (b *noticeBook) Keep(ctx context.Context, o notice.Owed) error {
	return b.write(ctx, scheduler.Delivery{ID: o.ID, Tries: o.Tries, Next: o.Next})
}

// Drop implements notice.Book.
func (b *noticeBook) Drop(ctx context.Context, id string) error {
	return b.write(ctx, scheduler.Delivery{ID: id, Over: true})
}

func (b *noticeBook) write(ctx context.Context, d scheduler.Delivery) error {
	if b.note != nil {
		if err := b.note(ctx, d); !errors.Is(err, scheduler.ErrOver) {
			return err
		}
	}
	l := lateDelivery{d, make(chan error, 1)}
	select {
	case b.late <- l:
		return <-l.stored
	case <-ctx.Done():
		return fmt.Errorf("note a delivery: %w", ctx.Err())
	}
}
