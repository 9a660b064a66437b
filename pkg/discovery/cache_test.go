package discovery_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"edged/internal/lab/zone"
	"edged/pkg/discovery"
	"edged/pkg/domain"
)

// TestCacheTimes runs on a clock of its own: look up at 0, then tell when the
// question is asked again.
func TestCacheTimes(t *testing.T) {
	tests := []struct {
		name        string
		domain      string
		ttl, negTTL uint32
		still, over time.Duration
	}{
		{"TTL", "fabrikam.com", 60, 0, 59 * time.Second, 60 * time.Second},
		{"TTL below MinTTL", "fabrikam.com", 0, 0, 9 * time.Second, 10 * time.Second},
		{"TTL above MaxTTL", "fabrikam.com", 1e6, 0, 119 * time.Second, 120 * time.Second},
		{"TTL with the highest bit", "fabrikam.com", 1 << 31, 0, 9 * time.Second, 10 * time.Second},
		{"not offered", "none.example", 60, 0, 59 * time.Second, 60 * time.Second},
		{"no such name", "nobody.example", 0, 30, 29 * time.Second, 30 * time.Second},
		{"no such name, SOA above MaxTTL", "nobody.example", 0, 1e6, 119 * time.Second, 120 * time.Second},
		{"no data", "text.example", 0, 30, 29 * time.Second, 30 * time.Second},
		{"alias to nothing: the shorter one", "dangling.example", 20, 60, 19 * time.Second, 20 * time.Second},
		{"failure", "fail.example", 1000, 1000, 4 * time.Second, 5 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := world()
			w.TTL, w.NegativeTTL = tt.ttl, tt.negTTL
			z, c := serve(t, w), new(clock)
			r := resolver(t, discovery.Config{Servers: []string{z.Addr()}, MinTTL: 10 * time.Second, MaxTTL: 2 * time.Minute, Now: c.now})
			d := domain.MustParse(tt.domain)
			a, err := r.SRV(t.Context(), sip, d)
			if expires := c.now().Add(tt.over); err == nil && !a.Expires.Equal(expires) {
				t.Errorf("expires %v, want %v", a.Expires, expires)
			}
			asked := z.Queries(sip+"."+tt.domain, "SRV")
			c.advance(tt.still)
			_, _ = r.SRV(t.Context(), sip, d)
			if got := z.Queries(sip+"."+tt.domain, "SRV"); got != asked {
				t.Errorf("asked again after %v", tt.still)
			}
			c.advance(tt.over - tt.still)
			if _, _, ok := r.Peek(sip, d); ok {
				t.Errorf("Peek still has it after %v", tt.over)
			}
			_, _ = r.SRV(t.Context(), sip, d)
			if got := z.Queries(sip+"."+tt.domain, "SRV"); got != 2*asked {
				t.Errorf("not asked again after %v", tt.over)
			}
		})
	}
}

func TestChangedAnswerIsSeen(t *testing.T) {
	z, c := serve(t, world()), new(clock)
	r := resolver(t, discovery.Config{Servers: []string{z.Addr()}, Now: c.now})
	d := domain.MustParse("nobody.example")
	if _, err := r.SRV(t.Context(), sip, d); kind(t, err) != discovery.NoSuchName {
		t.Fatalf("error %v", err)
	}
	z.Set(func(z *zone.Zone) { z.SRV[sip+".nobody.example"] = []zone.SRV{srv(0, 0, 5061, "sip.nobody.example")} })
	c.advance(time.Minute)
	if a, err := r.SRV(t.Context(), sip, d); err != nil || len(a.Targets) != 1 {
		t.Errorf("got %v, %v after the record was added", a, err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	z, c := serve(t, world()), new(clock)
	r := resolver(t, discovery.Config{Servers: []string{z.Addr()}, CacheSize: 4, Now: c.now})
	name := func(i int) domain.Name { return domain.MustParse(fmt.Sprintf("d%d.example", i)) }
	remembered := func(n int) (count int) {
		for i := range n {
			if _, _, ok := r.Peek(sip, name(i)); ok {
				count++
			}
		}
		return count
	}
	for i := range 100 {
		_, _ = r.SRV(t.Context(), sip, name(i))
		if i%2 == 0 { // a partner in use survives any number of strangers
			_, _ = r.SRV(t.Context(), sip, name(0))
		}
	}
	if got := remembered(100); got != 4 {
		t.Errorf("%d names remembered, want 4", got)
	}
	if got := z.Queries(sip+".d0.example", "SRV"); got != 1 {
		t.Errorf("the name in use was asked for %d times, want 1", got)
	}
	c.advance(time.Minute)
	for i := 200; i < 204; i++ {
		_, _ = r.SRV(t.Context(), sip, name(i))
	}
	for i := 200; i < 204; i++ {
		if _, _, ok := r.Peek(sip, name(i)); !ok {
			t.Errorf("%v was not remembered in place of an expired name", name(i))
		}
	}
}

// partners returns a resolver that remembers one partner.
func partners(tb testing.TB) (*discovery.Resolver, domain.Name) {
	tb.Helper()
	z := serve(tb, world())
	r := resolver(tb, discovery.Config{Servers: []string{z.Addr()}})
	d := domain.MustParse("fabrikam.com")
	if _, err := r.SRV(context.Background(), sip, d); err != nil {
		tb.Fatal(err)
	}
	return r, d
}

func TestPeekDoesNotAllocate(t *testing.T) {
	r, d := partners(t)
	if n := testing.AllocsPerRun(100, func() {
		if a, err, ok := r.Peek(sip, d); !ok || err != nil || len(a.DirectlyIn(d).Names()) != 2 {
			t.Fatal("not remembered")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPeek(b *testing.B) {
	r, d := partners(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := r.Peek(sip, d); !ok {
			b.Fatal("not remembered")
		}
	}
}

func BenchmarkPeekParallel(b *testing.B) {
	r, d := partners(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, _, ok := r.Peek(sip, d); !ok {
				b.Error("not remembered")
			}
		}
	})
}

func BenchmarkOrdered(b *testing.B) {
	r, d := partners(b)
	a, _, _ := r.Peek(sip, d)
	b.ReportAllocs()
	for b.Loop() {
		a.Ordered(nil)
	}
}
