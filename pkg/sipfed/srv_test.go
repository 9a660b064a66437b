package sipfed

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"edged/internal/lab/ca"
	"edged/internal/lab/zone"
	"edged/pkg/discovery"
	"edged/pkg/limit"
	"edged/pkg/policy"
)

// zoned starts a bed whose partners are found by the DNS: a real server on
// loopback, and so no bubble. Where an address of the zone leads is up to the test.
func zoned(t *testing.T, z zone.Zone, changes ...change) *bed {
	t.Helper()
	z.TTL, z.NegativeTTL = 60, 60
	records, err := zone.Serve(z)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	b := newBedOver(t, tcpPair, append(changes, func(_ *policy.Source, l *limit.Bounds) { l.ConnectTimeout = time.Second })...)
	st := b.newState()
	st.Resolver = must(discovery.New(discovery.Config{Servers: []string{records.Addr()}, Timeout: time.Second}))
	b.put(st)
	return b
}

// tcpPair is a connection over loopback. Unlike a pipe it takes what nobody reads
// yet, such as an alert that crosses the peer's last flight.
func tcpPair() (net.Conn, net.Conn) {
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	ours := must(net.Dial("tcp", l.Addr().String()))
	return ours, must(l.Accept())
}

// federation is a zone in which a domain's record has these targets, in the order of
// their priority, and every host an address.
func federation(domain string, hosts map[string]string, targets ...string) zone.Zone {
	z := zone.Zone{SRV: map[string][]zone.SRV{}, A: map[string][]netip.Addr{}}
	for i, target := range targets {
		z.SRV["_sipfederationtls._tcp."+domain] = append(z.SRV["_sipfederationtls._tcp."+domain],
			zone.SRV{Priority: uint16(i), Weight: 1, Port: 5061, Target: target})
	}
	for host, addr := range hosts {
		if addr != "" {
			z.A[host] = []netip.Addr{netip.MustParseAddr(addr)}
		}
	}
	return z
}

// failing is the zone with a name that its server cannot answer for.
func failing(z zone.Zone, name string) zone.Zone {
	z.Failing = map[string]bool{name: true}
	return z
}

// writes is a message to a partner whose way nobody names.
func writes(branch string) string {
	return strings.Replace(outgoing("MESSAGE", branch, ""), "Route: <sip:"+partnerAddr+":5061;lr>\n", "", 1)
}

