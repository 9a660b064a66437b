package insidedns_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"edged/internal/insidedns"
	"edged/internal/lab/zone"
	"edged/pkg/domain"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

var (
	inside4 = "\t60\tIN\tA\t192.0.2.1"
	inside6 = "\t60\tIN\tAAAA\t2001:db8::1"
)

func TestAnswers(t *testing.T) {
	f := forwarder(t, zone.Zone{
		A:   map[string][]netip.Addr{"mail.partner.example": {netip.MustParseAddr("198.51.100.9")}},
		SRV: map[string][]zone.SRV{zone.XMPP("ours.example"): {{Port: 5269, Target: "pool.ours.example"}}},
	})
	c := config(f.Addr())
	b := start(t, c)
	steered := []string{"_xmpp-server._tcp.partner.example.\t60\tIN\tSRV\t0 0 5270 " + name}
	tests := []struct {
		name  string
		qtype uint16
		rcode int
		want  []string
	}{
		{"_xmpp-server._tcp.partner.example.", dns.TypeSRV, 0, steered},
		{"_xmpp-server._tcp.xn--mller-kva.example.", dns.TypeSRV, 0, []string{
			"_xmpp-server._tcp.xn--mller-kva.example.\t60\tIN\tSRV\t0 0 5270 " + name,
		}},
		{"_XMPP-server._tcp.Partner.example.", dns.TypeSRV, 0, []string{
			"_XMPP-server._tcp.Partner.example.\t60\tIN\tSRV\t0 0 5270 " + name,
		}},
		{"_xmpps-server._tcp.partner.example.", dns.TypeSRV, 0, nil},
		{name, dns.TypeA, 0, []string{name + inside4}},
		{name, dns.TypeAAAA, 0, []string{name + inside6}},
		{strings.ToUpper(name), dns.TypeA, 0, []string{strings.ToUpper(name) + inside4}},
		{name, dns.TypeMX, 0, nil},
		{"_5270._tcp." + name, dns.TypeTLSA, dns.RcodeNameError, nil},

		{"_xmpp-server._tcp.ours.example.", dns.TypeSRV, 0, []string{
			"_xmpp-server._tcp.ours.example.\t0\tIN\tSRV\t0 0 5269 pool.ours.example.",
		}},
		{"_xmpp-server._tcp.rooms.ours.example.", dns.TypeSRV, dns.RcodeNameError, nil},
		{"_xmpp-server._tcp.XN--Bcher-KVA.example.", dns.TypeSRV, dns.RcodeNameError, nil},
		{"_xmpps-server._tcp.ours.example.", dns.TypeSRV, dns.RcodeNameError, nil},
		{"_xmpp-server._tcp.", dns.TypeSRV, dns.RcodeNameError, nil},
		{"_xmpp-server._tcp._partner.example.", dns.TypeSRV, dns.RcodeNameError, nil},
		{`_xmpp-server._tcp.a\.b.example.`, dns.TypeSRV, dns.RcodeNameError, nil},
		{"_xmpp-client._tcp.partner.example.", dns.TypeSRV, dns.RcodeNameError, nil},
		{"_xmpp-server._tcp.partner.example.", dns.TypeTXT, dns.RcodeNameError, nil},
		{"mail.partner.example.", dns.TypeA, 0, []string{"mail.partner.example.\t0\tIN\tA\t198.51.100.9"}},
		{"mail.partner.example.", dns.TypeAXFR, dns.RcodeRefused, nil},
	}
	for _, tt := range tests {
		for _, network := range []string{"udp", "tcp"} {
			if network == "tcp" && tt.qtype == dns.TypeAXFR {
				continue
			}
			got := b.send(t, network, new(dns.Msg).SetQuestion(tt.name, tt.qtype))
			if diff := cmp.Diff(tt.want, written(got.Answer)); diff != "" || got.Rcode != tt.rcode {
				t.Errorf("%s %s over %s: %s %s", tt.name, dns.TypeToString[tt.qtype], network, dns.RcodeToString[got.Rcode], diff)
			}
		}
	}
	got := b.ask(t, "_xmpp-server._tcp.partner.example.", dns.TypeSRV)
	if diff := cmp.Diff([]string{name + inside4, name + inside6}, written(got.Extra)); diff != "" || !got.Authoritative {
		t.Errorf("beside the SRV record: %s", diff)
	}
	if f.Queries(zone.XMPP("partner.example"), "SRV") != 0 {
		t.Error("a question about a partner was forwarded")
	}
}

