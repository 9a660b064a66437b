package xmpp

import (
	"strings"
	"testing"

	"edged/internal/lab/xmpppeer"
)

// TestUnknownUser: an outsider cannot tell a user who may not federate from one who does
// not exist by any word of the answer (RFC 6120 §8.3.3.19, §13.11).
func TestUnknownUser(t *testing.T) {
	b := newBed(t)
	p := b.partner(theirs)
	friend := p.User(alice)
	b.pool.User("mallory@contoso.com")
	for name, st := range map[string]xmpppeer.Stanza{
		"chat":           {Type: "chat", Payload: xmpppeer.Body("are you there?")},
		"message":        {Lang: "de", Payload: xmpppeer.Body("are you there?")},
		"get":            {Kind: "iq", Type: "get", Payload: "<query xmlns='jabber:iq:version'/>"},
		"set":            {Kind: "iq", Type: "set", Payload: "<query xmlns='jabber:iq:private'/>"},
		"ping":           {Kind: "iq", Type: "get", Payload: "<ping xmlns='urn:xmpp:ping'/>"},
		"id with quotes": {Type: "chat", ID: "a'b\"&<c", Payload: xmpppeer.Body("are you there?")},
	} {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			if st.ID == "" {
				st.ID = "q1"
			}
			for _, resource := range []string{"", "/phone"} {
				answers := map[string]string{}
				for _, user := range []string{"mallory", "nobody"} {
					st.From, st.To = alice+"/home", user+"@contoso.com"+resource
					b.send(friend, st)
					answers[user] = strings.ReplaceAll(b.receive(friend).Raw, user, "USER")
				}
				if answers["mallory"] != answers["nobody"] {
					t.Errorf("not federated: %s\nnot there:     %s", answers["mallory"], answers["nobody"])
				}
			}
		})
	}
}

// TestUnknownUserOtherwise: nor by how the address is written, as pools write it their
// own way, nor by what keeps every stanza from the pool.
func TestUnknownUserOtherwise(t *testing.T) {
	asks := func(b *bed, p *xmpppeer.Server, user, text string) string {
		b.t.Helper()
		friend := p.User(alice + "/Home")
		b.send(friend, xmpppeer.Stanza{From: "Alice@Jabber.example/Home", To: user + "@Contoso.com/X", ID: "q1", Type: "chat", Payload: xmpppeer.Body(text)})
		return strings.ReplaceAll(strings.ToLower(b.receive(friend).Raw), strings.ToLower(user), "user")
	}
	same := func(b *bed, p *xmpppeer.Server, text, condition string) {
		b.t.Helper()
		nobody, mallory := asks(b, p, "Nobody", text), asks(b, p, "Mallory", text)
		if nobody != mallory || !strings.Contains(nobody, condition) {
			b.t.Errorf("not there:     %s\nnot federated: %s", nobody, mallory)
		}
	}
	t.Run("spelling", func(t *testing.T) {
		b := newBed(t)
		p := b.partner(theirs)
		friend := p.User(alice + "/Home")
		b.send(b.pool.User("nobody@contoso.com"), xmpppeer.Stanza{
			From: "nobody@contoso.com/X", To: alice + "/Home", ID: "q1", Type: "error",
			Payload: "<error type='cancel'><service-unavailable xmlns='" + nsStanzas + "'/></error>", // Prosody writes addresses so
		})
		nobody := strings.ReplaceAll(b.receive(friend).Raw, "nobody", "USER")
		b.send(friend, xmpppeer.Stanza{From: "Alice@Jabber.example/Home", To: "Mallory@Contoso.com/X", ID: "q1", Payload: xmpppeer.Body("?")})
		mallory := strings.ReplaceAll(strings.ReplaceAll(b.receive(friend).Raw, "Mallory", "USER"), "mallory", "USER")
		if nobody != mallory {
			t.Errorf("not there:     %s\nnot federated: %s", nobody, mallory)
		}
	})
	t.Run("too large", func(t *testing.T) {
		b := newBed(t, func(c *setup) { c.pool.MaxBytes = 10_000 })
		same(b, b.partner(theirs), strings.Repeat("x", 20_000), "policy-violation")
	})
	t.Run("no pool", func(t *testing.T) {
		b := newBed(t, func(c *setup) { c.noPool = true })
		same(b, b.partner(theirs), "?", "internal-server-error")
	})
}
