package store

import (
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"cmdq/task"
)

// maxRecords is how many tasks go into one transaction: what it has changed is
// in memory until it is committed.
const maxRecords = 50_000

// Together is how many tasks of a batch are at most stored in one transaction
// with its run, all or nothing.
const Together = maxRecords

// Write stores a batch. It is safe on disk when Write returns nil. After an error
// some of it may be stored or all; the same batch can be written again, now or
// later, until that works.
//
// A batch of more than 50,000 tasks is several transactions, the last of which
// has the run and the unwanted launches. After a crash between them the first
// tasks are there: for those of a new file that is a part of it, and whoever
// starts again applies the file again.
func (s *Store) Write(b Batch) error {
	if s.readOnly {
		return errors.New("write the journal: it was opened to be read")
	}
	for len(b.Tasks) > maxRecords {
		if err := s.transaction(Batch{Tasks: b.Tasks[:maxRecords]}); err != nil {
			return fmt.Errorf("write the journal: %w", err)
		}
		b.Tasks = b.Tasks[maxRecords:]
	}
	if b.Run == nil && len(b.Tasks) == 0 && len(b.Unwanted) == 0 {
		return nil
	}
	if err := s.transaction(b); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	return nil
}

// transaction stores a batch as one. What bbolt does about an error: if it could
// not write or sync the pages of the transaction, its meta page is not written,
// the last one stands, and all that it leads to is untouched. If it could not
// sync the meta page, the transaction is there or not, and which of both the
// disk has is not what the kernel shows: after a failed fsync it holds pages to
// be clean that never reached the disk. To go on with such a state would let the
// next transaction overwrite what the disk's state still needs. So after any
// error we open the file anew, read all of it if its last transaction is not the
// one we know, and write and sync the meta pages once more before anything else
// is changed (prepare).
func (s *Store) transaction(b Batch) error {
	if err := s.prepare(); err != nil {
		return err
	}
	c := &change{Store: s, head: s.head, tasks: map[task.ID]uint64{}, specs: map[uint64]uint64{}}
	c.head.format = format // the file may be older
	c.head.sequence++
	if err := guard(func() error { return s.db.Update(func(tx *bbolt.Tx) error { return c.apply(tx, b) }) }); err != nil {
		return errors.Join(err, s.abandon(err))
	}
	s.head, s.txid, s.stale = c.head, c.txid, false
	if b.Run != nil {
		s.run = *b.Run
	}
	for id, number := range c.tasks {
		s.numbers[id] = number
	}
	for hash, number := range c.specs {
		s.specs[hash] = number
	}
	for _, l := range b.Unwanted {
		if l.Gone {
			delete(s.unwanted, l.ID)
		} else {
			s.unwanted[l.ID] = l.Agent
		}
	}
	return nil
}
