package consent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"edged/pkg/store"
)

const (
	bucket = "consent"
	// writeDelay collects grants, so that many of them share one sync of the disk.
	writeDelay = 50 * time.Millisecond
	// retryDelay is the pause after a failed attempt.
	retryDelay = time.Second
	// maxBatch bounds one write to the file, and with it the memory that it takes.
	maxBatch = 10_000
)

// changes are what the file has to learn: the time of the grant by key.
type changes map[string]int64

// deleted stands in changes for a pair that goes. No grant has this time.
const deleted = -1 << 63

// disk brings the changes into the file. One goroutine, run, does it until close.
// It takes no more before it has written what it took, so that changes which
// cancel each other out while the disk fails cost nothing.
type disk struct {
	store *store.Store
	log   *slog.Logger
	take  func() changes // what is new since the last call

	wake    chan struct{}      // holds one: there is something to take
	syncs   chan chan struct{} // each is closed after an attempt to write everything
	quit    chan struct{}
	ended   chan struct{} // closed when run has returned
	closing sync.Once
	err     error // of close

	unwritten changes      // taken; owned by run, then by close
	failing   bool         // the same
	waiting   atomic.Int64 // len(unwritten), for Stats
	errors    atomic.Uint64
}

func newDisk(s *store.Store, log *slog.Logger, take func() changes) *disk {
	return &disk{
		store: s, log: log, take: take,
		wake: make(chan struct{}, 1), syncs: make(chan chan struct{}),
		quit: make(chan struct{}), ended: make(chan struct{}),
	}
}

// notify says that there is something to take. It never waits.
func (d *disk) notify() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// sync returns after an attempt to write everything, or at once after close.
func (d *disk) sync() {
	done := make(chan struct{})
	select {
	case d.syncs <- done:
		<-done
	case <-d.ended:
	}
}

func (d *disk) run() {
	defer close(d.ended)
	var due <-chan time.Time // nil: nothing is to be written
	for {
		select {
		case <-d.wake:
			if due == nil {
				due = time.After(writeDelay)
			}
		case <-due:
			due = d.attempt()
		case done := <-d.syncs:
			due = d.attempt()
			close(done)
		case <-d.quit:
			return
		}
	}
}

// attempt writes everything; if that fails it returns when to try again.
func (d *disk) attempt() (again <-chan time.Time) {
	if d.flush() == nil {
		return nil
	}
	return time.After(retryDelay)
}

// flush writes what an attempt before this one left, then what is new.
func (d *disk) flush() error {
	err := d.write()
	if err == nil {
		d.unwritten = d.take()
		err = d.write()
	}
	d.tell(err)
	return err
}

// write brings what was taken into the file, in batches.
func (d *disk) write() error {
	for len(d.unwritten) > 0 {
		batch := d.batch()
		if err := d.store.Update(batch.write); err != nil {
			return err
		}
		for key := range batch {
			delete(d.unwritten, key)
		}
		d.waiting.Store(int64(len(d.unwritten)))
	}
	return nil
}

// tell counts failures and logs when they begin and when they end: a full disk
// fails every second.
func (d *disk) tell(err error) {
	if err != nil {
		d.errors.Add(1)
	}
	switch failed := err != nil; {
	case failed && !d.failing:
		d.log.Error("consent is kept in memory only until the state file can be written", slog.Any("err", err))
	case !failed && d.failing:
		d.log.Info("consent is in the state file again")
	}
	d.failing = err != nil
}

func (d *disk) batch() changes {
	batch := make(changes, min(len(d.unwritten), maxBatch))
	for key, since := range d.unwritten {
		if batch[key] = since; len(batch) == maxBatch {
			break
		}
	}
	return batch
}

func (c changes) write(tx *store.Tx) error {
	for key, since := range c {
		var err error
		if since == deleted {
			err = tx.Delete(bucket, []byte(key))
		} else {
			err = tx.Put(bucket, []byte(key), binary.BigEndian.AppendUint64(nil, uint64(since))) //nolint:gosec // and back in load
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *disk) close() error {
	d.closing.Do(func() {
		close(d.quit)
		<-d.ended
		if err := d.flush(); err != nil {
			d.err = fmt.Errorf("not all of consent is in the state file: %w", err)
		}
	})
	return d.err
}

// load reads all pairs of the file.
func load(s *store.Store, log *slog.Logger) ([]*pair, error) {
	var all []*pair
	odd := 0
	err := s.ForEach(bucket, func(k, v []byte) error {
		key := string(k)
		if _, _, ok := splitKey(key); !ok || len(v) != 8 {
			odd++
			return nil
		}
		all = append(all, &pair{key: key, since: int64(binary.BigEndian.Uint64(v))}) //nolint:gosec // as written
		return nil
	})
	if err != nil {
		return nil, errors.Join(errors.New("consent cannot be read"), err)
	}
	if odd > 0 {
		log.Warn("the state file holds what is no consent", slog.Int("count", odd))
	}
	return all, nil
}
