package consent

import (
	"cmp"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"edged/pkg/store"
)

// Config says what a Book may hold and whom it tells. All fields are required.
type Config struct {
	Max int              // pairs, at least 1 (limits.consent_pairs); see SetMax
	Log *slog.Logger     // hears when the file cannot be written, and when it can be again
	Now func() time.Time // the clock, for Entry.Since
}

// Book is the pairs. All methods may be used by many goroutines at once. A nil
// Book is one for an edge that asks for no consent: it holds nothing, and takes
// nothing.
//
// A pair of two addresses with 20 characters each takes 153 bytes of memory: a
// million of them 153 MB (BenchmarkMemory), and for a while up to as much again
// if the disk fails and all of them change meanwhile.
type Book struct {
	config Config
	disk   *store.Mirror[int64]

	mu         sync.RWMutex
	pairs      map[string]*pair // by key
	recent     pair             // ring: next is the pair granted or used last, prev the one longest ago
	young      int              // pairs granted in this generation
	generation uint32
	evicted    uint64
	pending    changes // for the disk
	batch      uint32  // the number that pending will have
}

// pair is one grant.
type pair struct {
	key        string
	since      int64  // Unix nanoseconds
	generation uint32 // when it was last put in front
	batch      uint32 // the changes that brought it; 0 if the file may have had it before
	next, prev *pair
}

// generations is the number of ranks that use is told apart by. Were there more,
// Has would have to take the lock for writing more often.
const generations = 128

// Entry is a pair as people read it.
type Entry struct {
	Local, Remote string    // bare addresses
	Since         time.Time // when the local user wrote first
}

// Stats are a Book's numbers for metrics.
type Stats struct {
	Pairs       int    // held now
	Unwritten   int    // changes that are not in the file yet
	Evicted     uint64 // pairs that made room, since Open
	WriteErrors uint64 // failed attempts to write, since Open
	Failing     bool   // the last of them failed
}

// Open reads the pairs from the state file, which must stay open until the Book
// is closed. If the file holds more than c.Max, the oldest go; what cannot be read
// as a pair is left alone, and logged. The order of use does not outlast a
// restart: all pairs rank by the time of their grant then. Without a file, nil,
// the Book begins empty, and is in memory only.
func Open(s *store.Store, c Config) (*Book, error) {
	b := &Book{config: c, pending: make(changes), batch: 1}
	b.recent.next, b.recent.prev = &b.recent, &b.recent
	var known []*pair
	if s != nil {
		var err error
		if known, err = load(s, c.Log); err != nil {
			return nil, err
		}
	}
	b.pairs = make(map[string]*pair, len(known))
	slices.SortFunc(known, func(a, b *pair) int { return cmp.Compare(a.since, b.since) })
	for _, p := range known {
		b.add(p)
	}
	if s == nil {
		return b, nil
	}
	b.disk = store.NewMirror(store.MirrorConfig[int64]{
		Store: s, Bucket: bucket, Name: "consent", Log: c.Log, Take: b.takePending, Value: stored,
	})
	b.disk.Notify()
	return b, nil
}

// Has reports whether the local user wrote to the remote party first, and makes
// the pair one used just now. It does no I/O, and allocates nothing unless the
// addresses have more than 250 characters together.
func (b *Book) Has(local, remote Party) bool {
	if b == nil {
		return false
	}
	var room [keyRoom]byte
	return b.use(appendKey(room[:0], local, remote))
}

// use looks the key up. The order of use is only as fine as the generations: a
// pair already moved to the front in this one stays where it is.
func (b *Book) use(key []byte) bool {
	b.mu.RLock()
	p := b.pairs[string(key)]
	old := p != nil && p.generation != b.generation
	b.mu.RUnlock()
	if old {
		b.mu.Lock()
		if b.pairs[p.key] == p {
			b.unlink(p)
			b.linkFirst(p)
		}
		b.mu.Unlock()
	}
	return p != nil
}

// Grant remembers that the local user wrote to the remote party: true at once, in
// the file within 100 ms. A pair that is there already keeps its time and counts
// as used just now. A party without a domain, or longer than an address can be,
// is ignored. Grant does no I/O.
func (b *Book) Grant(local, remote Party) {
	if b == nil || !local.storable() || !remote.storable() {
		return
	}
	var room [keyRoom]byte
	key := appendKey(room[:0], local, remote)
	if b.use(key) {
		return
	}
	p := &pair{key: string(key), since: b.config.Now().UnixNano()}
	b.mu.Lock()
	b.grant(p)
	b.mu.Unlock()
	b.disk.Notify()
}

// Remove forgets the pair, and reports whether it was there. It returns when the
// pair is out of the file too. If the file cannot be written, which is logged and
// counted, the pair comes back with a restart before it can be again; Unwritten
// in Stats is not 0 until then.
func (b *Book) Remove(local, remote Party) bool {
	if b == nil {
		return false
	}
	key := appendKey(nil, local, remote)
	b.mu.Lock()
	p := b.pairs[string(key)]
	if p != nil {
		b.drop(p)
	}
	b.mu.Unlock()
	if p != nil {
		b.disk.Sync()
	}
	return p != nil
}

// SetMax changes the bound, to at least 1. If there are more pairs already, those
// granted or used longest ago go.
func (b *Book) SetMax(most int) {
	if b == nil {
		return
	}
	for more := true; more; {
		b.mu.Lock()
		b.config.Max = most
		for n := 0; n < chunk && len(b.pairs) > most; n++ {
			b.evict()
		}
		more = len(b.pairs) > most
		b.mu.Unlock()
	}
	b.disk.Notify()
}

// chunk is how many pairs a walk over many of them handles before it lets others
// have the lock.
const chunk = 1024

// List returns the pairs granted last, at most so many, of which one address
// contains the filter; "" is in all. Case does not matter. It looks at every pair,
// without keeping others waiting.
func (b *Book) List(filter string, limit int) []Entry {
	if b == nil || limit <= 0 {
		return nil
	}
	filter = strings.ToLower(filter)
	var found newest
	seen := 0
	b.mu.RLock()
	for key, p := range b.pairs {
		if seen++; seen%chunk == 0 { // a map may change while it is ranged over, if not at the same moment
			b.mu.RUnlock()
			found.tidy(limit)
			b.mu.RLock()
		}
		if matches(key, filter) {
			found = append(found, p)
		}
	}
	b.mu.RUnlock()
	return found.entries(limit)
}

// Stats returns the Book's numbers.
func (b *Book) Stats() Stats {
	if b == nil {
		return Stats{}
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	return Stats{
		Pairs: len(b.pairs), Evicted: b.evicted, WriteErrors: b.disk.WriteErrors(), Failing: b.disk.Failing(),
		Unwritten: b.disk.Unwritten() + len(b.pending),
	}
}

// Close writes what is not in the file yet and ends the Book's goroutine. It
// fails if not everything could be written. What is granted later is kept in
// memory only. Closing again returns the same.
func (b *Book) Close() error {
	if b == nil {
		return nil
	}
	return b.disk.Close()
}
