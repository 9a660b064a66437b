package limit

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDefaultBoundsAreGood(t *testing.T) {
	if bad := DefaultBounds().Check(); bad != nil {
		t.Errorf("DefaultBounds().Check() = %q", bad)
	}
}

func TestBoundsCheck(t *testing.T) {
	tests := []struct {
		name string
		edit func(*Bounds)
		want []string
	}{
		{"count", func(b *Bounds) { b.Handshakes = -1 }, []string{"limits.handshakes: -1 is not in 0..100000"}},
		{"wait", func(b *Bounds) { b.IdleTimeout = 0 }, []string{"limits.idle_timeout: 0s is not in 10s..24h"}},
		{"size", func(b *Bounds) { b.HeaderBytes = 17 * MiB }, []string{"limits.header_bytes: 17MiB is not in 4KiB..16MiB"}},
		{"timer C", func(b *Bounds) { b.InviteTimeout = 3 * time.Minute }, []string{"limits.invite_timeout: 3m is not in 3m1s..1h"}},
		{"no number", func(b *Bounds) { b.StrangerLookups = math.NaN() }, []string{"limits.stranger_lookups: NaN is not in 0.01..10000 per second"}},
		{"endless", func(b *Bounds) { b.StrangerLookups = math.Inf(1) }, []string{"limits.stranger_lookups: +Inf is not in 0.01..10000 per second"}},
		{
			"part above whole", func(b *Bounds) { b.ConnectTotal = 3 * time.Second },
			[]string{"limits.connect_timeout: 5s is more than limits.connect_total (3s), which encloses it"},
		},
		{
			"queue below one message", func(b *Bounds) { b.QueueBytes = MiB },
			[]string{"limits.queue_bytes: 1MiB does not hold one message of header_bytes and body_bytes (1088KiB)"},
		},
		{"RFC 6120", func(b *Bounds) { b.StanzaBytes = 9999 }, []string{"limits.stanza_bytes: 9999 is not in 10000..16MiB"}},
		{"stanza above queue", func(b *Bounds) { b.StanzaBytes = 5 * MiB }, []string{"limits.stanza_bytes: 5MiB is more than limits.queue_bytes (4MiB), which encloses it"}},
		{"silence above idleness", func(b *Bounds) { b.KeepaliveInterval = 11 * time.Minute }, []string{"limits.keepalive_interval: 11m is more than limits.stream_idle_timeout (10m), which encloses it"}},
		{"dialback above negotiation", func(b *Bounds) { b.StreamTimeout = 10 * time.Second }, []string{"limits.dialback_timeout: 30s is more than limits.stream_timeout (10s), which encloses it"}},
		{"one address above all", func(b *Bounds) { b.Verifications = 4 }, []string{"limits.verifications_per_address: 8 is more than limits.verifications (4), which encloses it"}},
		{
			"streams, in order", func(b *Bounds) {
				b.Streams, b.Unacknowledged, b.ConsentPairs, b.Minted, b.MintRate, b.BounceRate, b.DiscoveredPartners = 0, 299, 0, 0, 0, math.NaN(), 0
			},
			[]string{
				"limits.discovered_partners: 0 is not in 1..1000000",
				"limits.streams: 0 is not in 1..1000000",
				"limits.unacknowledged: 299 is not in 300..100000",
				"limits.consent_pairs: 0 is not in 1..100000000",
				"limits.minted: 0 is not in 1..1000000",
				"limits.mint_rate: 0 is not in 0.01..10000 per second",
				"limits.bounce_rate: NaN is not in 0.01..10000 per second",
			},
		},
		{"one mistake is told once", func(b *Bounds) { b.Connections = -1 }, []string{"limits.connections: -1 is not in 1..1000000"}},
		{
			"all at once, in order", func(b *Bounds) { b.DNSCache, b.Connections = 0, 0 },
			[]string{"limits.connections: 0 is not in 1..1000000", "limits.dns_cache: 0 is not in 16..10000000"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := DefaultBounds()
			tt.edit(&b)
			if diff := cmp.Diff(tt.want, b.Check()); diff != "" {
				t.Errorf("Check() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSizeText(t *testing.T) {
	good := map[string]Size{"0": 0, "4096": 4 * KiB, "1000": 1000, "64KiB": 64 * KiB, "1 MiB": MiB, "2GiB": 2 * GiB}
	for in, want := range good {
		var s Size
		if err := s.UnmarshalText([]byte(in)); err != nil || s != want {
			t.Errorf("UnmarshalText(%q) = %d, %v; want %d", in, s, err, want)
		}
	}
	bad := []string{"", "-1", "1.5KiB", "64KB", "64k", "KiB", "1  MiB", "8589934592GiB", "9223372036854775808", "0x10", "1_000"}
	for _, in := range bad {
		s := Size(7)
		if err := s.UnmarshalText([]byte(in)); err == nil || s != 7 {
			t.Errorf("UnmarshalText(%q) = %d, %v; want an error and no change", in, s, err)
		}
	}
}

func FuzzSize(f *testing.F) {
	for _, s := range []string{"4096", "64KiB", "1 MiB", "-1", "99999999999GiB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		var s, again Size
		if s.UnmarshalText([]byte(in)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(s.String())); s < 0 || err != nil || again != s {
			t.Errorf("%q -> %d -> %q -> %d, %v", in, s, s, again, err)
		}
	})
}
