package discovery_test

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"edged/internal/lab/zone"
	"edged/pkg/discovery"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const sip = discovery.SIPFederation

func resolver(tb testing.TB, c discovery.Config) *discovery.Resolver {
	tb.Helper()
	r, err := discovery.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(r.Close)
	return r
}

func serve(tb testing.TB, z zone.Zone) *zone.Server {
	tb.Helper()
	s, err := zone.Serve(z)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
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
