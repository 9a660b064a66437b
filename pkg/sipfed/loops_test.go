package sipfed

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edged/internal/lab/ca"
	"edged/internal/lab/zone"
	"edged/pkg/discovery"
	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/nexthop"
	"edged/pkg/policy"
)

// TestLoops: what goes in circles is found, what only comes by twice is let go, and
// hops and branches are counted (RFC 3261 §16.3, RFC 5393).
func TestLoops(t *testing.T) {
	world()
	t.Run("a ring of two edges", ringOfTwo)
	t.Run("the same request again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, partner, pool := between(t)
			partner.send(request("MESSAGE", "1", ""))
			first := pool.expect("MESSAGE")
			again := with(request("MESSAGE", "1", ""), "Via: "+first.one("Via"))
			again = strings.Replace(again, "z9hG4bK1", "z9hG4bK2", 1) // by way of somebody else
			partner.send(again)
			partner.expect("SIP/2.0 482")
			partner.send(strings.ReplaceAll(again, "MESSAGE", "INFO")) // the hash is not about the method
			partner.expect("SIP/2.0 482")
			pool.send(first.reply("200 OK"))
			partner.expect("SIP/2.0 200")
		})
	})
	t.Run("a spiral", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, partner, pool := between(t)
			partner.send(request("MESSAGE", "1", ""))
			first := pool.expect("MESSAGE")
			pool.send(first.reply("200 OK"))
			partner.expect("SIP/2.0 200")
			for i, change := range [][2]string{ // each makes it another request (RFC 5393 §4.2.1)
				{"sip:alice@contoso.com SIP", "sip:carol@contoso.com SIP"},
				{"tag=here", "tag=there"},
				{"call-1", "call-2"},
				{"CSeq: 1", "CSeq: 2"},
				{"CSeq: 1", "Proxy-Authorization: Digest x\nCSeq: 1"},
			} {
				spiral := with(request("MESSAGE", "1", ""), "Via: "+first.one("Via"))
				partner.send(strings.NewReplacer("z9hG4bK1", fmt.Sprintf("z9hG4bK1%d", i), change[0], change[1]).Replace(spiral))
				pool.send(pool.expect("MESSAGE").reply("200 OK"))
				if got := partner.expect("SIP/2.0"); !strings.HasPrefix(got.first, "SIP/2.0 200") {
					t.Errorf("with %s: got\n%s", change[1], got)
				}
			}
		})
	})
	t.Run("Max-Forwards and Max-Breadth", hopsAndBranches)
	t.Run("breadth of what rings at once", breadthIsShared)
}

func hopsAndBranches(t *testing.T) {
	tests := []struct{ rows, hops, breadth, answer string }{ // no answer: it is forwarded with the other two
		{"Max-Forwards: 70", "69", "60", ""},
		{"", "70", "60", ""},
		{"Max-Forwards: 1", "0", "60", ""},
		{"Max-Forwards: 0", "", "", "483 Too Many Hops"},
		{"Max-Forwards: 255", "254", "60", ""},
		{"Max-Forwards: 256", "", "", "400 Bad Request: Max-Forwards"},
		{"Max-Forwards: -1", "", "", "400 Bad Request: Max-Forwards"},
		{"Max-Forwards: x", "", "", "400 Bad Request: Max-Forwards"},
		{"Max-Forwards: 9\nmax-forwards: 8", "", "", "400 Bad Request: Max-Forwards"},
		{"Max-Breadth: 60", "70", "60", ""},
		{"Max-Breadth: 61", "70", "60", ""},
		{"Max-Breadth: 99999999999999999999", "70", "60", ""},
		{"Max-Breadth: 1", "70", "1", ""},
		{"max-breadth:\t007 ", "70", "7", ""},
		{"Max-Breadth: 0", "", "", "440 Max-Breadth Exceeded"},
		{"Max-Breadth: -1", "", "", "400 Bad Request: Max-Breadth"},
		{"Max-Breadth: 2, 3", "", "", "400 Bad Request: Max-Breadth"},
		{"Max-Breadth: 2\nMax-Breadth: 3", "", "", "400 Bad Request: Max-Breadth"},
		{"Max-Forwards: 0\nMax-Breadth: 0", "", "", "483"},
	}
	synctest.Test(t, func(t *testing.T) {
		_, partner, pool := between(t)
		for i, tt := range tests {
			text := strings.Replace(request("MESSAGE", fmt.Sprint(i), ""), "Max-Forwards: 70", "X: y\n"+tt.rows, 1)
			partner.send(strings.ReplaceAll(text, "y\n\n", "y\n"))
			if tt.answer != "" {
				partner.expect("SIP/2.0 " + tt.answer)
				continue
			}
			got := pool.expect("MESSAGE")
			if hops, breadth := got.all("Max-Forwards"), got.all("Max-Breadth"); len(hops) != 1 || hops[0] != tt.hops || len(breadth) != 1 || breadth[0] != tt.breadth {
				t.Errorf("%s: crossed with Max-Forwards %q, Max-Breadth %q; want %s and %s", tt.rows, hops, breadth, tt.hops, tt.breadth)
			}
			pool.send(got.reply("200 OK"))
			partner.expect("SIP/2.0 200")
		}
		pool.silent(time.Second)
	})
}

