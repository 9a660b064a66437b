package discovery

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"edged/pkg/domain"

	"github.com/miekg/dns"
)

// xmppPort is where a domain without SRV records is found (RFC 6120 §3.2.2).
const xmppPort = 5269

// XMPPTarget is one place where a domain accepts XMPP from other servers.
type XMPPTarget struct {
	Host             domain.Name
	Port             uint16 // never 0
	Priority, Weight uint16
	DirectTLS        bool // TLS from the first byte, never STARTTLS; else the other way round (XEP-0368 §3)
}

// XMPPAnswer is what a domain publishes for both XMPP services together. It is the
// caller's own.
type XMPPAnswer struct {
	Targets   []XMPPTarget // of both services, by priority; 1 to 64
	Fallback  bool         // there is no SRV record: the target is the domain itself, 5269, STARTTLS (RFC 6120 §3.2.2)
	Authentic bool         // a trusted resolver vouches for every target, or for the absence that led to the fallback
	Expires   time.Time    // when it must be asked for again
}

// Ordered returns the targets in the order in which to try them: both services are
// one set of priorities and weights (XEP-0368 §3), ordered as RFC 2782 says. rnd
// returns a number in [0, n); nil stands for math/rand/v2.
func (a XMPPAnswer) Ordered(rnd func(n int) int) []XMPPTarget {
	return ordered(a.Targets, rnd)
}

// XMPP returns where d accepts XMPP from other servers. It asks for XMPPSServer and
// XMPPServer at once; of the two, one that has targets is enough.
//
// Without a target it fails, and any error is an *Error: a temporary one if either
// question failed, because nobody knows what the answer would have been; BadAnswer
// if there are records, but none to dial; NotOffered if there are only records that
// say so. Records that lead nowhere are no reason to try the domain's own addresses
// (RFC 6120 §3.2.1); only if neither service has a record does the answer name them.
// If ctx ends first the look-ups go on for whoever asks next.
func (r *Resolver) XMPP(ctx context.Context, d domain.Name) (XMPPAnswer, error) {
	direct, starttls := r.findBoth(ctx, d)
	a := XMPPAnswer{Authentic: true, Expires: direct.expires}
	if starttls.expires.Before(a.Expires) {
		a.Expires = starttls.expires
	}
	a.add(direct, true)
	a.add(starttls, false)
	if len(a.Targets) > 0 {
		a.sort()
		return a, nil
	}
	if err := noTarget(direct.err, starttls.err); err != nil {
		return XMPPAnswer{}, err
	}
	a.Fallback, a.Authentic = true, direct.authentic && starttls.authentic
	a.Targets = []XMPPTarget{{Host: d, Port: xmppPort}}
	return a, nil
}

// findBoth asks for both services at once. When one has targets, the other is
// waited for only serviceGrace longer.
func (r *Resolver) findBoth(ctx context.Context, d domain.Name) (direct, starttls *entry) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	grace := time.AfterFunc(math.MaxInt64, cancel) // set below
	defer grace.Stop()
	find := func(service string, e **entry) func() {
		return func() {
			if *e = r.findEntry(ctx, key{dns.TypeSRV, service, d}); (*e).err == nil {
				grace.Reset(serviceGrace)
			}
		}
	}
	var both sync.WaitGroup
	both.Go(find(XMPPSServer, &direct))
	both.Go(find(XMPPServer, &starttls))
	both.Wait()
	return direct, starttls
}

// findEntry is find with the failure to wait for an answer as an entry, which
// holds as long as any failure does.
func (r *Resolver) findEntry(ctx context.Context, k key) *entry {
	e, err := r.find(ctx, k, always)
	if err != nil {
		return &entry{key: k, err: err, expires: r.config.Now().Add(failureTTL)}
	}
	return e
}

// add takes in the targets of one service.
func (a *XMPPAnswer) add(e *entry, directTLS bool) {
	if e.err != nil {
		return
	}
	a.Authentic = a.Authentic && e.authentic
	for _, t := range e.answer.Targets {
		a.Targets = append(a.Targets, XMPPTarget{Host: t.Host, Port: t.Port, Priority: t.Priority, Weight: t.Weight, DirectTLS: directTLS})
	}
}

// sort puts the preferred targets first and cuts the others off at maxTargets. The
// order of equals stays.
func (a *XMPPAnswer) sort() {
	slices.SortStableFunc(a.Targets, func(a, b XMPPTarget) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(b.Weight, a.Weight))
	})
	a.Targets = a.Targets[:min(len(a.Targets), maxTargets)]
}

// noTarget picks what to report of two services without a target; nil if neither
// has a record.
func noTarget(direct, starttls error) error {
	worst, err := 0, error(nil)
	for _, candidate := range [2]error{starttls, direct} {
		e, ok := errors.AsType[*Error](candidate)
		if rank := e.rank(); ok && rank > worst {
			worst, err = rank, e
		}
	}
	return err
}

// rank orders the ways of having no target; 0 is that there is no record at all.
func (e *Error) rank() int {
	switch {
	case e == nil || e.Kind == NoSuchName || e.Kind == NoData:
		return 0
	case e.Kind == NotOffered:
		return 1
	case e.Temporary():
		return 3
	}
	return 2
}
