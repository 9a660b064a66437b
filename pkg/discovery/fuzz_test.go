package discovery

import (
	"net/netip"
	"testing"

	"github.com/miekg/dns"
)

// FuzzRead feeds arbitrary messages to what interprets answers: whatever a server
// says, only dialable targets within the bounds come out.
func FuzzRead(f *testing.F) {
	for _, m := range seeds() {
		p, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		m := new(dns.Msg)
		if m.Unpack(p) != nil || len(m.Question) != 1 {
			return
		}
		name := m.Question[0].Name
		for _, qtype := range []uint16{dns.TypeSRV, dns.TypeA, dns.TypeAAAA, dns.TypeTLSA} {
			checkReading(t, read(m, name, qtype))
		}
	})
}

func checkReading(t *testing.T, rd reading) {
	t.Helper()
	outcomes := 0
	for _, is := range []bool{len(rd.records) > 0, rd.alias != "", rd.err != nil} {
		if is {
			outcomes++
		}
	}
	if outcomes != 1 {
		t.Errorf("%d records, alias %q and error %v: want exactly one of them", len(rd.records), rd.alias, rd.err)
	}
	if rd.ttl > longestTTL {
		t.Errorf("TTL %d", rd.ttl)
	}
	if as := interleave(addressesOf(rd.records), addressesOf(rd.records)); len(as) > maxAddresses {
		t.Errorf("%d addresses", len(as))
	}
	tlsa, tlsaErr := tlsaOf(rd.records)
	if (tlsaErr == nil) != (len(tlsa) > 0) || len(tlsa) > maxTLSA {
		t.Errorf("%d TLSA records with error %v", len(tlsa), tlsaErr)
	}
	targets, err := targetsOf(rd.records)
	if (err == nil) != (len(targets) > 0) {
		t.Errorf("%d targets with error %v", len(targets), err)
	}
	a := newAnswer(targets)
	if len(a.Targets) > maxTargets || len(a.Names()) > len(a.Targets) || len(a.Ordered(nil)) != len(a.Targets) {
		t.Errorf("%d targets with %d names, %d in order", len(a.Targets), len(a.Names()), len(a.Ordered(nil)))
	}
	for _, target := range a.Targets {
		if target.Host.IsZero() || target.Port == 0 {
			t.Errorf("target %v cannot be dialled", target)
		}
		if _, err := netip.ParseAddr(target.Host.String()); err == nil {
			t.Errorf("target %v is an address", target)
		}
	}
}

func seeds() []*dns.Msg {
	const owner = "_sipfederationtls._tcp.fabrikam.com."
	hdr := func(name string, rrtype uint16) dns.RR_Header {
		return dns.RR_Header{Name: name, Rrtype: rrtype, Class: dns.ClassINET, Ttl: 60}
	}
	answer := func(rrs ...dns.RR) *dns.Msg {
		m := new(dns.Msg).SetQuestion(owner, dns.TypeSRV)
		m.Response, m.Answer = true, rrs
		return m
	}
	srv := func(name, target string) dns.RR {
		return &dns.SRV{Hdr: hdr(name, dns.TypeSRV), Port: 5061, Target: target}
	}
	cname := func(name, target string) dns.RR {
		return &dns.CNAME{Hdr: hdr(name, dns.TypeCNAME), Target: target}
	}
	soa := &dns.SOA{Hdr: hdr("com.", dns.TypeSOA), Ns: "a.example.", Mbox: "b.example.", Minttl: 30}
	absent := answer()
	absent.Ns, absent.Rcode = []dns.RR{soa}, dns.RcodeNameError
	referral := answer()
	referral.Ns = []dns.RR{&dns.NS{Hdr: hdr("com.", dns.TypeNS), Ns: "ns.example."}}
	return []*dns.Msg{
		answer(srv(owner, "sip.fabrikam.com.")),
		answer(srv(owner, ".")),
		answer(srv(owner, "192.0.2.1."), srv(owner, `a\.b.example.`)),
		answer(cname(owner, "x.example."), srv("x.example.", "sip.fabrikam.com.")),
		answer(cname(owner, "x.example."), cname("x.example.", owner)),
		answer(cname(owner, "x.example.")),
		answer(&dns.A{Hdr: hdr(owner, dns.TypeA), A: []byte{192, 0, 2, 1}}, &dns.AAAA{Hdr: hdr(owner, dns.TypeAAAA), AAAA: make([]byte, 16)}),
		answer(&dns.TLSA{Hdr: hdr(owner, dns.TypeTLSA), Usage: 3, Selector: 1, MatchingType: 1, Certificate: "6b6579"}, &dns.TLSA{Hdr: hdr(owner, dns.TypeTLSA)}),
		absent, referral, answer(),
	}
}