func TestCatchAll(t *testing.T) {
	f := forwarder(t, zone.Zone{A: map[string][]netip.Addr{"www.ours.example": {netip.MustParseAddr("198.51.100.9")}}})
	c := config(f.Addr())
	c.CatchAll = true
	b := start(t, c)
	tests := []struct {
		name  string
		qtype uint16
		want  []string
	}{
		{"partner.example.", dns.TypeA, []string{"partner.example." + inside4}},
		{"partner.example.", dns.TypeAAAA, []string{"partner.example." + inside6}},
		{"_xmpp-server._tcp.partner.example.", dns.TypeSRV, []string{"_xmpp-server._tcp.partner.example.\t60\tIN\tSRV\t0 0 5270 " + name}},
		{"_xmpps-server._tcp.partner.example.", dns.TypeSRV, nil},
		{"_xmpp-client._tcp.partner.example.", dns.TypeSRV, nil},
		{"www.ours.example.", dns.TypeA, []string{"www.ours.example.\t0\tIN\tA\t198.51.100.9"}},
	}
	for _, tt := range tests {
		got := b.ask(t, tt.name, tt.qtype)
		if diff := cmp.Diff(tt.want, written(got.Answer)); diff != "" || got.Rcode != 0 {
			t.Errorf("%s %s: %s %s", tt.name, dns.TypeToString[tt.qtype], dns.RcodeToString[got.Rcode], diff)
		}
	}
	if got := b.ask(t, "partner.example.", dns.TypeTXT); got.Rcode != dns.RcodeNameError {
		t.Errorf("a TXT question was not forwarded: %v", got)
	}
}

func TestWithoutForwarders(t *testing.T) {
	b := start(t, config())
	if got := b.ask(t, "www.example.", dns.TypeA); got.Rcode != dns.RcodeRefused {
		t.Errorf("got %v", got)
	}
}

