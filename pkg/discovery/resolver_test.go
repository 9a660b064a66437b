package discovery_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"edged/internal/lab/zone"
	"edged/pkg/discovery"
	"edged/pkg/domain"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

func TestSRV(t *testing.T) {
	t.Parallel() // waits for a real timeout
	z := serve(t, world())
	r := resolver(t, discovery.Config{Servers: []string{z.Addr()}, Timeout: time.Second})
	tests := []struct {
		domain    string
		want      []string // host:port in order
		kind      discovery.ErrorKind
		authentic bool
	}{
		{domain: "fabrikam.com", want: []string{"sip.fabrikam.com:5061", "sip2.fabrikam.com:5062"}},
		{domain: "mixed.example", want: []string{"sip.mixed.example:5061"}},
		{domain: "signed.example", want: []string{"sip.signed.example:5061"}, authentic: true},
		{domain: "cut.example", want: []string{"sip.cut.example:5061"}},
		{domain: "alias.example", want: []string{"sip.target.example:5061"}},
		{domain: "terse.example", want: []string{"sip.target.example:5061"}},
		{domain: "halfsigned.exampl", want: []string{"sip.unsignedto.example:5061"}}, // the alias is signed, its target is not
		{domain: "none.example", kind: discovery.NotOffered},
		{domain: "broken.example", kind: discovery.BadAnswer},
		{domain: "loop.example", kind: discovery.BadAnswer},
		{domain: "ping.example", kind: discovery.BadAnswer},
		{domain: "dangling.example", kind: discovery.NoSuchName},
		{domain: "nobody.example", kind: discovery.NoSuchName},
		{domain: "exists.example", kind: discovery.NoSuchName}, // no fallback to its address
		{domain: "text.example", kind: discovery.NoData},
		{domain: "fail.example", kind: discovery.ServerFailure},
		{domain: "silent.example", kind: discovery.Timeout},
		{domain: strings.Repeat("long.", 48) + "example", kind: discovery.NoSuchName}, // with the service longer than a name can be
	}
	for _, tt := range tests {
		t.Run(tt.domain[:min(20, len(tt.domain))], func(t *testing.T) {
			d := domain.MustParse(tt.domain)
			a, err := r.SRV(t.Context(), sip, d)
			var got []string
			for _, target := range a.Targets {
				got = append(got, fmt.Sprintf("%s:%d", target.Host, target.Port))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("targets (-want +got):\n%s\nerror: %v", diff, err)
			}
			if k := kind(t, err); k != tt.kind || a.Authentic != tt.authentic {
				t.Errorf("error %v, authentic %v; want kind %q, authentic %v", err, a.Authentic, tt.kind, tt.authentic)
			}
			if err != nil && !strings.Contains(err.Error(), sip+"."+tt.domain) {
				t.Errorf("%q does not name the question", err)
			}
			peeked, peekErr, ok := r.Peek(sip, d)
			if !ok || !errors.Is(peekErr, err) || len(peeked.Targets) != len(a.Targets) {
				t.Errorf("Peek = %v, %v, %v; want the same", peeked, peekErr, ok)
			}
		})
	}
}

func TestTargetsAreCutOff(t *testing.T) {
	z := serve(t, world())
	r := resolver(t, discovery.Config{Servers: []string{z.Addr()}})
	a, err := r.SRV(t.Context(), sip, domain.MustParse("many.example"))
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Targets) != 64 || a.Targets[0].Host.String() != "h099.many.example" || a.Targets[63].Priority != 64 {
		t.Errorf("%d targets from %v to %v, want the 64 of best priority", len(a.Targets), a.Targets[0], a.Targets[len(a.Targets)-1])
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel() // waits for a real timeout
	z := serve(t, zone.Zone{
		TTL: 60, NegativeTTL: 30,
		A: map[string][]netip.Addr{
			"both.example": addrs("192.0.2.1", "10.0.0.1", "192.0.2.3"), "v4.example": addrs("192.0.2.4"),
		},
		AAAA:    map[string][]netip.Addr{"both.example": addrs("2001:db8::1"), "v6.example": addrs("2001:db8::6")},
		CNAME:   map[string]string{"alias.example": "both.example"},
		SRV:     map[string][]zone.SRV{"only.srv.example": {srv(0, 0, 1, "v4.example")}},
		Failing: map[string]bool{"fail.example": true},
		Silent:  map[string]bool{"silent.example": true},
	})
	r := resolver(t, discovery.Config{Servers: []string{z.Addr()}, Timeout: time.Second})
	tests := []struct {
		host string
		want []netip.Addr
		kind discovery.ErrorKind
	}{
		{"both.example", addrs("2001:db8::1", "192.0.2.1", "10.0.0.1", "192.0.2.3"), 0},
		{"alias.example", addrs("2001:db8::1", "192.0.2.1", "10.0.0.1", "192.0.2.3"), 0},
		{"v4.example", addrs("192.0.2.4"), 0},
		{"v6.example", addrs("2001:db8::6"), 0},
		{"srv.example", nil, discovery.NoData},
		{"nobody.example", nil, discovery.NoSuchName},
		{"fail.example", nil, discovery.ServerFailure},
		{"silent.example", nil, discovery.Timeout},
	}
	for _, tt := range tests {
		got, err := r.Addresses(t.Context(), domain.MustParse(tt.host))
		if diff := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" || kind(t, err) != tt.kind {
			t.Errorf("%s: error %v, want kind %q (-want +got):\n%s", tt.host, err, tt.kind, diff)
		}
	}
}

