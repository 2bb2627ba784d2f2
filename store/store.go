// Package store is the journal of one run of cmdq, on disk: which framework it
// is, and every task with what became of its launches.
//
// A Store is owned by one goroutine, and its directory by one process: a lock
// says so. A Write is safe on disk when it returns. What is found on disk is
// never trusted: all of it is checked before any of it is used, and a journal
// with anything wrong in it is refused and left as it is.
//
// The package decides nothing about tasks, never repairs or drops a record, and
// never puts into an error what a task holds.
package store

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"cmdq/lock"
	"cmdq/task"
)

// Stage is how far a run is.
type Stage uint8

// The stages of a run.
const (
	Unfinished Stage = iota
	Ended            // every task has ended; its summary is owed
	Done             // its summary was printed: the next start is a new run
)

// Framework is who we are to the master.
type Framework struct {
	ID         string // empty: the next subscription takes a new one
	User       string // that it was first subscribed with
	Subscribed bool
	Seen       time.Time
}

// Owed is a framework whose TEARDOWN no master has taken yet.
type Owed struct {
	ID, Master string
	Since      time.Time
	Earlier    bool // it is of a run before this one: nothing of this one waits for that
}

// Run is what there is to know of a run beside its tasks.
type Run struct {
	Began        time.Time
	Master, File string
	Stage        Stage
	Applied      string // the tasks file, and its lists, that is wholly in the journal; empty: none is
	Framework    Framework
	Owed         []Owed
	Secret       []byte   // of the paths at which we serve files; empty: there is none yet
	Listen       string   // host:port where we do, if we chose the port; empty: nowhere yet
	Policy       []byte   // JSON of task.Policy: what holds for this run
	Notices      []Notice // owed, in the order in which they came to be

	// Lines are of the joblog: those for ends that their tasks do not show any
	// more, since they were queued again at once. They may be missing in the file.
	Lines []string
}

// Task is a task with when its backoff ends, which is zero for one that does
// not wait for that.
type Task struct {
	Task *task.Task
	Wake time.Time
}

// Launch is a launch that nobody wants, to be killed where it is met. Gone tells
// to forget it.
type Launch struct {
	ID, Agent string
	Gone      bool
}

// Batch is what has changed. A nil Run has not. A task may stand there several
// times; the last one counts.
type Batch struct {
	Run      *Run
	Tasks    []Task
	Unwanted []Launch
}

// Counts is what a journal holds.
type Counts struct {
	Path                   string
	Tasks, Specs, Unwanted int
	Sequence               uint64 // of the last transaction
}

const fileName = "journal.db"

// Store is an open journal.
type Store struct {
	dir, path string
	lock      *lock.Lock
	readOnly  bool
	seed      maphash.Seed
	index

	// db is nil before the first write, and after one that failed: it is opened
	// by the next. With stale, the index may differ from the file.
	db    *bbolt.DB
	file  *os.File // of db
	stale bool
}

// index is what a Store knows of its file without reading it.
type index struct {
	txid     uint64 // bbolt's, of the transaction that the rest is of; 0: not known
	head     head
	run      Run
	unwanted map[string]string

	// numbers are the keys of the tasks. specs are the numbers of the specs by
	// the hash of what they say; recent are those of the specs that were written
	// or read last, which is quicker, and bounded.
	numbers map[task.ID]uint64
	specs   map[uint64]uint64
	recent  map[*task.Spec]uint64
}

// Open takes a directory, which it makes if there is none, and reads its
// journal, or makes an empty one. It fails with a *lock.HeldError if another
// process has the directory, and with a *Damaged if all is not well with the
// journal.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	held, err := lock.Take(dir)
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	s := newStore(dir, held)
	_, err = os.Lstat(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = s.replace(nil); err == nil {
			err = syncDir(filepath.Join(dir, "..")) // the directory may be new
		}
	}
	return s.opened(err)
}

// Look opens a journal to read it, and changes nothing. Without one the error
// is fs.ErrNotExist; others are those of Open.
func Look(dir string) (*Store, error) {
	held, err := lock.Share(dir)
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	s := newStore(dir, held)
	s.readOnly = true
	return s.opened(nil)
}

func newStore(dir string, held *lock.Lock) *Store {
	return &Store{dir: dir, path: filepath.Join(dir, fileName), lock: held, seed: maphash.MakeSeed()}
}

func (s *Store) opened(err error) (*Store, error) {
	if err == nil {
		err = s.load()
	}
	if err == nil {
		return s, nil
	}
	var damaged *Damaged
	if !errors.As(err, &damaged) { // which says itself what it is about
		err = fmt.Errorf("open the journal: %w", err)
	}
	return nil, errors.Join(err, s.lock.Release())
}

// Run is the run of this journal; false if none was ever begun here.
func (s *Store) Run() (Run, bool) { return s.run, s.head.run }

// Unwanted has the agents of the unwanted launches by launch id. The map is the
// caller's.
func (s *Store) Unwanted() (map[string]string, error) {
	out := make(map[string]string, len(s.unwanted))
	for id, agent := range s.unwanted {
		out[id] = agent
	}
	return out, nil
}

// Counts tells how much there is.
func (s *Store) Counts() Counts {
	return Counts{Path: s.path, Tasks: int(s.head.tasks), Specs: int(s.head.specs), Unwanted: int(s.head.unwanted), Sequence: s.head.sequence}
}

// Close gives the directory back. Everything was stored before.
func (s *Store) Close() error {
	err := errors.Join(s.shut(), s.lock.Release())
	if err != nil {
		return fmt.Errorf("close the journal: %w", err)
	}
	return nil
}

// shut closes the file. The next write opens it again.
func (s *Store) shut() error {
	if s.db == nil {
		return nil
	}
	err := s.db.Close()
	s.db, s.file = nil, nil
	return err
}
