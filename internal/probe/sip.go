package probe

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"edged/pkg/discovery"
	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/sipfed"
	"edged/pkg/tlsid"
	"edged/pkg/verdict"
)

// sipPartner walks to every server of a SIP partner.
func (w *walk) sipPartner(ctx context.Context, ours, remote domain.Name) {
	q := policy.Question{Protocol: policy.SIP, Direction: policy.Outward, Local: policy.User{Domain: ours}, Remote: remote}
	answer := w.sipRecord(ctx, &q)
	set := w.judge(q)
	if set == nil {
		return
	}
	p := set.DecideDomain(q).Partner
	targets := sipfed.Targets(p, remote, answer)
	if at := w.pinned(p, answer); at != nil {
		targets = at
	}
	w.passedOver(p, remote, answer, targets)
	for _, target := range targets[:min(len(targets), maxTargets)] {
		w.each(ctx, target, func(ctx context.Context, raw net.Conn) bool {
			return w.sipServer(ctx, raw, target, set, p, q)
		})
	}
}

// sipRecord looks up where the partner is, and puts it into the question's facts. A
// direct partner has no record that counts.
func (w *walk) sipRecord(ctx context.Context, q *policy.Question) discovery.Answer {
	p := w.Policy.DecideDomain(*q).Partner
	if p != nil && p.Kind == policy.Direct {
		w.step(time.Time{}, "dns", Note, "%s is direct: no SRV record is asked for", q.Remote)
		return discovery.Answer{}
	}
	service := discovery.SIPFederation
	if p != nil && p.Service != "" {
		service = p.Service
	}
	began := time.Now()
	answer, err := w.SIP.Resolver.SRV(ctx, service, q.Remote)
	q.Facts.SRV, q.Facts.SRVKnown = answer.Names(), true
	record := service + "." + q.Remote.String()
	if err != nil {
		w.step(began, "dns", Failed, "%v", err)
		w.noRecord(ctx, record, q.Remote, err)
		return answer
	}
	for _, t := range answer.Targets {
		w.step(began, "dns", OK, "%s leads to %s:%d, priority %d, weight %d", record, t.Host, t.Port, t.Priority, t.Weight)
	}
	return answer
}

func (w *walk) noRecord(ctx context.Context, record string, remote domain.Name, err error) {
	if discovery.Reason(err) != verdict.DNSNoRecord {
		w.dnsFailed(err)
		return
	}
	if w.nowhere(ctx, remote, err) {
		return
	}
	cause := fmt.Sprintf("%s publishes no %s", remote, record)
	if e, ok := errors.AsType[*discovery.Error](err); ok && e.Kind == discovery.NotOffered {
		cause = fmt.Sprintf("%s says by its %s that it offers no federation (target \".\")", remote, record)
	}
	w.find(verdict.DNSNoRecord, cause,
		fmt.Sprintf("let the partner publish: %s. IN SRV 0 0 5061 sip.%s.", record, remote),
		fmt.Sprintf("if you know its edge by name: allowed_domains: {domain: %s, proxy: NAME}", remote))
}

// nowhere finds out, for a domain without the record, whether the domain is there at all.
func (w *walk) nowhere(ctx context.Context, remote domain.Name, err error) bool {
	missing := func(err error) bool {
		e, ok := errors.AsType[*discovery.Error](err)
		return ok && e.Kind == discovery.NoSuchName
	}
	if !missing(err) {
		return false
	}
	if _, err := w.resolver().Addresses(ctx, remote); !missing(err) {
		return false
	}
	w.find(verdict.DNSNoRecord, fmt.Sprintf("there is no domain %s", remote), "see whether it is spelt right", "the partner has to see whether its registration has run out")
	return true
}

// passedOver tells of targets that do not count, and whether any is left.
func (w *walk) passedOver(p *policy.Partner, remote domain.Name, answer discovery.Answer, counts []string) {
	if p.Kind == policy.Direct {
		return
	}
	for _, t := range answer.Targets {
		if !slices.Contains(counts, fmt.Sprintf("%s:%d", t.Host, t.Port)) {
			w.step(time.Time{}, "dns", Note, "%s is passed over: it does not lie directly in %s", t.Host, remote)
		}
	}
}