// breadthIsShared: an INVITE that rings at two members has what came in for both
// together, and with a single branch it does not ring at the second.
func breadthIsShared(t *testing.T) {
	for _, tt := range []struct{ sent, first, second string }{
		{"60", "59", "1"}, {"2", "1", "1"}, {"1", "1", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			_, partner, first, second := twoMembers(t, "1")
			partner.send(with(request("INVITE", "1", ""), "Max-Breadth: "+tt.sent))
			partner.expect("SIP/2.0 100")
			invite := first.expect("INVITE")
			if got := invite.one("Max-Breadth"); got != tt.first {
				t.Errorf("of %s the first member got %s", tt.sent, got)
			}
			if tt.second == "" {
				second.silent(10 * time.Second)
				first.send(invite.reply("503 Service Unavailable")) // gives its branch back
				first.expect("ACK")
				tt.second = "1"
			}
			if got := second.expect("INVITE").one("Max-Breadth"); got != tt.second {
				t.Errorf("of %s the second member got %s", tt.sent, got)
			}
		})
	}
}

// ringOfTwo is a mistake of two administrators: what the first edge sends to
// northwind.example, the second takes for its own and hands to a pool whose only
// member is the first edge's inside.
func ringOfTwo(t *testing.T) {
	const host, insideOfFirst = "northwind.example", "10.0.0.2"
	records, err := zone.Serve(zone.Zone{TTL: 60, A: map[string][]netip.Addr{host: {netip.MustParseAddr(partnerAddr)}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	first, second := newBed(t, partneredWith(host, host)), newBed(t)
	st := first.newState()
	st.Resolver = must(discovery.New(discovery.Config{Servers: []string{records.Addr()}}))
	first.put(st)
	second.put(second.northwind(insideOfFirst))
	join(t, first.members[partnerAddr], second.outside)
	join(t, second.members[insideOfFirst], first.inside)

	member := first.client(first.inside, first.world.member)
	// The first edge, the second, and there it is again: with three hops nothing but
	// the second look at it could answer 482.
	member.send(strings.NewReplacer("fabrikam.com", host, "Route: <sip:"+partnerAddr+":5061;lr>\n", "", "Max-Forwards: 70", "Max-Forwards: 3").
		Replace(outgoing("MESSAGE", "1", "")))
	member.expect("SIP/2.0 482")
}

// partneredWith makes a domain the only partner.
func partneredWith(name, proxy string) change {
	return func(src *policy.Source, _ *limit.Bounds) {
		src.AllowedDomains = []policy.AllowedDomain{{Domain: pattern(name), Proxy: domain.MustParse(proxy)}}
		src.AccessPolicies.Users = nil
	}
}

// northwind is a State that speaks for northwind.example, shows a certificate of
// the other edge's pool inside, and takes the other edge for its own pool.
func (b *bed) northwind(member string) *State {
	name, inner := domain.MustParse("northwind.example"), domain.MustParse("edge.corp.northwind.example")
	b.ours = []domain.Name{name}
	st, w := b.newState(partneredWith("contoso.com", "sip.contoso.com")), b.world
	cert := w.public.Issue(ca.Leaf{DNS: []string{name.String()}})
	st.Faces[External] = Face{TLS: w.side(cert, w.public, ""), Host: name, Port: 5061, Names: map[string]bool{name.String(): true}}
	st.Faces[Internal] = Face{TLS: w.side(w.member, w.private, "pool:x"), Host: inner, Port: 5061, Names: map[string]bool{inner.String(): true}}
	st.Pools = []*Pool{{
		Name: "x", Domains: []domain.Name{name}, Anchor: "pool:x", Names: []domain.Name{domain.MustParse("edge.corp.contoso.com")},
		Members: nexthop.New([]string{member + ":5061"}, nexthop.Config{DownFor: time.Second, MaxDown: time.Second, Now: time.Now}),
	}}
	return st
}

// join leads what an edge dials to a listener of another.
func join(t *testing.T, dialled <-chan net.Conn, to *pipes) {
	t.Helper()
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	go func() {
		for {
			select {
			case c := <-dialled:
				to.conns <- c
			case <-done:
				return
			}
		}
	}()
}
