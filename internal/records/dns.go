package records

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"edged/internal/config"
	"edged/pkg/discovery"
)

// service compares one SRV record.
func (v *verifier) service(ctx context.Context, s *Service) {
	record := s.record()
	about, line := s.Owner()+" SRV", "publish: "+record.zoneLine()
	answer, err := v.Resolver.SRV(ctx, s.Service, s.Domain)
	if err != nil {
		v.absent(about, err, line)
		return
	}
	here := slices.ContainsFunc(answer.Targets, s.leadsHere)
	if here {
		v.published = append(v.published, s)
		v.add(OK, about, fmt.Sprintf("%s, port %d", s.Target, s.Port), "")
	}
	for _, t := range answer.Targets {
		v.target(about, s, t, here, line)
	}
}

func (s *Service) leadsHere(t discovery.Target) bool { return t.Host == s.Target && t.Port == s.Port }

// target judges one target that the DNS names. here says that another one leads to
// this edge.
func (v *verifier) target(about string, s *Service, t discovery.Target, here bool, line string) {
	outside := s.Protocol == config.SIPProtocol && t.Host != s.Domain && !t.Host.DirectlyUnder(s.Domain)
	switch {
	case s.leadsHere(t):
	case t.Host == s.Target:
		v.add(Wrong, about, fmt.Sprintf("leads to port %d of %s, where this edge does not listen", t.Port, t.Host), line)
	case outside:
		v.add(Wrong, about, fmt.Sprintf("leads to %s, which does not lie directly in %s: partners do not accept it (Lync: 504, id 1009)", t.Host, s.Domain), line)
	case here:
		v.add(Warning, about, fmt.Sprintf("leads to %s, port %d, too", t.Host, t.Port), "remove it, unless that is another edge of yours")
	default:
		v.add(Wrong, about, fmt.Sprintf("leads to %s, port %d, and not to this edge", t.Host, t.Port), line)
	}
}

// unserved finds direct TLS that is published and not there: partners would try it
// first or last, and wait.
func (v *verifier) unserved(ctx context.Context) {
	x := &v.Config.XMPP
	if !x.Serves() || len(x.External.DirectTLS) > 0 {
		return
	}
	for i := range v.Config.Domains {
		d := &v.Config.Domains[i]
		if !d.Speaks(config.XMPPProtocol) {
			continue
		}
		answer, err := v.Resolver.SRV(ctx, discovery.XMPPSServer, d.Name)
		if err == nil && slices.Contains(answer.Names(), d.XMPP) {
			v.add(Wrong, discovery.XMPPSServer+"."+d.Name.String()+" SRV", "is published, but this edge does not listen for direct TLS",
				"remove it, or set xmpp.external.direct_tls")
		}
	}
}

// host compares the addresses of one of our hosts.
func (v *verifier) host(ctx context.Context, h *Host) {
	about := h.Name.String() + " A/AAAA"
	found, err := v.Resolver.Addresses(ctx, h.Name)
	if err != nil {
		v.absent(about, err, v.publish(h, h.Addresses))
		return
	}
	v.addresses[h.Name] = found
	private := slices.DeleteFunc(slices.Clone(found), func(a netip.Addr) bool { return v.Resolver.CheckAddr(a) == nil })
	if len(private) > 0 {
		v.add(Wrong, about, fmt.Sprintf("%s is no address of the public Internet, so that no partner reaches it", addressList(private)),
			"publish the address that partners reach; where this is meant for the DNS inside, ask another server by --server")
	}
	missing := except(h.Addresses, found)
	if len(missing) > 0 {
		v.add(Wrong, about, "does not lead to "+addressList(missing), v.publish(h, missing))
	}
	if more := except(found, slices.Concat(h.Addresses, private)); len(h.Addresses) > 0 && len(more) > 0 {
		v.add(Warning, about, "leads to "+addressList(more)+", which is not in public_addresses", "remove that, unless it is another edge of yours; if it is this one, add it to public_addresses")
	}
	if len(missing)+len(private) == 0 {
		v.add(OK, about, addressList(found), "")
	}
}

// publish says which records to publish.
func (v *verifier) publish(h *Host, addrs []netip.Addr) string {
	if len(addrs) == 0 {
		return "publish the addresses that partners reach, and write them in public_addresses"
	}
	lines := make([]string, len(addrs))
	for i, a := range addrs {
		record := h.record(a)
		lines[i] = "publish: " + record.zoneLine()
	}
	return strings.Join(lines, "\n")
}

// absent reports why there are no records.
func (v *verifier) absent(about string, err error, cure string) {
	e, ok := errors.AsType[*discovery.Error](err)
	switch {
	case !ok || e.Temporary():
		v.add(Unknown, about, "the DNS does not tell: "+err.Error(), "see whether the name servers of the domain and those of this host answer, and whether its signatures (DNSSEC) are in order; or ask another one by --server")
	case e.Kind == discovery.NotOffered:
		v.add(Wrong, about, "says that there is no such service (target \".\")", cure)
	case e.Kind == discovery.BadAnswer:
		v.add(Wrong, about, "leads nowhere: "+err.Error(), cure)
	default:
		v.add(Wrong, about, "there is no such record", cure)
	}
}

// except returns what is in a and not in b.
func except(a, b []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(a), func(x netip.Addr) bool {
		return slices.ContainsFunc(b, func(y netip.Addr) bool { return x.Unmap() == y.Unmap() })
	})
}

func addressList(all []netip.Addr) string {
	words := make([]string, len(all))
	for i, a := range all {
		words[i] = a.String()
	}
	return strings.Join(words, ", ")
}
