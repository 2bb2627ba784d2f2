package store

import (
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"os"

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
// bbolt, and every record. After an error the index is what it was.
func (s *Store) load() error {
	in := index{unwanted: make(map[string]string), numbers: make(map[task.ID]uint64),
		specs: make(map[uint64]uint64), recent: make(map[*task.Spec]uint64)}
	r := newReader()
	r.onHead = func(h head) {
		in.numbers, in.specs = make(map[task.ID]uint64, h.tasks), make(map[uint64]uint64, h.specs)
	}
	r.onRun = func(run Run) { in.run = run }
	var spec task.Spec // the last one, which nobody keeps
	r.onSpec = func(number uint64, payload []byte) error {
		in.specs[maphash.Bytes(s.seed, payload)] = number
		return decodeSpec(&spec, payload, r.texts)
	}
	r.onTask = func(number, _ uint64, t Task) error {
		in.numbers[t.Task.ID] = number
		if len(in.numbers) != int(number) {
			return errors.New("its id stands there twice")
		}
		return nil
	}
	r.onUnwanted = func(id, agent string) { in.unwanted[id] = agent }
	if err := s.read(r); err != nil {
		return err
	}
	if err := checkBolt(s.path); err != nil {
		return err
	}
	in.head, in.txid = r.head, r.txid
	s.index, s.stale = in, false
	return nil
}

// Tasks gives all tasks in the order in which they were first stored. A Task is
// good until the next one, and what it points to for longer. Specs that are one
// record are one pointer. An error, a *Damaged among others, is the
// last that it gives.
func (s *Store) Tasks() iter.Seq2[Task, error] {
	return func(yield func(Task, error) bool) {
		var specs []*task.Spec // that of number 1 first: the reader takes them in their order only
		r := newReader()
		r.onHead = func(h head) { specs = make([]*task.Spec, 0, h.specs) }
		r.onSpec = func(_ uint64, payload []byte) error {
			spec := &task.Spec{}
			specs = append(specs, spec)
			return decodeSpec(spec, payload, r.texts)
		}
		r.onTask = func(_, spec uint64, t Task) error {
			t.Task.Spec = specs[spec-1]
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
	r.txid, err = checkPages(f, size, r.record)
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
