package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

const (
	fileName = "edged.db"
	fileMode = 0o600 // who wrote to whom is nobody else's business
	dirMode  = 0o700
	// lockTimeout bounds the wait for a process that ends just now.
	lockTimeout = 500 * time.Millisecond
)

// Store is the open file. All methods may be used by many goroutines at once;
// one of them writes at a time.
type Store struct {
	db      *bbolt.DB
	path    string
	file    *os.File    // db's own, for when db cannot close it any more
	damaged atomic.Bool // bbolt panicked: its locks may be held for ever
}

// Open opens edged.db in the folder, or creates both; the folder's parent must
// exist. If another process has the file, Open fails within a second. Every
// error names the file.
func Open(dir string) (*Store, error) {
	s := &Store{path: filepath.Join(dir, fileName)}
	if err := os.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	_, err := os.Stat(s.path)
	created := errors.Is(err, fs.ErrNotExist)
	if err := s.guard(s.open); err != nil {
		if s.file != nil {
			_ = s.file.Close() // a second time, unless bbolt panicked
		}
		if created && !errors.Is(err, bbolterrors.ErrTimeout) {
			_ = os.Remove(s.path) // the half of an empty file, which would pass for a damaged one
		}
		return nil, s.explain(err)
	}
	if created {
		if err := syncDir(dir); err != nil {
			return nil, errors.Join(fmt.Errorf("state folder: %w", err), s.Close())
		}
	}
	return s, nil
}

func (s *Store) open() (err error) {
	s.db, err = bbolt.Open(s.path, fileMode, &bbolt.Options{
		Timeout:      lockTimeout,
		FreelistType: bbolt.FreelistMapType, // the other one is slow in a fragmented file
		NoStatistics: true,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(name, flag, mode)
			s.file = f
			return f, err
		},
	})
	return err
}

// explain says what the operator can do about an error of Open.
func (s *Store) explain(err error) error {
	_, systems := errors.AsType[syscall.Errno](err)
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return fmt.Errorf("state file %s: another process uses it; is edged running already?", s.path)
	case s.damaged.Load():
		return err
	case systems:
		return fmt.Errorf("state file %s: %w", s.path, err)
	default: // bbolt does not like what it reads
		return fmt.Errorf("state file %s is damaged or no state file (%w); move it away to begin with an empty one", s.path, err)
	}
}

// syncDir makes the name of a new file outlast a loss of power.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Close closes the file and lets other processes have it. It waits for reads and
// writes under way.
func (s *Store) Close() error {
	if s.damaged.Load() {
		return s.file.Close()
	}
	return s.guard(s.db.Close)
}

// guard runs what uses bbolt, which panics on pages that cannot be, and reads
// through a memory map, where a disk that fails to read is a fault of the
// processor. Neither may take down the daemon, which needs the file least of
// all its parts. Afterwards every call fails.
func (s *Store) guard(work func() error) (err error) {
	if s.damaged.Load() {
		return fmt.Errorf("state file %s is damaged; stop edged and move it away", s.path)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if cause := recover(); cause != nil {
			s.damaged.Store(true)
			err = fmt.Errorf("state file %s is damaged (%v); stop edged and move it away", s.path, cause)
		}
	}()
	return work()
}
