package faults

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"edged/internal/lab/sippeer"
	"edged/internal/lab/zone"
)

// remembered is how long an answer of the bed's DNS counts, and a failure: TTL
// and all bounds of what edged makes of it are five seconds.
const remembered = 5 * time.Second

// outwards has a user of ours write to somebody.
func (e *edge) outwards(conn *sippeer.Conn, to string) *ask {
	return e.ask(conn, e.compose(fe1, "MESSAGE", alice, to))
}

// inwards has a partner's user write to one of ours.
func (e *edge) inwards(conn *sippeer.Conn, host, from string) *ask {
	return e.ask(conn, e.compose(host, "MESSAGE", from, alice))
}

// TestDeadDNS for one domain: its requests wait and are answered, no others wait,
// on the same connection or elsewhere; and when the DNS is back, so is the domain.
func TestDeadDNS(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		dead   func(*zone.Zone, bool)
		within time.Duration
	}{
		"silent":  {func(z *zone.Zone, on bool) { z.Silent[record(northwind)] = on }, 6 * time.Second},
		"failing": {func(z *zone.Zone, on bool) { z.Failing[record(northwind)] = on }, soonish},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			b.dns.Set(func(z *zone.Zone) { tt.dead(z, true) })
			e := b.edge()
			pool, partner, dead := e.dial(fe1), e.dial(first), e.dial(north)
			out := []*ask{e.outwards(pool, nina), e.ask(pool, e.compose(fe1, "INVITE", alice, nina))}
			in := e.inwards(dead, north, nina)
			for range 20 {
				e.outwards(pool, bob).want(200, soonish)
				e.inwards(partner, first, bob).want(200, soonish)
			}
			for _, a := range out {
				a.want(504, tt.within)
				a.diagnosed("1008")
			}
			in.want(504, tt.within)
			in.diagnosed("")
			e.outwards(pool, nina).want(504, soonish) // remembered for a while
			b.dns.Set(func(z *zone.Zone) { tt.dead(z, false) })
			e.answered("the domain to be back", remembered+soonish, func() *ask { return e.outwards(pool, nina) })
			e.inwards(dead, north, nina).want(200, soonish)
		})
	}
}

// diagnosis is the number in the final answer's ms-diagnostics, which is for the
// inside only.
func (a *ask) diagnosis() string {
	f := a.out.Final()
	if f == nil {
		return "no answer"
	}
	id, _, _ := strings.Cut(f.Get("ms-diagnostics"), ";")
	return id
}

// diagnosed checks diagnosis; "" wants none.
func (a *ask) diagnosed(want string) {
	a.b.Helper()
	if got := a.diagnosis(); got != want {
		a.b.Errorf("%s answered with ms-diagnostics %q, want %q", a.m.Start, got, want)
	}
}

// answered sends again and again until the answer is 200.
func (e *edge) answered(what string, within time.Duration, send func() *ask) {
	e.Helper()
	e.await(what, within, func() bool {
		a := send()
		if a.wantAnswer(soonish) == 200 {
			return true
		}
		pause(200 * time.Millisecond)
		return false
	})
}

// TestSlowDNS: requests of the domain wait until its answer is there, and then go
// on in their order; no others wait.
func TestSlowDNS(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.dns.Set(func(z *zone.Zone) { z.Slow[record(northwind)] = 2 * time.Second })
	e := b.edge(func(s *settings) { s.DNSTimeout = "5s" })
	pool, partner, slow := e.dial(fe1), e.dial(first), e.dial(north)
	in := e.inwards(slow, north, nina)
	var out []*ask
	for n := range 10 {
		m := e.compose(fe1, "MESSAGE", alice, nina)
		m.Set("Call-ID", "slow")
		m.Set("CSeq", fmt.Sprintf("%d MESSAGE", n+1))
		out = append(out, e.ask(pool, m))
	}
	for range 20 {
		e.outwards(pool, bob).want(200, soonish)
		e.inwards(partner, first, bob).want(200, soonish)
	}
	for _, a := range append(out, in) {
		if got, took := a.final(patience); got != 200 || took < time.Second {
			t.Errorf("%s answered with %d after %v", a.m.Start, got, took)
		}
	}
	e.inOrder("slow", len(out))
}

