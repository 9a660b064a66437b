package discovery

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"edged/pkg/domain"

	"github.com/miekg/dns"
)

// lookup asks the DNS for k. It always returns an entry; a failure is one too.
func (r *Resolver) lookup(ctx context.Context, k key) *entry {
	switch k.rrtype {
	case dns.TypeSRV:
		return r.lookupSRV(ctx, k)
	case dns.TypeTLSA:
		return r.lookupTLSA(ctx, k)
	}
	return r.lookupAddresses(ctx, k)
}

func (r *Resolver) lookupSRV(ctx context.Context, k key) *entry {
	rd := r.resolve(ctx, k.question(), dns.TypeSRV)
	var targets []Target
	if rd.err == nil {
		targets, rd.err = targetsOf(rd.records)
	}
	e := &entry{key: k, authentic: rd.authentic, expires: r.expiry(rd)}
	if rd.err != nil {
		e.err = rd.err.about(k.question(), rd.server)
		return e
	}
	e.answer = newAnswer(targets)
	e.answer.Authentic, e.answer.Expires = rd.authentic, e.expires
	return e
}

// targetsOf takes the targets that can be dialled out of SRV records. A target
// that is no canonical domain name, or has port 0, is dropped.
func targetsOf(records []dns.RR) ([]Target, *Error) {
	var targets []Target
	var problem error
	offered := false
	for _, rr := range records {
		srv, ok := rr.(*dns.SRV)
		if !ok || srv.Target == "." {
			continue
		}
		offered = true
		host, err := domain.ParseWire(strings.TrimSuffix(srv.Target, "."))
		if err == nil && srv.Port == 0 {
			err = errors.New("SRV target with port 0")
		}
		if err != nil {
			problem = err
			continue
		}
		targets = append(targets, Target{Host: host, Port: srv.Port, Priority: srv.Priority, Weight: srv.Weight})
	}
	switch {
	case !offered:
		return nil, &Error{Kind: NotOffered}
	case len(targets) == 0:
		return nil, &Error{Kind: BadAnswer, Err: problem}
	}
	return targets, nil
}

func (r *Resolver) lookupAddresses(ctx context.Context, k key) *entry {
	v6, v4 := r.resolveBoth(ctx, k.question())
	e := &entry{key: k, addrs: interleave(addressesOf(v6.records), addressesOf(v4.records))}
	e.authentic = vouched(v6, v4)
	e.expires = r.expiry(v6)
	if other := r.expiry(v4); other.Before(e.expires) {
		e.expires = other
	}
	if len(e.addrs) == 0 {
		e.err = noAddress(v6.err, v4.err).about(k.question(), v4.server)
	}
	return e
}

// vouched tells whether both readings are authentic. One that failed is passed
// over if the other has addresses: it added none.
func vouched(v6, v4 reading) bool {
	return (v6.authentic || v6.failed() && v4.err == nil) && (v4.authentic || v4.failed() && v6.err == nil)
}

// resolveBoth asks for AAAA and A at once. When one is there, the other is waited
// for only addressGrace longer.
func (r *Resolver) resolveBoth(ctx context.Context, host string) (v6, v4 reading) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ask := func(qtype uint16, rd *reading) func() {
		return func() {
			if *rd = r.resolve(ctx, host, qtype); rd.err == nil {
				time.AfterFunc(addressGrace, cancel)
			}
		}
	}
	var both sync.WaitGroup
	both.Go(ask(dns.TypeAAAA, &v6))
	both.Go(ask(dns.TypeA, &v4))
	both.Wait()
	return v6, v4
}

// noAddress picks the error to report when neither type gave an address: a name
// that does not exist has neither; a failure says more than "no data", for the
// address may be what failed.
func noAddress(v6, v4 *Error) *Error {
	rank := func(e *Error) int {
		switch {
		case e == nil:
			return 0
		case e.Kind == NoSuchName:
			return 3
		case e.Kind == NoData:
			return 1
		}
		return 2
	}
	worst := v4
	if rank(v6) > rank(v4) {
		worst = v6
	}
	if worst == nil {
		return &Error{Kind: BadAnswer, Err: errors.New("address records without an address")}
	}
	return worst
}

func addressesOf(records []dns.RR) []netip.Addr {
	var addrs []netip.Addr
	for _, rr := range records {
		var a netip.Addr
		switch rr := rr.(type) {
		case *dns.A:
			a, _ = netip.AddrFromSlice(rr.A.To4())
		case *dns.AAAA:
			a, _ = netip.AddrFromSlice(rr.AAAA)
		}
		if a.IsValid() && len(addrs) < maxAddresses && !slices.Contains(addrs, a) {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

// interleave takes from both in turns, IPv6 first, up to maxAddresses.
func interleave(v6, v4 []netip.Addr) []netip.Addr {
	var addrs []netip.Addr
	for i := range max(len(v6), len(v4)) {
		if i < len(v6) {
			addrs = append(addrs, v6[i])
		}
		if i < len(v4) {
			addrs = append(addrs, v4[i])
		}
	}
	return addrs[:min(len(addrs), maxAddresses)]
}

// expiry says until when the reading may be remembered.
func (r *Resolver) expiry(rd reading) time.Time {
	ttl := time.Duration(rd.ttl) * time.Second
	least, most := r.config.MinTTL, r.config.MaxTTL
	switch {
	case rd.err == nil || rd.err.Kind == NotOffered:
	case rd.absent() && rd.ttl > 0: // RFC 2308 §5
		most = max(least, min(most, maxNegativeTTL))
	default:
		least, most = failureTTL, failureTTL
	}
	return r.config.Now().Add(min(max(ttl, least), most))
}
