package zone_test

import (
	"net/netip"
	"testing"
	"time"

	"edged/internal/lab/zone"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, z zone.Zone) *zone.Server {
	t.Helper()
	s, err := zone.Serve(z)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func world() zone.Zone {
	many := make([]zone.SRV, 100)
	for i := range many {
		many[i] = zone.SRV{Port: uint16(i + 1), Target: "host.with.a.long.name.many.example"}
	}
	return zone.Zone{
		TTL: 60, NegativeTTL: 30,
		SRV: map[string][]zone.SRV{
			"_sip._tcp.a.example":    {{1, 2, 5061, "sip.a.example"}},
			"_sip._tcp.none.example": {{0, 0, 0, "."}},
			"_sip._tcp.many.example": many,
		},
		A:    map[string][]netip.Addr{"sip.a.example": {netip.MustParseAddr("192.0.2.1")}, "cut.example": {netip.MustParseAddr("192.0.2.2")}},
		AAAA: map[string][]netip.Addr{"sip.a.example": {netip.MustParseAddr("2001:db8::1")}},
		TLSA: map[string][]zone.TLSA{zone.Port("sip.a.example", 5061): {{3, 1, 1, []byte("key")}}},
		CNAME: map[string]string{
			"alias.example": "sip.a.example", "terse.example": "sip.a.example", "loop.example": "loop.example",
			"out.signed.example": "sip.a.example", "in.signed.example": "host.signed.example", "terse.signed.example": "sip.a.example",
		},
		Failing:   map[string]bool{"fail.example": true, "half.signed.example A": true},
		Silent:    map[string]bool{"silent.example": true},
		Authentic: map[string]bool{"sip.a.example": true, "_5061._tcp.sip.a.example TLSA": true},
		Signed:    map[string]bool{"signed.example": true},
		Truncated: map[string]bool{"cut.example": true},
		Terse:     map[string]bool{"terse.example": true, "terse.signed.example": true},
	}
}

func ask(t *testing.T, s *zone.Server, network, name string, qtype uint16) (*dns.Msg, error) {
	t.Helper()
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	c := dns.Client{Net: network, Timeout: 100 * time.Millisecond}
	resp, _, err := c.Exchange(m, s.Addr())
	return resp, err
}

func TestAnswers(t *testing.T) {
	s := serve(t, world())
	tests := []struct {
		name          string
		network       string
		qtype         uint16
		rcode         int
		answers       int
		soa, tc, auth bool
	}{
		{name: "_sip._tcp.a.example", qtype: dns.TypeSRV, answers: 1},
		{name: "_SIP._tcp.A.example", qtype: dns.TypeSRV, answers: 1},
		{name: "_sip._tcp.none.example", qtype: dns.TypeSRV, answers: 1},
		{name: "sip.a.example", qtype: dns.TypeA, answers: 1, auth: true},
		{name: "sip.a.example", qtype: dns.TypeAAAA, answers: 1, auth: true},
		{name: "sip.a.example", qtype: dns.TypeMX, soa: true, auth: true},
		{name: "a.example", qtype: dns.TypeA, soa: true},
		{name: "nobody.example", qtype: dns.TypeA, rcode: dns.RcodeNameError, soa: true},
		{name: "alias.example", qtype: dns.TypeA, answers: 2},
		{name: "alias.example", qtype: dns.TypeCNAME, answers: 1},
		{name: "terse.example", qtype: dns.TypeA, answers: 1},
		{name: "loop.example", qtype: dns.TypeA, answers: 16, soa: true},
		{name: "_5061._tcp.sip.a.example", qtype: dns.TypeTLSA, answers: 1, auth: true},
		{name: "_5061._tcp.sip.a.example", qtype: dns.TypeA, soa: true},
		{name: "_tcp.sip.a.example", qtype: dns.TypeTLSA, soa: true},
		{name: "signed.example", qtype: dns.TypeA, soa: true, auth: true},
		{name: "nobody.signed.example", qtype: dns.TypeA, rcode: dns.RcodeNameError, soa: true, auth: true},
		{name: "unsigned.example", qtype: dns.TypeA, rcode: dns.RcodeNameError, soa: true},
		{name: "in.signed.example", qtype: dns.TypeA, rcode: dns.RcodeNameError, answers: 1, soa: true, auth: true},
		{name: "out.signed.example", qtype: dns.TypeA, answers: 2},
		{name: "terse.signed.example", qtype: dns.TypeA, answers: 1, auth: true},
		{name: "half.signed.example", qtype: dns.TypeA, rcode: dns.RcodeServerFailure},
		{name: "half.signed.example", qtype: dns.TypeAAAA, rcode: dns.RcodeNameError, soa: true, auth: true},
		{name: "fail.example", qtype: dns.TypeA, rcode: dns.RcodeServerFailure},
		{name: "cut.example", qtype: dns.TypeA, tc: true},
		{name: "cut.example", network: "tcp", qtype: dns.TypeA, answers: 1},
		{name: "_sip._tcp.many.example", network: "tcp", qtype: dns.TypeSRV, answers: 100},
	}
	for _, tt := range tests {
		t.Run(tt.name+"/"+dns.TypeToString[tt.qtype]+tt.network, func(t *testing.T) {
			m, err := ask(t, s, tt.network, tt.name, tt.qtype)
			if err != nil {
				t.Fatal(err)
			}
			got := []any{m.Rcode, len(m.Answer), len(m.Ns) > 0, m.Truncated, m.AuthenticatedData}
			want := []any{tt.rcode, tt.answers, tt.soa, tt.tc, tt.auth}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("rcode, answers, SOA, TC, AD (-want +got):\n%s\n%v", diff, m)
			}
		})
	}
}

