package interop

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"edged/internal/lab/xmpppeer"
)

// tlsRun is a run of XEP-0238: what a partner has and does, and what becomes of
// messages. The partner's settings in the policy allow all of it.
type tlsRun struct {
	tls      string // none, self-signed or trusted
	external bool   // the partner offers SASL EXTERNAL, and uses it
	dialback bool   // keys are confirmed; else the authoritative server of either side denies them
	inward   string // delivered, or why the partner gets no stream
	outward  string // delivered, or the error that our user gets
}

const (
	delivered = "delivered"
	// denied is the verdict on the partner's key.
	denied = "dialback invalid"
	// bounced is what our user hears of a partner who does not take our key.
	bounced = "cancel internal-server-error"
)

// tlsRuns are all twelve. Without TLS nobody may offer EXTERNAL, so that there the runs
// with and without it are alike.
func tlsRuns() []tlsRun {
	return []tlsRun{
		{"none", true, true, delivered, delivered},
		{"none", true, false, denied, bounced},
		{"none", false, true, delivered, delivered},
		{"none", false, false, denied, bounced},
		// Our certificate proves us to the partner. Its own proves nothing, but where
		// dialback is allowed, to have been found by DNS is enough outward.
		{"self-signed", true, true, delivered, delivered},
		{"self-signed", true, false, denied, delivered},
		{"self-signed", false, true, delivered, delivered},
		{"self-signed", false, false, denied, bounced},
		// A certificate that proves the partner does so for its key too: nobody is asked
		// about that (XEP-0344 §2.1).
		{"trusted", true, true, delivered, delivered},
		{"trusted", true, false, delivered, delivered},
		{"trusted", false, true, delivered, delivered},
		{"trusted", false, false, delivered, bounced},
	}
}

// Domain is the partner's.
func (r tlsRun) Domain() string { return strings.ReplaceAll(r.name(), " ", "-") + ".example" }

// Wants is the setting tls of the partner.
func (r tlsRun) Wants() string {
	if r.tls == "none" {
		return "optional"
	}
	return "required"
}

func (r tlsRun) name() string {
	name := r.tls
	if r.external {
		name += " external"
	}
	if r.dialback {
		return name + " dialback"
	}
	return name + " denied"
}

// TestXMPPTLSMatrix plays the twelve partners towards one edge, which has a Prosody
// behind it.
func TestXMPPTLSMatrix(t *testing.T) {
	t.Parallel()
	s := &xmppStand{world: newWorld(t), spec: xmppStandSpec{mode: "mint", members: []string{xmppFirst}}}
	hosts := []string{xmppFirst, xmppInside}
	var domains []xmppDomain
	for _, r := range tlsRuns() {
		host := "xmpp." + r.Domain()
		hosts = append(hosts, host)
		domains = append(domains, xmppDomain{Name: r.Domain(), Host: host})
	}
	s.serveZone(t, "xmpp/world.zone", map[string]any{"Hosts": hosts, "Domains": domains})
	config := s.configureXMPP(t)
	s.render(t, "xmpp/matrix.yaml", "policy.yaml", tlsRuns())
	s.edge = s.runEdge(t, config)
	s.pool = s.startXMPP(t, s.xmppMember(t, "prosody", xmppFirst, "mint"))
	s.carol = s.newUser(t, "carol", s.pool)
	for _, r := range tlsRuns() {
		t.Run(r.name(), func(t *testing.T) {
			user, calls := s.tlsPartner(t, r)
			if got := s.outcomeOutward(t, user); got != r.outward {
				t.Errorf("outward: %s, want %s", got, r.outward)
			}
			calls.Store(&xmpppeer.Hop{Addr: s.place(xmppOutside).String()})
			if got := s.outcomeInward(t, user); got != r.inward {
				t.Errorf("inward: %s, want %s", got, r.inward)
			}
		})
	}
}

// tlsPartner plays the partner of a run. Where keys are to be denied, it asks somebody
// about ours who denies them, until it is told to call edged.
func (s *xmppStand) tlsPartner(t *testing.T, r tlsRun) (user *xmpppeer.User, calls *atomic.Pointer[xmpppeer.Hop]) {
	t.Helper()
	calls = new(atomic.Pointer[xmpppeer.Hop])
	calls.Store(&xmpppeer.Hop{Addr: s.place(xmppOutside).String()})
	signer := s.roots
	if r.tls == "self-signed" {
		signer = s.newAuthority(t, "nobody-trusts-"+r.Domain())
	}
	cert := signer.Issue(leaf(r.Domain())).TLS
	c := xmpppeer.Config{
		Domains: []string{r.Domain()}, Certificates: map[string]*tls.Certificate{"": &cert}, Roots: s.roots.pool,
		Resolve:  func(context.Context, string) (xmpppeer.Hop, error) { return *calls.Load(), nil },
		External: xmpppeer.ExternalNever, AvoidExternal: !r.external, Dialback: true, FreshVerify: true,
	}
	if r.external {
		c.External = xmpppeer.ExternalProven
	}
	if r.tls == "none" {
		c.TLS = xmpppeer.WithoutTLS
	}
	if !r.dialback {
		c.Authority = xmpppeer.SayNo
		calls.Store(&xmpppeer.Hop{Addr: s.denier(t, r)})
	}
	partner := s.play(t, "xmpp."+r.Domain(), "", c)
	return partner.User("bob@" + r.Domain()), calls
}

// denier is where somebody says in our name that no key is ours.
func (s *xmppStand) denier(t *testing.T, r tlsRun) string {
	t.Helper()
	at := "denier." + r.Domain()
	cert := s.roots.Issue(leaf("contoso.com")).TLS
	s.play(t, at, "", xmpppeer.Config{
		Domains: []string{"contoso.com"}, Certificates: map[string]*tls.Certificate{"": &cert},
		TLS: xmpppeer.OptionalTLS, Dialback: true, Authority: xmpppeer.SayNo,
	})
	return s.place(at).String()
}

// outcomeOutward is what becomes of a message to the partner's user.
func (s *xmppStand) outcomeOutward(t *testing.T, user *xmpppeer.User) string {
	t.Helper()
	id := s.carol.say(t, user.Address, "out")
	outcome := ""
	await(t, "the message to arrive, or an error", func() bool {
		select {
		case e := <-user.Inbox():
			outcome = fmt.Sprintf("%q from %s", e.Body(), e.Attr("from"))
			if e.Body() == "out" && e.Attr("from") == s.carol.full {
				outcome = delivered
			}
		default:
			if e, ok := s.carol.look(0, func(e xmppEvent) bool { return e.ID == id && e.Type == "error" }); ok {
				outcome = e.Error
			}
		}
		return outcome != ""
	})
	return outcome
}

// outcomeInward is what becomes of a message from the partner's user.
func (s *xmppStand) outcomeInward(t *testing.T, user *xmpppeer.User) string {
	t.Helper()
	_, err := user.Message(soon(t), s.carol.jid, "in")
	if refused, ok := errors.AsType[*xmpppeer.DialbackError](err); ok {
		return "dialback " + refused.Type
	}
	if err != nil {
		return err.Error()
	}
	s.carol.hear(t, user.Address, "in")
	return delivered
}
