package policy

import "hash/maphash"

// table is a map from strings for Decide, which looks up cold keys in large
// tables: a look-up touches one slot and the key, where the map of the runtime
// also goes through its directory and control bytes. It only grows. The zero
// table is empty; the key "" is never in it.
type table[V any] struct {
	seed  maphash.Seed // random, so that nobody can choose colliding names
	slots []slot[V]    // a power of two of them, never full
	mask  uint64       // their number less one
	used  uint64
}

// slot holds one key; it is free if the key is "".
type slot[V any] struct {
	key  string
	hash uint32 // keeps look-ups away from the keys of other slots
	val  V
}

// get returns the value of a key, or nil. It is valid until the next add.
func (t *table[V]) get(key string) *V {
	if t.used == 0 {
		return nil
	}
	if s := t.slot(key, maphash.String(t.seed, key)); s.key != "" {
		return &s.val
	}
	return nil
}

// add returns the value of a key, a zero one if it is new. It is valid until the
// next add.
func (t *table[V]) add(key string) *V {
	t.grow()
	h := maphash.String(t.seed, key)
	s := t.slot(key, h)
	if s.key == "" {
		s.key, s.hash = key, uint32(h>>32)
		t.used++
	}
	return &s.val
}

// slot finds the slot of a key, or the free one where it belongs. The low half
// of the hash says where to begin, the high half is compared.
func (t *table[V]) slot(key string, hash uint64) *slot[V] {
	for i := hash; ; i++ {
		s := &t.slots[i&t.mask]
		if s.key == "" || s.hash == uint32(hash>>32) && s.key == key {
			return s
		}
	}
}

// grow keeps a quarter of the slots free, so that look-ups end soon.
func (t *table[V]) grow() {
	if t.used < t.mask/4*3 {
		return
	}
	if t.used == 0 {
		t.seed = maphash.MakeSeed()
	}
	old := t.slots
	t.mask = max(7, 2*t.mask+1)
	t.slots = make([]slot[V], t.mask+1)
	for i := range old {
		if k := old[i].key; k != "" {
			*t.slot(k, maphash.String(t.seed, k)) = old[i]
		}
	}
}
