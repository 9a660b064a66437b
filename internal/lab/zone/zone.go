package zone

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// SRV is one service record (RFC 2782). The target "." says that the service is
// decidedly not offered.
type SRV struct {
	Priority, Weight, Port uint16
	Target                 string
}

// TLSA says which certificate a server has (RFC 6698 §2.1).
type TLSA struct {
	Usage, Selector, Matching uint8
	Data                      []byte
}

// XMPP is the owner of a domain's SRV records for servers that use STARTTLS.
func XMPP(domain string) string { return "_xmpp-server._tcp." + domain }

// XMPPS is the owner of a domain's SRV records for servers with TLS from the start.
func XMPPS(domain string) string { return "_xmpps-server._tcp." + domain }

// Port is the owner of the TLSA records for a TCP port of a host.
func Port(host string, port uint16) string { return fmt.Sprintf("_%d._tcp.%s", port, host) }

// Zone is everything the server knows. Names are lower-case and have no dot at
// the end; a name that is in no map does not exist, unless others lie below it.
type Zone struct {
	SRV   map[string][]SRV
	TLSA  map[string][]TLSA
	A     map[string][]netip.Addr
	AAAA  map[string][]netip.Addr
	CNAME map[string]string // alias -> the name it stands for

	TTL         uint32 // of every record, in seconds; 0 is served as 0
	NegativeTTL uint32 // the SOA minimum, in seconds: how long an absence may be remembered

	// The keys of these are a name, or "name TYPE" for one kind of question only.
	Failing   map[string]bool          // answered SERVFAIL, as a resolver does with a wrong signature
	Silent    map[string]bool          // not answered at all
	Slow      map[string]time.Duration // answered so much later
	Authentic map[string]bool          // answered with the AD bit

	// Signed domains and what lies in them have the AD bit, absences too. An answer
	// with an alias has it only if both ends are signed.
	Signed    map[string]bool
	Truncated map[string]bool // complete over TCP only; over UDP empty and marked as cut off
	Terse     map[string]bool // aliases that are answered without what they stand for
}

// fill makes every map writable, so that Set can add to any of them.
func (z *Zone) fill() {
	z.SRV, z.A, z.AAAA = made(z.SRV), made(z.A), made(z.AAAA)
	z.TLSA, z.CNAME, z.Signed = made(z.TLSA), made(z.CNAME), made(z.Signed)
	z.Failing, z.Silent, z.Authentic = made(z.Failing), made(z.Silent), made(z.Authentic)
	z.Truncated, z.Terse = made(z.Truncated), made(z.Terse)
	z.Slow = made(z.Slow)
}

// Add adds the SRV, A and AAAA records of a zone file.
func (z *Zone) Add(file string) error {
	z.fill()
	p := dns.NewZoneParser(strings.NewReader(file), ".", "")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		name := plain(rr.Header().Name)
		switch rr := rr.(type) {
		case *dns.SRV:
			z.SRV[name] = append(z.SRV[name], SRV{rr.Priority, rr.Weight, rr.Port, plain(rr.Target)})
		case *dns.A:
			a, _ := netip.AddrFromSlice(rr.A.To4())
			z.A[name] = append(z.A[name], a)
		case *dns.AAAA:
			a, _ := netip.AddrFromSlice(rr.AAAA)
			z.AAAA[name] = append(z.AAAA[name], a)
		default:
			return fmt.Errorf("zone: no place for %s", rr)
		}
	}
	return p.Err()
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
	return owns(z.SRV, name) || owns(z.TLSA, name) || owns(z.A, name) || owns(z.AAAA, name) || owns(z.CNAME, name)
}

// signed tells whether the name is a signed domain or lies in one.
func (z *Zone) signed(name string) bool {
	for {
		if z.Signed[name] {
			return true
		}
		_, above, ok := strings.Cut(name, ".")
		if !ok {
			return false
		}
		name = above
	}
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
