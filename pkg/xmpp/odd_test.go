package xmpp

import (
	"testing"

	"edged/internal/lab/xmpppeer"

	"github.com/prometheus/client_golang/prometheus"
)

// TestOddAddress: an address that RFC 7622 refuses and the older servers take, as in
// ♚@contoso.com, costs the stanza that has it, and nobody else the stream.
func TestOddAddress(t *testing.T) {
	reg := prometheus.NewRegistry()
	b := newBed(t, counted(reg))
	p := b.partner(theirs)
	friend, user := p.User(alice), b.pool.User(bob)
	b.chat(friend, user, "before")
	b.chat(user, friend, "before")
	for name, tt := range map[string]struct {
		from   *xmpppeer.User
		sent   xmpppeer.Stanza
		by     string
		silent bool
	}{
		"to inward":       {friend, xmpppeer.Stanza{From: alice, To: "♚@" + ours}, "", false},
		"resource inward": {friend, xmpppeer.Stanza{From: alice, To: bob + "/\u0378"}, "", false},
		"from inward":     {p.User("♚@" + theirs), xmpppeer.Stanza{From: "♚@" + theirs, To: bob}, "", false},
		"to outward":      {user, xmpppeer.Stanza{From: bob, To: "♚@" + theirs}, "edge." + ours, false},
		"an error":        {friend, xmpppeer.Stanza{From: alice, To: "♚@" + ours, Type: "error"}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			tt.sent.ID = "1"
			b.send(tt.from, tt.sent)
			if !tt.silent {
				b.isError(b.receive(tt.from), tt.sent, "bad-request", "modify", tt.by)
			}
		})
	}
	b.chat(friend, user, "after")
	b.chat(user, friend, "after")
	if n := total(t, reg, "edged_xmpp_stream_errors_total"); n != 0 {
		t.Errorf("%d stream errors", n)
	}
}
