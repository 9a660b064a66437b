package interop

import (
	"fmt"
	"testing"
)

// TestPartnerAndPool plays every scenario between a partner found by SRV and
// our pool, in both directions, with edged between them.
func TestPartnerAndPool(t *testing.T) {
	w := newWorld(t)
	w.startDNS(t)
	front := w.startServer(t, w.member("fe1.corp.contoso.com"))
	fabrikam := w.startServer(t, w.partner("sip.fabrikam.com", "fabrikam.com"))
	w.startEdge(t, edgeSpec{})
	w.playAll(t, fabrikam, front)
}

// TestFederationTypes sends a MESSAGE and plays a call each way for every type
// of federation but the one of TestPartnerAndPool.
func TestFederationTypes(t *testing.T) {
	tests := map[string]struct {
		partner   func(w *world) serverSpec
		discovery bool
	}{
		"direct": {partner: func(w *world) serverSpec {
			s := w.partner("edge.litware.net", "litware.com")
			s.signer = w.litware
			return s
		}},
		"discovered": {discovery: true, partner: func(w *world) serverSpec {
			return w.partner("sip.northwind.example", "northwind.example")
		}},
		"hosting provider": {partner: func(w *world) serverSpec {
			return w.partner("sipfed.online.lync.com", "wingtiptoys.com")
		}},
		"first SRV target down": {partner: func(w *world) serverSpec {
			return w.partner("sip2.tailspintoys.com", "tailspintoys.com")
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.startDNS(t)
			front := w.startServer(t, w.member("fe1.corp.contoso.com"))
			partner := w.startServer(t, tt.partner(w))
			w.startEdge(t, edgeSpec{discovery: tt.discovery})
			for _, p := range []play{{"request", "MESSAGE"}, {"call", "INVITE"}} {
				t.Run("out/"+p.name(), func(t *testing.T) { p.run(t, w, front, partner) })
				t.Run("in/"+p.name(), func(t *testing.T) { p.run(t, w, partner, front) })
			}
		})
	}
}

// TestPoolMemberNeverUp has one member of two that does not listen: everything
// reaches the other.
func TestPoolMemberNeverUp(t *testing.T) {
	w := newWorld(t)
	w.startDNS(t)
	second := w.startServer(t, w.member("fe2.corp.contoso.com"))
	fabrikam := w.startServer(t, w.partner("sip.fabrikam.com", "fabrikam.com"))
	w.startEdge(t, edgeSpec{members: []string{"fe1.corp.contoso.com", "fe2.corp.contoso.com"}})
	for i := range 4 { // Call-IDs spread over the members
		t.Run(fmt.Sprint(i), func(t *testing.T) { play{"request", "MESSAGE"}.run(t, w, fabrikam, second) })
	}
	t.Run("call", func(t *testing.T) { play{"call", "INVITE"}.run(t, w, fabrikam, second) })
	t.Run("call out", func(t *testing.T) { play{"call", "INVITE"}.run(t, w, second, fabrikam) })
}

// TestPoolMemberGoesDown ends a member that has been in use.
func TestPoolMemberGoesDown(t *testing.T) {
	w := newWorld(t)
	w.startDNS(t)
	first := w.startServer(t, w.member("fe1.corp.contoso.com"))
	second := w.startServer(t, w.member("fe2.corp.contoso.com"))
	fabrikam := w.startServer(t, w.partner("sip.fabrikam.com", "fabrikam.com"))
	w.startEdge(t, edgeSpec{members: []string{"fe1.corp.contoso.com", "fe2.corp.contoso.com"}})
	for i := range 8 {
		if i == 4 {
			first.process.stop()
		}
		t.Run(fmt.Sprint(i), func(t *testing.T) { play{"request", "MESSAGE"}.run(t, w, fabrikam, second) })
	}
}

// TestPoolComesBack starts edged before its pool: what comes in meanwhile is
// refused at once, and passes soon after the pool is there.
func TestPoolComesBack(t *testing.T) {
	w := newWorld(t)
	w.startDNS(t)
	w.startEdge(t, edgeSpec{})
	fabrikam := w.caller(t, w.roots, "sip.fabrikam.com")
	c := w.dialEdge(t, fabrikam)
	send := func() int { return status(t, c, message(fabrikam, "bob@fabrikam.com", "carol@contoso.com")) }
	if got := send(); got != 504 {
		t.Errorf("without a pool answered with %d, want 504", got)
	}
	cert := w.issue(t, w.inside, "fe1.corp.contoso.com", "pool.corp.contoso.com")
	w.peer(t, "fe1.corp.contoso.com", &cert.TLS, w.inside)
	await(t, "the pool to be found again", func() bool { return send() == 200 })
}

// TestDialogSurvivesRestart ends edged in the middle of a call and starts it
// again: the routes of the call hold all it needs to know, both ways.
func TestDialogSurvivesRestart(t *testing.T) {
	s := newStand(t)
	invite := invitation(s.fabrikam)
	caller := s.establish(t, s.dialEdge(t, s.fabrikam), invite)
	callee := s.front.Desk.DialogOfCallee(s.front.Desk.Arrived(invite.Get("Call-ID"))[0])
	s.edge.stop()
	s.runEdge(t, s.config)
	if got := status(t, s.dialEdge(t, s.fabrikam), s.fabrikam.Compose(caller.Next("INFO"))); got != 200 {
		t.Errorf("INFO of the caller answered with %d, want 200", got)
	}
	if got := status(t, s.dialInside(t), s.front.Compose(callee.Next("BYE"))); got != 200 {
		t.Errorf("BYE of the callee answered with %d, want 200", got)
	}
}
