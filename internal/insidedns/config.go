package insidedns

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"

	"edged/pkg/domain"

	"github.com/miekg/dns"
)

// TargetName is the target of the SRV records. It lies in the zone that is set
// apart for private use and never delegated, "internal". The reserved names would
// not do: resolvers answer for "invalid", "test" and "alt" by themselves, libc for
// "localhost", multicast for "local". A host whose libc asks another server, as
// Erlang's SRV look-ups allow, knows the name by a line in /etc/hosts.
const TargetName = "edged-inside.internal"

// Config is what a Server is told.
type Config struct {
	// UDP and TCP are the sockets to serve, at least one. The Server closes them,
	// also when Start fails.
	UDP []net.PacketConn
	TCP []net.Listener
	// Ours are the domains that are never steered, nor is a name below them.
	Ours []domain.Name
	// Target is the addresses of the inside listener, Port its port. At least one
	// address is needed.
	Target []netip.Addr
	Port   uint16
	// Forward are the name servers, IP address and port, for everything else. If
	// there is none, everything else is refused.
	Forward []string
	// Clients are the networks that may ask; nobody else may.
	Clients []netip.Prefix
	// CatchAll answers A and AAAA questions for every name that is not ours with
	// Target, and gives no data for SRV records of other services there.
	CatchAll bool
	// Log must be set.
	Log *slog.Logger
	// Observe is told what became of each question; it may be nil. The kinds are
	// "target", "steered", "forwarded", "refused" and "stranger" (no client); the
	// outcomes are "answered", "nodata", "refused", and for forwarded ones
	// "answered", "failed" and "full" (too many under way).
	Observe func(kind, outcome string)
}

// state is what a reload changes, ready for use.
type state struct {
	ours     []string // fully qualified
	target   []netip.Addr
	port     uint16
	clients  []netip.Prefix
	catchAll bool
	forward  []string
	best     atomic.Uint32 // of forward: the last one that answered
}

// newState checks c and makes it ready.
func newState(c *Config) (*state, error) {
	s := &state{port: c.Port, catchAll: c.CatchAll, clients: slices.Clone(c.Clients), forward: slices.Clone(c.Forward)}
	if c.Port == 0 || len(c.Target) == 0 {
		return nil, errors.New("inside DNS: the address and the port of the inside listener are needed")
	}
	for _, a := range c.Target {
		s.target = append(s.target, a.Unmap())
	}
	for _, n := range c.Ours {
		s.ours = append(s.ours, dns.Fqdn(n.String()))
	}
	for _, addr := range c.Forward {
		if p, err := netip.ParseAddrPort(addr); err != nil || p.Port() == 0 {
			return nil, fmt.Errorf("inside DNS: forwarder %q; write an IP address and a port such as 192.0.2.53:53", addr)
		}
	}
	return s, nil
}

// isOurs says whether the fully qualified name is one of ours or below it.
func (s *state) isOurs(name string) bool {
	return slices.ContainsFunc(s.ours, func(o string) bool { return dns.IsSubDomain(o, name) })
}

// admits says whether addr may ask.
func (s *state) admits(addr net.Addr) bool {
	p, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return false
	}
	ip := p.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(s.clients, func(n netip.Prefix) bool { return n.Contains(ip) })
}
