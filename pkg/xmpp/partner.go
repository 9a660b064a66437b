package xmpp

import (
	"context"
	"math/rand/v2"
	"net"
	"strconv"

	"edged/pkg/discovery"
	"edged/pkg/domain"
	"edged/pkg/policy"
)

// planPartner lists where a partner's servers are: at its pinned proxy, or where its
// SRV records lead (RFC 6120 §3.2, XEP-0368 §3).
func (s *Server) planPartner(ctx context.Context, st *State, p pair) (plan, *refusal) {
	d, refused := st.partner(p, policy.Outward, policy.Facts{})
	if refused != nil {
		return plan{}, refused
	}
	if proxy := d.Partner.Proxy; !proxy.IsZero() {
		return plan{places: []place{hostAt(proxy, d.Partner.Port, false)}}, nil
	}
	answer, err := st.Resolver.XMPP(ctx, p.theirs)
	if err != nil {
		return plan{}, undialled(discovery.Reason(err), p.theirs.String(), err)
	}
	var pl plan
	for _, t := range answer.Ordered(rand.IntN) {
		if len(pl.places) == maxPlaces {
			break
		}
		if t.DirectTLS && d.Partner.XMPP.TLS == policy.NotSupported {
			continue
		}
		at := hostAt(t.Host, t.Port, t.DirectTLS)
		if d.Partner.XMPP.DANE.On() && answer.Authentic && !answer.Fallback {
			at.tlsa = st.tlsa(ctx, t.Host, t.Port)
		}
		pl.places = append(pl.places, at)
	}
	return pl, nil
}

func hostAt(host domain.Name, port uint16, direct bool) place {
	return place{name: net.JoinHostPort(host.String(), strconv.Itoa(int(port))), host: host, port: port, direct: direct}
}
