package insidedns

import (
	"net/netip"
	"testing"

	"edged/pkg/domain"

	"github.com/miekg/dns"
)

// FuzzJudge: whatever is asked, what is ours goes to the forwarders, and a
// stranger's refusal is never longer than what he sent.
func FuzzJudge(f *testing.F) {
	for _, n := range []string{"_xmpp-server._tcp.a.example.", "_xmpp-server._tcp.B.ours.example.", "x.ours.example.", TargetName + "."} {
		for _, qtype := range []uint16{dns.TypeSRV, dns.TypeA} {
			b, err := new(dns.Msg).SetQuestion(n, qtype).Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	ours := domain.MustParse("ours.example")
	st, err := newState(&Config{Ours: []domain.Name{ours}, Port: 1, Target: []netip.Addr{netip.IPv6Loopback()}, CatchAll: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, ok := refusal(b); ok && (len(r) > len(b) || r[0] != b[0] || r[1] != b[1]) {
			t.Fatalf("% x is refused by % x", b, r)
		}
		m := new(dns.Msg)
		if m.Unpack(b) != nil || len(m.Question) != 1 {
			return
		}
		q := m.Question[0]
		mine := dns.IsSubDomain("ours.example.", q.Name)
		if got := st.judge(q); mine && got != elsewhere && got != refused {
			t.Fatalf("%v is judged %d", q, got)
		}
	})
}