// TestSRVVectors: where a domain's record may lead, and what the inside is told where
// it leads nowhere: status and ms-diagnostics id.
func TestSRVVectors(t *testing.T) {
	w := world()
	host := w.public.Issue(ca.Leaf{DNS: []string{"sip.fabrikam.com", "b.fabrikam.com"}})
	const first, second, dead = partnerAddr, secondAddr, "203.0.113.99"
	tests := []struct {
		name    string
		zone    zone.Zone
		reaches string // the address where it arrives
		answer  string // else
	}{
		{"a host of the domain", federation("fabrikam.com", map[string]string{"sip.fabrikam.com": first}, "sip.fabrikam.com"), first, ""},
		{"in capitals", federation("fabrikam.com", map[string]string{"sip.fabrikam.com": first}, "SIP.Fabrikam.COM"), first, ""},
		{"a host of a subdomain", federation("fabrikam.com", map[string]string{"a.sip.fabrikam.com": first}, "a.sip.fabrikam.com"), "", "504 1009"},
		{"a host of others", federation("fabrikam.com", map[string]string{"sip.hoster.example": first}, "sip.hoster.example"), "", "504 1009"},
		{"a host that ends alike", federation("fabrikam.com", map[string]string{"sip.notfabrikam.com": first}, "sip.notfabrikam.com"), "", "504 1009"},
		{"one of others, one of the domain", federation("fabrikam.com", map[string]string{"sip.hoster.example": second, "sip.fabrikam.com": first}, "sip.hoster.example", "sip.fabrikam.com"), first, ""},
		{"by priority", federation("fabrikam.com", map[string]string{"sip.fabrikam.com": first, "b.fabrikam.com": second}, "b.fabrikam.com", "sip.fabrikam.com"), second, ""},
		{"the first is dead", federation("fabrikam.com", map[string]string{"sip.fabrikam.com": dead, "b.fabrikam.com": second}, "sip.fabrikam.com", "b.fabrikam.com"), second, ""},
		{"the first has no address", federation("fabrikam.com", map[string]string{"b.fabrikam.com": second}, "sip.fabrikam.com", "b.fabrikam.com"), second, ""},
		{"all are dead", federation("fabrikam.com", map[string]string{"sip.fabrikam.com": dead, "b.fabrikam.com": dead}, "sip.fabrikam.com", "b.fabrikam.com"), "", "504 1046"},
		{"no record", federation("fabrikam.com", map[string]string{"fabrikam.com": first, "sip.fabrikam.com": first}), "", "504 1008"},
		{"no such domain", zone.Zone{}, "", "504 1008"},
		{"decidedly none", federation("fabrikam.com", map[string]string{"fabrikam.com": first}, "."), "", "504 1008"},
		{"another record", zone.Zone{
			SRV: map[string][]zone.SRV{"_sips._tcp.fabrikam.com": {{Port: 5061, Target: "sip.fabrikam.com"}}},
			A:   map[string][]netip.Addr{"sip.fabrikam.com": {netip.MustParseAddr(first)}},
		}, "", "504 1008"},
		{"the DNS fails", zone.Zone{Failing: map[string]bool{"_sipfederationtls._tcp.fabrikam.com": true}}, "", "504 1008"},
		{"the DNS fails of the host", failing(federation("fabrikam.com", nil, "sip.fabrikam.com"), "sip.fabrikam.com"), "", "504 1008"},
		{"no address", federation("fabrikam.com", nil, "sip.fabrikam.com"), "", "504 1014"},
		{"a private address", federation("fabrikam.com", map[string]string{"sip.fabrikam.com": "10.0.0.1"}, "sip.fabrikam.com"), "", "504 1046"},
		{"this host", federation("fabrikam.com", map[string]string{"sip.fabrikam.com": "127.0.0.1"}, "sip.fabrikam.com"), "", "504 1046"},
		{"IPv4 in IPv6", zone.Zone{
			SRV:  map[string][]zone.SRV{"_sipfederationtls._tcp.fabrikam.com": {{Port: 5061, Target: "sip.fabrikam.com"}}},
			AAAA: map[string][]netip.Addr{"sip.fabrikam.com": {netip.MustParseAddr("64:ff9b::10.0.0.1")}},
		}, "", "504 1046"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := zoned(t, tt.zone)
			member := b.client(b.inside, w.member)
			member.send(writes("1"))
			if tt.answer == "" {
				partner := b.serverAt(tt.reaches, host)
				partner.send(partner.expect("MESSAGE").reply("200 OK"))
				member.expect("SIP/2.0 200")
				return
			}
			status, id, _ := strings.Cut(tt.answer, " ")
			answer := member.expect("SIP/2.0 ")
			if !strings.HasPrefix(answer.first, "SIP/2.0 "+status) || !strings.HasPrefix(answer.one("ms-diagnostics"), id+";") {
				t.Errorf("want %s, got\n%s", tt.answer, answer)
			}
			for _, addr := range []string{first, second} {
				if n := len(b.members[addr]); n > 0 {
					t.Errorf("%d connections to %s", n, addr)
				}
			}
		})
	}
	t.Run("the first proves nothing", func(t *testing.T) {
		b := zoned(t, federation("fabrikam.com", map[string]string{"sip.fabrikam.com": first, "b.fabrikam.com": second}, "sip.fabrikam.com", "b.fabrikam.com"))
		member := b.client(b.inside, w.member)
		member.send(writes("1"))
		if b.serverAt(first, w.other).receives() {
			t.Error("SIP went to somebody else")
		}
		partner := b.serverAt(second, host)
		partner.send(partner.expect("MESSAGE").reply("200 OK"))
		member.expect("SIP/2.0 200")
	})
	t.Run("back to the edge", srvToOurselves)
}

// srvToOurselves: a record that points at this very edge finds an edge that does not
// prove the partner.
func srvToOurselves(t *testing.T) {
	b := zoned(t, federation("fabrikam.com", map[string]string{"sip.fabrikam.com": partnerAddr}, "sip.fabrikam.com"))
	join(t, b.members[partnerAddr], b.outside)
	member := b.client(b.inside, b.world.member)
	member.send(writes("1"))
	if answer := member.expect("SIP/2.0 504"); !strings.HasPrefix(answer.one("ms-diagnostics"), "1010;") {
		t.Errorf("got\n%s", answer)
	}
}

// TestSlowDNSIsNobodysSlowness: a message that begins behind one whose domain the DNS is
// slow about has all of its time.
func TestSlowDNSIsNobodysSlowness(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	b := newBedOver(t, tcpPair, func(src *policy.Source, l *limit.Bounds) {
		src.Federation.PartnerDiscovery = true
		l.MessageTimeout = time.Second
	})
	st := b.newState()
	st.Resolver = must(discovery.New(discovery.Config{Servers: []string{silent.LocalAddr().String()}, Timeout: 2 * time.Second}))
	b.put(st)
	pool := b.poolServer()
	partner := b.partner(b.world.public.Issue(ca.Leaf{DNS: []string{"fabrikam.com", "sip.adatum.com"}}))
	served := func() {
		t.Helper()
		m, err := pool.read(10 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		pool.send(m.reply("200 OK"))
		partner.expect("SIP/2.0 200")
	}
	partner.send(request("MESSAGE", "1", ""))
	served()
	slow, next := request("MESSAGE", "2", ""), wire(request("MESSAGE", "3", ""))
	_, _ = io.WriteString(partner.sock, wire(strings.ReplaceAll(slow, "fabrikam.com", "adatum.com"))+next[:100])
	if answer, err := partner.read(time.Minute); err != nil {
		t.Fatalf("about the domain that the DNS says nothing of: %v", err)
	} else if !strings.HasPrefix(answer.first, "SIP/2.0 5") {
		t.Errorf("about the domain that the DNS says nothing of: %s", answer.first)
	}
	_, _ = io.WriteString(partner.sock, next[100:])
	served()
}
