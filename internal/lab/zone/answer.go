package zone

import (
	"encoding/hex"
	"strings"

	"github.com/miekg/dns"
)

// maxAliases bounds how far an alias is followed, so that a loop in the data
// ends in an answer.
const maxAliases = 16

// answer builds the response to one query; nil means silence.
func (z *Zone) answer(query *dns.Msg, udp bool) *dns.Msg {
	if len(query.Question) != 1 {
		return new(dns.Msg).SetRcode(query, dns.RcodeFormatError)
	}
	q := query.Question[0]
	name := plain(q.Name)
	typed := name + " " + dns.TypeToString[q.Qtype]
	resp := new(dns.Msg).SetReply(query)
	resp.Authoritative, resp.RecursionAvailable = true, true
	switch {
	case z.Silent[name] || z.Silent[typed]:
		return nil
	case z.Failing[name] || z.Failing[typed]:
		resp.Rcode = dns.RcodeServerFailure
		return resp
	case udp && z.Truncated[name]:
		resp.Truncated = true
		return resp
	}
	z.fillAnswer(resp, name, q)
	resp.AuthenticatedData = z.Authentic[name] || z.Authentic[typed] || z.authentic(resp, name)
	if udp {
		resp.Truncate(payload(query))
	}
	return resp
}

// fillAnswer adds the aliases from name on and the records at their end, or says
// which kind of nothing is there (RFC 2308 §2).
func (z *Zone) fillAnswer(resp *dns.Msg, name string, q dns.Question) {
	owner := q.Name // as it was asked, letters' case included
	for range maxAliases {
		target, ok := z.CNAME[name]
		if !ok || q.Qtype == dns.TypeCNAME {
			break
		}
		resp.Answer = append(resp.Answer, &dns.CNAME{Hdr: z.header(owner, dns.TypeCNAME), Target: dns.Fqdn(target)})
		if z.Terse[name] {
			return
		}
		name, owner = plain(target), dns.Fqdn(target)
	}
	records := z.records(name, owner, q.Qtype)
	resp.Answer = append(resp.Answer, records...)
	if len(records) > 0 {
		return
	}
	resp.Ns = append(resp.Ns, z.soa())
	if !z.exists(name) {
		resp.Rcode = dns.RcodeNameError
	}
}

// authentic tells whether the name asked for and all that it stands for are signed.
func (z *Zone) authentic(resp *dns.Msg, name string) bool {
	signed := z.signed(name)
	for _, rr := range resp.Answer {
		if alias, ok := rr.(*dns.CNAME); ok && !z.Terse[plain(alias.Hdr.Name)] {
			signed = signed && z.signed(plain(alias.Target))
		}
	}
	return signed
}

func (z *Zone) records(name, owner string, qtype uint16) []dns.RR {
	var rrs []dns.RR
	h := z.header(owner, qtype)
	switch qtype {
	case dns.TypeSRV:
		for _, s := range z.SRV[name] {
			rrs = append(rrs, &dns.SRV{Hdr: h, Priority: s.Priority, Weight: s.Weight, Port: s.Port, Target: dns.Fqdn(s.Target)})
		}
	case dns.TypeTLSA:
		for _, t := range z.TLSA[name] {
			rrs = append(rrs, &dns.TLSA{Hdr: h, Usage: t.Usage, Selector: t.Selector, MatchingType: t.Matching, Certificate: hex.EncodeToString(t.Data)})
		}
	case dns.TypeA:
		for _, a := range z.A[name] {
			rrs = append(rrs, &dns.A{Hdr: h, A: a.AsSlice()})
		}
	case dns.TypeAAAA:
		for _, a := range z.AAAA[name] {
			rrs = append(rrs, &dns.AAAA{Hdr: h, AAAA: a.AsSlice()})
		}
	case dns.TypeCNAME:
		if target, ok := z.CNAME[name]; ok {
			rrs = append(rrs, &dns.CNAME{Hdr: h, Target: dns.Fqdn(target)})
		}
	}
	return rrs
}

func (z *Zone) soa() dns.RR {
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: z.NegativeTTL},
		Ns:  "ns.invalid.", Mbox: "hostmaster.invalid.", Serial: 1, Minttl: z.NegativeTTL,
	}
}

func (z *Zone) header(owner string, rrtype uint16) dns.RR_Header {
	return dns.RR_Header{Name: owner, Rrtype: rrtype, Class: dns.ClassINET, Ttl: z.TTL}
}

// plain turns a name of the wire into a key of the maps.
func plain(name string) string {
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

// payload is the largest UDP answer the asker takes (RFC 6891 §6.2.3).
func payload(query *dns.Msg) int {
	if opt := query.IsEdns0(); opt != nil {
		return max(int(opt.UDPSize()), dns.MinMsgSize)
	}
	return dns.MinMsgSize
}
