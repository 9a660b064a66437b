package probe

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/posh"
	"edged/pkg/sipfed"
	"edged/pkg/xmpp"
)

// The bounds of one walk: a domain's DNS is in the hands of whoever has the domain.
const (
	maxTargets   = 8
	maxAddresses = 4 // of each target
)

// Config is what the gateway would work with.
type Config struct {
	Policy *policy.Set
	// Source and Local are what Policy was made of, and File where Source stands.
	Source policy.Source
	Local  []policy.Local
	File   string

	SIP  *sipfed.State // nil if SIP is not configured
	XMPP *xmpp.State   // nil if XMPP is not configured
	POSH *posh.Client  // nil if nobody may use it

	// Dial opens a TCP connection, outside or inside.
	Dial func(ctx context.Context, protocol policy.Protocol, inside bool, to netip.AddrPort) (net.Conn, error)
	// Now is the clock; nil is the host's. Synchronised tells what the host knows of it.
	Now          func() time.Time
	Synchronised func() string
	// End ends what the others need.
	End func()
}

// Prober walks to partners and into pools.
type Prober struct{ Config }

// New returns a Prober. End it with Close.
func New(c Config) *Prober {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Synchronised == nil {
		c.Synchronised = synchronised
	}
	return &Prober{c}
}

// Close ends what the Prober works with.
func (p *Prober) Close() { p.End() }

// Serves tells whether the gateway speaks a protocol at all.
func (p *Prober) Serves(protocol policy.Protocol) bool {
	if protocol == policy.XMPP {
		return p.XMPP != nil
	}
	return p.SIP != nil
}

// Protocols are those by which a domain is worth a walk: those for which policy lists
// it or that are ours, else all that the gateway speaks.
func (p *Prober) Protocols(d domain.Name) []policy.Protocol {
	var listed, all []policy.Protocol
	for _, protocol := range []policy.Protocol{policy.SIP, policy.XMPP} {
		if !p.Serves(protocol) {
			continue
		}
		all = append(all, protocol)
		if p.Policy.Lists(d, protocol) || p.Policy.IsLocal(d, protocol) {
			listed = append(listed, protocol)
		}
	}
	if listed != nil {
		return listed
	}
	return all
}

// Walk goes to a domain: a partner's servers, or, if it is ours, its pool. as is whom
// we speak for, of the other side; the zero value takes the first that fits.
func (p *Prober) Walk(ctx context.Context, protocol policy.Protocol, d, as domain.Name) (*Report, error) {
	if !p.Serves(protocol) {
		return nil, fmt.Errorf("this gateway does not serve %s: there is no pool for it in the configuration", protocol)
	}
	w := &walk{
		Prober: p, protocol: protocol, inside: p.Policy.IsLocal(d, protocol),
		Report: &Report{Domain: d.String(), Protocol: protocol.String(), File: p.File, Allowed: true},
	}
	if as.IsZero() || w.inside && protocol == policy.SIP { // a SIP pool is asked in the edge's own name
		as = w.voice()
	}
	if w.inside && protocol == policy.XMPP && p.Policy.IsLocal(as, protocol) {
		return nil, fmt.Errorf("%s is one of our domains; into a pool of ours, --as names a partner's", as)
	}
	if !w.inside && !p.Policy.IsLocal(as, protocol) {
		return nil, fmt.Errorf("%s is not one of our domains for %s; name one with --as", orNobody(as), protocol)
	}
	w.As, w.Pool = as.String(), w.inside
	switch {
	case w.inside && protocol == policy.XMPP:
		w.xmppPool(ctx, d, as)
	case w.inside:
		w.sipPool(ctx, d)
	case protocol == policy.XMPP:
		w.xmppPartner(ctx, as, d)
	default:
		w.sipPartner(ctx, as, d)
	}
	return w.Report, nil
}

// voice is whom we speak for if nobody says: outside the first of our domains, inside
// the first partner of that protocol.
func (w *walk) voice() domain.Name {
	if !w.inside {
		for _, l := range w.Local {
			if w.Policy.IsLocal(l.Domain, w.protocol) {
				return l.Domain
			}
		}
		return domain.Name{}
	}
	if w.protocol == policy.SIP {
		return w.SIP.Faces[sipfed.Internal].Host
	}
	if len(w.Source.XMPPPartners) > 0 {
		return w.Source.XMPPPartners[0].Domain
	}
	return domain.MustParse("partner.example")
}

func orNobody(d domain.Name) string {
	if d.IsZero() {
		return "nobody"
	}
	return d.String()
}

// quiet is the log of the protocol packages, which tell the walk what they find.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
