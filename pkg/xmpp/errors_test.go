package xmpp

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"edged/internal/lab/xmpppeer"
	"edged/internal/lab/zone"
	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/policy"
)

// outwardCase is why a stanza of our user does not reach its partner.
type outwardCase struct {
	change          func(*setup)
	world           func(*bed) // what the partner is like
	sent            xmpppeer.Stanza
	condition, kind string
	anonymous       bool // the answer does not say by whom
}

// answersKey is a partner's server that answers dialback keys so.
func answersKey(kind, condition string) func(*bed) {
	return func(b *bed) {
		l := b.byHand(theirs)
		b.background(func() {
			s := b.dialbackTo(l)
			if asked, err := s.Expect(b.ctx, "result", xmpppeer.NSDialback); err == nil {
				_ = s.SendVerdict(asked, kind, condition)
			}
		})
	}
}

// background runs a part of the world; the test waits for it.
func (b *bed) background(f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	b.t.Cleanup(func() { <-done })
}

func outwardCases() map[string]outwardCase {
	none := func(*bed) {}
	records := func(f func(*zone.Zone)) func(*bed) { return func(b *bed) { b.zone.Set(f) } }
	from := func(user string) xmpppeer.Stanza { return xmpppeer.Stanza{From: user} }
	return map[string]outwardCase{
		"NXDOMAIN": {world: none, condition: "remote-server-not-found", kind: "cancel"},
		"SRV .": {world: records(func(z *zone.Zone) {
			z.SRV[zone.XMPP(theirs)] = []zone.SRV{{Target: "."}}
			z.A[theirs] = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
		}), condition: "remote-server-not-found", kind: "cancel"},
		"SERVFAIL": {world: records(func(z *zone.Zone) {
			z.Failing[zone.XMPP(theirs)], z.Failing[zone.XMPPS(theirs)] = true, true
		}), condition: "remote-server-timeout", kind: "wait"},
		"DNS silent": {world: records(func(z *zone.Zone) {
			z.Silent[zone.XMPP(theirs)], z.Silent[zone.XMPPS(theirs)] = true, true
		}), condition: "remote-server-timeout", kind: "wait"},
		"refused":    {world: func(b *bed) { _ = b.byHand(theirs).Close() }, condition: "remote-server-timeout", kind: "wait"},
		"black hole": {world: func(b *bed) { b.byHand(theirs) }, change: blackHole, condition: "remote-server-timeout", kind: "wait"},
		"says nothing": {
			world: func(b *bed) { b.byHand(theirs) }, change: func(c *setup) { c.bounds.StreamTimeout = 1500 * time.Millisecond },
			condition: "remote-server-timeout", kind: "wait",
		},
		"hangs up": {world: func(b *bed) {
			l := b.byHand(theirs)
			b.background(func() { _ = b.accept(l, xmpppeer.AcceptOptions{Until: xmpppeer.Offered}).Drop() })
		}, condition: "remote-server-timeout", kind: "wait"},
		"stream error": {world: func(b *bed) {
			l := b.byHand(theirs)
			b.background(func() {
				_ = b.accept(l, xmpppeer.AcceptOptions{Until: xmpppeer.Offered}).SendError("host-unknown", "")
			})
		}, condition: "remote-server-timeout", kind: "wait"},
		"is this edge": {world: func(b *bed) { b.publish(theirs, b.outside, false) }, condition: "remote-server-timeout", kind: "cancel"},
		"private address": {world: func(b *bed) {
			b.publish(theirs, "127.0.0.1:5269", false)
			b.zone.Set(func(z *zone.Zone) { z.A["xmpp."+theirs] = []netip.Addr{netip.MustParseAddr("10.0.0.1")} })
		}, condition: "remote-server-timeout", kind: "cancel"},
		"refuses EXTERNAL": {world: func(b *bed) {
			b.partner(theirs, func(c *xmpppeer.Config) { c.External, c.RefuseExternal = xmpppeer.ExternalAlways, true })
		}, condition: "remote-server-timeout", kind: "wait"},
		"offers nothing": {world: func(b *bed) {
			b.partner(theirs, func(c *xmpppeer.Config) { c.External = xmpppeer.ExternalNever })
		}, condition: "remote-server-timeout", kind: "cancel"},
		"key invalid": {
			world: answersKey("invalid", ""), change: entry(byEither()),
			condition: "internal-server-error", kind: "cancel",
		},
		"key not verified": {
			world: answersKey("error", "remote-connection-failed"), change: entry(byEither()),
			condition: "remote-server-timeout", kind: "wait",
		},
		"blocked":       {world: none, sent: xmpppeer.Stanza{To: "eve@blocked.example"}, condition: "not-allowed", kind: "cancel"},
		"unlisted":      {world: none, sent: xmpppeer.Stanza{To: "eve@stranger.example"}, condition: "not-allowed", kind: "cancel"},
		"not federated": {world: none, sent: from("mallory@contoso.com/x"), condition: "forbidden", kind: "auth"},
		"switched off": {
			world: none, change: func(c *setup) { c.policy.Federation.Enabled = false },
			condition: "not-allowed", kind: "cancel",
		},
		"too large for them": {world: func(b *bed) {
			b.partner(theirs, func(c *xmpppeer.Config) { c.MaxBytes = 10_000 })
		}, sent: xmpppeer.Stanza{Payload: xmpppeer.Body(strings.Repeat("x", 20_000))}, condition: "policy-violation", kind: "modify", anonymous: true},
		"iq of no type": {world: none, sent: xmpppeer.Stanza{Kind: "iq", Type: "fetch"}, condition: "bad-request", kind: "modify"},
	}
}

