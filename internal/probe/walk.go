package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"edged/pkg/discovery"
	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/policy"
	"edged/pkg/verdict"
)

// walk is one way to one domain.
type walk struct {
	*Prober
	*Report
	protocol policy.Protocol
	inside   bool
	fallback bool // the domain has no SRV record, and its own address is tried
}

// bounds and resolver are those of the protocol's state.
func (w *walk) bounds() limit.Bounds {
	if w.protocol == policy.XMPP {
		return w.XMPP.Bounds
	}
	return w.SIP.Bounds
}

func (w *walk) resolver() *discovery.Resolver {
	if w.protocol == policy.XMPP {
		return w.XMPP.Resolver
	}
	return w.SIP.Resolver
}

// step notes one step; began is zero where nothing was waited for.
func (w *walk) step(began time.Time, name string, outcome Outcome, format string, args ...any) {
	s := Step{Step: name, Outcome: outcome, Text: verdict.Printable(fmt.Sprintf(format, args...))}
	if !began.IsZero() {
		s.Took = max(time.Since(began), time.Microsecond)
	}
	w.Steps = append(w.Steps, s)
}

// judge asks policy whether the domains may talk, and returns the policy under which
// the walk goes on: the one in force, or what it would have to become; nil if no edit
// of it would do.
func (w *walk) judge(q policy.Question) *policy.Set {
	d := w.Policy.DecideDomain(q)
	if d.Allow() {
		w.step(time.Time{}, "policy", OK, "allowed by %s", d.Rule)
		return w.Policy
	}
	w.Allowed = false
	w.step(time.Time{}, "policy", Failed, "%s by %s", d.Reason, d.Rule)
	w.find(d.Reason, fmt.Sprintf("policy lets nobody at %s talk with %s: %s", q.Local.Domain, q.Remote, d.Rule))
	cure := policy.CureDomain(w.Source, w.Local, q)
	w.needs(cure.Changes)
	if len(cure.Changes) == 0 || !cure.Decision.Allow() {
		return nil
	}
	w.step(time.Time{}, "policy", Note, "what follows is measured as if it were allowed")
	return cure.Set
}

// each tries the addresses of a target, host:port, until one is good.
func (w *walk) each(ctx context.Context, target string, try func(ctx context.Context, raw net.Conn) bool) {
	if w.over(ctx, target) {
		return
	}
	for _, addr := range w.addresses(ctx, target) {
		if w.over(ctx, addr.String()) {
			return
		}
		raw := w.connect(ctx, target, addr)
		if raw == nil {
			continue
		}
		good := try(ctx, raw)
		_ = raw.Close()
		if good {
			w.Reached = true
			return
		}
	}
}

// over tells that the time of the walk is, so that what has not been tried is not taken
// for something that does not answer.
func (w *walk) over(ctx context.Context, next string) bool {
	if ctx.Err() == nil {
		return false
	}
	w.step(time.Time{}, "time", Note, "%s is not tried: the time of this walk is over (--timeout)", next)
	return true
}

// addresses looks a target up and drops what may not be dialled.
func (w *walk) addresses(ctx context.Context, target string) []netip.AddrPort {
	host, portText, err := net.SplitHostPort(target)
	port, portErr := strconv.ParseUint(portText, 10, 16)
	if err = errors.Join(err, portErr); err != nil {
		w.step(time.Time{}, "address", Failed, "%v", err)
		return nil
	}
	began := time.Now()
	ips, err := w.lookUp(ctx, host)
	if err != nil {
		w.step(began, "address", Failed, "%v", err)
		w.noAddress(host, err)
		return nil
	}
	var all []netip.AddrPort
	for _, ip := range ips[:min(len(ips), maxAddresses)] {
		if err := w.mayDial(ip); err != nil {
			w.step(began, "address", Failed, "%s is %s, which may not be dialled: %s", host, ip, why(err))
			w.find(verdict.TargetPrivate, fmt.Sprintf("%s has the address %s, which partners must not have", host, ip),
				"the partner has to publish a public address", "if others see another one, the DNS that this host asks has data of the inside: name another server in dns.servers",
				fmt.Sprintf("if the partner really is in your network, add %s to dns.allow_private", prefixOf(ip)))
			continue
		}
		w.step(began, "address", OK, "%s is %s", host, ip)
		all = append(all, netip.AddrPortFrom(ip, uint16(port)))
	}
	return all
}

