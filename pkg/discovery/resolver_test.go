package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"edged/internal/lab/zone"
	"edged/pkg/discovery"
	"edged/pkg/domain"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const sip = discovery.SIPFederation

func resolver(t testing.TB, c discovery.Config) *discovery.Resolver {
	t.Helper()
	r, err := discovery.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func serve(t testing.TB, z zone.Zone) *zone.Server {
	t.Helper()
	s, err := zone.Serve(z)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// clock is a time that passes only when told.
type clock struct{ since atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(1e9, 0).Add(time.Duration(c.since.Load())) }
func (c *clock) advance(d time.Duration) { c.since.Add(int64(d)) }

// kind is 0 for no error.
func kind(t *testing.T, err error) discovery.ErrorKind {
	t.Helper()
	if err == nil {
		return 0
	}
	var e *discovery.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *discovery.Error", err)
	}
	return e.Kind
}

func addrs(list ...string) []netip.Addr {
	var as []netip.Addr
	for _, s := range list {
		as = append(as, netip.MustParseAddr(s))
	}
	return as
}

func srv(priority, weight, port uint16, target string) zone.SRV {
	return zone.SRV{Priority: priority, Weight: weight, Port: port, Target: target}
}

func services(m map[string][]zone.SRV) map[string][]zone.SRV {
	full := make(map[string][]zone.SRV)
	for name, records := range m {
		full[sip+"."+name] = records
	}
	return full
}

func world() zone.Zone {
	many := make([]zone.SRV, 100)
	for i := range many {
		many[i] = zone.SRV{Priority: uint16(100 - i), Port: 5061, Target: fmt.Sprintf("h%03d.many.example", i)}
	}
	return zone.Zone{
		TTL: 60, NegativeTTL: 30,
		SRV: services(map[string][]zone.SRV{
			"fabrikam.com":       {srv(20, 0, 5062, "sip2.fabrikam.com"), srv(10, 5, 5061, "SIP.fabrikam.com"), srv(10, 5, 5061, "sip.fabrikam.com")},
			"none.example":       {srv(0, 0, 0, ".")},
			"mixed.example":      {srv(0, 0, 0, "."), srv(0, 0, 5061, "sip.mixed.example")},
			"broken.example":     {srv(0, 0, 0, "sip.broken.example"), srv(0, 0, 5061, "under_score.broken.example"), srv(0, 0, 5061, "192.0.2.1")},
			"many.example":       many,
			"signed.example":     {srv(0, 0, 5061, "sip.signed.example")},
			"cut.example":        {srv(0, 0, 5061, "sip.cut.example")},
			"fail.example":       {srv(0, 0, 5061, "sip.fail.example")},
			"target.example":     {srv(0, 0, 5061, "sip.target.example")},
			"unsignedto.example": {srv(0, 0, 5061, "sip.unsignedto.example")},
		}),
		CNAME: map[string]string{
			sip + ".alias.example":     sip + ".target.example",
			sip + ".terse.example":     sip + ".target.example",
			sip + ".loop.example":      sip + ".loop.example",
			sip + ".ping.example":      sip + ".pong.example",
			sip + ".pong.example":      sip + ".ping.example",
			sip + ".dangling.example":  sip + ".nowhere.example",
			sip + ".halfsigned.exampl": sip + ".unsignedto.example",
		},
		A: map[string][]netip.Addr{
			"exists.example":      addrs("192.0.2.1"),
			"fabrikam.com":        addrs("192.0.2.2"),
			sip + ".text.example": addrs("192.0.2.3"),
		},
		Terse: map[string]bool{
			sip + ".terse.example": true, sip + ".ping.example": true, sip + ".pong.example": true, sip + ".halfsigned.exampl": true,
		},
		Failing:   map[string]bool{sip + ".fail.example": true},
		Silent:    map[string]bool{sip + ".silent.example": true},
		Authentic: map[string]bool{sip + ".signed.example": true, sip + ".halfsigned.exampl": true},
		Truncated: map[string]bool{sip + ".cut.example": true},
	}
}

func TestSRV(t *testing.T) {
	z := serve(t, world())
	r := resolver(t, discovery.Config{Servers: []string{z.Addr()}, Timeout: 150 * time.Millisecond})
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
	z := serve(t, zone.Zone{
		TTL: 60, NegativeTTL: 30,
		A: map[string][]netip.Addr{
			"both.example": addrs("192.0.2.1", "10.0.0.1", "192.0.2.3"), "v4.example": addrs("192.0.2.4"),
			"half.example": addrs("192.0.2.5"),
		},
		AAAA:    map[string][]netip.Addr{"both.example": addrs("2001:db8::1"), "v6.example": addrs("2001:db8::6")},
		CNAME:   map[string]string{"alias.example": "both.example"},
		SRV:     map[string][]zone.SRV{"only.srv.example": {srv(0, 0, 1, "v4.example")}},
		Failing: map[string]bool{"fail.example": true},
		Silent:  map[string]bool{"silent.example": true},
	})
	r := resolver(t, discovery.Config{Servers: []string{z.Addr()}, Timeout: 150 * time.Millisecond})
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

func TestObserve(t *testing.T) {
	z := serve(t, world())
	var mu sync.Mutex
	got := make(map[string]int)
	r, err := discovery.New(discovery.Config{Servers: []string{z.Addr()}, Observe: func(kind, outcome string, d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		got[kind+" "+outcome]++
	}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, _ = r.SRV(t.Context(), sip, domain.MustParse("fabrikam.com"))
	}
	_, _ = r.SRV(t.Context(), sip, domain.MustParse("none.example"))
	_, _ = r.Addresses(t.Context(), domain.MustParse("nobody.example"))
	r.Close() // the hook is called after the answer is out
	want := map[string]int{"srv answered": 1, "srv cached": 1, "srv not-offered": 1, "address no-such-name": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}

func TestClose(t *testing.T) {
	z := serve(t, world())
	r := resolver(t, discovery.Config{Servers: []string{z.Addr()}, Timeout: time.Minute})
	if _, err := r.SRV(t.Context(), sip, domain.MustParse("fabrikam.com")); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error)
	go func() {
		_, err := r.SRV(context.Background(), sip, domain.MustParse("silent.example"))
		waiting <- err
	}()
	r.Close()
	if err := <-waiting; err == nil {
		t.Error("the waiter got an answer out of nothing")
	}
	if _, err := r.SRV(t.Context(), sip, domain.MustParse("nobody.example")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v, want net.ErrClosed", err)
	}
	if _, err := r.SRV(t.Context(), sip, domain.MustParse("fabrikam.com")); err != nil {
		t.Errorf("what is remembered fails after Close: %v", err)
	}
}

func TestBusy(t *testing.T) {
	z := serve(t, zone.Zone{})
	r := resolver(t, discovery.Config{Servers: []string{z.Addr()}, Timeout: time.Minute})
	gone, cancel := context.WithCancel(t.Context())
	cancel() // the look-ups go on although nobody waits
	const flights = 512
	for i := range flights {
		name := fmt.Sprintf("d%d.example", i)
		z.Set(func(z *zone.Zone) { z.Silent[sip+"."+name] = true })
		if _, err := r.SRV(gone, sip, domain.MustParse(name)); !errors.Is(err, context.Canceled) || kind(t, err) != discovery.Timeout {
			t.Fatalf("look-up %d: %v, want context.Canceled", i, err)
		}
	}
	_, err := r.SRV(t.Context(), sip, domain.MustParse("onemore.example"))
	var e *discovery.Error
	if !errors.As(err, &e) || e.Kind != discovery.Busy || !e.Temporary() {
		t.Errorf("look-up %d: %v, want busy", flights+1, err)
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

// partners returns a resolver that remembers one partner.
func partners(t testing.TB) (*discovery.Resolver, domain.Name) {
	z := serve(t, world())
	r := resolver(t, discovery.Config{Servers: []string{z.Addr()}})
	d := domain.MustParse("fabrikam.com")
	if _, err := r.SRV(context.Background(), sip, d); err != nil {
		t.Fatal(err)
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
			r.Peek(sip, d)
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