func TestEDNS(t *testing.T) {
	b := start(t, config())
	m := new(dns.Msg).SetQuestion(name, dns.TypeA).SetEdns0(4096, true)
	if got := b.send(t, "udp", m); got.IsEdns0() == nil || !got.IsEdns0().Do() || got.IsEdns0().UDPSize() != 1232 {
		t.Errorf("got %v", got)
	}
	if got := b.ask(t, name, dns.TypeA); got.IsEdns0() != nil {
		t.Errorf("EDNS for a client that has none: %v", got)
	}
	m.IsEdns0().SetVersion(1)
	if got := b.send(t, "udp", m); got.Rcode != dns.RcodeBadVers || len(got.Answer) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestStrangers(t *testing.T) {
	c := config()
	c.Clients = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	b := start(t, c)
	conn := dial(t, "udp", b.udp)
	question, err := new(dns.Msg).SetQuestion(name, dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	question[0], question[1] = 7, 8
	answer := make([]byte, 12)
	copy(answer, question[:2])
	answer[2], answer[3] = 0x81, 5
	if got := exchange(t, conn, question); !cmp.Equal(got, answer) {
		t.Errorf("got % x", got)
	}
	// What is short, or an answer itself, gets none; the next one is not lost by it.
	for _, b := range [][]byte{nil, question[:11], answer} {
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	question[0] = 9
	if got := exchange(t, conn, question); len(got) != 12 || got[0] != 9 {
		t.Errorf("got % x", got)
	}
	tcp := dial(t, "tcp", b.tcp)
	if n, err := tcp.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("read %d, %v", n, err)
	}
	if b.count("stranger", "refused") < 6 || b.count("target", "answered") != 0 {
		t.Errorf("observed %v", b.seen)
	}
}

func exchange(t *testing.T, c net.Conn, question []byte) []byte {
	t.Helper()
	if _, err := c.Write(question); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

func TestNoQuestionNoAnswer(t *testing.T) {
	b := start(t, config())
	conn := dial(t, "udp", b.udp)
	base := new(dns.Msg).SetQuestion(name, dns.TypeA)
	update, response, many, none := base.Copy(), base.Copy(), base.Copy(), base.Copy()
	update.Opcode = dns.OpcodeUpdate
	response.Response = true
	many.Question = append(many.Question, many.Question[0])
	none.Question = nil
	for _, m := range []*dns.Msg{update, response, many, none} {
		raw, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(raw); err != nil {
			t.Fatal(err)
		}
	}
	base.Id = 4711
	raw, _ := base.Pack()
	m := new(dns.Msg)
	if err := m.Unpack(exchange(t, conn, raw)); err != nil || m.Id != 4711 {
		t.Errorf("the first answer is %v, %v", m, err)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	b := start(t, config())
	held := make([]net.Conn, 128)
	for i := range held {
		held[i] = dial(t, "tcp", b.tcp)
	}
	// The connections are accepted in order, so this one is too many.
	late := dial(t, "tcp", b.tcp)
	if _, err := late.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	for _, c := range held {
		_ = c.Close()
	}
	for range 1000 {
		if got, _, err := (&dns.Client{Net: "tcp"}).ExchangeContext(t.Context(), new(dns.Msg).SetQuestion(name, dns.TypeA), b.tcp); err == nil {
			if got.Rcode != 0 {
				t.Errorf("got %v", got)
			}
			return
		}
	}
	t.Error("closed connections keep their places")
}

func TestReload(t *testing.T) {
	b := start(t, config())
	srv := "_xmpp-server._tcp.partner.example."
	if got := b.ask(t, srv, dns.TypeSRV); len(got.Answer) != 1 {
		t.Fatalf("got %v", got)
	}
	c := config()
	c.Port = 0
	if b.SetConfig(c) == nil {
		t.Error("a configuration without a port was taken")
	}
	c = config(forwarder(t, zone.Zone{}).Addr())
	c.Ours = append(c.Ours, domain.MustParse("partner.example"))
	if err := b.SetConfig(c); err != nil {
		t.Fatal(err)
	}
	if got := b.ask(t, srv, dns.TypeSRV); got.Rcode != dns.RcodeNameError {
		t.Errorf("after it became ours: %v", got)
	}
	c.Clients = nil
	if err := b.SetConfig(c); err != nil {
		t.Fatal(err)
	}
	if got := b.ask(t, srv, dns.TypeSRV); got.Rcode != dns.RcodeRefused {
		t.Errorf("after we are no clients any more: %v", got)
	}
}

func TestStartRefuses(t *testing.T) {
	for want, change := range map[string]func(*insidedns.Config){
		"address and the port": func(c *insidedns.Config) { c.Target = nil },
		"write an IP address":  func(c *insidedns.Config) { c.Forward = []string{"localhost:53"} },
		"no socket":            func(c *insidedns.Config) { c.UDP, c.TCP = nil, nil },
	} {
		c := config()
		u, l := sockets(t)
		c.UDP, c.TCP = []net.PacketConn{u}, []net.Listener{l}
		change(&c)
		if _, err := insidedns.Start(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v; want %q", err, want)
		}
		if err := u.Close(); err == nil && len(c.UDP) > 0 {
			t.Errorf("%s: the socket was left open", want)
		}
		_ = l.Close()
	}
}

func TestEndOfContext(t *testing.T) {
	u, l := sockets(t)
	c := config()
	c.UDP, c.TCP = []net.PacketConn{u}, []net.Listener{l}
	ctx, cancel := context.WithCancel(t.Context())
	s, err := insidedns.Start(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	idle := dial(t, "tcp", l.Addr().String())
	cancel()
	s.Close()
	if err := idle.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := idle.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the idle connection is open: %v", err)
	}
}
