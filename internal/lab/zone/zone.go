package zone

import (
	"maps"
	"net/netip"
	"strings"
)

// SRV is one service record (RFC 2782). The target "." says that the service is
// decidedly not offered.
type SRV struct {
	Priority, Weight, Port uint16
	Target                 string
}

// Zone is everything the server knows. Names are lower-case and have no dot at
// the end; a name that is in no map does not exist, unless others lie below it.
type Zone struct {
	SRV   map[string][]SRV
	A     map[string][]netip.Addr
	AAAA  map[string][]netip.Addr
	CNAME map[string]string // alias -> the name it stands for

	TTL         uint32 // of every record, in seconds; 0 is served as 0
	NegativeTTL uint32 // the SOA minimum, in seconds: how long an absence may be remembered

	Failing   map[string]bool // answered SERVFAIL
	Silent    map[string]bool // not answered at all
	Authentic map[string]bool // answered with the AD bit
	Truncated map[string]bool // complete over TCP only; over UDP empty and marked as cut off
	Terse     map[string]bool // aliases that are answered without what they stand for
}

// fill makes every map writable, so that Set can add to any of them.
func (z *Zone) fill() {
	z.SRV, z.A, z.AAAA = made(z.SRV), made(z.A), made(z.AAAA)
	z.CNAME = made(z.CNAME)
	z.Failing, z.Silent, z.Authentic = made(z.Failing), made(z.Silent), made(z.Authentic)
	z.Truncated, z.Terse = made(z.Truncated), made(z.Terse)
}

// made returns a copy, which is never nil: the caller's maps stay the caller's.
func made[V any](m map[string]V) map[string]V {
	if m == nil {
		return make(map[string]V)
	}
	return maps.Clone(m)
}

// exists tells whether the name, or one below it, owns any record (RFC 8020).
func (z *Zone) exists(name string) bool {
	return owns(z.SRV, name) || owns(z.A, name) || owns(z.AAAA, name) || owns(z.CNAME, name)
}

func owns[V any](m map[string]V, name string) bool {
	if _, ok := m[name]; ok {
		return true
	}
	for owner := range m {
		if strings.HasSuffix(owner, "."+name) {
			return true
		}
	}
	return false
}
