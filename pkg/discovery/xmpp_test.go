package discovery_test

import (
	"context"
	"errors"
	"fmt"
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

// answered writes an answer down: "host:port" of each target, with "+" for TLS from
// the first byte.
func answered(targets []discovery.XMPPTarget) []string {
	var list []string
	for _, t := range targets {
		mark := ""
		if t.DirectTLS {
			mark = "+"
		}
		list = append(list, fmt.Sprintf("%s:%d%s", t.Host, t.Port, mark))
	}
	return list
}

// service is what the DNS says of one of the two services.
type service struct {
	name    string
	records []zone.SRV
	failing bool
	silent  bool
	alias   bool // leads to itself
}

func (s service) put(z *zone.Zone, owner string) {
	switch {
	case s.failing:
		z.Failing[owner] = true
	case s.silent:
		z.Silent[owner] = true
	case s.alias:
		z.CNAME[owner] = owner
	case s.records != nil:
		z.SRV[owner] = s.records
	}
}

// TestXMPP has every combination of what the two services can say.
func TestXMPP(t *testing.T) {
	t.Parallel() // waits for real timeouts
	yes := service{name: "offered", records: []zone.SRV{srv(5, 0, 5223, "Xmpp.chat.example")}}
	no := service{name: "none"}
	dot := service{name: "dot", records: []zone.SRV{srv(0, 0, 0, ".")}}
	broken := service{name: "broken", records: []zone.SRV{srv(0, 0, 0, "xmpp.chat.example")}}
	loop := service{name: "loop", alias: true}
	fail := service{name: "failing", failing: true}
	silent := service{name: "silent", silent: true}

	direct, starttls := []string{"xmpp.chat.example:5223+"}, []string{"xmpp.chat.example:5223"}
	both := []string{"xmpp.chat.example:5223+", "xmpp.chat.example:5223"}
	tests := []struct {
		xmpps, xmpp service
		want        []string
		kind        discovery.ErrorKind
		fallback    bool
	}{
		{xmpps: yes, xmpp: yes, want: both},
		{xmpps: yes, xmpp: no, want: direct},
		{xmpps: yes, xmpp: dot, want: direct},
		{xmpps: yes, xmpp: broken, want: direct},
		{xmpps: yes, xmpp: loop, want: direct},
		{xmpps: yes, xmpp: fail, want: direct},
		{xmpps: yes, xmpp: silent, want: direct},
		{xmpps: no, xmpp: yes, want: starttls},
		{xmpps: dot, xmpp: yes, want: starttls}, // XEP-0368 §3: only TLS from the first byte is not to be had
		{xmpps: broken, xmpp: yes, want: starttls},
		{xmpps: fail, xmpp: yes, want: starttls},
		{xmpps: silent, xmpp: yes, want: starttls},

		{xmpps: no, xmpp: no, want: []string{"chat.example:5269"}, fallback: true},

		{xmpps: no, xmpp: dot, kind: discovery.NotOffered},
		{xmpps: dot, xmpp: no, kind: discovery.NotOffered},
		{xmpps: dot, xmpp: dot, kind: discovery.NotOffered},
		{xmpps: no, xmpp: broken, kind: discovery.BadAnswer},
		{xmpps: broken, xmpp: dot, kind: discovery.BadAnswer},
		{xmpps: loop, xmpp: no, kind: discovery.BadAnswer},
		{xmpps: no, xmpp: fail, kind: discovery.ServerFailure},
		{xmpps: fail, xmpp: no, kind: discovery.ServerFailure},
		{xmpps: fail, xmpp: fail, kind: discovery.ServerFailure},
		{xmpps: fail, xmpp: dot, kind: discovery.ServerFailure},
		{xmpps: dot, xmpp: fail, kind: discovery.ServerFailure},
		{xmpps: fail, xmpp: broken, kind: discovery.ServerFailure},
		{xmpps: silent, xmpp: no, kind: discovery.Timeout},
		{xmpps: no, xmpp: silent, kind: discovery.Timeout},
	}
	d := domain.MustParse("chat.example")
	for _, tt := range tests {
		t.Run(tt.xmpps.name+" and "+tt.xmpp.name, func(t *testing.T) {
			t.Parallel()
			z := serve(t, zone.Zone{TTL: 60, NegativeTTL: 30})
			z.Set(func(z *zone.Zone) {
				z.A["chat.example"] = addrs("192.0.2.1") // never a reason to fall back
				tt.xmpps.put(z, zone.XMPPS("chat.example"))
				tt.xmpp.put(z, zone.XMPP("chat.example"))
			})
			r := resolver(t, discovery.Config{Servers: []string{z.Addr()}, Timeout: time.Second})
			a, err := r.XMPP(t.Context(), d)
			if diff := cmp.Diff(tt.want, answered(a.Targets)); diff != "" || a.Fallback != tt.fallback {
				t.Errorf("fallback %v, error %v; targets (-want +got):\n%s", a.Fallback, err, diff)
			}
			if got := kind(t, err); got != tt.kind {
				t.Errorf("error %v, want kind %q", err, tt.kind)
			}
			if err != nil && !strings.Contains(err.Error(), "-server._tcp.chat.example") {
				t.Errorf("%q does not name the question", err)
			}
		})
	}
}

// TestXMPPServicesAreOneSet: priorities and weights count across both services.
func TestXMPPServicesAreOneSet(t *testing.T) {
	z := serve(t, zone.Zone{TTL: 60, SRV: map[string][]zone.SRV{
		zone.XMPPS("chat.example"): {srv(20, 1, 5270, "c.example"), srv(10, 1, 5270, "a.example"), srv(10, 0, 443, "a.example")},
		zone.XMPP("chat.example"):  {srv(5, 0, 5269, "first.example"), srv(10, 98, 5269, "b.example"), srv(30, 0, 5269, "d.example"), srv(10, 0, 5269, "b.example")},
	}})
	r := resolver(t, discovery.Config{Servers: []string{z.Addr()}})
	a, err := r.XMPP(t.Context(), domain.MustParse("chat.example"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		rnd  func(int) int
		want []string
	}{
		"largest numbers": {last, []string{"first.example:5269", "a.example:5270+", "b.example:5269", "a.example:443+", "b.example:5269", "c.example:5270+", "d.example:5269"}},
		"number 0":        {first, []string{"first.example:5269", "b.example:5269", "a.example:443+", "b.example:5269", "a.example:5270+", "c.example:5270+", "d.example:5269"}},
	}
	for name, tt := range tests {
		if diff := cmp.Diff(tt.want, answered(a.Ordered(tt.rnd))); diff != "" {
			t.Errorf("%s: order (-want +got):\n%s", name, diff)
		}
	}
	const draws = 5000
	heavy := discovery.XMPPTarget{Host: domain.MustParse("b.example"), Port: 5269, Priority: 10, Weight: 98}
	front := make(map[discovery.XMPPTarget]int)
	for range draws {
		front[a.Ordered(nil)[1]]++
	}
	if got := front[heavy]; got < draws*94/100 || got > draws*99/100 {
		t.Errorf("weight 98 of 99 came first in %d of %d draws", got, draws)
	}
	if len(front) != 4 {
		t.Errorf("%d of 4 equals ever came first: %v", len(front), front)
	}
}

func TestXMPPTargetsAreCutOff(t *testing.T) {
	many := func(port uint16) (records []zone.SRV) {
		for i := range 60 {
			records = append(records, srv(uint16(i), 0, port, fmt.Sprintf("h%02d.example", i)))
		}
		return records
	}
	z := serve(t, zone.Zone{TTL: 60, SRV: map[string][]zone.SRV{zone.XMPPS("chat.example"): many(5270), zone.XMPP("chat.example"): many(5269)}})
	r := resolver(t, discovery.Config{Servers: []string{z.Addr()}})
	a, err := r.XMPP(t.Context(), domain.MustParse("chat.example"))
	if err != nil {
		t.Fatal(err)
	}
	last := a.Targets[len(a.Targets)-1]
	if len(a.Targets) != 64 || last.Priority != 31 {
		t.Errorf("%d targets down to priority %d, want the 64 of best priority", len(a.Targets), last.Priority)
	}
}

func TestXMPPAuthentic(t *testing.T) {
	signed, unsigned := "signed.example", "unsigned.example"
	tests := map[string]struct {
		direct, starttls string // what the services of chat.example are aliases of; "" = no record
		trust            bool
		want             bool
	}{
		"both signed":                     {signed, signed, true, true},
		"one not signed":                  {signed, unsigned, true, false},
		"one there, one signed away":      {"", signed, true, true},
		"neither there":                   {"", "", true, true},
		"signed, but nobody to say so":    {signed, signed, false, false},
		"neither there, nobody to say so": {"", "", false, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			z := serve(t, zone.Zone{TTL: 60, NegativeTTL: 30, Signed: map[string]bool{"chat.example": tt.trust, signed: tt.trust}})
			z.Set(func(z *zone.Zone) {
				for owner, alias := range map[string]string{zone.XMPPS("chat.example"): tt.direct, zone.XMPP("chat.example"): tt.starttls} {
					if alias != "" {
						z.CNAME[owner] = zone.XMPP(alias)
						z.SRV[zone.XMPP(alias)] = []zone.SRV{srv(0, 0, 5269, "xmpp.example")}
					}
				}
			})
			r := resolver(t, discovery.Config{Servers: []string{z.Addr()}})
			a, err := r.XMPP(t.Context(), domain.MustParse("chat.example"))
			if err != nil || a.Authentic != tt.want {
				t.Errorf("authentic %v, error %v; want %v", a.Authentic, err, tt.want)
			}
		})
	}
}

// TestXMPPExpires: the answer is good as long as both of its halves.
func TestXMPPExpires(t *testing.T) {
	tests := map[string]struct {
		change func(*zone.Zone)
		want   time.Duration
	}{
		"the absence is shorter": {func(z *zone.Zone) { z.SRV[zone.XMPP("chat.example")] = []zone.SRV{srv(0, 0, 5269, "xmpp.example")} }, 30 * time.Second},
		"a failure is shorter": {func(z *zone.Zone) {
			z.SRV[zone.XMPP("chat.example")] = []zone.SRV{srv(0, 0, 5269, "xmpp.example")}
			z.Failing[zone.XMPPS("chat.example")] = true
		}, 5 * time.Second},
		"fallback": {func(*zone.Zone) {}, 30 * time.Second},
		"both there": {func(z *zone.Zone) {
			z.SRV[zone.XMPP("chat.example")] = []zone.SRV{srv(0, 0, 5269, "xmpp.example")}
			z.SRV[zone.XMPPS("chat.example")] = []zone.SRV{srv(0, 0, 5270, "xmpp.example")}
		}, 60 * time.Second},
	}
	d := domain.MustParse("chat.example")
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			z, c := serve(t, zone.Zone{TTL: 60, NegativeTTL: 30}), new(clock)
			z.Set(tt.change)
			r := resolver(t, discovery.Config{Servers: []string{z.Addr()}, Now: c.now})
			begin := c.now()
			a, err := r.XMPP(t.Context(), d)
			if got := a.Expires.Sub(begin); err != nil || got != tt.want {
				t.Errorf("expires after %v, error %v; want %v", got, err, tt.want)
			}
			asked := z.Queries(zone.XMPPS("chat.example"), "SRV")
			c.advance(tt.want - time.Second)
			_, _ = r.XMPP(t.Context(), d)
			if got := z.Queries(zone.XMPPS("chat.example"), "SRV"); got != asked {
				t.Error("asked again before it expired")
			}
			c.advance(time.Second)
			_, _ = r.XMPP(t.Context(), d)
			if z.Queries(zone.XMPPS("chat.example"), "SRV")+z.Queries(zone.XMPP("chat.example"), "SRV") <= 2*asked {
				t.Error("not asked again when it had expired")
			}
		})
	}
}

// TestXMPPAsksForBothAtOnce: the second question comes although nobody answers the
// first. Whoever gives up then gets a temporary error.
func TestXMPPAsksForBothAtOnce(t *testing.T) {
	arrived := make(chan string, 2)
	s := newScript(t, func(q *dns.Msg) [][]byte {
		arrived <- q.Question[0].Name
		return nil
	})
	r := resolver(t, discovery.Config{Servers: []string{s.addr}, Timeout: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := r.XMPP(ctx, domain.MustParse("chat.example"))
		result <- err
	}()
	asked := []string{<-arrived, <-arrived}
	slices.Sort(asked)
	want := []string{zone.XMPP("chat.example") + ".", zone.XMPPS("chat.example") + "."}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("questions (-want +got):\n%s", diff)
	}
	cancel()
	err := <-result
	var e *discovery.Error
	if !errors.As(err, &e) || !e.Temporary() || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want a temporary error about the context", err)
	}
}
