package discovery

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"edged/pkg/domain"

	"github.com/miekg/dns"
)

// key is a question.
type key struct {
	rrtype uint16 // dns.TypeSRV, dns.TypeTLSA, or dns.TypeA for both kinds of addresses
	prefix string // what comes before the name, such as SIPFederation; of addresses ""
	name   domain.Name
}

// question is the name to ask the DNS for, without a dot at the end.
func (k key) question() string {
	if k.prefix == "" {
		return k.name.String()
	}
	return k.prefix + "." + k.name.String()
}

// kind is the label of the look-up for Config.Observe.
func (k key) kind() string {
	switch k.rrtype {
	case dns.TypeSRV:
		return "srv"
	case dns.TypeTLSA:
		return "tlsa"
	}
	return "address"
}

// entry is what came of a question, good or bad. All but slot and used is fixed.
type entry struct {
	key       key
	answer    Answer       // of a service
	addrs     []netip.Addr // of a host
	tlsa      []TLSA       // of a port of a host
	err       error        // *Error or nil
	authentic bool         // a trusted resolver vouches for it, if it is an absence for that
	expires   time.Time

	slot int         // guarded by the shard's mu; its place in the clock
	used atomic.Bool // read since the clock's hand passed
}

// cacheShards bounds how much readers of different names disturb each other.
const cacheShards = 16

// cache holds a bounded number of entries. Readers never wait for one another;
// what is evicted was not read for a while (second chance), so that names which a
// stranger makes us look up do not push out the partners in use.
type cache struct {
	seed   maphash.Seed
	shards []*shard
}

type shard struct {
	mu      sync.RWMutex
	entries map[key]*entry // guarded by mu
	clock   []*entry       // guarded by mu; every entry once, at most max
	max     int
	hand    int // guarded by mu; index into clock
}

// newCache makes room for size names. Small caches have one shard: the bound of
// each shard is its part of size, and names spread unevenly.
func newCache(size int) *cache {
	n := 1
	if size >= 64*cacheShards {
		n = cacheShards
	}
	c := &cache{seed: maphash.MakeSeed()}
	for range n {
		c.shards = append(c.shards, &shard{entries: make(map[key]*entry), max: size / n})
	}
	return c
}

func (c *cache) shard(k key) *shard {
	return c.shards[maphash.String(c.seed, k.name.String())%uint64(len(c.shards))]
}

// get returns the entry that is still good at now, else nil.
func (c *cache) get(k key, now time.Time) *entry {
	s := c.shard(k)
	s.mu.RLock()
	e := s.entries[k]
	s.mu.RUnlock()
	if e == nil || !now.Before(e.expires) {
		return nil
	}
	if !e.used.Load() {
		e.used.Store(true)
	}
	return e
}

// put replaces the entry of the same key, or else one that was not of use lately
// if the cache is full.
func (c *cache) put(e *entry, now time.Time) {
	s := c.shard(e.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.entries[e.key]; ok {
		e.used.Store(old.used.Load())
		e.slot = old.slot
	} else if len(s.clock) < s.max {
		e.slot = len(s.clock)
		s.clock = append(s.clock, nil)
	} else {
		e.slot = s.evict(now)
	}
	s.entries[e.key] = e
	s.clock[e.slot] = e
}

// evict frees a place in the clock: the first one at or after the hand whose entry
// has expired or was not read since the hand was there. It ends after one turn at
// the latest, because the hand clears the marks it passes.
func (s *shard) evict(now time.Time) int {
	for {
		slot := s.hand
		s.hand = (s.hand + 1) % len(s.clock)
		e := s.clock[slot]
		if !now.Before(e.expires) || !e.used.Swap(false) {
			delete(s.entries, e.key)
			return slot
		}
	}
}
