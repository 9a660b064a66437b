package discovery

import (
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// reading is what the DNS said to a question: records, or an alias that leads out
// of the message, or an error.
type reading struct {
	records   []dns.RR // of the type asked for, at the end of the aliases
	alias     string   // ask for this name instead
	err       *Error   // Name and Server are not yet filled in
	ttl       uint32   // seconds: the smallest of records and aliases; of an absence the SOA's, 0 if it has none
	authentic bool     // the AD bit
	server    string   // host:port of who said it
}

// absent tells whether the DNS said that there is no such record.
func (rd reading) absent() bool {
	return rd.err != nil && (rd.err.Kind == NoSuchName || rd.err.Kind == NoData)
}

// failed tells whether the DNS said neither what there is nor that there is nothing.
func (rd reading) failed() bool { return rd.err != nil && !rd.absent() }

// longestTTL is where the minimum over TTLs starts (RFC 2181 §8).
const longestTTL = 1<<31 - 1

// read judges a message that answers the question for name and qtype.
func read(m *dns.Msg, name string, qtype uint16) reading {
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return reading{err: &Error{Kind: ServerFailure, Err: failure(m)}}
	}
	rd := reading{ttl: longestTTL, authentic: m.AuthenticatedData}
	owner := dns.Fqdn(name)
	for range maxAliases + 1 {
		if rd.records = rd.recordsOf(m, owner, qtype); len(rd.records) > 0 {
			return rd
		}
		target := rd.aliasOf(m, owner)
		if target == "" {
			return rd.nothing(m, owner, owner != dns.Fqdn(name))
		}
		owner = target
	}
	rd.err = &Error{Kind: BadAnswer, Err: fmt.Errorf("more than %d aliases", maxAliases)}
	return rd
}

// recordsOf collects the answer's records of one owner and type.
func (rd *reading) recordsOf(m *dns.Msg, owner string, rrtype uint16) []dns.RR {
	var rrs []dns.RR
	for _, rr := range m.Answer {
		h := rr.Header()
		if h.Rrtype == rrtype && h.Class == dns.ClassINET && strings.EqualFold(h.Name, owner) {
			rd.ttl = min(rd.ttl, ttlOf(h))
			rrs = append(rrs, rr)
		}
	}
	return rrs
}

// aliasOf returns what owner stands for, or "".
func (rd *reading) aliasOf(m *dns.Msg, owner string) string {
	for _, rr := range rd.recordsOf(m, owner, dns.TypeCNAME) {
		if cname, ok := rr.(*dns.CNAME); ok {
			return cname.Target
		}
	}
	return ""
}

// nothing tells apart the ways of having no record (RFC 2308 §2).
func (rd reading) nothing(m *dns.Msg, owner string, aliased bool) reading {
	soa, said := negativeTTL(m, owner)
	switch {
	case m.Rcode == dns.RcodeNameError:
		rd.err = &Error{Kind: NoSuchName}
	case aliased && !said:
		rd.alias = owner // the server left the rest of the chain to us
		return rd
	case !said && hasNS(m):
		return reading{err: &Error{Kind: ServerFailure, Err: errors.New("a referral: the server does not resolve for us, name a recursive one in dns.servers")}}
	default:
		rd.err = &Error{Kind: NoData}
	}
	rd.ttl = min(rd.ttl, soa)
	return rd
}

// negativeTTL is how long the absence of owner may be remembered (RFC 2308 §5).
func negativeTTL(m *dns.Msg, owner string) (ttl uint32, said bool) {
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok && dns.IsSubDomain(soa.Hdr.Name, owner) {
			return min(ttlOf(&soa.Hdr), soa.Minttl), true
		}
	}
	return 0, false
}

func hasNS(m *dns.Msg) bool {
	for _, rr := range m.Ns {
		if rr.Header().Rrtype == dns.TypeNS {
			return true
		}
	}
	return false
}

// ttlOf reads a TTL with the highest bit set as 0 (RFC 2181 §8).
func ttlOf(h *dns.RR_Header) uint32 {
	if h.Ttl > longestTTL {
		return 0
	}
	return h.Ttl
}

// failure words a response code, with the reason a resolver may give (RFC 8914).
func failure(m *dns.Msg) error {
	code, ok := dns.RcodeToString[m.Rcode]
	if !ok {
		code = fmt.Sprintf("response code %d", m.Rcode)
	}
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if ede, ok := o.(*dns.EDNS0_EDE); ok {
				return fmt.Errorf("%s: %s %q", code, dns.ExtendedErrorCodeToString[ede.InfoCode], ede.ExtraText)
			}
		}
	}
	return errors.New(code)
}
