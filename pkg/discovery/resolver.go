package discovery

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"edged/pkg/domain"

	"github.com/miekg/dns"
)

// The services by which partners are found.
const (
	// SIPFederation: SIP over mutual TLS.
	SIPFederation = "_sipfederationtls._tcp"
	// XMPPServer: XMPP between servers, TLS by STARTTLS (RFC 6120 §3.2.1).
	XMPPServer = "_xmpp-server._tcp"
	// XMPPSServer: XMPP between servers, TLS from the first byte (XEP-0368 §3).
	XMPPSServer = "_xmpps-server._tcp"
)

// The bounds that are not configured.
const (
	maxTargets   = 64  // SRV targets kept of one answer, the preferred ones
	maxTLSA      = 32  // TLSA records kept of one answer
	maxAddresses = 32  // addresses kept of one host
	maxAliases   = 8   // aliases followed for one question, in one answer and over several
	maxFlights   = 512 // look-ups under way
	maxStrays    = 16  // UDP messages that are no answer, until TCP is tried

	// A look-up ends after so many times Config.Timeout, however many servers and
	// aliases there are.
	lookupTimeouts = 3
	// A failure is remembered so long, so that a dead DNS is not hammered.
	failureTTL = 5 * time.Second
	// An absence is remembered no longer, whatever the zone's SOA says: whoever
	// adds a missing record does not want to wait for long.
	maxNegativeTTL = 15 * time.Minute
	// When a host has addresses of one kind, those of the other are waited for so
	// much longer (RFC 8305 §3 has 50ms for a race; here is no hurry).
	addressGrace = 500 * time.Millisecond
	// When one of the two XMPP services has targets, the other is waited for so much
	// longer: enough for a lost datagram to be sent again, by default.
	serviceGrace = 2 * time.Second
	// A server that did not answer is asked last for so long.
	serverRest = 10 * time.Second
	// The largest UDP answer we ask for: it fits everywhere without fragments.
	udpPayload = 1232
)

// Config tells a Resolver whom to ask and how long to wait and remember. A zero
// field means its default.
type Config struct {
	// Servers are recursive resolvers, "host:port" or "host" with an IP address,
	// asked in this order; "system" stands for those of /etc/resolv.conf, which is
	// read once, by New. Default: system.
	Servers []string
	// Timeout bounds the wait for one server; a UDP query is repeated after a third
	// of it. A whole look-up takes at most three times as long. Default 3s.
	Timeout time.Duration
	// AllowPrivate are prefixes that CheckAddr lets pass.
	AllowPrivate []netip.Prefix
	// TrustAD are servers whose AD bit is believed; those on loopback always are.
	TrustAD []netip.Addr
	// CacheSize bounds the names remembered. Default 10000.
	CacheSize int
	// MinTTL and MaxTTL clamp how long an answer is remembered; an absence stays at
	// most 15 minutes, a failure 5 seconds. Default 5s and 1h.
	MinTTL, MaxTTL time.Duration
	// Now is the clock for TTLs. Default time.Now.
	Now func() time.Time
	// Observe is told of each question: kind is "srv", "address" or "tlsa", outcome
	// is "answered", "cached" or an ErrorKind's text. It may be called from several
	// goroutines at once. Peek does not call it.
	Observe func(kind, outcome string, d time.Duration)
}

// withDefaults fills in what is zero and refuses what cannot be.
func (c Config) withDefaults() (Config, error) {
	c.Timeout = orDefault(c.Timeout, 3*time.Second)
	c.CacheSize = orDefault(c.CacheSize, 10000)
	c.MinTTL = orDefault(c.MinTTL, 5*time.Second)
	c.MaxTTL = orDefault(c.MaxTTL, max(time.Hour, c.MinTTL))
	if len(c.Servers) == 0 {
		c.Servers = []string{"system"}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Observe == nil {
		c.Observe = func(string, string, time.Duration) {}
	}
	switch {
	case c.Timeout < 0:
		return c, fmt.Errorf("discovery: timeout %s: must be positive", c.Timeout)
	case c.CacheSize < 0:
		return c, fmt.Errorf("discovery: cache size %d: must be positive", c.CacheSize)
	case c.MinTTL < 0 || c.MinTTL > c.MaxTTL:
		return c, fmt.Errorf("discovery: TTL bounds %s to %s: must be positive, the smaller one first", c.MinTTL, c.MaxTTL)
	}
	return c, nil
}

func orDefault[T comparable](v, dflt T) T {
	var zero T
	if v == zero {
		return dflt
	}
	return v
}

// Resolver asks the DNS and remembers. It is safe for concurrent use.
type Resolver struct {
	config  Config
	servers []*server
	allow   []netip.Prefix
	blocks  []block
	cache   *cache
	flights flights
}

// New returns a Resolver. It starts nothing until asked; end it with Close.
func New(c Config) (*Resolver, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	servers, err := newServers(c.Servers, c.TrustAD, resolvConf)
	if err != nil {
		return nil, err
	}
	r := &Resolver{config: c, servers: servers, blocks: blocks(), cache: newCache(c.CacheSize)}
	for _, p := range c.AllowPrivate {
		r.allow = append(r.allow, unmapPrefix(p))
	}
	r.flights.under = make(map[key]*flight)
	return r, nil
}

// unmapPrefix writes a prefix of v4-mapped addresses as one of IPv4 addresses.
func unmapPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// Close ends the look-ups under way, which fail for those who wait for them, and
// returns when all goroutines have ended. Later questions fail, unless the cache
// still has the answer. Whoever replaces a Resolver closes the old one when nobody
// asks it any more.
func (r *Resolver) Close() { r.flights.close() }

// SRV returns where d offers the service, such as SIPFederation. Any error is an
// *Error. If ctx ends first the look-up goes on for whoever asks next.
func (r *Resolver) SRV(ctx context.Context, service string, d domain.Name) (Answer, error) {
	return r.SRVIf(ctx, service, d, always)
}

// SRVIf is SRV for callers whose look-ups are counted: it asks may before it
// starts one, and fails with kind Busy if that says no. What is remembered, and a
// look-up that is under way for somebody else, cost nothing. May must not wait.
func (r *Resolver) SRVIf(ctx context.Context, service string, d domain.Name, may func() bool) (Answer, error) {
	e, err := r.find(ctx, key{dns.TypeSRV, service, d}, may)
	if err != nil {
		return Answer{}, err
	}
	return e.answer, e.err
}

func always() bool { return true }

// Peek returns what SRV would return if it needs no look-up; otherwise the bool is
// false. It never blocks and allocates nothing.
func (r *Resolver) Peek(service string, d domain.Name) (Answer, error, bool) { //nolint:revive // the error is part of what may be remembered
	e := r.cache.get(key{dns.TypeSRV, service, d}, r.config.Now())
	if e == nil {
		return Answer{}, nil, false
	}
	return e.answer, e.err, true
}

// Addresses returns the addresses of a host, at most 32, IPv6 and IPv4 in turns,
// IPv6 first (the order of RFC 8305 §4, without its race). Each must pass
// CheckAddr before it is dialled. The slice is shared and must not be changed. Any
// error is an *Error.
func (r *Resolver) Addresses(ctx context.Context, host domain.Name) ([]netip.Addr, error) {
	addrs, _, err := r.AuthenticAddresses(ctx, host)
	return addrs, err
}
