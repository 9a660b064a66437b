package insidedns_test

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"

	"edged/internal/lab/zone"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

const away = "wWw.PaRtNer.example."

// answerTo is the right answer to q.
func answerTo(t *testing.T, q *dns.Msg) *dns.Msg {
	t.Helper()
	m := new(dns.Msg).SetReply(q)
	m.Answer = []dns.RR{record(t, away+" 5 A 198.51.100.9")}
	return m
}

var right = []string{away + "\t5\tIN\tA\t198.51.100.9"}

func TestForwardKeepsTheQuestion(t *testing.T) {
	var got *dns.Msg
	var asked sync.WaitGroup
	asked.Add(1)
	server := stub(t, func(q *dns.Msg, c net.PacketConn, asker net.Addr) {
		got = q
		asked.Done()
		m := answerTo(t, q)
		m.AuthenticatedData = true
		m.SetEdns0(4096, false)
		tell(t, c, asker, m)
	})
	b := start(t, config(server))
	m := new(dns.Msg).SetQuestion(away, dns.TypeA).SetEdns0(1400, true)
	m.CheckingDisabled, m.AuthenticatedData = true, true
	m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0123456789abcdef"})
	answer := b.send(t, "udp", m)
	asked.Wait()
	if got.Question[0] != m.Question[0] || !got.RecursionDesired || !got.CheckingDisabled || !got.AuthenticatedData {
		t.Errorf("the forwarder was asked %v", got)
	}
	if opt := got.IsEdns0(); opt == nil || !opt.Do() || opt.UDPSize() != 1232 || len(opt.Option) != 0 {
		t.Errorf("the forwarder was asked with %v", opt)
	}
	if diff := cmp.Diff(right, written(answer.Answer)); diff != "" || answer.Question[0] != m.Question[0] || !answer.AuthenticatedData {
		t.Errorf("got %v", answer)
	}
}

func TestForwarderInOneCase(t *testing.T) {
	server := stub(t, func(q *dns.Msg, c net.PacketConn, asker net.Addr) {
		m := answerTo(t, q)
		m.Question[0].Name = dns.CanonicalName(q.Question[0].Name)
		tell(t, c, asker, m)
	})
	if got := start(t, config(server)).ask(t, away, dns.TypeA); got.Question[0].Name != away || len(got.Answer) != 1 {
		t.Errorf("got %v", got)
	}
}

func TestForgedAnswers(t *testing.T) {
	forger, l := sockets(t)
	_ = l.Close()
	defer forger.Close()
	server := stub(t, func(q *dns.Msg, c net.PacketConn, asker net.Addr) {
		forged := new(dns.Msg).SetReply(q)
		forged.Answer = []dns.RR{record(t, away+" 5 A 203.0.113.66")}
		tell(t, forger, asker, forged) // from another port

		id, question, class, query := forged.Copy(), forged.Copy(), forged.Copy(), forged.Copy()
		id.Id++
		question.Question[0].Name = "other.example."
		class.Question[0].Qtype = dns.TypeAAAA
		query.Response = false
		for _, m := range []*dns.Msg{id, question, class, query} {
			tell(t, c, asker, m)
		}
		if _, err := c.WriteTo([]byte("too short"), asker); err != nil {
			t.Error(err)
		}
		tell(t, c, asker, answerTo(t, q))
	})
	got := start(t, config(server)).ask(t, away, dns.TypeA)
	if diff := cmp.Diff(right, written(got.Answer)); diff != "" {
		t.Error(diff)
	}
}

func TestFloodOfForgedAnswers(t *testing.T) {
	server := stub(t, func(q *dns.Msg, c net.PacketConn, asker net.Addr) {
		forged := answerTo(t, q)
		for range 40 {
			forged.Id++
			tell(t, c, asker, forged)
		}
	})
	b := start(t, config(server)) // nobody listens there on TCP
	if got := b.ask(t, away, dns.TypeA); got.Rcode != dns.RcodeServerFailure || b.count("forwarded", "failed") != 1 {
		t.Errorf("got %v, observed %v", got, b.seen)
	}
}

func TestNewPortAndID(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]bool{}
	server := stub(t, func(q *dns.Msg, c net.PacketConn, asker net.Addr) {
		mu.Lock()
		defer mu.Unlock()
		seen[fmt.Sprint(asker, q.Id)] = true
		tell(t, c, asker, answerTo(t, q))
	})
	b := start(t, config(server))
	m := new(dns.Msg).SetQuestion(away, dns.TypeA)
	m.Id = 1
	for range 8 {
		if got := b.send(t, "udp", m); got.Id != 1 {
			t.Errorf("got the id %d", got.Id)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 8 {
		t.Errorf("%d different ports and ids in 8 questions", len(seen))
	}
}

func TestNextForwarder(t *testing.T) {
	silent := stub(t, func(*dns.Msg, net.PacketConn, net.Addr) {})
	failing := forwarder(t, zone.Zone{Failing: map[string]bool{"www.partner.example": true, "mail.partner.example": true}})
	good := forwarder(t, zone.Zone{A: map[string][]netip.Addr{
		"www.partner.example":  {netip.MustParseAddr("198.51.100.9")},
		"mail.partner.example": {netip.MustParseAddr("198.51.100.9")},
	}})
	b := start(t, config(silent, failing.Addr(), good.Addr()))
	if got := b.ask(t, "www.partner.example.", dns.TypeA); len(got.Answer) != 1 {
		t.Errorf("got %v", got)
	}
	if got := b.ask(t, "mail.partner.example.", dns.TypeA); len(got.Answer) != 1 || failing.Queries("mail.partner.example", "A") != 0 {
		t.Errorf("the one that answered last was not asked first: %v", got)
	}
}

func TestLongAnswers(t *testing.T) {
	var many []netip.Addr
	for i := range 100 {
		many = append(many, netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}))
	}
	b := start(t, config(forwarder(t, zone.Zone{A: map[string][]netip.Addr{"www.partner.example": many}}).Addr()))
	for _, tt := range []struct {
		network string
		size    uint16
		most    int
	}{{"udp", 0, 512}, {"udp", 100, 512}, {"udp", 800, 800}, {"udp", 65535, 1232}, {"tcp", 0, 65535}} {
		m := new(dns.Msg).SetQuestion("www.partner.example.", dns.TypeA)
		if tt.size > 0 {
			m.SetEdns0(tt.size, false)
		}
		got := b.send(t, tt.network, m)
		got.Compress = true
		if whole := len(got.Answer) == len(many); got.Len() > tt.most || whole == got.Truncated || whole != (tt.network == "tcp") {
			t.Errorf("%s, %d: %d bytes, %d records, cut off %v", tt.network, tt.size, got.Len(), len(got.Answer), got.Truncated)
		}
	}
}

func TestForwardsAreBounded(t *testing.T) {
	const most = 256
	waiting := make(chan struct{}, 16*most)
	b := start(t, config(stub(t, func(*dns.Msg, net.PacketConn, net.Addr) { waiting <- struct{}{} })))
	conn := dial(t, "udp", b.udp)
	raw, err := new(dns.Msg).SetQuestion(away, dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	for range most {
		if _, err := conn.Write(raw); err != nil {
			t.Fatal(err)
		}
		<-waiting
	}
	got := b.ask(t, "late.example.", dns.TypeA)
	if got.Rcode != dns.RcodeServerFailure || b.count("forwarded", "full") == 0 {
		t.Errorf("got %v, observed %v", got, b.seen)
	}
	if got := b.ask(t, name, dns.TypeA); len(got.Answer) != 1 {
		t.Errorf("our own answers wait for forwarders: %v", got)
	}
}