// pinned is where a proxy listens that policy would have to name, if it would: the SRV
// record says on which port.
func (w *walk) pinned(p *policy.Partner, answer discovery.Answer) []string {
	named := answer.Only(p.Proxy).Targets
	if p.Kind != policy.Direct || len(named) == 0 {
		return nil
	}
	if t := named[0]; t.Port != p.Port {
		w.step(time.Time{}, "policy", Note, "the entry needs port: %d too", t.Port)
	}
	return []string{fmt.Sprintf("%s:%d", named[0].Host, named[0].Port)}
}

// sipServer makes TLS, asks who answers, and sends an OPTIONS.
func (w *walk) sipServer(ctx context.Context, raw net.Conn, target string, set *policy.Set, p *policy.Partner, q policy.Question) bool {
	face := w.SIP.Faces[sipfed.External]
	sock := w.secure(ctx, raw, target, tlsid.ClientConfig(face.TLS, sipfed.ServerName(p, q.Remote), q.Local.Domain, nil), face.TLS)
	if sock == nil {
		return false
	}
	id, err := tlsid.PeerIdentity(face.TLS, sock.ConnectionState())
	if err != nil {
		return false // never: the handshake has asked
	}
	q.Facts.Names, q.Facts.Anchors = id.Names, id.Anchors
	if !set.Covers(p, q.Remote, q.Facts) {
		w.notCovered(target, p, q)
		return false
	}
	w.step(time.Time{}, "identity", OK, "the certificate proves %s", q.Remote)
	if !w.options(sock, target, face.Host.String(), w.As, q.Remote.String()) {
		return false
	}
	w.inward(set, q)
	return true
}

// notCovered says why a sound certificate does not do.
func (w *walk) notCovered(target string, p *policy.Partner, q policy.Question) {
	wanted := fmt.Sprintf("%s, or a target of its SRV record that lies directly in it", q.Remote)
	if !p.Proxy.IsZero() {
		wanted = p.Proxy.String()
	}
	w.step(time.Time{}, "identity", Failed, "the certificate does not prove %s", q.Remote)
	if !slices.Contains(q.Facts.Anchors, p.Anchor) {
		w.find(verdict.CertificateRefused, fmt.Sprintf("the certificate of %s is signed under %s, and %s counts only under %s",
			target, rootsOf(q.Facts.Anchors), p.Rule, rootsOf([]string{p.Anchor})),
			"find out from the partner who signs its certificates now, and correct roots in "+string(p.Rule))
		return
	}
	names := make([]string, len(q.Facts.Names))
	for i, n := range q.Facts.Names {
		names[i] = n.String()
	}
	cure := []string{"the partner has to get a certificate that names " + wanted}
	if p.Proxy.IsZero() {
		cure = append(cure, fmt.Sprintf("if the partner confirms that this is its edge: allowed_domains: {domain: %s, proxy: %s}", q.Remote, names[0]))
	}
	w.find(verdict.CertificateRefused, fmt.Sprintf("the certificate of %s names %s; wanted is %s",
		target, strings.Join(names[:min(len(names), maxNames)], ", "), wanted), cure...)
}

// inward says what policy would make of the partner's own messages, if they came with
// the certificate that was shown.
func (w *walk) inward(set *policy.Set, q policy.Question) {
	q.Direction = policy.Inward
	d := set.DecideDomain(q)
	if d.Allow() {
		w.step(time.Time{}, "inward", OK, "what it sends with this certificate is allowed by %s", d.Rule)
		return
	}
	w.step(time.Time{}, "inward", Note, "what it sends with this certificate is refused: %s by %s", d.Reason, d.Rule)
}

// ourCertificate is what we show to the other end.
func (w *walk) ourCertificate() *x509.Certificate {
	as, err := domain.Parse(w.As)
	if err != nil {
		return nil
	}
	side := sipfed.External
	if w.inside {
		side = sipfed.Internal
	}
	return w.SIP.Faces[side].TLS.Keys.For(as).Leaf
}
