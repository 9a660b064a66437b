package daemon_test

import (
	"crypto/sha256"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"edged/internal/lab/ca"
	"edged/internal/lab/xmpppeer"
	"edged/internal/lab/zone"
)

// TestBothProtocols: one edge speaks both for one domain, and shows in one scrape what
// it did.
func TestBothProtocols(t *testing.T) {
	x := startXMPP(t)
	bob, user := x.partner(jabber, nil).User("bob@"+jabber), x.chat.User(alice)
	x.arrives(bob, user)
	x.arrives(user, bob)
	if got := x.say(x.dial(fabrikam), fabrikam, "bob@"+fabrikam, alice); got != 200 {
		t.Errorf("a message by SIP: %d", got)
	}
	want := []string{
		`edged_xmpp_stanzas_total{direction="inward",reason="allowed",stanza="message"} 1`,
		`edged_xmpp_stanzas_total{direction="outward",reason="allowed",stanza="message"} 1`,
		"edged_consent_pairs 0", // nobody needs it
		`edged_xmpp_streams{opened="accepted",side="external"} 1`,
		`edged_xmpp_authentications_total{opened="accepted",result="pkix",side="external"} 1`,
	}
	for _, line := range want {
		if diff := cmp.Diff([]string{line}, x.metric(strings.TrimRight(line, "01"))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// TestPoolBySRV: its members are known from the first stanza on.
func TestPoolBySRV(t *testing.T) {
	const service = "_xmpp-server._tcp.contoso.com"
	x := startXMPP(t, func(s *setup) {
		port := netip.MustParseAddrPort(s.XMPP.Members[0]).Port()
		s.XMPP.SRV = service
		s.Zone.Set(func(z *zone.Zone) { z.SRV[service] = []zone.SRV{{Port: port, Target: "fe1.corp.contoso.com"}} })
	})
	x.arrives(x.partner(jabber, nil).User("bob@"+jabber), x.chat.User(alice))
}

// TestPoolsAreLookedUpTogether: a name server that does not answer delays a reload by one
// look-up, however many pools it should find.
func TestPoolsAreLookedUpTogether(t *testing.T) {
	x := startXMPP(t, func(s *setup) { s.DNSTimeout = "8s" })
	const sip, xmpp = "_sipinternaltls._tcp.contoso.com", "_xmpp-server._tcp.contoso.com"
	x.dns.Set(func(z *zone.Zone) { z.Silent[sip], z.Silent[xmpp] = true, true })
	x.write(func(s *setup) { s.Pools, s.XMPP.SRV = []poolSetup{{Name: "front", SRV: sip}}, xmpp })
	reloaded := make(chan error)
	go func() { reloaded <- x.edge.Reload(x.Soon()) }()
	x.awaitQueries(sip, 1)
	x.awaitQueries(xmpp, 1)
	if strings.Contains(x.log.text(), "pool members not found") {
		t.Error("the second was asked about when nobody waited for the first any more")
	}
	x.dns.Set(func(z *zone.Zone) { clear(z.Silent) })
	if err := <-reloaded; err != nil {
		t.Fatal(err)
	}
}

// TestStrangers: with federation.xmpp_discovery everybody who proves a domain is a
// partner, within a budget.
func TestStrangers(t *testing.T) {
	x := startXMPP(t, func(s *setup) {
		s.XMPP.Federation = ", xmpp_discovery: true, discovered: {contacts: 2}"
		s.XMPP.Default = "{type: federated, tls: required, sasl: required, dialback: false}"
	})
	eve := x.partner(stranger, nil).User("eve@" + stranger)
	for _, name := range []string{"one", "two", "one"} {
		x.arrives(eve, x.chat.User(name+"@"+ours))
	}
	three := x.chat.User("three@" + ours)
	x.refused(eve, three, "resource-constraint")
	x.logged(`msg="stanza refused".*reason=budget-exhausted.*detail=over-contacts`)
	x.arrives(three, eve) // our side has no budget
	x.reload(func(s *setup) { s.XMPP.Federation = ", xmpp_discovery: true, discovered: {contacts: 3}" })
	x.arrives(eve, three)

	x.reload(func(s *setup) { s.XMPP.Federation, s.XMPP.Default = "", "" })
	x.refused(three, eve, "not-allowed")
}

// closed waits until a server's streams of a direction have ended.
func (x *xmppBed) closed(s *xmpppeer.Server, way xmpppeer.Direction, text string) {
	x.Helper()
	if _, err := s.AwaitEvent(x.Soon(), func(e xmpppeer.Event) bool {
		return e.What == xmpppeer.EventClosed && e.Direction == way && strings.Contains(e.Text, text)
	}); err != nil {
		x.Fatalf("no stream was closed by %s, but %v", text, s.Events())
	}
}

// TestReloadCutsAnXMPPPartnerOff: blocked, its streams end at once.
func TestReloadCutsAnXMPPPartnerOff(t *testing.T) {
	x := startXMPP(t)
	partner := x.partner(jabber, nil)
	bob, user := partner.User("bob@"+jabber), x.chat.User(alice)
	x.arrives(bob, user)
	x.arrives(user, bob)
	x.reload(func(s *setup) { s.XMPP.Blocked, s.Blocked = true, []string{jabber} })
	x.closed(partner, xmpppeer.In, "policy-violation")
	x.closed(partner, xmpppeer.Out, "policy-violation")
	x.refused(user, bob, "not-allowed")
	if _, err := bob.Message(x.Soon(), alice, "hello"); err == nil {
		t.Error("a blocked partner opens a stream")
	}
}

// TestReloadConnectionLimit: a partner that has reached its limit gets no stream more
// before the limit is raised.
func TestReloadConnectionLimit(t *testing.T) {
	x := startXMPP(t, func(s *setup) { s.XMPP.Jabber = ", connection_limit: 1" })
	bob, user := x.partner(jabber, nil).User("bob@"+jabber), x.chat.User(alice)
	x.arrives(bob, user)
	x.refused(user, bob, "resource-constraint")
	x.reload(func(s *setup) { s.XMPP.Jabber = ", connection_limit: 2" })
	x.arrives(user, bob)
	x.arrives(bob, user)
}

// TestReloadPool: although a stream to the old one is open, stanzas go to the new
// member, which trusts nobody but the new authority.
func TestReloadPool(t *testing.T) {
	x := startXMPP(t)
	bob, user := x.partner(jabber, nil).User("bob@"+jabber), x.chat.User(alice)
	x.arrives(bob, user)
	x.mint = x.bed.mint()
	l := listenTCP(t)
	user = x.server(l).User(alice)
	x.reload(func(s *setup) { s.XMPP.Members = []string{l.Addr().String()} })
	x.arrives(bob, user)
	x.arrives(user, bob)
}

// TestReloadDANE: who was proven by signed DNS alone is cut off when it does not count
// any more.
func TestReloadDANE(t *testing.T) {
	x := startXMPP(t, func(s *setup) { s.XMPP.Jabber = ", dane: true" })
	own := ca.New("of a partner").Issue(ca.Leaf{DNS: []string{"hoster.example"}})
	partner := x.partner(jabber, &own.TLS)
	x.dns.Set(func(z *zone.Zone) {
		sum := sha256.Sum256(own.X509.Raw)
		z.TLSA[zone.Port("xmpp."+jabber, z.SRV[zone.XMPP(jabber)][0].Port)] = []zone.TLSA{{Usage: 3, Matching: 1, Data: sum[:]}}
		z.Signed[jabber] = true
	})
	bob, user := partner.User("bob@"+jabber), x.chat.User(alice)
	x.arrives(bob, user)
	x.arrives(user, bob)
	x.logged(`msg="stream authenticated".*side=external.*proof=dane`)
	x.logged(`msg="stream opened".*side=external.*proof=dane`)
	x.reload(func(s *setup) { s.XMPP.Jabber = "" })
	x.closed(partner, xmpppeer.In, "policy-violation")
	x.closed(partner, xmpppeer.Out, "policy-violation")
	x.refused(user, bob, "remote-server-timeout")
	if _, err := bob.Message(x.Soon(), alice, "hello"); err == nil {
		t.Error("its certificate proves the partner still")
	}
}

// TestInsideDNS: pools are steered by UDP and TCP, as the configuration in force says.
func TestInsideDNS(t *testing.T) {
	answerer := func(more string) func(*setup) {
		return func(s *setup) {
			s.XMPP.DNS = `{listen: "127.0.0.1:0", forward: ["` + s.DNS + `"], clients: [127.0.0.0/8]` + more + "}"
		}
	}
	x := startXMPP(t, answerer(""))
	inside := netip.MustParseAddrPort(x.edge.Addr("xmpp.internal").String())
	for _, network := range []string{"udp", "tcp"} {
		srv, ok := x.ask(network, zone.XMPP(jabber), dns.TypeSRV).(*dns.SRV)
		if !ok || srv.Port != inside.Port() {
			t.Fatalf("%s: a partner is at %v, want the edge's port %d", network, srv, inside.Port())
		}
		if a, ok := x.ask(network, srv.Target, dns.TypeA).(*dns.A); !ok || a.A.String() != inside.Addr().String() {
			t.Errorf("%s: the edge is at %v, want %s", network, a, inside.Addr())
		}
		if rr := x.ask(network, "elsewhere.example", dns.TypeA); rr != nil {
			t.Errorf("%s: the forwarder says %v", network, rr)
		}
	}
	x.reload(answerer(", catch_all: true"))
	for _, network := range []string{"udp", "tcp"} {
		if a, ok := x.ask(network, "elsewhere.example", dns.TypeA).(*dns.A); !ok || a.A.String() != inside.Addr().String() {
			t.Errorf("%s: after the reload: %v, want %s", network, a, inside.Addr())
		}
	}
	if got := x.metric(`edged_inside_dns_questions_total{kind="steered"`); len(got) == 0 {
		t.Errorf("nothing is counted: %v", x.metric("edged_inside_dns"))
	}
}

// ask asks the answerer, and returns the first record.
func (x *xmppBed) ask(network, name string, kind uint16) dns.RR {
	x.Helper()
	client := dns.Client{Net: network, Timeout: patience}
	answer, _, err := client.Exchange(new(dns.Msg).SetQuestion(dns.Fqdn(name), kind), x.edge.Addr("xmpp.internal.dns").String())
	if err != nil {
		x.Fatalf("%s %s: %v", network, name, err)
	}
	if len(answer.Answer) == 0 {
		return nil
	}
	return answer.Answer[0]
}