// TestDeadNameServer: whoever is connected stays so, and what is remembered counts
// for as long as it may; then everybody is answered, and soon after its return
// everybody is served.
func TestDeadNameServer(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	e := b.edge()
	pool, partner := e.dial(fe1), e.dial(north)
	e.outwards(pool, bob).want(200, patience)
	e.inwards(partner, north, nina).want(200, patience)
	place := b.dns.Addr()
	if err := b.dns.Close(); err != nil {
		t.Fatal(err)
	}
	pause(remembered + time.Second)
	e.outwards(pool, bob).want(504, soonish) // nobody listens there: that is known at once
	in := e.inwards(partner, north, nina)
	in.want(504, soonish)
	in.diagnosed("")

	again, err := zone.ServeAt(place, zone.Zone{
		TTL: 5, A: map[string][]netip.Addr{first: loopback(), north: loopback()},
		SRV: map[string][]zone.SRV{record(fabrikam): {b.target(first, 1)}, record(northwind): {b.target(north, 1)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	e.answered("fabrikam", remembered+soonish, func() *ask { return e.outwards(pool, bob) })
	e.answered("northwind", remembered+soonish, func() *ask { return e.inwards(partner, north, nina) })
}

func loopback() []netip.Addr { return []netip.Addr{netip.MustParseAddr("127.0.0.1")} }

// TestLyingDNS: whatever it says, no message goes to somebody who does not prove
// the partner's name; each has its answer; and the truth counts again once it is
// told.
func TestLyingDNS(t *testing.T) {
	t.Parallel()
	place := func(target string, port uint16, at []netip.Addr) func(*zone.Zone, *bed) {
		return func(z *zone.Zone, _ *bed) {
			z.SRV[record(northwind)], z.A[target] = []zone.SRV{{Port: port, Target: target}}, at
		}
	}
	for name, tt := range map[string]struct {
		lie func(*zone.Zone, *bed)
		id  string // inside
	}{
		"no record":            {func(z *zone.Zone, _ *bed) { delete(z.SRV, record(northwind)) }, "1008"},
		"not offered":          {func(z *zone.Zone, _ *bed) { z.SRV[record(northwind)] = []zone.SRV{{Target: "."}} }, "1008"},
		"a host elsewhere":     {place("sip.evil.example", 5061, loopback()), "1009"},
		"no address":           {func(z *zone.Zone, _ *bed) { z.A[north] = nil }, "1014"},
		"a private address":    {place(north, 1, []netip.Addr{netip.MustParseAddr("10.0.0.1")}), "1046"},
		"where nobody listens": {place(north, 1, loopback()), "1046"},
		"somebody else": {func(z *zone.Zone, b *bed) {
			z.SRV[record(northwind)] = []zone.SRV{{Port: b.servers[first].cable.port(), Target: north}}
		}, "1010"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			e := b.edge()
			pool := e.dial(fe1)
			e.outwards(pool, nina).want(200, patience)
			b.dns.Set(func(z *zone.Zone) { tt.lie(z, b) })
			b.await("the lie to be believed", 2*remembered+soonish, func() bool {
				pause(200 * time.Millisecond)
				b.servers[north].cable.reset() // what is connected is not looked up
				a := e.outwards(pool, nina)
				return a.wantAnswer(soonish) == 504 && a.diagnosis() == tt.id
			})
			b.dns.Set(func(z *zone.Zone) { z.SRV[record(northwind)], z.A[north] = []zone.SRV{b.target(north, 1)}, loopback() })
			e.answered("the truth to be heard", 2*remembered+soonish, func() *ask { return e.outwards(pool, nina) })
			for _, m := range b.servers[first].Desk.All() {
				t.Errorf("somebody else got\n%s", m)
			}
		})
	}
}
