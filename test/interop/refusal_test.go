package interop

import (
	"crypto/tls"
	"strings"
	"testing"

	"edged/internal/lab/ca"
	"edged/internal/lab/sippeer"

	"github.com/google/go-cmp/cmp"
)

// TestRefusedCertificates has peers that must not get past the handshake.
func TestRefusedCertificates(t *testing.T) {
	s := newStand(t)
	stranger := ca.New("stranger")
	unknown := stranger.Issue(leaf("sip.fabrikam.com")).TLS
	expired := s.issueExpired(t, s.roots, "sip.fabrikam.com").TLS
	tests := map[string]*tls.Certificate{
		"none":        nil,
		"unknown CA":  &unknown,
		"expired":     &expired,
		"inside's CA": new(s.inside.Issue(leaf("sip.fabrikam.com")).TLS),
		"wildcard":    new(s.roots.Issue(leaf("*.fabrikam.com")).TLS), // proves no name (RFC 5922 §7.2)
	}
	for name, cert := range tests {
		t.Run(name, func(t *testing.T) {
			p := s.callerWith(t, "sip.fabrikam.com", cert)
			c, err := p.Dial(soon(t), s.place("sip.contoso.com").String(), "sip.contoso.com")
			if err != nil {
				return
			}
			// TLS 1.3: the server judges after the client believes to be connected.
			defer c.Close()
			m := message(p, "bob@fabrikam.com", "carol@contoso.com")
			if o := c.Do(soon(t), m); len(o.Responses) > 0 {
				t.Errorf("answered:\n%s", o.Responses[0])
			}
			select {
			case <-c.Finished():
			case <-soon(t).Done():
				t.Error("the connection is still open")
			}
			if len(s.front.Desk.Arrived(m.Get("Call-ID"))) > 0 {
				t.Error("the pool received the request")
			}
		})
	}
	s.wantWorking(t, s.dialEdge(t, s.fabrikam))
}

// TestRefusedSenders has senders whose certificate is good, but not for what
// they say.
func TestRefusedSenders(t *testing.T) {
	s := newStand(t)
	tests := map[string]struct {
		signer authority
		names  []string
		from   string
	}{
		"certificate of another domain":        {s.roots, []string{"sip2.tailspintoys.com"}, "bob@fabrikam.com"},
		"certificate of a host that no record": {s.roots, []string{"other.fabrikam.com"}, "bob@fabrikam.com"},
		"certificate of a subdomain":           {s.roots, []string{"sip.eu.fabrikam.com"}, "bob@fabrikam.com"},
		"another partner's own CA":             {s.litware, []string{"sip.fabrikam.com"}, "bob@fabrikam.com"},
		"direct partner under the public CA":   {s.roots, []string{"edge.litware.net"}, "bob@litware.com"},
		"direct partner by its domain":         {s.litware, []string{"litware.com"}, "bob@litware.com"},
		"provider for a domain of others":      {s.roots, []string{"sipfed.online.lync.com"}, "bob@fabrikam.com"},
		"one of our users":                     {s.roots, []string{"sip.fabrikam.com"}, "dave@contoso.com"},
		"our own certificate's name":           {s.roots, []string{"sip.contoso.com", "contoso.com"}, "dave@contoso.com"},
		"blocked":                              {s.roots, []string{"sip.spam.example", "spam.example"}, "bob@spam.example"},
		"below blocked":                        {s.roots, []string{"a.spam.example"}, "bob@a.spam.example"},
		"unlisted":                             {s.roots, []string{"sip.unlisted.example", "unlisted.example"}, "bob@unlisted.example"},
		"anonymous":                            {s.roots, []string{"sip.fabrikam.com"}, "anonymous@anonymous.invalid"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := s.caller(t, tt.signer, tt.names...)
			c := s.dialEdge(t, p)
			s.wantRefused(t, c, message(p, tt.from, "carol@contoso.com"), 403)
			// Judged per message: the connection stays.
			s.wantRefused(t, c, message(p, tt.from, "carol@contoso.com"), 403)
		})
	}
}

// TestUnlistedLooksLikeBlocked compares the whole answers.
func TestUnlistedLooksLikeBlocked(t *testing.T) {
	s := newStand(t)
	answer := func(domain string) string {
		p := s.caller(t, s.roots, domain)
		return anonymised(s.dialEdge(t, p).Do(soon(t), message(p, "bob@"+domain, "carol@contoso.com")))
	}
	if diff := cmp.Diff(answer("spam.example"), answer("unlisted.example")); diff != "" {
		t.Errorf("blocked and unlisted differ (-blocked +unlisted):\n%s", diff)
	}
}

// TestUserWithoutFederation sends to a user who may not federate, in every
// spelling that means the same user, and to one that does not exist: all look
// alike from outside.
func TestUserWithoutFederation(t *testing.T) {
	s := newStand(t)
	c := s.dialEdge(t, s.fabrikam)

	nobody := message(s.fabrikam, "bob@fabrikam.com", "nobody@contoso.com")
	s.front.Desk.Script(nobody.Get("Call-ID"), sippeer.Answer{
		Status: 404, Headers: []sippeer.Field{{Name: "ms-diagnostics", Value: `1003;reason="User does not exist"`}},
	})
	unknown := anonymised(c.Do(soon(t), nobody))
	if len(s.front.Desk.Arrived(nobody.Get("Call-ID"))) == 0 {
		t.Fatal("the pool was not asked for the unknown user")
	}
	for _, user := range []string{"alice", "%61lice", "ALICE", "Alice", "%41LICE", "alic%65", "alice;phone-context=x", "alice:secret"} {
		t.Run(user, func(t *testing.T) {
			m := message(s.fabrikam, "bob@fabrikam.com", user+"@contoso.com")
			m.Set("To", "<sip:carol@contoso.com>") // the Request-URI counts
			o := c.Do(soon(t), m)
			if diff := cmp.Diff(unknown, anonymised(o)); diff != "" {
				t.Errorf("differs from an unknown user (-unknown +%s):\n%s", user, diff)
			}
			if len(s.front.Desk.Arrived(m.Get("Call-ID"))) > 0 {
				t.Error("the pool received the request")
			}
		})
	}
	s.wantWorking(t, c)
}

// TestUserWithoutFederationWrites refuses the same user on the way out.
func TestUserWithoutFederationWrites(t *testing.T) {
	s := newStand(t)
	c := s.dialInside(t)
	for _, user := range []string{"alice", "%61lice", "ALICE"} {
		m := message(s.front, user+"@contoso.com", "bob@fabrikam.com")
		if got := status(t, c, m); got != 403 {
			t.Errorf("%s is answered with %d, want 403", user, got)
		}
		if len(s.fabrikam.Desk.Arrived(m.Get("Call-ID"))) > 0 {
			t.Errorf("%s: the partner received the request", user)
		}
	}
	if got := status(t, c, message(s.front, "carol@contoso.com", "bob@fabrikam.com")); got != 200 {
		t.Errorf("a user with federation is answered with %d, want 200", got)
	}
}

// anonymised prints a final answer without what belongs to its own transaction.
func anonymised(o *sippeer.Outcome) string {
	final := o.Final()
	if final == nil {
		return "no final answer"
	}
	lines := []string{final.Start}
	for _, f := range final.Fields {
		switch strings.ToLower(f.Name) {
		case "via", "from", "to", "call-id", "cseq":
			lines = append(lines, f.Name)
		default:
			lines = append(lines, f.Name+": "+f.Value)
		}
	}
	return strings.Join(lines, "\n") + "\n" + final.Body
}
