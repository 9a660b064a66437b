package interop

import "testing"

// TestPeersWithoutEdge plays every scenario between two Kamailios that talk to
// each other directly. It proves the bed: when it fails, no other failure here
// says anything about edged.
func TestPeersWithoutEdge(t *testing.T) {
	w := newWorld(t)
	w.startDNS(t)
	fabrikam := w.startServer(t, serverSpec{
		host: "sip.fabrikam.com", domain: "fabrikam.com", user: "bob",
		signer: w.roots, trusts: w.roots, next: "fe1.corp.contoso.com", nextName: "fe1.corp.contoso.com",
	})
	front := w.startServer(t, serverSpec{
		host: "fe1.corp.contoso.com", domain: "contoso.com", user: "carol",
		signer: w.roots, trusts: w.roots, next: "sip.fabrikam.com", nextName: "sip.fabrikam.com",
	})
	w.playAll(t, fabrikam, front)
}

// playAll plays every scenario in both directions.
func (w *world) playAll(t *testing.T, one, other *server) {
	t.Helper()
	for _, p := range plays() {
		t.Run(one.domain+" to "+other.domain+"/"+p.name(), func(t *testing.T) { p.run(t, w, one, other) })
		t.Run(other.domain+" to "+one.domain+"/"+p.name(), func(t *testing.T) { p.run(t, w, other, one) })
	}
}

// TestSipgoWithoutEdge is the same for the two sipgo agents.
func TestSipgoWithoutEdge(t *testing.T) {
	w := newWorld(t)
	w.startDNS(t)
	const here, there = "fe1.corp.contoso.com", "sip.fabrikam.com"
	carol := w.newAgent(t, agentSpec{
		host: here, user: "carol", domain: "contoso.com", edge: there, cred: w.issue(t, w.roots, here), trusts: w.roots,
	})
	bob := w.newAgent(t, agentSpec{
		host: there, user: "bob", domain: "fabrikam.com", edge: here, cred: w.issue(t, w.roots, there), trusts: w.roots,
	})
	bob.sendMessage(t, carol)
	carol.call(t, bob)
}
