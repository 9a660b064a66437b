package discovery_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"edged/internal/lab/zone"
	"edged/pkg/discovery"
	"edged/pkg/domain"

	"github.com/google/go-cmp/cmp"
)

// secured is a world of hosts some of which are signed.
func secured() zone.Zone {
	ee := zone.TLSA{Usage: 3, Selector: 1, Matching: 1, Data: []byte("key")}
	strange := zone.TLSA{Usage: 200, Selector: 201, Matching: 202, Data: []byte{0}}
	many := make([]zone.TLSA, 40)
	for i := range many {
		many[i] = zone.TLSA{Usage: 3, Data: []byte{byte(i)}}
	}
	return zone.Zone{
		TTL: 60, NegativeTTL: 30,
		TLSA: map[string][]zone.TLSA{
			zone.Port("xmpp.signed.example", 5269):   {ee, strange, {Usage: 3, Selector: 1, Matching: 2}},
			zone.Port("xmpp.unsigned.example", 5269): {ee},
			zone.Port("empty.signed.example", 5269):  {{Usage: 3}},
			zone.Port("many.signed.example", 5269):   many,
		},
		CNAME: map[string]string{
			zone.Port("in.signed.example", 5269):     zone.Port("xmpp.signed.example", 5269),
			zone.Port("out.signed.example", 5269):    zone.Port("xmpp.unsigned.example", 5269),
			zone.Port("into.unsigned.example", 5269): zone.Port("xmpp.signed.example", 5269),
			zone.Port("terse.signed.example", 5269):  zone.Port("xmpp.unsigned.example", 5269),
			"in.signed.example":                      "xmpp.signed.example",
			"out.signed.example":                     "xmpp.unsigned.example",
			"terse.signed.example":                   "xmpp.unsigned.example",
		},
		A: map[string][]netip.Addr{
			"xmpp.signed.example": addrs("192.0.2.1"), "xmpp.unsigned.example": addrs("192.0.2.2"),
			"halffails.signed.example": addrs("192.0.2.3"), "half.example": addrs("192.0.2.4"),
		},
		AAAA: map[string][]netip.Addr{
			"xmpp.signed.example": addrs("2001:db8::1"), "half.example": addrs("2001:db8::4"),
		},
		Signed:    map[string]bool{"signed.example": true},
		Authentic: map[string]bool{"half.example A": true},
		Terse:     map[string]bool{"terse.signed.example": true, zone.Port("terse.signed.example", 5269): true},
		Failing: map[string]bool{
			"halffails.signed.example AAAA": true, "fails.signed.example": true, zone.Port("fails.signed.example", 5269): true,
		},
	}
}

func TestTLSA(t *testing.T) {
	z := serve(t, secured())
	r := resolver(t, discovery.Config{Servers: []string{z.Addr()}})
	ee := []string{"3 1 1 6b6579"}
	tests := []struct {
		host      string
		want      []string
		kind      discovery.ErrorKind
		authentic bool
	}{
		{host: "xmpp.signed.example", want: []string{"3 1 1 6b6579", "200 201 202 00"}, authentic: true},
		{host: "in.signed.example", want: []string{"3 1 1 6b6579", "200 201 202 00"}, authentic: true},
		{host: "xmpp.unsigned.example", want: ee},
		{host: "out.signed.example", want: ee},
		{host: "terse.signed.example", want: ee},
		{host: "into.unsigned.example", want: []string{"3 1 1 6b6579", "200 201 202 00"}},
		{host: "nobody.signed.example", kind: discovery.NoSuchName, authentic: true},
		{host: "nobody.unsigned.example", kind: discovery.NoSuchName},
		{host: "empty.signed.example", kind: discovery.BadAnswer, authentic: true},
		{host: "fails.signed.example", kind: discovery.ServerFailure},
	}
	for _, tt := range tests {
		t.Run(tt.host, func(t *testing.T) {
			for range 2 { // the second time it is remembered
				records, authentic, err := r.TLSA(t.Context(), domain.MustParse(tt.host), 5269)
				var got []string
				for _, r := range records {
					got = append(got, fmt.Sprintf("%d %d %d %x", r.Usage, r.Selector, r.Matching, r.Data))
				}
				if diff := cmp.Diff(tt.want, got); diff != "" || authentic != tt.authentic || kind(t, err) != tt.kind {
					t.Errorf("authentic %v, error %v; want %v, kind %q; records (-want +got):\n%s", authentic, err, tt.authentic, tt.kind, diff)
				}
			}
			if got := z.Queries(zone.Port(tt.host, 5269), "TLSA"); got != 1 {
				t.Errorf("%d queries, want 1", got)
			}
		})
	}
}

