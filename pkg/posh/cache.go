package posh

import (
	"sync"
	"time"

	"edged/pkg/domain"
)

// entry is what came of a look-up, good or bad. It never changes.
type entry struct {
	set     Set
	err     error // *Error or nil
	expires time.Time
}

// cache holds at most max entries. If it is full, the one goes that expires first:
// mostly a failure, which strangers can make any number of.
type cache struct {
	max int

	mu      sync.RWMutex
	entries map[domain.Name]*entry // guarded by mu
}

// get returns the entry that is still good at now, else nil.
func (c *cache) get(d domain.Name, now time.Time) *entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if e := c.entries[d]; e != nil && now.Before(e.expires) {
		return e
	}
	return nil
}

// put remembers e. To find the one to go takes time only when the cache is full,
// and nothing beside the HTTPS request before it.
func (c *cache) put(d domain.Name, e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.entries[d]; !ok && len(c.entries) >= c.max {
		c.evict()
	}
	c.entries[d] = e
}

func (c *cache) evict() {
	var first domain.Name
	for d, e := range c.entries {
		if first.IsZero() || e.expires.Before(c.entries[first].expires) {
			first = d
		}
	}
	delete(c.entries, first)
}