func TestErrorsTellTheServer(t *testing.T) {
	z := serve(t, world())
	r := resolver(t, discovery.Config{Servers: []string{z.Addr()}})
	for _, d := range []string{"fail.example", "nobody.example", "none.example", "broken.example"} {
		_, err := r.SRV(t.Context(), sip, domain.MustParse(d))
		var e *discovery.Error
		if !errors.As(err, &e) || e.Server != z.Addr() {
			t.Errorf("%s: %v does not name the server", d, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		config discovery.Config
		want   string
	}{
		{discovery.Config{Servers: []string{"dns.example:53"}}, `"dns.example:53": want "system"`},
		{discovery.Config{Servers: []string{"192.0.2.1:0"}}, `"192.0.2.1:0"`},
		{discovery.Config{Timeout: -1}, "timeout"},
		{discovery.Config{CacheSize: -1}, "cache size"},
		{discovery.Config{MinTTL: time.Hour, MaxTTL: time.Minute}, "smaller one first"},
	}
	for _, tt := range tests {
		r, err := discovery.New(tt.config)
		if err == nil {
			r.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("New(%+v): %v, want an error with %q", tt.config, err, tt.want)
		}
	}
}

func TestErrorKindTexts(t *testing.T) {
	var seen []string
	for k := discovery.NoSuchName; k <= discovery.Busy; k++ {
		if s := k.String(); s == "unknown" || slices.Contains(seen, s) || strings.ToLower(s) != s || strings.Contains(s, " ") {
			t.Errorf("kind %d has the text %q", k, s)
		}
		seen = append(seen, k.String())
	}
}

// TestOneFamilyIsEnough has one address family fail or stay silent: the other is
// returned without much delay, and soon asked for again.
func TestOneFamilyIsEnough(t *testing.T) {
	t.Parallel() // waits for a real timeout
	fail := func(q *dns.Msg) [][]byte {
		return [][]byte{packed(q, func(m *dns.Msg) { m.Answer, m.Rcode = nil, dns.RcodeServerFailure })}
	}
	silence := func(*dns.Msg) [][]byte { return nil }
	for name, aaaa := range map[string]func(*dns.Msg) [][]byte{"failing": fail, "silent": silence} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, func(q *dns.Msg) [][]byte {
				if q.Question[0].Qtype == dns.TypeAAAA {
					return aaaa(q)
				}
				return [][]byte{packed(q, func(m *dns.Msg) {
					h := dns.RR_Header{Name: m.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}
					m.Answer = []dns.RR{&dns.A{Hdr: h, A: net.IPv4(192, 0, 2, 1)}}
				})}
			})
			c := new(clock)
			r := resolver(t, discovery.Config{Servers: []string{s.addr}, Timeout: time.Hour, Now: c.now})
			for range 2 {
				got, err := r.Addresses(t.Context(), domain.MustParse("sip.fabrikam.com"))
				if err != nil || len(got) != 1 || got[0].String() != "192.0.2.1" {
					t.Errorf("got %v, %v; want the IPv4 address", got, err)
				}
				c.advance(5 * time.Second)
			}
			if got := s.queries.Load(); got != 4 {
				t.Errorf("%d queries, want both types asked for again", got)
			}
		})
	}
}
