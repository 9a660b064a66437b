package probe

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"edged/pkg/discovery"
	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/tlsid"
	"edged/pkg/verdict"
	"edged/pkg/xmpp"
)

// xmppPartner opens a stream to every server of an XMPP partner.
func (w *walk) xmppPartner(ctx context.Context, ours, remote domain.Name) {
	q := policy.Question{Protocol: policy.XMPP, Direction: policy.Outward, Local: policy.User{Domain: ours}, Remote: remote}
	set := w.judge(q)
	if set == nil {
		return
	}
	if !w.xmppRecords(ctx, set.DecideDomain(q).Partner, remote) {
		return
	}
	st := *w.XMPP
	st.Policy = set
	w.streams(ctx, &st, xmpp.External, ours, remote)
}

// xmppRecords tells what the DNS says of a domain; false if it leads nowhere.
func (w *walk) xmppRecords(ctx context.Context, p *policy.Partner, remote domain.Name) bool {
	if !p.Proxy.IsZero() {
		w.step(time.Time{}, "dns", Note, "%s is reached at its proxy %s: no SRV record is asked for", remote, p.Proxy)
		return true
	}
	began := time.Now()
	answer, err := w.XMPP.Resolver.XMPP(ctx, remote)
	switch {
	case err != nil:
		w.step(began, "dns", Failed, "%v", err)
		w.noXMPPRecord(remote, err)
		return false
	case answer.Fallback:
		w.fallback = true
		w.step(began, "dns", Note, "%s publishes no SRV record: its own address is tried (RFC 6120 §3.2.2)", remote)
	}
	for _, t := range answer.Targets {
		service := discovery.XMPPServer
		if t.DirectTLS {
			service = discovery.XMPPSServer
		}
		if !answer.Fallback {
			w.step(began, "dns", OK, "%s.%s leads to %s:%d, priority %d, weight %d", service, remote, t.Host, t.Port, t.Priority, t.Weight)
		}
	}
	return true
}

func (w *walk) noXMPPRecord(remote domain.Name, err error) {
	if discovery.Reason(err) != verdict.DNSNoRecord {
		w.dnsFailed(err)
		return
	}
	w.find(verdict.DNSNoRecord, fmt.Sprintf("%s says that it offers no XMPP: %v", remote, err),
		publishXMPP(remote.String()))
}

func publishXMPP(remote string) string {
	return fmt.Sprintf("let the partner publish: %s.%s. IN SRV 0 0 5269 xmpp.%s.", discovery.XMPPServer, remote, remote)
}

// streams tries every server of a next hop.
func (w *walk) streams(ctx context.Context, st *xmpp.State, side xmpp.Side, ours, theirs domain.Name) {
	p := xmpp.NewProbe(xmpp.Config{Log: quiet(), POSH: w.POSH}, st, side, ours, theirs)
	defer p.Close()
	places, found := p.Places(ctx)
	if found.Reason != verdict.Allowed {
		w.step(time.Time{}, found.Name, Failed, "%s", found.Text)
		w.find(found.Reason, found.Text)
	}
	for _, at := range places[:min(len(places), maxTargets)] {
		w.each(ctx, at.Name, func(ctx context.Context, raw net.Conn) bool {
			began := time.Now()
			return p.Stream(ctx, at, raw, func(s xmpp.Stage) {
				w.stage(began, at, st, s)
				began = time.Now()
			})
		})
	}
}

// stage turns a stage of a stream into a step, and a failure into what helps.
func (w *walk) stage(began time.Time, at xmpp.Place, st *xmpp.State, s xmpp.Stage) {
	text := s.Text
	if s.Name == "tls" && s.TLS != nil {
		anchors := []string(nil)
		if id, err := w.trust(st).IdentifyXMPP(s.TLS.PeerCertificates); err == nil {
			anchors = id.Anchors
		}
		text = w.shown(*s.TLS, anchors)
		if refused, ours := tlsid.Refusal(s.Err); ours {
			cause, _ := w.judged(refused, s.TLS.PeerCertificates, at.Name)
			text += "; " + cause
		}
	}
	if s.Reason == verdict.Allowed {
		w.step(began, s.Name, OK, "%s", text)
		if s.TLS != nil && s.Err == nil {
			w.soon(s.TLS.PeerCertificates[0])
		}
		return
	}
	w.step(began, s.Name, Failed, "%s", text)
	w.brokeOff(at, s)
}

func (w *walk) trust(st *xmpp.State) *tlsid.Trust {
	if w.inside {
		return st.Inside
	}
	return st.Outside.Trust
}

// brokeOff says what the end of a stream means.
func (w *walk) brokeOff(at xmpp.Place, s xmpp.Stage) {
	refused, ours := tlsid.Refusal(s.Err)
	switch {
	case s.Reason == verdict.CertificateRefused && ours && s.TLS != nil:
		w.badCertificate(refused, s.TLS.PeerCertificates, at.Name)
	case s.Reason == verdict.CertificateRefused && s.TLS != nil && len(s.TLS.PeerCertificates) > 0:
		w.find(s.Reason, fmt.Sprintf("the certificate of %s names %s; wanted is %s", at.Name, namesIn(s.TLS.PeerCertificates[0]), w.Domain),
			w.must("get a certificate that names the domain"), "it can also vouch for this one by DANE or POSH, where its entry allows that (dane, posh)")
	case s.Reason == verdict.CertificateRefused:
		w.find(s.Reason, s.Text, w.must("encrypt"), "if that is good enough, its entry can say tls: optional and dialback: true")
	case !w.inside && s.Name == "authentication" && strings.Contains(s.Text, "dialback key"):
		w.find(s.Reason, s.Text, fmt.Sprintf("it asks the server of %s about the key: see that the gateway runs, and by edged dns --verify that %s.%s leads to it", w.As, discovery.XMPPServer, w.As),
			"if several hosts are one edge, see that secret_file is the same on all of them")
	case s.Name == "authentication" && (s.Reason == verdict.PeerRefused || s.Reason == verdict.ConnectionLost):
		w.find(s.Reason, s.Text, w.must("accept our certificate (SASL EXTERNAL): trust who issued it, and list us; or answer dialback"),
			"see that our certificate names "+w.As)
	case s.Name == "tls" && s.TLS == nil:
		w.find(verdict.TLSFailed, "asked for TLS, the server does not come to it: "+s.Text,
			w.must("look into its log: it may have no certificate for %s, or TLS is switched off", w.Domain), "see whether something inspects TLS on the way")
	case s.Reason == verdict.PeerRefused:
		w.find(s.Reason, s.Text, w.must("look into its log: it may not serve the domain, not admit us, or take us for a client"),
			"see whether the record leads to the port for servers (5269), and not to that for clients (5222)")
	case s.Reason == verdict.ConnectionLost:
		w.find(s.Reason, s.Text, w.must("look into its log"))
	default:
		w.find(s.Reason, s.Text)
	}
}