func TestLargeAnswerIsCutOffOverUDP(t *testing.T) {
	s := serve(t, world())
	m, err := ask(t, s, "udp", "_sip._tcp.many.example", dns.TypeSRV)
	if err != nil {
		t.Fatal(err)
	}
	if !m.Truncated || len(m.Answer) == 100 {
		t.Errorf("truncated %v with %d records, want a cut-off answer", m.Truncated, len(m.Answer))
	}
}

func TestSilence(t *testing.T) {
	s := serve(t, world())
	if m, err := ask(t, s, "udp", "silent.example", dns.TypeA); err == nil {
		t.Errorf("got an answer: %v", m)
	}
	if got := s.Queries("silent.example", "A"); got != 1 {
		t.Errorf("counted %d queries, want 1", got)
	}
}

func TestSetWhileRunning(t *testing.T) {
	s := serve(t, zone.Zone{})
	s.Set(func(z *zone.Zone) { z.A["new.example"] = []netip.Addr{netip.MustParseAddr("192.0.2.9")} })
	m, err := ask(t, s, "udp", "new.example", dns.TypeA)
	if err != nil || len(m.Answer) != 1 {
		t.Errorf("got %v, %v; want one address", m, err)
	}
}

func TestAddZoneFile(t *testing.T) {
	z := zone.Zone{SRV: map[string][]zone.SRV{"_sip._tcp.a.example": {{Port: 1, Target: "old.a.example"}}}}
	if err := z.Add("_SIP._tcp.a.example. 60 IN SRV 1 2 5061 sip.a.example.\n; a comment\nsip.a.example. IN A 192.0.2.1\nsip.a.example. IN AAAA 2001:db8::1\n"); err != nil {
		t.Fatal(err)
	}
	want := zone.Zone{
		SRV:  map[string][]zone.SRV{"_sip._tcp.a.example": {{Port: 1, Target: "old.a.example"}, {1, 2, 5061, "sip.a.example"}}},
		A:    map[string][]netip.Addr{"sip.a.example": {netip.MustParseAddr("192.0.2.1")}},
		AAAA: map[string][]netip.Addr{"sip.a.example": {netip.MustParseAddr("2001:db8::1")}},
	}
	got := zone.Zone{SRV: z.SRV, A: z.A, AAAA: z.AAAA}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range []string{"a.example. IN MX 1 b.example.\n", "a.example. IN A nowhere\n"} {
		if err := z.Add(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
