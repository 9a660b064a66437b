package store

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// writeDelay collects changes, so that many of them share one sync of the disk.
	writeDelay = 50 * time.Millisecond
	// retryDelay is the pause after a failed attempt.
	retryDelay = time.Second
	// maxBatch bounds one write to the file, and with it the memory that it takes.
	maxBatch = 10_000
)

// MirrorConfig says whose changes go where. All fields are required.
type MirrorConfig[V any] struct {
	Store  *Store
	Bucket string
	Name   string // what the bucket holds, for logs and errors: "consent"
	Log    *slog.Logger
	// Take hands over what has changed since the last call, by key. It calls Took
	// before it lets go of the lock that the changes are under.
	Take func() map[string]V
	// Value is what to store; nil takes the key out.
	Value func(V) []byte
}

// Mirror brings into the file what changes in memory: within 100 ms, without
// anybody waiting for the disk. While the disk fails it tries again every second,
// and takes no more before it has written what it took, so that changes which
// cancel each other out meanwhile cost nothing. A nil Mirror is one without a file: it
// takes nothing.
type Mirror[V any] struct {
	config MirrorConfig[V]

	wake    chan struct{}      // holds one: there is something to take
	syncs   chan chan struct{} // each is closed after an attempt to write everything
	quit    chan struct{}
	ended   chan struct{} // closed when run has returned
	closing sync.Once
	err     error // of Close

	unwritten map[string]V // taken; owned by run, then by Close
	waiting   atomic.Int64 // len(unwritten), for others
	failing   atomic.Bool  // the last attempt failed
	errors    atomic.Uint64
}

// NewMirror starts a Mirror. It runs until Close, which has to come before that of
// the Store.
func NewMirror[V any](c MirrorConfig[V]) *Mirror[V] {
	m := &Mirror[V]{
		config: c, wake: make(chan struct{}, 1), syncs: make(chan chan struct{}),
		quit: make(chan struct{}), ended: make(chan struct{}),
	}
	go m.run()
	return m
}

// Notify says that there is something to take. It never waits.
func (m *Mirror[V]) Notify() {
	if m == nil {
		return
	}
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Took tells how many changes Take is about to hand over: from then on they count
// as unwritten here.
func (m *Mirror[V]) Took(changes int) { m.waiting.Store(int64(changes)) }

// Unwritten is how many changes were taken and are not in the file yet.
func (m *Mirror[V]) Unwritten() int {
	if m == nil {
		return 0
	}
	return int(m.waiting.Load())
}

// WriteErrors is how many attempts to write failed.
func (m *Mirror[V]) WriteErrors() uint64 {
	if m == nil {
		return 0
	}
	return m.errors.Load()
}

// Failing tells whether the last attempt to write failed.
func (m *Mirror[V]) Failing() bool { return m != nil && m.failing.Load() }

// Sync returns after an attempt to write everything, or at once after Close.
func (m *Mirror[V]) Sync() {
	if m == nil {
		return
	}
	done := make(chan struct{})
	select {
	case m.syncs <- done:
		<-done
	case <-m.ended:
	}
}

// Close writes what is not in the file yet and ends the Mirror. It fails if not
// everything could be written. Closing again returns the same.
func (m *Mirror[V]) Close() error {
	if m == nil {
		return nil
	}
	m.closing.Do(func() {
		close(m.quit)
		<-m.ended
		if err := m.flush(); err != nil {
			m.err = fmt.Errorf("not all of %s is in the state file: %w", m.config.Name, err)
		}
	})
	return m.err
}

func (m *Mirror[V]) run() {
	defer close(m.ended)
	var due <-chan time.Time // nil: nothing is to be written
	for {
		select {
		case <-m.wake:
			if due == nil {
				due = time.After(writeDelay)
			}
		case <-due:
			due = m.attempt()
		case done := <-m.syncs:
			due = m.attempt()
			close(done)
		case <-m.quit:
			return
		}
	}
}

// attempt writes everything; if that fails it returns when to try again.
func (m *Mirror[V]) attempt() (again <-chan time.Time) {
	if m.flush() == nil {
		return nil
	}
	return time.After(retryDelay)
}

// flush writes what an attempt before this one left, then what is new.
func (m *Mirror[V]) flush() error {
	err := m.write()
	if err == nil {
		m.unwritten = m.config.Take()
		err = m.write()
	}
	m.tell(err)
	return err
}

// write brings what was taken into the file, in batches.
func (m *Mirror[V]) write() error {
	for len(m.unwritten) > 0 {
		batch := m.batch()
		if err := m.config.Store.Update(func(tx *Tx) error { return m.put(tx, batch) }); err != nil {
			return err
		}
		for key := range batch {
			delete(m.unwritten, key)
		}
		m.waiting.Store(int64(len(m.unwritten)))
	}
	return nil
}

func (m *Mirror[V]) batch() map[string]V {
	batch := make(map[string]V, min(len(m.unwritten), maxBatch))
	for key, v := range m.unwritten {
		if batch[key] = v; len(batch) == maxBatch {
			break
		}
	}
	return batch
}

func (m *Mirror[V]) put(tx *Tx, batch map[string]V) error {
	for key, v := range batch {
		var err error
		if value := m.config.Value(v); value != nil {
			err = tx.Put(m.config.Bucket, []byte(key), value)
		} else {
			err = tx.Delete(m.config.Bucket, []byte(key))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tell counts failures and logs when they begin and when they end: a full disk
// fails every second.
func (m *Mirror[V]) tell(err error) {
	if err != nil {
		m.errors.Add(1)
	}
	switch failed, before := err != nil, m.failing.Swap(err != nil); {
	case failed && !before:
		m.config.Log.Error("the state file cannot be written, and what changes is in memory only", slog.String("what", m.config.Name), slog.Any("err", err))
	case !failed && before:
		m.config.Log.Info("everything is in the state file again", slog.String("what", m.config.Name))
	}
}
