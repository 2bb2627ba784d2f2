package store

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// prepare makes the file ready to be written.
func (s *Store) prepare() error {
	if s.db != nil {
		return nil
	}
	if s.stale && !s.unchanged() {
		if err := s.load(); err != nil {
			return err
		}
	}
	if err := settle(s.path); err != nil {
		return err
	}
	return s.openBolt(s.path, os.O_RDWR|unix.O_NOFOLLOW)
}

// unchanged tells that the last transaction of the file is the one we know: what
// failed has left no trace. It spares reading all of a large journal at every try
// on a full disk.
func (s *Store) unchanged() bool {
	f, size, err := s.openFile()
	if err != nil {
		return false // and load says why
	}
	m, err := readMeta(f, size)
	return errors.Join(err, f.Close()) == nil && m.txid == s.txid
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
// file is closed. The mapping stays, and with it what the kernel knows of the
// file, so bbolt's flock has to be given back by hand.
func (s *Store) abandon(cause error) error {
	s.stale = true
	clear(s.recent) // it may have numbers that were given in vain
	var p *panicked
	if !errors.As(cause, &p) || s.file == nil {
		return s.shut()
	}
	err := errors.Join(unix.Flock(int(s.file.Fd()), unix.LOCK_UN), s.file.Close())
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

// checkBolt lets bbolt check the file, read-only. It does so in a goroutine of
// its own, which recovers from a panic but not from a memory fault. There is
// none to expect: checkPages has just read every page and found all places that
// bbolt looks at within the file; that leaves a disk that fails in this moment
// for a page that has already left the cache.
func checkBolt(path string) error {
	var found error
	err := guard(func() (err error) {
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: boltTimeout, NoStatistics: true, PreLoadFreelist: true})
		if err != nil {
			return fmt.Errorf("open %s: %w", path, err)
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		return db.View(func(tx *bbolt.Tx) error {
			for err := range tx.Check(bbolt.WithKVStringer(noText{})) { // to its end, or its goroutine stays
				if found == nil {
					found = err
				}
			}
			return nil
		})
	})
	var p *panicked
	if errors.As(err, &p) {
		found = err
	}
	if found != nil {
		return &Damaged{Path: path, What: found.Error()}
	}
	return err
}

// noText keeps keys and values out of the messages of bbolt.
type noText struct{}

func (noText) KeyToString([]byte) string   { return "" }
func (noText) ValueToString([]byte) string { return "" }

// boltTimeout is how long to wait for another program that has the file open in
// bbolt; ours do not, they hold the lock.
const boltTimeout = time.Second
