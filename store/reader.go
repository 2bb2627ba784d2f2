package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"cmdq/task"
)

// reader checks the records of a file and hands out what they hold.
type reader struct {
	texts *texts
	task  task.Task // the last one: a million need not be garbage
	most  uint64    // records that the file can have
	txid  uint64    // of bbolt, the last
	head  head      // as the file has it
	found head      // counted
	names int       // buckets so far

	onHead     func(head)
	onRun      func(Run)
	onSpec     func(number uint64, payload []byte) error
	onTask     func(number, spec uint64, t Task) error
	onUnwanted func(id, agent string)
}

// minElement is the least that a record takes in a file, in bytes: bbolt's
// element, a key of one byte, and the record.
const minElement = 16 + 1 + minRecord

// newReader has a reader whose records nobody wants yet.
func newReader() *reader {
	return &reader{
		texts:      &texts{},
		onHead:     func(head) {},
		onRun:      func(Run) {},
		onSpec:     func(uint64, []byte) error { return nil },
		onTask:     func(uint64, uint64, Task) error { return nil },
		onUnwanted: func(string, string) {},
	}
}

// record takes the next one. The head comes first: its bucket and its key are
// the first of all.
func (r *reader) record(bucket string, key, record []byte) error {
	if key == nil {
		return r.bucket(bucket)
	}
	if r.head.format == 0 && (bucket != headBucket || string(key) != headKey) {
		return errors.New("there is no head before the first record")
	}
	payload, sequence, err := unseal(bucket, key, record)
	if err == nil {
		err = r.payload(bucket, key, payload)
	}
	if err == nil && sequence > r.head.sequence {
		err = fmt.Errorf("it is of transaction %d, the head of %d", sequence, r.head.sequence)
	}
	if err != nil {
		return fmt.Errorf("record %d of %q: %w", r.count(bucket)+1, bucket, err)
	}
	if bucket != headBucket || string(key) != headKey {
		r.found.sums += uint64(sum(record))
	}
	return nil
}

// bucket checks that this is the one that comes now.
func (r *reader) bucket(name string) error {
	if r.names == len(buckets) || buckets[r.names] != name {
		return fmt.Errorf("bucket %d has a name that does not belong there", r.names+1)
	}
	r.names++
	return nil
}

func (r *reader) count(bucket string) uint64 {
	switch bucket {
	case specBucket:
		return r.found.specs
	case taskBucket:
		return r.found.tasks
	case unwantedBucket:
		return r.found.unwanted
	}
	return 0
}

func (r *reader) payload(bucket string, key, payload []byte) (err error) {
	switch bucket {
	case headBucket:
		return r.headRecord(string(key), payload)
	case specBucket:
		number, err := next(key, r.found.specs)
		if err != nil {
			return err
		}
		if err := r.onSpec(number, payload); err != nil {
			return err
		}
		r.found.specs = number
	case taskBucket:
		number, err := next(key, r.found.tasks)
		if err != nil {
			return err
		}
		t, spec, err := decodeTask(&r.task, payload, r.texts)
		if err != nil {
			return err
		}
		if spec > r.found.specs {
			return fmt.Errorf("there is no spec %d", spec)
		}
		if number > r.head.tasks {
			return fmt.Errorf("the head counts %d", r.head.tasks)
		}
		if err := r.onTask(number, spec, t); err != nil {
			return err
		}
		r.found.tasks = number
	case unwantedBucket:
		r.onUnwanted(string(key), string(payload))
		r.found.unwanted++
	}
	return nil
}

func (r *reader) headRecord(key string, payload []byte) (err error) {
	switch key {
	case headKey:
		if r.head, err = decodeHead(payload); err != nil {
			return err
		}
		if max(r.head.tasks, r.head.specs, r.head.unwanted) > r.most {
			return errors.New("it counts more than the file can hold")
		}
		r.found.format, r.found.sequence = r.head.format, r.head.sequence
		r.onHead(r.head)
		return nil
	case runKey:
		run, err := decodeRun(payload)
		if err != nil {
			return err
		}
		r.onRun(run)
		r.found.run = true
		return nil
	}
	return errors.New("it has a wrong key")
}

// next reads the key of a spec or a task, of which there are n so far.
func next(key []byte, n uint64) (uint64, error) {
	if len(key) != 8 || binary.BigEndian.Uint64(key) != n+1 {
		return 0, errors.New("it has a wrong key")
	}
	return n + 1, nil
}

// end compares what was found with what the head says.
func (r *reader) end() error {
	switch {
	case r.head.format == 0:
		return errors.New("there is no head")
	case r.names != len(buckets):
		return fmt.Errorf("it lacks the bucket %q", buckets[r.names])
	case r.found != r.head:
		return fmt.Errorf("it has %d tasks, %d specs and %d launches, the head says %d, %d and %d, or some of them are old",
			r.found.tasks, r.found.specs, r.found.unwanted, r.head.tasks, r.head.specs, r.head.unwanted)
	}
	return nil
}
