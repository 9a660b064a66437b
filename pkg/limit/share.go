package limit

import (
	"sync"
	"sync/atomic"
)

// HeldConfig bounds what is held for others. Everything must be at least 1.
type HeldConfig struct {
	Bytes   int64 // of messages, in all
	Pieces  int64 // requests under way, in all; the caller counts those
	Percent int64 // of both that one partner may have
}

// Reserved is how many of a bound are kept for what belongs to something that was
// begun before: its end frees more than it takes.
func Reserved(bound int64) int64 { return bound / 10 }

// Held counts the bytes that one protocol holds for others, in all and for each
// partner: the memory that a flood can take. All methods may be used by many
// goroutines at once.
type Held struct {
	bytes                              atomic.Int64
	mostBytes, shareBytes, sharePieces atomic.Int64

	mu     sync.Mutex
	shares map[string]*Share
}

// NewHeld returns an empty account.
func NewHeld(c HeldConfig) *Held {
	h := &Held{shares: make(map[string]*Share)}
	h.SetLimits(c)
	return h
}

// SetLimits replaces the bounds. What is held above a lowered one stays until its
// owner lets go of it.
func (h *Held) SetLimits(c HeldConfig) {
	h.mostBytes.Store(c.Bytes)
	h.shareBytes.Store(max(c.Bytes*c.Percent/100, 1))
	h.sharePieces.Store(max(c.Pieces*c.Percent/100, 1))
}

// Bytes is what is held now.
func (h *Held) Bytes() int64 { return h.bytes.Load() }

// Full says that no more should be held than there is, whatever it is for.
func (h *Held) Full() bool { return h.bytes.Load() >= h.mostBytes.Load() }

// Share returns the account of a partner, by a name that it cannot change at will:
// its registered domain. "" is the account of our own servers, whom no share bounds.
// Whoever asks calls Close.
func (h *Held) Share(partner string) *Share {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.shares[partner]
	if s == nil {
		s = &Share{of: h, own: partner == ""}
		h.shares[partner] = s
	}
	s.users++
	return s
}

// Sweep forgets the accounts that nobody uses and that hold nothing. It is to be
// called now and then.
func (h *Held) Sweep() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for partner, s := range h.shares {
		if s.users == 0 && s.pieces.Load() == 0 && s.bytes.Load() == 0 {
			delete(h.shares, partner)
		}
	}
}

// Share is one partner's part of what is held.
type Share struct {
	of            *Held
	own           bool
	users         int // guarded by of.mu
	bytes, pieces atomic.Int64
}

// Close gives the account back. What it holds stays counted until it is let go.
func (s *Share) Close() {
	s.of.mu.Lock()
	s.users--
	s.of.mu.Unlock()
}

// Add counts what is held from now on; negative numbers let go of it.
func (s *Share) Add(pieces, bytes int64) {
	s.of.bytes.Add(bytes)
	s.Count(pieces, bytes)
}

// Count does so for the partner alone: what is held on behalf of two is counted in
// all only once.
func (s *Share) Count(pieces, bytes int64) {
	if !s.own {
		s.pieces.Add(pieces)
		s.bytes.Add(bytes)
	}
}

// Room says whether there is room for one more.
type Room uint8

// The answers. AllFull comes before PartnerFull: another host may have room then.
const (
	HasRoom     Room = iota
	PartnerFull      // this partner has its share
	AllFull          // nobody gets more
)

// Room asks for one more piece of so many bytes, which continues something that was
// begun before, or begins something new. Where nothing is held, there is room for
// whatever it is.
func (s *Share) Room(continues bool, bytes int64) Room {
	switch {
	case over(&s.of.bytes, bytes, &s.of.mostBytes, continues):
		return AllFull
	case s.own:
	case over(&s.pieces, 1, &s.of.sharePieces, continues), over(&s.bytes, bytes, &s.of.shareBytes, continues):
		return PartnerFull
	}
	return HasRoom
}

func over(used *atomic.Int64, more int64, bound *atomic.Int64, continues bool) bool {
	held, most := used.Load(), bound.Load()
	if !continues {
		most -= Reserved(most)
	}
	return held > 0 && held+more > most
}
