package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// Begin begins a new run: a journal without tasks takes the place of the one
// that is there, at once. After an error the old one is there, unless it was the
// last step that failed, to make the exchange safe on disk; both can be begun
// again.
func (s *Store) Begin(run Run) error {
	if s.readOnly {
		return errors.New("begin a journal: it was opened to be read")
	}
	err := s.replace(&run)
	if err == nil {
		err = s.load()
	}
	if err != nil {
		return fmt.Errorf("begin a journal: %w", err)
	}
	return nil
}

// replace writes an empty journal beside the old one, if there is one, and lets
// it take its place.
func (s *Store) replace(run *Run) error {
	beside := s.path + ".new"
	if err := os.Remove(beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.abandon(nil); err != nil { // whatever happens now, the file is read again
		return err
	}
	if err := s.openBolt(beside, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW); err != nil {
		return err
	}
	err := guard(func() error { return s.db.Update(func(tx *bbolt.Tx) error { return empty(tx, run) }) })
	if err == nil {
		err = s.file.Sync()
	}
	if err := errors.Join(err, s.abandon(err)); err != nil {
		return err
	}
	s.txid = 0 // of this file; that of the next may be the same
	if err := os.Rename(beside, s.path); err != nil {
		return err
	}
	return syncDir(s.dir)
}

// syncDir makes it safe on disk what a directory has.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// empty writes a journal without tasks, and without a run if that is nil.
func empty(tx *bbolt.Tx, run *Run) error {
	for _, name := range buckets {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	c := &change{Store: &Store{}, head: head{format: format, sequence: 1}}
	return c.apply(tx, Batch{Run: run})
}
