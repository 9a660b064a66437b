package consent

import (
	"cmp"
	"slices"
	"time"
)

// What changes the pairs; b.mu is held for writing.

// grant adds a new pair and tells the disk, unless somebody was faster.
func (b *Book) grant(p *pair) {
	if b.pairs[p.key] != nil {
		return
	}
	if _, dropped := b.pending[p.key]; !dropped { // otherwise the file may have it still
		p.batch = b.batch
	}
	b.add(p)
	b.pending[p.key] = p.since
}

// add puts a pair in front. At the bound the last one makes room.
func (b *Book) add(p *pair) {
	if len(b.pairs) >= b.config.Max {
		b.evict()
	}
	b.pairs[p.key] = p
	b.linkFirst(p)
	if b.young++; b.young > b.config.Max/generations { // only new pairs make others go
		b.generation++
		b.young = 0
	}
}

// evict drops the pair granted or used longest ago.
func (b *Book) evict() {
	b.drop(b.recent.prev)
	b.evicted++
}

// drop takes a pair out, and out of the file. What the disk never heard of it
// need not forget: while it fails, pending must not grow with every pair that
// came and went.
func (b *Book) drop(p *pair) {
	delete(b.pairs, p.key)
	b.unlink(p)
	if p.batch == b.batch {
		delete(b.pending, p.key)
	} else {
		b.pending[p.key] = deleted
	}
}

func (b *Book) linkFirst(p *pair) {
	p.generation = b.generation
	p.prev, p.next = &b.recent, b.recent.next
	p.prev.next, p.next.prev = p, p
}

func (b *Book) unlink(p *pair) {
	p.prev.next, p.next.prev = p.next, p.prev
}

// takePending hands over what the disk does not know yet.
func (b *Book) takePending() changes {
	b.mu.Lock()
	defer b.mu.Unlock()
	taken := b.pending
	b.pending = make(changes)
	b.batch++
	b.disk.Took(len(taken))
	return taken
}

// newest collects pairs and forgets all but the newest.
type newest []*pair

// tidy keeps the collection small without sorting it every time.
func (n *newest) tidy(limit int) {
	if len(*n)/2 >= limit {
		n.cut(limit)
	}
}

// cut sorts, and leaves so many.
func (n *newest) cut(limit int) {
	slices.SortFunc(*n, func(a, b *pair) int {
		return cmp.Or(cmp.Compare(b.since, a.since), cmp.Compare(a.key, b.key))
	})
	*n = (*n)[:min(limit, len(*n))]
}

func (n *newest) entries(limit int) []Entry {
	n.cut(limit)
	all := make([]Entry, len(*n))
	for i, p := range *n {
		local, remote, _ := splitKey(p.key)
		all[i] = Entry{Local: local, Remote: remote, Since: time.Unix(0, p.since).UTC()}
	}
	return all
}
