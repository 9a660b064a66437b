package interop

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// xmppWay is how two servers prove their domains to each other.
type xmppWay struct {
	name     string
	external bool // by certificates; else by dialback
	direct   bool // over direct TLS
}

func xmppWays() []xmppWay {
	return []xmppWay{
		{name: "EXTERNAL", external: true},
		{name: "dialback"},
		{name: "direct TLS", external: true, direct: true},
	}
}

// TestXMPPPeersWithoutEdge lets the servers talk to each other directly. It proves
// the bed: when it fails, no other failure of XMPP here says anything about edged.
func TestXMPPPeersWithoutEdge(t *testing.T) {
	for _, way := range xmppWays() {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.startXMPPDNS(t, xmppFirst, way.direct)
			partner := w.startXMPP(t, w.xmppPeer(t, "prosody", xmppPartner, "jabber.example", way, "bob"))
			ours := w.startXMPP(t, w.xmppPeer(t, "ejabberd", xmppFirst, "contoso.com", way, "carol"))
			bob, carol := w.newUser(t, "bob", partner), w.newUser(t, "carol", ours)
			exchangeAll(t, bob, partner, carol, ours)
			partner.wantProven(t, "contoso.com", way.method(), way.method())
			ours.wantProven(t, "jabber.example", way.method(), way.method())
		})
	}
}

// xmppPeer is a server that finds others by the world's DNS and wants of them what
// the way says. By dialback its certificate is one that nobody trusts.
func (w *world) xmppPeer(t *testing.T, kind, host, domain string, way xmppWay, users ...string) xmppSpec {
	t.Helper()
	s := xmppSpec{kind: kind, host: host, domain: domain, users: users, signer: w.roots, trusts: w.roots, dialback: !way.external}
	if !way.external {
		s.signer = w.newAuthority(t, "nobody-trusts-"+host)
	}
	switch {
	case kind == "prosody" && way.external:
		s.settings = w.prosodyAsks("ns.test") + prosodyProves(w.roots)
	case kind == "prosody":
		s.settings = w.prosodyAsks("ns.test") + prosodyCalls
	case way.external:
		s.settings = stockShapers(t) + ejabberdProves(w.roots)
	default:
		s.settings = stockShapers(t) + ejabberdCalls
	}
	s.inetrc, s.hosts = w.ejabberdAsks("ns.test"), w.knowsAll()
	return s
}

// wantProven checks by the server's log how the other domain has proven itself to it,
// and it to the other: by certificates, or by dialback alone.
func (s *xmppServer) wantProven(t *testing.T, other string, inward, outward method) {
	t.Helper()
	says := func(p proof) bool {
		log, err := os.ReadFile(s.log)
		return err == nil && strings.Contains(string(log), p.text)
	}
	wanted := func(p proof) bool { return p.inward && p.by == inward || !p.inward && p.by == outward }
	for _, p := range s.proofs(other) {
		if wanted(p) {
			// Stanzas may be quicker than the log.
			await(t, fmt.Sprintf("%s to log %q", s.kind, p.text), func() bool { return says(p) })
		}
	}
	for _, p := range s.proofs(other) {
		if !wanted(p) && says(p) {
			t.Errorf("%s has logged %q, against its configuration", s.kind, p.text)
		}
	}
}

// method is how a server proves its domain, as ejabberd names it.
type method string

const (
	byExternal method = "EXTERNAL"
	byDialback method = "dialback"
)

// method is how both sides prove themselves.
func (w xmppWay) method() method {
	if w.external {
		return byExternal
	}
	return byDialback
}

// proof is a line of a server's log, and what it is a proof of.
type proof struct {
	text   string
	by     method
	inward bool // of the other's domain; else of the server's own
}

func (s *xmppServer) proofs(other string) []proof {
	if s.kind == "prosody" {
		return []proof{
			{"Accepting SASL EXTERNAL identity from " + other, byExternal, true},
			{"SASL EXTERNAL with " + other + " succeeded", byExternal, false},
			{"asking " + other + " if key", byDialback, true},
			{"sent dialback key on outgoing s2s stream", byDialback, false},
		}
	}
	var all []proof
	for _, by := range []method{byExternal, byDialback} {
		all = append(all,
			proof{fmt.Sprintf("Accepted inbound s2s %s authentication %s -> %s", by, other, s.domain), by, true},
			proof{fmt.Sprintf("Accepted outbound s2s %s authentication %s -> %s", by, s.domain, other), by, false})
	}
	return all
}
