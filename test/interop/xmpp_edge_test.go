package interop

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
)

// xmppStand is a world with edged between a partner's server and our pool, and a
// user on both sides.
type xmppStand struct {
	*world
	spec       xmppStandSpec
	config     string // edged's
	edge       *process
	partner    *xmppServer // jabber.example
	pool       *xmppServer // contoso.com
	bob, carol *xmppUser   // of the partner, and ours
}

// xmppStandSpec is what differs between the stands.
type xmppStandSpec struct {
	partner, pool string   // prosody or ejabberd
	way           xmppWay  // between the partner and edged; EXTERNAL if it has no name
	mode          string   // between edged and the pool: mint if empty, or dialback
	members       []string // of the pool; the first one if empty
	partnerType   string   // of the policy; federated if empty
}

func (s xmppStandSpec) name() string { return s.partner + " to " + s.pool }

// bothKinds is each server as partner and as pool.
func bothKinds() []xmppStandSpec {
	return []xmppStandSpec{{partner: "prosody", pool: "ejabberd"}, {partner: "ejabberd", pool: "prosody"}}
}

// newXMPPStand starts everything, beside other tests; the users are online.
func newXMPPStand(t *testing.T, spec xmppStandSpec) *xmppStand {
	t.Helper()
	s := startXMPPEdge(t, spec)
	s.startPartner(t)
	s.pool = s.startXMPP(t, s.xmppMember(t, s.spec.pool, xmppFirst, s.spec.mode))
	s.carol = s.newUser(t, "carol", s.pool)
	return s
}

// startPartner starts the partner's server and its user.
func (s *xmppStand) startPartner(t *testing.T) {
	t.Helper()
	s.partner = s.startXMPP(t, s.xmppPeer(t, s.spec.partner, xmppPartner, "jabber.example", s.spec.way, "bob"))
	s.bob = s.newUser(t, "bob", s.partner)
}

// startXMPPEdge starts edged, beside other tests, but neither partner nor pool.
func startXMPPEdge(t *testing.T, spec xmppStandSpec) *xmppStand {
	t.Helper()
	t.Parallel()
	if spec.way.name == "" {
		spec.way = xmppWay{name: "EXTERNAL", external: true}
	}
	if spec.mode == "" {
		spec.mode = "mint"
	}
	if spec.partnerType == "" {
		spec.partnerType = "federated"
	}
	if len(spec.members) == 0 {
		spec.members = []string{xmppFirst}
	}
	s := &xmppStand{world: newWorld(t), spec: spec}
	s.startXMPPDNS(t, xmppOutside, spec.way.direct)
	s.config = s.configureXMPP(t)
	s.edge = s.runEdge(t, s.config)
	return s
}

// configureXMPP writes edged.yaml and all it names.
func (s *xmppStand) configureXMPP(t *testing.T) string {
	t.Helper()
	secret, state := filepath.Join(s.dir, "edge.secret"), filepath.Join(s.dir, "state")
	if err := os.WriteFile(secret, []byte(rand.Text()+rand.Text()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(state, 0o700); err != nil {
		t.Fatal(err)
	}
	outside := s.issueXMPPOutside(t)
	sasl := "required"
	if !s.spec.way.external {
		sasl = "optional"
	}
	s.render(t, "xmpp/policy.yaml", "policy.yaml", map[string]any{
		"Type": s.spec.partnerType, "SASL": sasl, "Dialback": !s.spec.way.external, "Blocked": "",
	})
	return s.render(t, "xmpp/edged.yaml", "edged.yaml", map[string]any{
		"OutsideCert": outside.certFile, "OutsideKey": outside.keyFile, "Roots": s.roots.file,
		"Secret": secret, "State": state, "XMPP": s.xmppSection(t, s.spec.mode, s.spec.members),
	})
}

// issueXMPPOutside is edged's certificate outside, in the files that its
// configuration names.
func (s *xmppStand) issueXMPPOutside(t *testing.T) credential {
	t.Helper()
	return s.issue(t, s.roots, "contoso.com", "conference.contoso.com", "xmpp.contoso.com")
}
