package setup

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/internal/lab/zone"
	"edged/pkg/domain"
)

// asking is a resolver that asks a DNS of the test.
func asking(t *testing.T, z zone.Zone) *net.Resolver {
	t.Helper()
	s, err := zone.Serve(z)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, s.Addr())
	}}
}

// TestPoolByDNS: the record that clients inside sign in by names our servers.
func TestPoolByDNS(t *testing.T) {
	r := asking(t, zone.Zone{SRV: map[string][]zone.SRV{
		"_sipinternaltls._tcp.contoso.com": {{Port: 5061, Target: "pool.corp.contoso.com"}, {Priority: 1, Port: 5063, Target: "second.corp.contoso.com"}},
		"_sipinternaltls._tcp.none.com":    {{Target: "."}},
	}})
	for name, want := range map[string][]string{
		"contoso.com": {"pool.corp.contoso.com:5061", "second.corp.contoso.com:5063"},
		"none.com":    nil, "nothing.com": nil,
	} {
		if diff := cmp.Diff(want, pool(t.Context(), r, domain.MustParse(name))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestFullName(t *testing.T) {
	r := asking(t, zone.Zone{
		CNAME: map[string]string{"edge.contoso.com": "edge.corp.contoso.com"},
		A:     map[string][]netip.Addr{"edge.corp.contoso.com": {netip.MustParseAddr("192.0.2.1")}},
	})
	for name, want := range map[string]string{
		"edge.corp.contoso.com":  "edge.corp.contoso.com", // it has a domain: nobody is asked
		"Edge.Corp.Contoso.COM.": "edge.corp.contoso.com",
		"no_host.contoso.com":    "",
		"unheard-of":             "",
		"localhost":              "",
	} {
		if got := fullName(t.Context(), r, name).String(); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestLook asks nobody where everything has been said, and finds addresses that the
// plan can be made of, whatever the host is.
func TestLook(t *testing.T) {
	o := &Options{
		Dir: t.TempDir(), Domains: names("contoso.com"), SIP: true, SIPPool: []string{"fe1.corp.contoso.com"},
		InternalFQDN: domain.MustParse("edge.corp.contoso.com"),
	}
	h := Look(t.Context(), o)
	for _, p := range h.Addresses {
		if !p.Addr().IsGlobalUnicast() {
			t.Errorf("%s is no address that others reach", p)
		}
	}
	if len(h.Resolvers) == 0 {
		t.Error("no name server, not even this host")
	}
	if _, err := plan(o, &h); err != nil {
		t.Error(err)
	}
}