func TestTLSARecordsAreCutOff(t *testing.T) {
	z := serve(t, secured())
	r := resolver(t, discovery.Config{Servers: []string{z.Addr()}})
	records, _, err := r.TLSA(t.Context(), domain.MustParse("many.signed.example"), 5269)
	if err != nil || len(records) != 32 {
		t.Errorf("%d records, error %v; want 32", len(records), err)
	}
}

func TestTLSAIsOfOnePort(t *testing.T) {
	z, c := serve(t, secured()), new(clock)
	r := resolver(t, discovery.Config{Servers: []string{z.Addr()}, Now: c.now})
	host := domain.MustParse("xmpp.signed.example")
	for _, port := range []uint16{5269, 443, 65535} {
		records, _, err := r.TLSA(t.Context(), host, port)
		if want := port == 5269; (err == nil) != want || (len(records) > 0) != want {
			t.Errorf("port %d: %v, %v", port, records, err)
		}
	}
	c.advance(time.Minute)
	if _, _, err := r.TLSA(t.Context(), host, 5269); err != nil || z.Queries(zone.Port("xmpp.signed.example", 5269), "TLSA") != 2 {
		t.Errorf("not asked again when its TTL was over: %v", err)
	}
}

func TestAuthenticAddresses(t *testing.T) {
	z := serve(t, secured())
	r := resolver(t, discovery.Config{Servers: []string{z.Addr()}})
	tests := []struct {
		host      string
		addrs     int
		kind      discovery.ErrorKind
		authentic bool
	}{
		{host: "xmpp.signed.example", addrs: 2, authentic: true},
		{host: "in.signed.example", addrs: 2, authentic: true},
		{host: "out.signed.example", addrs: 1},
		{host: "terse.signed.example", addrs: 1},
		{host: "xmpp.unsigned.example", addrs: 1},
		{host: "half.example", addrs: 2},
		{host: "halffails.signed.example", addrs: 1, authentic: true}, // what failed added nothing
		{host: "nobody.signed.example", kind: discovery.NoSuchName, authentic: true},
		{host: "nobody.unsigned.example", kind: discovery.NoSuchName},
		{host: "fails.signed.example", kind: discovery.ServerFailure},
	}
	for _, tt := range tests {
		got, authentic, err := r.AuthenticAddresses(t.Context(), domain.MustParse(tt.host))
		if len(got) != tt.addrs || authentic != tt.authentic || kind(t, err) != tt.kind {
			t.Errorf("%s: %v, authentic %v, error %v; want %d, %v, kind %q", tt.host, got, authentic, err, tt.addrs, tt.authentic, tt.kind)
		}
	}
}

func TestTrustsAD(t *testing.T) {
	tests := []struct {
		servers []string
		trust   []netip.Addr
		want    bool
	}{
		{[]string{"192.0.2.53"}, nil, false},
		{[]string{"192.0.2.53"}, addrs("192.0.2.53"), true},
		{[]string{"192.0.2.53", "127.0.0.1"}, nil, true},
		{[]string{"[::1]:5353"}, nil, true},
		{[]string{"192.0.2.53"}, addrs("192.0.2.54"), false},
	}
	for _, tt := range tests {
		r := resolver(t, discovery.Config{Servers: tt.servers, TrustAD: tt.trust})
		if got := r.TrustsAD(); got != tt.want {
			t.Errorf("servers %v, trusted %v: %v, want %v", tt.servers, tt.trust, got, tt.want)
		}
	}
}
