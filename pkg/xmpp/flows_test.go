package xmpp

import (
	"testing"

	"edged/internal/lab/xmpppeer"
	"edged/pkg/policy"
)

// TestFlows sends every kind of stanza both ways over every kind of stream.
func TestFlows(t *testing.T) {
	onlyDialback := policy.XMPPSettings{TLS: policy.Required, SASL: policy.NotSupported, Dialback: policy.On}
	inClear := policy.XMPPSettings{TLS: policy.NotSupported, SASL: policy.NotSupported, Dialback: policy.On}
	bidi := byCertificate()
	bidi.Bidi = policy.On
	dialback := func(c *xmpppeer.Config) { c.Dialback, c.AvoidExternal, c.External = true, true, xmpppeer.ExternalNever }
	managed := func(c *xmpppeer.Config) { c.Management = true }
	tests := map[string]struct {
		entry   policy.XMPPSettings
		pool    func(*setup)
		partner func(*xmpppeer.Config)
		direct  bool
		proof   string
		event   string // at the partner
	}{
		"STARTTLS and EXTERNAL": {entry: byCertificate(), proof: "pkix", event: xmpppeer.EventExternal},
		"direct TLS":            {entry: byCertificate(), direct: true, proof: "pkix", event: xmpppeer.EventExternal},
		"dialback over TLS":     {entry: onlyDialback, partner: dialback, proof: "dialback", event: xmpppeer.EventDialback},
		"dialback, verified afresh": {
			entry: onlyDialback, proof: "dialback", event: xmpppeer.EventDialback,
			partner: func(c *xmpppeer.Config) { dialback(c); c.FreshVerify, c.DialbackErrors = true, true },
		},
		"dialback in the clear": {
			entry: inClear, proof: "dialback", event: xmpppeer.EventDialback,
			partner: func(c *xmpppeer.Config) { dialback(c); c.TLS = xmpppeer.WithoutTLS },
		},
		"pool by dialback": {
			entry: byCertificate(), proof: "pkix", event: xmpppeer.EventExternal,
			pool: func(c *setup) { c.dialback = true },
		},
		"acknowledgements": {
			entry: byCertificate(), proof: "pkix", event: xmpppeer.EventManaged, partner: managed,
			pool: func(c *setup) { managed(&c.pool) },
		},
		"bidi": {
			entry: bidi, proof: "pkix", event: xmpppeer.EventBidi,
			partner: func(c *xmpppeer.Config) { c.Bidi = true },
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change := []func(*setup){entry(tt.entry)}
			if tt.pool != nil {
				change = append(change, tt.pool)
			}
			b := newBed(t, change...)
			peer := tt.partner
			if peer == nil {
				peer = func(*xmpppeer.Config) {}
			}
			p := b.partnerAt(theirs, tt.direct, peer)
			b.exchange(p.User(alice), b.pool.User(bob))
			b.exchange(b.pool.User(bob), p.User(alice))
			b.happened(p, tt.event, "")
			b.provenBy(tt.proof)
		})
	}
}

// exchange sends all kinds of stanzas one way, and the answers back.
func (b *bed) exchange(from, to *xmpppeer.User) {
	b.t.Helper()
	if e := b.chat(from, to, "hello"); e.Attr("from") != from.Address || e.Attr("to") != to.Address {
		b.t.Errorf("the addresses changed: %s", e)
	}
	b.chat(to, from, "and back")
	b.send(from, xmpppeer.Stanza{Kind: "presence", Type: "subscribe", To: to.Address, ID: "s1"})
	if e := b.receive(to); e.Name != "presence" || e.Attr("type") != "subscribe" {
		b.t.Errorf("want the request for a subscription, got %s", e)
	}
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		if e, err := to.Receive(b.ctx); err == nil {
			_ = to.Send(b.ctx, xmpppeer.Stanza{Kind: "iq", Type: "result", To: e.Attr("from"), ID: e.Attr("id")})
		}
	}()
	answer, err := from.Ask(b.ctx, xmpppeer.Stanza{To: to.Address, Payload: "<query xmlns='jabber:iq:version'/>"})
	<-answered
	if err != nil || answer.Attr("type") != "result" {
		b.t.Errorf("the answer is %v, %v; want a result", answer, err)
	}
}

// provenBy checks how partners have proven themselves on all streams.
func (b *bed) provenBy(proof string) {
	b.t.Helper()
	seen := false
	for _, c := range b.s.Connections() {
		for _, p := range c.Pairs {
			if c.Side != External.String() || c.Dialled {
				continue
			}
			seen = true
			if p.Proof != proof || p.Ours != ours || p.Theirs != theirs {
				b.t.Errorf("the stream of %s for %s is proven by %s, want %s", p.Theirs, p.Ours, p.Proof, proof)
			}
		}
	}
	if !seen {
		b.t.Error("no stream from the partner is open")
	}
}
