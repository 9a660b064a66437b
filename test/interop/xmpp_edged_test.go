package interop

import "testing"

// TestXMPPMessagePresenceIQ passes all three kinds of stanzas, both ways.
func TestXMPPMessagePresenceIQ(t *testing.T) {
	specs := append(bothKinds(), xmppStandSpec{partner: "prosody", pool: "prosody"}, xmppStandSpec{partner: "ejabberd", pool: "ejabberd"})
	for _, spec := range specs {
		t.Run(spec.name(), func(t *testing.T) {
			s := newXMPPStand(t, spec)
			exchangeMessages(t, s.bob, s.carol)
			exchangeMessages(t, s.carol, s.bob)
			exchangeQueries(t, s.bob, s.carol, s.pool)
			exchangeQueries(t, s.carol, s.bob, s.partner)
			exchangePresence(t, s.bob, s.carol)
			exchangePresence(t, s.carol, s.bob)
		})
	}
}

// TestXMPPSubscription has each side subscribe to the other, and end it.
func TestXMPPSubscription(t *testing.T) {
	for _, spec := range bothKinds() {
		t.Run(spec.name(), func(t *testing.T) {
			s := newXMPPStand(t, spec)
			subscribe(t, s.bob, s.carol)
			unsubscribe(t, s.bob, s.carol)
			subscribe(t, s.carol, s.bob)
			subscribe(t, s.bob, s.carol)
			s.carol.presence(t, "", "unavailable")
			s.bob.see(t, s.carol.jid, "unavailable")
		})
	}
}

// TestXMPPMUC shares a room of the partner and one of ours. Rooms are on domains
// of their own, so streams of several pairs of domains work together.
func TestXMPPMUC(t *testing.T) {
	for _, spec := range bothKinds() {
		t.Run(spec.name(), func(t *testing.T) {
			s := newXMPPStand(t, spec)
			shareRoom(t, s.bob, s.carol, "tea@"+s.partner.rooms())
			shareRoom(t, s.carol, s.bob, "coffee@"+s.pool.rooms())
		})
	}
}

// TestXMPPExternal wants certificates on both legs.
func TestXMPPExternal(t *testing.T) {
	for _, spec := range bothKinds() {
		t.Run(spec.name(), func(t *testing.T) { newXMPPStand(t, spec).wantBothWays(t) })
	}
}

// TestXMPPDialbackOnly has a partner whose certificate nobody trusts.
func TestXMPPDialbackOnly(t *testing.T) {
	specs := bothKinds()
	for i := range specs {
		specs[i].way = xmppWay{name: "dialback"}
	}
	for _, spec := range specs {
		t.Run(spec.name(), func(t *testing.T) { newXMPPStand(t, spec).wantBothWays(t) })
	}
}

// TestXMPPDirectTLS has nothing but _xmpps-server in the DNS, for both sides.
func TestXMPPDirectTLS(t *testing.T) {
	specs := bothKinds()
	for i := range specs {
		specs[i].way = xmppWay{name: "direct TLS", external: true, direct: true}
	}
	for _, spec := range specs {
		t.Run(spec.name(), func(t *testing.T) { newXMPPStand(t, spec).wantBothWays(t) })
	}
}

// TestXMPPPoolMint lets the pool trust the authority of mint alone.
func TestXMPPPoolMint(t *testing.T) {
	for _, spec := range bothKinds() {
		t.Run(spec.name(), func(t *testing.T) {
			s := newXMPPStand(t, spec)
			exchangeAll(t, s.bob, s.partner, s.carol, s.pool)
			s.pool.wantProven(t, "jabber.example", byExternal, byExternal)
			probePool(t, spec.pool, s.config)
		})
	}
}

// TestXMPPPoolDialback lets the pool call back. Its own certificate proves it to edged
// as ever.
func TestXMPPPoolDialback(t *testing.T) {
	specs := bothKinds()
	for i := range specs {
		specs[i].mode = "dialback"
	}
	for _, spec := range specs {
		t.Run(spec.name(), func(t *testing.T) {
			s := newXMPPStand(t, spec)
			exchangeAll(t, s.bob, s.partner, s.carol, s.pool)
			s.pool.wantProven(t, "jabber.example", byDialback, byExternal)
		})
	}
}

// wantBothWays exchanges messages and queries, and checks how the partner and
// edged have proven themselves.
func (s *xmppStand) wantBothWays(t *testing.T) {
	t.Helper()
	exchangeMessages(t, s.bob, s.carol)
	exchangeMessages(t, s.carol, s.bob)
	exchangeQueries(t, s.bob, s.carol, s.pool)
	s.partner.wantProven(t, "contoso.com", s.spec.way.method(), s.spec.way.method())
	s.pool.wantProven(t, "jabber.example", byExternal, byExternal)
}
