package nexthop

import "hash/fnv"

// hash gives a member name its number. It has no seed: every host of an edge
// pool must come to the same order.
func hash(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}

// mix spreads every bit of x over the whole word (the finaliser of SplitMix64),
// so that keys that differ in few bits still scatter over the members.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
