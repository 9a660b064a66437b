package insidedns

import (
	"slices"
	"strings"

	"edged/pkg/domain"

	"github.com/miekg/dns"
)

// subject is what a question is about.
type subject uint8

const (
	elsewhere subject = iota // for the forwarders
	target                   // TargetName or a name below it
	partner                  // where a domain is that is not ours
	nothing                  // steered, but there is no data
	caught                   // the addresses of a name that is not ours
	refused                  // not a question of ours to answer
)

// judge says what q is about.
func (s *state) judge(q dns.Question) subject {
	name := dns.CanonicalName(q.Name)
	switch {
	case q.Qclass != dns.ClassINET, q.Qtype == dns.TypeAXFR, q.Qtype == dns.TypeIXFR:
		return refused
	case dns.IsSubDomain(dns.Fqdn(TargetName), name):
		return target
	case q.Qtype == dns.TypeSRV && s.names(name, "_xmpp-server._tcp."):
		return partner
	case q.Qtype == dns.TypeSRV && s.names(name, "_xmpps-server._tcp."):
		return nothing
	case s.catchAll && !s.isOurs(name):
		return catch(q.Qtype)
	}
	return elsewhere
}

// names says whether name is the service of a domain that is not ours.
func (s *state) names(name, service string) bool {
	host, found := strings.CutPrefix(name, service)
	if !found || s.isOurs(host) {
		return false
	}
	_, err := domain.ParseWire(strings.TrimSuffix(host, "."))
	return err == nil
}

// catch is judge for names that are caught.
func catch(qtype uint16) subject {
	switch qtype {
	case dns.TypeA, dns.TypeAAAA:
		return caught
	case dns.TypeSRV:
		return nothing // the edge offers no other service, and addresses follow
	}
	return elsewhere
}

// addresses are the records of the edge for name: A, AAAA, or both for qtype
// dns.TypeANY.
func (s *state) addresses(name string, qtype uint16) []dns.RR {
	var list []dns.RR
	for _, a := range s.target {
		h := dns.RR_Header{Name: name, Class: dns.ClassINET, Ttl: ttl}
		switch {
		case a.Is4() && wants(qtype, dns.TypeA):
			h.Rrtype = dns.TypeA
			list = append(list, &dns.A{Hdr: h, A: a.AsSlice()})
		case a.Is6() && wants(qtype, dns.TypeAAAA):
			h.Rrtype = dns.TypeAAAA
			list = append(list, &dns.AAAA{Hdr: h, AAAA: a.AsSlice()})
		}
	}
	return list
}

func wants(qtype, rrtype uint16) bool { return slices.Contains([]uint16{rrtype, dns.TypeANY}, qtype) }
