package limit_test

import (
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"edged/pkg/limit"
)

func TestAdmit(t *testing.T) {
	tests := []struct {
		name   string
		limits limit.AcceptConfig
		from   string // addresses in order of arrival; the last one is judged
		want   string // bound that refuses it, "" if admitted
	}{
		{"first", limit.AcceptConfig{Connections: 1, PerAddress: 1}, "192.0.2.1", ""},
		{"total reached", limit.AcceptConfig{Connections: 2, PerAddress: 2}, "192.0.2.1 192.0.2.2 192.0.2.3", "connections"},
		{"address reached", limit.AcceptConfig{Connections: 9, PerAddress: 2}, "192.0.2.1 192.0.2.1 192.0.2.1", "connections_per_address"},
		{"another address", limit.AcceptConfig{Connections: 9, PerAddress: 2}, "192.0.2.1 192.0.2.1 192.0.2.2", ""},
		{"IPv4 is counted whole", limit.AcceptConfig{Connections: 9, PerAddress: 1}, "192.0.2.1 192.0.2.129", ""},
		{"v4-mapped is the same address", limit.AcceptConfig{Connections: 9, PerAddress: 1}, "192.0.2.1 ::ffff:192.0.2.1", "connections_per_address"},
		{"one /64", limit.AcceptConfig{Connections: 9, PerAddress: 1}, "2001:db8::1 2001:db8::ffff:0:0:1", "connections_per_address"},
		{"two /64", limit.AcceptConfig{Connections: 9, PerAddress: 1}, "2001:db8::1 2001:db8:0:1::1", ""},
		{"a zone makes no other address", limit.AcceptConfig{Connections: 9, PerAddress: 1}, "fe80::1%eth0 fe80::1%eth1", "connections_per_address"},
		{"zero admits nobody", limit.AcceptConfig{}, "192.0.2.1", "connections"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := limit.NewAccept(tt.limits)
			var err error
			for addr := range strings.FieldsSeq(tt.from) {
				if err != nil {
					t.Fatalf("refused before the last: %v", err)
				}
				_, err = a.Admit(netip.MustParseAddr(addr))
			}
			if got := bound(t, err); got != tt.want {
				t.Errorf("refused by %q, want %q", got, tt.want)
			}
		})
	}
}

// bound returns the bound an error names, "" for nil.
func bound(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var e *limit.Error
	if !errors.As(err, &e) {
		t.Fatalf("%T is no *limit.Error", err)
	}
	return e.Bound
}

func TestReleaseCountsOnce(t *testing.T) {
	a := limit.NewAccept(limit.AcceptConfig{Connections: 2, PerAddress: 2})
	addr := netip.MustParseAddr("192.0.2.1")
	release := admit(t, a, addr)
	admit(t, a, addr)
	release()
	release()
	admit(t, a, addr)
	if _, err := a.Admit(addr); err == nil {
		t.Error("the second release gave a place away twice")
	}
}

func admit(t *testing.T, a *limit.Accept, addr netip.Addr) func() {
	t.Helper()
	release, err := a.Admit(addr)
	if err != nil {
		t.Fatal(err)
	}
	return release
}

func TestExcess(t *testing.T) {
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	tests := []struct {
		name             string
		limits           limit.AcceptConfig // after three connections from one and one from two
		wantOne, wantTwo int
	}{
		{"nothing lowered", limit.AcceptConfig{Connections: 4, PerAddress: 3}, 0, 0},
		{"per address", limit.AcceptConfig{Connections: 4, PerAddress: 1}, 2, 0},
		{"in all", limit.AcceptConfig{Connections: 2, PerAddress: 3}, 2, 1},
		{"both, the larger excess counts", limit.AcceptConfig{Connections: 3, PerAddress: 1}, 2, 1},
		{"everything", limit.AcceptConfig{}, 3, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := limit.NewAccept(limit.AcceptConfig{Connections: 4, PerAddress: 4})
			for range 3 {
				admit(t, a, one)
			}
			admit(t, a, two)
			a.SetLimits(tt.limits)
			if got := a.Excess(one); got != tt.wantOne {
				t.Errorf("excess of %v: %d, want %d", one, got, tt.wantOne)
			}
			if got := a.Excess(two); got != tt.wantTwo {
				t.Errorf("excess of %v: %d, want %d", two, got, tt.wantTwo)
			}
			if got := a.Excess(netip.MustParseAddr("192.0.2.3")); got != 0 {
				t.Errorf("excess of an address without connections: %d", got)
			}
		})
	}
}

func TestExcessShrinksWithEachRelease(t *testing.T) {
	a := limit.NewAccept(limit.AcceptConfig{Connections: 4, PerAddress: 4})
	addr := netip.MustParseAddr("2001:db8::1")
	var open []func()
	for range 4 {
		open = append(open, admit(t, a, addr))
	}
	a.SetLimits(limit.AcceptConfig{Connections: 4, PerAddress: 1})
	closed := 0
	for a.Excess(addr) > 0 {
		open[closed]()
		closed++
	}
	if closed != 3 {
		t.Errorf("closed %d connections to come to the bound, want 3", closed)
	}
}

func TestAcceptAtOnce(t *testing.T) {
	a := limit.NewAccept(limit.AcceptConfig{Connections: 50, PerAddress: 20})
	var all sync.WaitGroup
	for i := range 8 {
		addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 4)})
		all.Go(func() {
			for range 500 {
				if release, err := a.Admit(addr); err == nil {
					a.Excess(addr)
					release()
				}
			}
		})
	}
	all.Wait()
	a.SetLimits(limit.AcceptConfig{})
	for i := range 4 {
		if n := a.Excess(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})); n != 0 {
			t.Errorf("%d connections were never released", n)
		}
	}
}

func BenchmarkAdmit(b *testing.B) {
	a := limit.NewAccept(limit.AcceptConfig{Connections: 1 << 20, PerAddress: 1 << 20})
	addr := netip.MustParseAddr("2001:db8::1")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if release, err := a.Admit(addr); err == nil {
				release()
			}
		}
	})
}
