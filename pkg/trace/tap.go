package trace

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
)

// The bounds.
const (
	maxFollowers = 16   // at once
	backlog      = 1024 // events that wait for one follower
	kept         = 200  // refusals
)

// ErrCrowded is what Follow returns when there is no room for another follower.
var ErrCrowded = errors.New("as many follow as may (16)")

// Tap is where events are told. The zero value works, and a nil *Tap tells nobody. It
// is safe for concurrent use.
type Tap struct {
	following atomic.Int32 // len(followers)

	mu        sync.Mutex
	followers []*Follower
	refusals  []Event // a ring
	oldest    int     // of a full ring
	closed    bool
}

// On tells whether anybody follows: whether an event is worth making.
func (t *Tap) On() bool { return t != nil && t.following.Load() > 0 }

// Followers is how many follow.
func (t *Tap) Followers() int { return int(t.following.Load()) }

// Tell tells an event to those who follow, and keeps it if it is a refusal. It never
// waits for them.
func (t *Tap) Tell(e Event) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.Refused() {
		t.keep(e)
	}
	for _, f := range t.followers {
		f.offer(&e)
	}
}

func (t *Tap) keep(e Event) {
	if len(t.refusals) < kept {
		t.refusals = append(t.refusals, e)
		return
	}
	t.refusals[t.oldest] = e
	t.oldest = (t.oldest + 1) % kept
}

// Refusals returns the last refusals, the newest first.
func (t *Tap) Refusals() []Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := append(slices.Clone(t.refusals[t.oldest:]), t.refusals[:t.oldest]...)
	slices.Reverse(all)
	return all
}

// Follower gets the events that its filter picks. Close it when done.
type Follower struct {
	// Events ends when the Tap is closed.
	Events <-chan Event

	tap    *Tap
	filter Filter
	events chan Event
	lost   atomic.Uint64
}

// Follow returns a new follower.
func (t *Tap) Follow(filter Filter) (*Follower, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.followers) >= maxFollowers {
		return nil, ErrCrowded
	}
	f := &Follower{tap: t, filter: filter, events: make(chan Event, backlog)}
	f.Events = f.events
	if t.closed {
		close(f.events)
		return f, nil
	}
	t.followers = append(t.followers, f)
	t.following.Store(int32(len(t.followers))) //nolint:gosec // at most maxFollowers
	return f, nil
}

// offer is called with tap.mu.
func (f *Follower) offer(e *Event) {
	if !f.filter.picks(e) {
		return
	}
	select {
	case f.events <- *e:
	default:
		f.lost.Add(1)
	}
}

// Lost returns how many events there was no room for since it was last asked.
func (f *Follower) Lost() uint64 { return f.lost.Swap(0) }

// Close ends following. Closing again does nothing.
func (f *Follower) Close() {
	f.tap.mu.Lock()
	defer f.tap.mu.Unlock()
	f.tap.followers = slices.DeleteFunc(f.tap.followers, func(other *Follower) bool { return other == f })
	f.tap.following.Store(int32(len(f.tap.followers))) //nolint:gosec // at most maxFollowers
}

// Close ends the events of all followers.
func (t *Tap) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.followers {
		close(f.events)
	}
	t.followers, t.closed = nil, true
	t.following.Store(0)
}
