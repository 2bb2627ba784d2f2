package store

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"runtime/debug"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"cmdq/task"
)

// maxRecords is how many tasks go into one transaction: what it has changed is
// in memory until it is committed.
const maxRecords = 50_000

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
// error we read the file again and write and sync the meta pages again before
// anything else is changed (prepare).
func (s *Store) transaction(b Batch) error {
	if err := s.prepare(); err != nil {
		return err
	}
	c := &change{Store: s, head: s.head, tasks: map[task.ID]uint64{}, specs: map[uint64]uint64{}}
	c.head.sequence++
	if err := guard(func() error { return s.db.Update(func(tx *bbolt.Tx) error { return c.apply(tx, b) }) }); err != nil {
		return errors.Join(err, s.abandon(err))
	}
	s.head = c.head
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

// prepare makes the file ready to be written.
func (s *Store) prepare() error {
	if s.db != nil {
		return nil
	}
	if s.stale {
		if err := s.load(); err != nil {
			return err
		}
	}
	if err := settle(s.path); err != nil {
		return err
	}
	return s.openBolt(s.path, os.O_RDWR|unix.O_NOFOLLOW)
}

// settle writes the meta pages as they are and syncs them, so that the disk has
// the transaction that was read. The process before us may have ended after a
// sync that failed, so this is done at every start too.
func settle(path string) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	metas := make([]byte, 2*pageSize)
	if _, err := f.ReadAt(metas, 0); err != nil {
		return err
	}
	if _, err := f.WriteAt(metas, 0); err != nil {
		return err
	}
	return f.Sync()
}

func (s *Store) openBolt(path string, flags int) error {
	err := guard(func() error {
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout: boltTimeout, PageSize: pageSize, NoStatistics: true,
			OpenFile: func(path string, _ int, mode os.FileMode) (f *os.File, err error) {
				f, err = os.OpenFile(path, flags, mode)
				s.file = f
				return f, err
			},
		})
		s.db = db
		return err
	})
	if err != nil {
		s.db = nil
		return errors.Join(err, s.abandon(err))
	}
	return nil
}

// abandon closes the file, after an error perhaps; the next write begins with
// reading it again. A panic may have left bbolt's locks taken: then only the
// file is closed, and the mapping stays.
func (s *Store) abandon(cause error) error {
	s.stale = true
	var p *panicked
	if !errors.As(cause, &p) || s.file == nil {
		return s.shut()
	}
	err := s.file.Close()
	s.db, s.file = nil, nil
	return err
}

// panicked is a memory fault, or a panic of bbolt, which is its way to say that
// it cannot read a file. A fault comes from a disk that fails while a mapped page
// is read, or from somebody who cuts the file.
type panicked struct{ what any }

func (p *panicked) Error() string { return fmt.Sprintf("%v", p.what) }

// guard makes an error of a panic in f.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = &panicked{r}
		}
	}()
	return f()
}

// change is a transaction while it is made. What it adds to the Store's maps
// counts only once it is on disk.
type change struct {
	*Store
	head  head
	tasks map[task.ID]uint64
	specs map[uint64]uint64
	enc   encoder
}

func (c *change) apply(tx *bbolt.Tx, b Batch) error {
	tx.Bucket([]byte(taskBucket)).FillPercent = 0.9 // new ones go to the end
	tx.Bucket([]byte(specBucket)).FillPercent = 0.9
	for _, t := range b.Tasks {
		if err := c.task(tx, t); err != nil {
			return err
		}
	}
	for _, l := range b.Unwanted {
		if err := c.launch(tx, l); err != nil {
			return err
		}
	}
	if b.Run != nil {
		c.enc.b = c.enc.b[:0]
		encodeRun(&c.enc, b.Run)
		if err := c.put(tx, headBucket, []byte(runKey), c.enc.b); err != nil {
			return err
		}
		c.head.run = true
	}
	c.enc.b = c.enc.b[:0]
	c.head.encode(&c.enc)
	return tx.Bucket([]byte(headBucket)).Put([]byte(headKey), seal(headBucket, []byte(headKey), c.head.sequence, c.enc.b))
}

func (c *change) task(tx *bbolt.Tx, t Task) error {
	spec, err := c.spec(tx, t.Task.Spec)
	if err != nil {
		return fmt.Errorf("the spec of %s: %w", t.Task.ID, err)
	}
	number, ok := c.tasks[t.Task.ID]
	if !ok {
		number, ok = c.numbers[t.Task.ID]
	}
	if !ok {
		c.head.tasks++
		number = c.head.tasks
		c.tasks[t.Task.ID] = number
	}
	c.enc.b = c.enc.b[:0]
	encodeTask(&c.enc, t, spec)
	if err := c.put(tx, taskBucket, numberKey(number), c.enc.b); err != nil {
		return fmt.Errorf("task %s: %w", t.Task.ID, err)
	}
	return nil
}

// spec finds the number of a spec, or stores it.
func (c *change) spec(tx *bbolt.Tx, s *task.Spec) (uint64, error) {
	if number, ok := c.recent[s]; ok && number <= c.head.specs {
		return number, nil
	}
	c.enc.b = c.enc.b[:0]
	encodeSpec(&c.enc, s)
	hash := maphash.Bytes(c.seed, c.enc.b)
	number, ok := c.specs[hash]
	if !ok {
		number, ok = c.Store.specs[hash]
	}
	if ok {
		key := numberKey(number)
		payload, _, err := unseal(specBucket, key, tx.Bucket([]byte(specBucket)).Get(key))
		if err != nil {
			return 0, &Damaged{Path: c.path, What: fmt.Sprintf("spec %d: %v", number, err)}
		}
		ok = bytes.Equal(payload, c.enc.b) // else another one has the same hash
	}
	if !ok {
		c.head.specs++
		number = c.head.specs
		c.specs[hash] = number
		if err := c.put(tx, specBucket, numberKey(number), c.enc.b); err != nil {
			return 0, err
		}
	}
	c.remember(s, number)
	return number, nil
}

// maxRecent is how many specs are known by their pointer.
const maxRecent = 4096

func (s *Store) remember(spec *task.Spec, number uint64) {
	if len(s.recent) >= maxRecent {
		clear(s.recent)
	}
	s.recent[spec] = number
}

func (c *change) launch(tx *bbolt.Tx, l Launch) error {
	b, key := tx.Bucket([]byte(unwantedBucket)), []byte(l.ID)
	old := b.Get(key)
	switch {
	case !l.Gone:
		if old == nil {
			c.head.unwanted++
		}
		return c.put(tx, unwantedBucket, key, []byte(l.Agent))
	case old == nil:
		return nil
	}
	c.head.unwanted--
	c.head.sums -= uint64(sum(old))
	return b.Delete(key)
}

// put writes a record, and its checksum into the head's sum.
func (c *change) put(tx *bbolt.Tx, bucket string, key, payload []byte) error {
	if len(key) == 0 || len(key) > maxKey || len(payload) > maxPayload {
		return fmt.Errorf("a record of %d bytes with a key of %d; allowed are %d and 1 to %d", len(payload), len(key), maxPayload, maxKey)
	}
	b := tx.Bucket([]byte(bucket))
	record := seal(bucket, key, c.head.sequence, payload)
	if old := b.Get(key); old != nil {
		c.head.sums -= uint64(sum(old))
	}
	c.head.sums += uint64(sum(record))
	return b.Put(key, record)
}