func (w *walk) lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	name, err := domain.ParseWire(host)
	if err != nil {
		return nil, err
	}
	return w.resolver().Addresses(ctx, name)
}

// mayDial holds an address of a partner against dns.allow_private.
func (w *walk) mayDial(ip netip.Addr) error {
	if w.inside {
		return nil
	}
	return w.resolver().CheckAddr(ip)
}

// why is what CheckAddr has against an address.
func why(err error) string {
	if e, ok := errors.AsType[*discovery.Error](err); ok && e.Err != nil {
		err = e.Err
	}
	text, _, _ := strings.Cut(err.Error(), ";")
	return text
}

func prefixOf(ip netip.Addr) netip.Prefix { return netip.PrefixFrom(ip, ip.BitLen()) }

func (w *walk) noAddress(host string, err error) {
	if e, ok := errors.AsType[*discovery.Error](err); ok && e.Temporary() {
		w.dnsFailed(err)
		return
	}
	if w.fallback {
		w.find(verdict.DNSNoRecord, host+" publishes neither an SRV record for XMPP between servers nor an address of its own",
			publishXMPP(host), "see whether the domain is spelt right")
		return
	}
	w.find(verdict.DNSNoAddress, host+" has neither an A nor an AAAA record", w.must("publish one of the two for %s", host))
}

func (w *walk) dnsFailed(err error) {
	cure := []string{
		"see whether this host reaches its name servers (dns.servers; port 53 by UDP and TCP)",
		"if others resolve it neither, the name servers of the domain have a fault: " + w.must("look at them"),
	}
	if e, ok := errors.AsType[*discovery.Error](err); ok && e.Kind == discovery.ServerFailure {
		cure = append(cure, "where signatures of the domain (DNSSEC) are broken, a name server that checks them answers so too: see whether dig +cd gets an answer")
	}
	w.find(verdict.DNSFailed, err.Error(), cure...)
}

// must says who has to mend what is wrong over there.
func (w *walk) must(format string, args ...any) string {
	text := fmt.Sprintf(format, args...)
	if w.inside {
		return text
	}
	return "the partner has to " + text
}

// connect opens a TCP connection.
func (w *walk) connect(ctx context.Context, target string, addr netip.AddrPort) net.Conn {
	ctx, cancel := context.WithTimeout(ctx, w.bounds().ConnectTimeout)
	defer cancel()
	began := time.Now()
	raw, err := w.Dial(ctx, w.protocol, w.inside, addr)
	if err != nil {
		w.step(began, "tcp", Failed, "%v", err)
		w.unconnected(target, addr, err)
		return nil
	}
	w.step(began, "tcp", OK, "connected to %s", addr)
	return raw
}

// unconnected says what a failure to connect usually means.
func (w *walk) unconnected(target string, addr netip.AddrPort, err error) {
	reason := verdict.ConnectFailed
	if w.inside {
		reason = verdict.PoolDown
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		w.find(reason, fmt.Sprintf("nothing listens on %s (%s), or a firewall rejects us", addr, target),
			w.must("start the server, or correct its port%s", w.usualPort(addr)), "look at the firewalls between here and "+addr.String())
	case timedOut(err):
		w.find(reason, fmt.Sprintf("%s (%s) does not answer", addr, target),
			"look at the firewalls, ours outward first: something drops the packets", w.must("see whether the server runs"))
	case addr.Addr().Is6() && errors.Is(err, syscall.ENETUNREACH):
		w.find(reason, fmt.Sprintf("this host has no way to IPv6, and so none to %s (%s)", addr, target),
			"give this host an IPv6 address and route", w.must("publish an IPv4 address as well"))
	default:
		w.find(reason, fmt.Sprintf("no way to %s (%s): %v", addr, target, err), "look at this host's routes and addresses")
	}
}

// usualPort names it where a record leads elsewhere.
func (w *walk) usualPort(addr netip.AddrPort) string {
	usual := map[policy.Protocol]uint16{policy.SIP: 5061, policy.XMPP: 5269}[w.protocol]
	if w.inside || addr.Port() == usual {
		return ""
	}
	return fmt.Sprintf(": the usual one is %d", usual)
}

func timedOut(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}
