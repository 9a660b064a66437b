package discovery

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/netip"

	"edged/pkg/domain"

	"github.com/miekg/dns"
)

// TLSA says which certificate or key a server has (RFC 6698 §2.1). Whether its
// numbers mean anything is judged by whoever matches it with a certificate.
type TLSA struct {
	Usage, Selector, Matching uint8
	Data                      []byte // never empty
}

// TrustsAD tells whether the AD bit of any server counts. Without it nothing is
// ever authentic, and DANE is not to be had. Where only some of several servers are
// trusted, what the trusted ones fail to answer, as they do when a signature is
// wrong, may come from another one, and is then not authentic.
func (r *Resolver) TrustsAD() bool {
	for _, s := range r.servers {
		if s.trusted {
			return true
		}
	}
	return false
}

// TLSA returns the records for a TCP port of the host, at most 32 (RFC 6698 §3: the
// name asked for is _port._tcp.host). Authentic tells whether a trusted resolver
// vouches for them, aliases included; if not, they must not be relied upon
// (RFC 7673 §3.4). It is also said of an absence, which is an *Error like all
// others. The slice is shared and must not be changed.
func (r *Resolver) TLSA(ctx context.Context, host domain.Name, port uint16) (records []TLSA, authentic bool, err error) {
	e, err := r.find(ctx, key{dns.TypeTLSA, fmt.Sprintf("_%d._tcp", port), host}, always)
	if err != nil {
		return nil, false, err
	}
	return e.tlsa, e.authentic, e.err
}

// AuthenticAddresses returns what Addresses returns, and whether a trusted resolver
// vouches for all of it, aliases included (RFC 7673 §3.2); also for an absence.
func (r *Resolver) AuthenticAddresses(ctx context.Context, host domain.Name) (addrs []netip.Addr, authentic bool, err error) {
	e, err := r.find(ctx, key{rrtype: dns.TypeA, name: host}, always)
	if err != nil {
		return nil, false, err
	}
	return e.addrs, e.authentic, e.err
}

func (r *Resolver) lookupTLSA(ctx context.Context, k key) *entry {
	rd := r.resolve(ctx, k.question(), dns.TypeTLSA)
	var records []TLSA
	if rd.err == nil {
		records, rd.err = tlsaOf(rd.records)
	}
	e := &entry{key: k, tlsa: records, authentic: rd.authentic, expires: r.expiry(rd)}
	if rd.err != nil {
		e.err = rd.err.about(k.question(), rd.server)
	}
	return e
}

// tlsaOf takes the first maxTLSA records that have data.
func tlsaOf(rrs []dns.RR) ([]TLSA, *Error) {
	var records []TLSA
	for _, rr := range rrs {
		t, ok := rr.(*dns.TLSA)
		if !ok || len(records) == maxTLSA {
			continue
		}
		data, err := hex.DecodeString(t.Certificate)
		if err != nil || len(data) == 0 {
			continue
		}
		records = append(records, TLSA{Usage: t.Usage, Selector: t.Selector, Matching: t.MatchingType, Data: data})
	}
	if len(records) == 0 {
		return nil, &Error{Kind: BadAnswer, Err: fmt.Errorf("%d TLSA records, none with data", len(rrs))}
	}
	return records, nil
}
