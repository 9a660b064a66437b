package discovery

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"edged/internal/lab/zone"
	"edged/pkg/domain"

	"github.com/google/go-cmp/cmp"
)

func TestServers(t *testing.T) {
	tests := []struct {
		name       string
		list       []string
		resolvConf string
		trustAD    []string
		want       map[string]bool // address -> trusted
	}{
		{"ports", []string{"192.0.2.1", "192.0.2.2:5353", "2001:db8::1", "[2001:db8::2]:5353"}, "", nil, map[string]bool{
			"192.0.2.1:53": false, "192.0.2.2:5353": false, "[2001:db8::1]:53": false, "[2001:db8::2]:5353": false,
		}},
		{"loopback is trusted", []string{"127.0.0.53", "[::1]:53", "::ffff:127.0.0.1"}, "", nil, map[string]bool{
			"127.0.0.53:53": true, "[::1]:53": true, "127.0.0.1:53": true,
		}},
		{"trusted by name", []string{"192.0.2.1", "192.0.2.2"}, "", []string{"::ffff:192.0.2.2"}, map[string]bool{
			"192.0.2.1:53": false, "192.0.2.2:53": true,
		}},
		{"system", []string{"system", "192.0.2.9"}, "# comment\nsearch corp.example\nnameserver 192.0.2.1\nnameserver fe80::1%lo\noptions trust-ad\n", nil, map[string]bool{
			"192.0.2.1:53": false, "[fe80::1%lo]:53": false, "192.0.2.9:53": false,
		}},
		{"system names none", []string{"system"}, "search corp.example\n", nil, map[string]bool{"127.0.0.1:53": true}},
		{"system has no file", []string{"system"}, "", nil, map[string]bool{"127.0.0.1:53": true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "resolv.conf")
			if tt.resolvConf != "" {
				if err := os.WriteFile(file, []byte(tt.resolvConf), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var trust []netip.Addr
			for _, s := range tt.trustAD {
				trust = append(trust, netip.MustParseAddr(s))
			}
			servers, err := newServers(tt.list, trust, file)
			if err != nil {
				t.Fatal(err)
			}
			got := make(map[string]bool)
			for _, s := range servers {
				got[s.addr] = s.trusted
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("servers (-want +got):\n%s", diff)
			}
		})
	}
}

// TestUntrustedServerProvesNothing takes the trust away from the loopback server,
// since the test has no other.
func TestUntrustedServerProvesNothing(t *testing.T) {
	const owner = SIPFederation + ".signed.example"
	z, err := zone.Serve(zone.Zone{
		SRV:       map[string][]zone.SRV{owner: {{Port: 5061, Target: "sip.signed.example"}}},
		Authentic: map[string]bool{owner: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	for _, trusted := range []bool{true, false} {
		r, err := New(Config{Servers: []string{z.Addr()}})
		if err != nil {
			t.Fatal(err)
		}
		r.servers[0].trusted = trusted
		if a, err := r.SRV(t.Context(), SIPFederation, domain.MustParse("signed.example")); err != nil || a.Authentic != trusted {
			t.Errorf("server trusted %v: authentic %v, error %v", trusted, a.Authentic, err)
		}
		r.Close()
	}
}
