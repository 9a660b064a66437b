package xmpp

import (
	"testing"

	"edged/internal/lab/xmpppeer"
)

// TestSpoof: nobody speaks for a domain that was not proven on the stream, nor for one
// below or beside it (RFC 6120 §8.1.2.2).
func TestSpoof(t *testing.T) {
	b := newBed(t)
	user := b.pool.User(bob)
	cert := b.cert(theirs)
	tests := map[string]struct{ from, to, condition string }{
		"another partner":      {"alice@other.example", bob, "invalid-from"},
		"below":                {"alice@sub.jabber.example", bob, "invalid-from"},
		"beside":               {"alice@jabber.example.evil", bob, "invalid-from"},
		"above":                {"alice@example", bob, "invalid-from"},
		"one of ours":          {"carol@contoso.com", bob, "invalid-from"},
		"no from":              {"", bob, "improper-addressing"},
		"from without user":    {"@jabber.example", bob, "improper-addressing"},
		"two ats":              {"a@b@jabber.example", bob, "improper-addressing"},
		"empty resource":       {"alice@jabber.example/", bob, "improper-addressing"},
		"reference in between": {"alice@jabber.example&#xFF0F;x", bob, "improper-addressing"},
		"no to":                {alice, "", "improper-addressing"},
		"to a third party":     {alice, "carol@other.example", "host-unknown"},
		"to their own":         {alice, "carol@jabber.example", "host-unknown"},
		"to below ours":        {alice, "carol@sub.contoso.com", "host-unknown"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			s := b.dial(theirs, cert, xmpppeer.Ready)
			text := "<message id='spoof'"
			if tt.from != "" {
				text += " from='" + tt.from + "'"
			}
			if tt.to != "" {
				text += " to='" + tt.to + "'"
			}
			if err := s.Send(text, "><body>spoof</body></message>"); err != nil {
				t.Fatal(err)
			}
			b.ended(s, tt.condition)
		})
	}
	for _, from := range []string{"alice@JABBER.EXAMPLE", "Alice@jabber.example/Home", "jabber.example"} {
		s := b.dial(theirs, cert, xmpppeer.Ready)
		if err := s.SendStanza(xmpppeer.Stanza{From: from, To: bob, Payload: xmpppeer.Body("honest")}); err != nil {
			t.Fatal(err)
		}
		if e := b.receive(user); e.Attr("from") != from || e.Body() != "honest" {
			t.Errorf("got %s, want an honest message from %s", e, from)
		}
	}
}