// blackHole swallows connections to partners.
func blackHole(c *setup) {
	c.bounds.ConnectTimeout = 300 * time.Millisecond
	c.config.Dial = func(ctx context.Context, side Side, addr netip.AddrPort) (net.Conn, error) {
		if side == External {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		var d net.Dialer
		return d.DialContext(ctx, "tcp", addr.String())
	}
}

// TestErrorMatrix: whoever sent what cannot go on hears of it, in the one form that
// fits, and about errors and answers nobody hears (RFC 6120 §8.3, §10.4).
func TestErrorMatrix(t *testing.T) {
	for name, tt := range outwardCases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change := []func(*setup){}
			if tt.change != nil {
				change = append(change, tt.change)
			}
			b := newBed(t, change...)
			tt.world(b)
			sent := filled(tt.sent)
			user := b.pool.User(sent.From)
			b.unanswerable(user, sent)
			by := "edge." + ours
			if tt.anonymous {
				by = ""
			}
			for range 2 { // the second one finds an outage that is known
				b.send(user, sent)
				b.isError(b.receive(user), sent, tt.condition, tt.kind, by)
			}
		})
	}
}

// filled completes a stanza from bob to alice.
func filled(st xmpppeer.Stanza) xmpppeer.Stanza {
	if st.From == "" {
		st.From = bob + "/phone"
	}
	if st.To == "" {
		st.To = alice + "/home"
	}
	st.ID = "e1"
	return st
}

// unanswerable sends what no error may answer.
func (b *bed) unanswerable(user *xmpppeer.User, like xmpppeer.Stanza) {
	b.t.Helper()
	for _, st := range []xmpppeer.Stanza{
		{Type: "error", Payload: xmpppeer.Fault("cancel", "gone")},
		{Kind: "iq", Type: "result"},
		{Kind: "presence", Type: "unavailable"},
		{Kind: "iq", Type: "error", Payload: xmpppeer.Fault("cancel", "gone")},
		{Kind: "presence", Type: "error"},
	} {
		st.From, st.To, st.ID = like.From, like.To, "unanswerable"
		b.send(user, st)
	}
}

