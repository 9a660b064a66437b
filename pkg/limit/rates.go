package limit

import (
	"container/list"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rates gives every key its own token bucket. The table is bounded: a new key
// takes the place of the one that was asked about longest ago, whose bucket is
// full again should it come back. So the table must be larger than the number of
// keys that one peer can make up within burst/rate.
//
// All methods may be used by many goroutines at once.
type Rates struct {
	keys  int // how many the table holds
	rate  rate.Limit
	burst int
	now   func() time.Time

	mu      sync.Mutex
	buckets map[string]*list.Element // of *bucket
	recent  list.List                // of *bucket, the one asked about last in front
}

type bucket struct {
	key    string
	tokens *rate.Limiter
}

// NewRates returns an empty table of at most that many keys (at least 1), each allowed
// r events per second after a burst.
func NewRates(keys int, r rate.Limit, burst int, now func() time.Time) *Rates {
	return &Rates{keys: keys, rate: r, burst: burst, now: now, buckets: make(map[string]*list.Element)}
}

// PerSecond returns a table for peers: 10,000 keys, each allowed so many events per
// second after a burst of one second's worth.
func PerSecond(events float64) *Rates {
	const keys = 10_000
	return NewRates(keys, rate.Limit(events), max(1, int(events)), time.Now)
}

// Allow takes a token from the key's bucket and reports whether there was one.
func (r *Rates) Allow(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bucket(key).tokens.AllowN(r.now(), 1)
}

// bucket finds or makes the key's bucket and marks it as the most recent. The
// caller holds mu.
func (r *Rates) bucket(key string) *bucket {
	if e, ok := r.buckets[key]; ok {
		r.recent.MoveToFront(e)
		return e.Value.(*bucket)
	}
	for len(r.buckets) >= max(r.keys, 1) {
		oldest := r.recent.Remove(r.recent.Back()).(*bucket)
		delete(r.buckets, oldest.key)
	}
	b := &bucket{key: key, tokens: rate.NewLimiter(r.rate, r.burst)}
	r.buckets[key] = r.recent.PushFront(b)
	return b
}
