package tlsid

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"
	"time"
)

// How long, and how many, verified chains are remembered. Every connection asks
// twice within a moment, in the handshake and after it, and the members of a
// partner's pool come back with the same chain together. Nothing is remembered
// long enough to matter for expiry or a list's next update.
const (
	recentFor  = 10 * time.Second
	recentMost = 256
)

// recent remembers what chains proved: an ID per chain. Refusals are not
// remembered, so strangers cannot fill it.
type recent[ID any] struct {
	mu     sync.Mutex
	proven map[[sha256.Size]byte]remembered[ID]
}

type remembered[ID any] struct {
	id ID
	at time.Time
}

// chainKey covers every byte presented; DER certificates mark their own ends.
func chainKey(chain []*x509.Certificate) (key [sha256.Size]byte) {
	h := sha256.New()
	for _, c := range chain {
		h.Write(c.Raw)
	}
	h.Sum(key[:0])
	return key
}

func (r *recent[ID]) get(key [sha256.Size]byte, now time.Time) (id ID, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found, ok := r.proven[key]
	age := now.Sub(found.at)
	if !ok || age < 0 || age >= recentFor {
		return id, false
	}
	return found.id, true
}

// put starts anew when full: that costs a few verifications, and no bookkeeping.
func (r *recent[ID]) put(key [sha256.Size]byte, id ID, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.proven == nil || len(r.proven) >= recentMost {
		r.proven = make(map[[sha256.Size]byte]remembered[ID])
	}
	r.proven[key] = remembered[ID]{id, now}
}