// TestErrorsOutside is the matrix for what partners send.
func TestErrorsOutside(t *testing.T) {
	strangers := func(c *setup) {
		c.policy.XMPPPartners = nil
		c.policy.Federation.XMPPDiscovery = true
		c.policy.XMPPDefault.Type = policy.Federated
	}
	tests := map[string]struct {
		change          func(*setup)
		before          func(*bed)
		sent            xmpppeer.Stanza
		condition, kind string
	}{
		"no such user":  {sent: xmpppeer.Stanza{To: "nobody@contoso.com/x"}, condition: "service-unavailable", kind: "cancel"},
		"not federated": {sent: xmpppeer.Stanza{To: "mallory@contoso.com/x"}, condition: "service-unavailable", kind: "cancel"},
		"no consent": {
			change:    func(c *setup) { c.policy.XMPPPartners[0].Type = policy.PublicUnverified },
			condition: "service-unavailable", kind: "cancel",
		},
		"pool down": {change: func(c *setup) { c.noPool = true }, condition: "internal-server-error", kind: "wait"},
		"iq that asks for two things": {
			sent:      xmpppeer.Stanza{Kind: "iq", Type: "get", Payload: "<a xmlns='urn:a'/><b xmlns='urn:b'/>"},
			condition: "bad-request", kind: "modify",
		},
		"iq that asks for nothing": {sent: xmpppeer.Stanza{Kind: "iq", Type: "set", Payload: "text"}, condition: "bad-request", kind: "modify"},
		"iq of no type":            {sent: xmpppeer.Stanza{Kind: "iq", Type: "fetch"}, condition: "bad-request", kind: "modify"},
		"budget": {
			change: strangers, condition: "resource-constraint", kind: "wait",
			before: func(b *bed) {
				b.state.Discovered = limit.NewDiscovered(limit.DiscoveredConfig{
					Rate: 1, SuspiciousRate: 1, Total: 1, Contacts: 1, ReportPeriod: time.Hour, Partners: 10,
				}, time.Now)
				b.state.Discovered.Admit(limit.Stranger{Domain: domain.MustParse(theirs)}, "somebody@contoso.com")
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change := []func(*setup){}
			if tt.change != nil {
				change = append(change, tt.change)
			}
			b := newBed(t, change...)
			if tt.before != nil {
				tt.before(b)
			}
			p := b.partner(theirs)
			sent := tt.sent
			sent.From, sent.ID = alice+"/home", "e1"
			if sent.To == "" {
				sent.To = bob + "/phone"
			}
			b.unanswerable(p.User(alice), sent)
			b.send(p.User(alice), sent)
			b.isError(b.receive(p.User(alice)), sent, tt.condition, tt.kind, "")
		})
	}
}

// TestBlockedLater: a partner that policy does not want any more loses its stream; until
// it is asked, it is offered nothing to prove itself by.
func TestBlockedLater(t *testing.T) {
	b := newBed(t)
	s := b.dial(theirs, b.cert(theirs), xmpppeer.Ready)
	c := b.defaults()
	c.policy.XMPPPartners = nil
	c.policy.BlockedDomains[0].Domain = domain.MustParse(theirs)
	next := b.newState(c, b.state.Pools[0].Members.Order(0)[0])
	t.Cleanup(next.Resolver.Close)
	b.s.Apply(next)
	b.ended(s, "policy-violation")
	s = b.dial(theirs, b.cert(theirs), xmpppeer.Reoffered)
	if xmpppeer.OffersExternal(s.LastFeatures()) {
		t.Error("EXTERNAL is offered to a blocked domain")
	}
	if err := s.External(b.ctx, theirs); err == nil {
		t.Error("EXTERNAL succeeds for a blocked domain")
	}
	_ = s.SendResult(theirs, ours, key(s))
	b.judged(s, "error", "forbidden")
}
