package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"iter"
	"os"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"cmdq/task"
)

// openFile opens the journal to read it. It follows no link and waits for nothing.
func (s *Store) openFile() (*os.File, int64, error) {
	f, err := os.OpenFile(s.path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, 0, &Damaged{Path: s.path, What: "it is a link"}
	}
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &Damaged{Path: s.path, What: "it is no file"}
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// load reads and checks all of the file: its structure, by us and then by
// bbolt, and every record. It keeps what a Store has to know of them.
func (s *Store) load() error {
	s.numbers, s.specs, s.unwanted = nil, make(map[uint64]uint64), make(map[string]string)
	s.recent, s.run = make(map[*task.Spec]uint64), Run{}
	r := newReader()
	r.onRun = func(run Run) { s.run = run }
	r.onSpec = func(number uint64, payload []byte) error {
		s.specs[maphash.Bytes(s.seed, payload)] = number
		_, err := decodeSpec(payload, r.texts)
		return err
	}
	r.onTask = func(number, _ uint64, t Task) error {
		if s.numbers == nil {
			s.numbers = make(map[task.ID]uint64, r.head.tasks)
		}
		s.numbers[t.Task.ID] = number
		if len(s.numbers) != int(number) {
			return errors.New("its id stands there twice")
		}
		return nil
	}
	r.onUnwanted = func(id, agent string) { s.unwanted[id] = agent }
	if err := s.read(r); err != nil {
		return err
	}
	if err := checkBolt(s.path); err != nil {
		return err
	}
	if s.numbers == nil {
		s.numbers = make(map[task.ID]uint64)
	}
	s.head, s.stale = r.head, false
	return nil
}

// Tasks gives all tasks in the order in which they were first stored. Specs
// that are one record are one pointer. An error, a *Damaged among others, is the
// last that it gives.
func (s *Store) Tasks() iter.Seq2[Task, error] {
	return func(yield func(Task, error) bool) {
		specs := make(map[uint64]*task.Spec)
		r := newReader()
		r.onRun, r.onUnwanted = func(Run) {}, func(string, string) {}
		r.onSpec = func(number uint64, payload []byte) (err error) {
			specs[number], err = decodeSpec(payload, r.texts)
			return err
		}
		r.onTask = func(_, spec uint64, t Task) error {
			t.Task.Spec = specs[spec]
			s.remember(t.Task.Spec, spec)
			if !yield(t, nil) {
				return errStopped
			}
			return nil
		}
		if err := s.read(r); err != nil && !errors.Is(err, errStopped) {
			yield(Task{}, fmt.Errorf("read the journal: %w", err))
		}
	}
}

// errStopped ends a reading that nobody wants to go on.
var errStopped = errors.New("stopped")

// read reads all of the file. What is wrong with it is a *Damaged.
func (s *Store) read(r *reader) (err error) {
	f, size, err := s.openFile()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r.most = uint64(size) / minElement
	err = checkPages(f, size, r.record)
	if err == nil {
		err = r.end()
	}
	switch {
	case err == nil || errors.Is(err, errStopped):
		return err
	case errors.Is(err, errNewer):
		return &Damaged{Path: s.path, Newer: true, What: fmt.Sprintf("was written by a newer cmdq (format %d, this one knows %d)", r.head.format, format)}
	}
	return &Damaged{Path: s.path, What: err.Error()}
}

// reader checks the records of a file and hands out what they hold.
type reader struct {
	texts *texts
	most  uint64 // records that the file can have
	head  head   // as the file has it
	found head   // counted

	onRun      func(Run)
	onSpec     func(number uint64, payload []byte) error
	onTask     func(number, spec uint64, t Task) error
	onUnwanted func(id, agent string)
}

// minElement is the least that a record takes in a file, in bytes: bbolt's
// element, a key of one byte, and the record.
const minElement = 16 + 1 + minRecord

func newReader() *reader { return &reader{texts: &texts{}} }

// record takes the next one. The head comes first: its bucket and its key are
// the first of all.
func (r *reader) record(bucket string, key, record []byte) error {
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
		t, spec, err := decodeTask(payload, r.texts)
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
	default:
		return errors.New("there is no such bucket")
	}
	return nil
}

func (r *reader) headRecord(key string, payload []byte) (err error) {
	switch key {
	case headKey:
		r.head, err = decodeHead(payload)
		if err == nil && (r.head.tasks > r.most || r.head.specs > r.most || r.head.unwanted > r.most) {
			err = errors.New("it counts more than the file can hold")
		}
		r.found.format, r.found.sequence = r.head.format, r.head.sequence
		return err
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
	case r.found != r.head:
		return fmt.Errorf("it has %d tasks, %d specs and %d launches, the head says %d, %d and %d, or some of them are old",
			r.found.tasks, r.found.specs, r.found.unwanted, r.head.tasks, r.head.specs, r.head.unwanted)
	}
	return nil
}

// checkBolt lets bbolt check the file, read-only. It does so in a goroutine of
// its own, which recovers from a panic but not from a memory fault. There is
// none to expect: checkPages has just read every page and found all places that
// bbolt looks at within the file; that leaves a disk that fails in this moment
// for a page that has already left the cache.
func checkBolt(path string) error {
	err := guard(func() (err error) {
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: boltTimeout, NoStatistics: true, PreLoadFreelist: true})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		return db.View(func(tx *bbolt.Tx) error {
			var first error
			for err := range tx.Check(bbolt.WithKVStringer(noText{})) { // to its end, or its goroutine stays
				if first == nil {
					first = err
				}
			}
			return first
		})
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, bbolt.ErrTimeout):
		return fmt.Errorf("open %s: %w", path, err)
	}
	return &Damaged{Path: path, What: err.Error()}
}

// noText keeps keys and values out of the messages of bbolt.
type noText struct{}

func (noText) KeyToString([]byte) string   { return "" }
func (noText) ValueToString([]byte) string { return "" }

// boltTimeout is how long to wait for another program that has the file open in
// bbolt; ours do not, they hold the lock.
const boltTimeout = time.Second
