package store

import (
	"bytes"
	"fmt"
	"hash/maphash"

	"go.etcd.io/bbolt"

	"cmdq/task"
)

// change is a transaction while it is made. What it adds to the Store's maps
// counts only once it is on disk.
type change struct {
	*Store
	head  head
	txid  uint64
	tasks map[task.ID]uint64
	specs map[uint64]uint64
	enc   encoder
}

func (c *change) apply(tx *bbolt.Tx, b Batch) error {
	c.txid = uint64(tx.ID())
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
