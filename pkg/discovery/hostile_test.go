package discovery_test

import (
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"edged/internal/lab/zone"
	"edged/pkg/discovery"
	"edged/pkg/domain"

	"github.com/miekg/dns"
)

// script is a UDP server that answers each query with whatever the function
// returns, in order; it counts the queries.
type script struct {
	addr    string
	queries atomic.Int32
}

func newScript(t *testing.T, answer func(query *dns.Msg) [][]byte) *script {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{addr: pc.LocalAddr().String()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			query := new(dns.Msg)
			if query.Unpack(buf[:n]) != nil {
				continue
			}
			s.queries.Add(1)
			for _, p := range answer(query) {
				_, _ = pc.WriteTo(p, from)
			}
		}
	}()
	t.Cleanup(func() { _ = pc.Close(); <-done })
	return s
}

// good is the answer to a query for SRV records.
func good(query *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(query)
	m.Answer = []dns.RR{&dns.SRV{
		Hdr:  dns.RR_Header{Name: query.Question[0].Name, Rrtype: dns.TypeSRV, Class: dns.ClassINET, Ttl: 60},
		Port: 5061, Target: "sip.fabrikam.com.",
	}}
	return m
}

// packed changes a good answer and packs it.
func packed(query *dns.Msg, change func(*dns.Msg)) []byte {
	m := good(query)
	if change != nil {
		change(m)
	}
	p, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return p
}

// TestForgedMessages has one wrong message come before the right one: it must not
// be believed, nor end the wait.
func TestForgedMessages(t *testing.T) {
	evil := func(m *dns.Msg) { m.Answer[0].(*dns.SRV).Target = "evil.example." }
	tests := map[string]func(q *dns.Msg) []byte{
		"wrong id":     func(q *dns.Msg) []byte { return packed(q, func(m *dns.Msg) { evil(m); m.Id++ }) },
		"a query":      func(q *dns.Msg) []byte { return packed(q, func(m *dns.Msg) { evil(m); m.Response = false }) },
		"wrong opcode": func(q *dns.Msg) []byte { return packed(q, func(m *dns.Msg) { evil(m); m.Opcode = dns.OpcodeNotify }) },
		"wrong name": func(q *dns.Msg) []byte {
			return packed(q, func(m *dns.Msg) { evil(m); m.Question[0].Name = "x.example." })
		},
		"wrong type": func(q *dns.Msg) []byte {
			return packed(q, func(m *dns.Msg) { evil(m); m.Question[0].Qtype = dns.TypeA })
		},
		"wrong class": func(q *dns.Msg) []byte {
			return packed(q, func(m *dns.Msg) { evil(m); m.Question[0].Qclass = dns.ClassCHAOS })
		},
		"no question": func(q *dns.Msg) []byte { return packed(q, func(m *dns.Msg) { evil(m); m.Question = nil }) },
		"two questions": func(q *dns.Msg) []byte {
			return packed(q, func(m *dns.Msg) { evil(m); m.Question = append(m.Question, m.Question[0]) })
		},
		"empty datagram": func(*dns.Msg) []byte { return nil },
		"rubbish":        func(*dns.Msg) []byte { return []byte(strings.Repeat("rubbish", 10)) },
	}
	for name, forged := range tests {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, func(q *dns.Msg) [][]byte { return [][]byte{forged(q), packed(q, nil)} })
			r := resolver(t, discovery.Config{Servers: []string{s.addr}})
			a, err := r.SRV(t.Context(), sip, domain.MustParse("fabrikam.com"))
			if err != nil || len(a.Targets) != 1 || a.Targets[0].Host.String() != "sip.fabrikam.com" {
				t.Errorf("got %v, %v; want the right answer", a.Targets, err)
			}
		})
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	tests := map[string]struct {
		change func(*dns.Msg)
		want   discovery.ErrorKind
	}{
		"records of another name": {func(m *dns.Msg) { m.Answer[0].Header().Name = "x.example." }, discovery.NoData},
		"another class":           {func(m *dns.Msg) { m.Answer[0].Header().Class = dns.ClassCHAOS }, discovery.NoData},
		"a referral": {func(m *dns.Msg) {
			m.Answer = nil
			m.Ns = []dns.RR{&dns.NS{Hdr: dns.RR_Header{Name: "com.", Rrtype: dns.TypeNS, Class: dns.ClassINET}, Ns: "ns.example."}}
		}, discovery.ServerFailure},
		"refused": {func(m *dns.Msg) { m.Answer, m.Rcode = nil, dns.RcodeRefused }, discovery.ServerFailure},
		"a failure that explains itself": {func(m *dns.Msg) {
			m.Answer, m.Rcode = nil, dns.RcodeServerFailure
			m.SetEdns0(1232, false)
			m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeDNSBogus, ExtraText: "signature expired"})
		}, discovery.ServerFailure},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, func(q *dns.Msg) [][]byte { return [][]byte{packed(q, tt.change)} })
			r := resolver(t, discovery.Config{Servers: []string{s.addr}})
			_, err := r.SRV(t.Context(), sip, domain.MustParse("fabrikam.com"))
			if got := kind(t, err); got != tt.want {
				t.Errorf("error %v, want kind %q", err, tt.want)
			}
			if name == "a failure that explains itself" && !strings.Contains(err.Error(), "signature expired") {
				t.Errorf("%q loses the explanation", err)
			}
		})
	}
}

func TestBrokenMessageIsABadAnswer(t *testing.T) {
	s := newScript(t, func(q *dns.Msg) [][]byte {
		p := packed(q, nil)
		return [][]byte{p[:len(p)-3]}
	})
	r := resolver(t, discovery.Config{Servers: []string{s.addr}})
	if _, err := r.SRV(t.Context(), sip, domain.MustParse("fabrikam.com")); kind(t, err) != discovery.BadAnswer {
		t.Errorf("got %v, want a bad answer", err)
	}
}

// TestFloodOfForgeriesMovesToTCP: nobody listens for TCP there, so that the move
// shows as a failure long before the timeout.
func TestFloodOfForgeriesMovesToTCP(t *testing.T) {
	s := newScript(t, func(q *dns.Msg) [][]byte {
		var flood [][]byte
		for range 20 {
			flood = append(flood, packed(q, func(m *dns.Msg) { m.Id++ }))
		}
		return append(flood, packed(q, nil))
	})
	r := resolver(t, discovery.Config{Servers: []string{s.addr}, Timeout: time.Minute})
	if _, err := r.SRV(t.Context(), sip, domain.MustParse("fabrikam.com")); kind(t, err) != discovery.ServerFailure {
		t.Errorf("got %v, want the refused TCP connection", err)
	}
}

func TestLostDatagramIsSentAgain(t *testing.T) {
	t.Parallel() // waits for a real timeout
	var lost atomic.Bool
	s := newScript(t, func(q *dns.Msg) [][]byte {
		if lost.CompareAndSwap(false, true) {
			return nil
		}
		return [][]byte{packed(q, nil)}
	})
	r := resolver(t, discovery.Config{Servers: []string{s.addr}, Timeout: 2 * time.Second})
	if _, err := r.SRV(t.Context(), sip, domain.MustParse("fabrikam.com")); err != nil || s.queries.Load() != 2 {
		t.Errorf("error %v after %d queries, want an answer to the second", err, s.queries.Load())
	}
}

func TestServersInOrder(t *testing.T) {
	t.Parallel() // waits for a real timeout
	down := func() zone.Zone { return zone.Zone{Failing: map[string]bool{sip + ".fabrikam.com": true}} }
	silent := func() zone.Zone {
		return zone.Zone{Silent: map[string]bool{sip + ".fabrikam.com": true, sip + ".other.example": true}}
	}
	tests := []struct {
		name  string
		first func() zone.Zone
		kind  discovery.ErrorKind
	}{
		{"first one answers", world, 0},
		{"first one fails", down, 0},
		{"first one is silent", silent, 0},
		{"first one says no", func() zone.Zone { return zone.Zone{} }, discovery.NoSuchName},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := serve(t, tt.first()), serve(t, world())
			r := resolver(t, discovery.Config{Servers: []string{a.Addr(), b.Addr()}, Timeout: time.Second})
			if _, err := r.SRV(t.Context(), sip, domain.MustParse("fabrikam.com")); kind(t, err) != tt.kind {
				t.Errorf("error %v, want kind %q", err, tt.kind)
			}
			if a.Queries(sip+".fabrikam.com", "SRV") == 0 {
				t.Error("the first server was not asked")
			}
		})
	}
}

func TestSilentServerRests(t *testing.T) {
	t.Parallel() // waits for a real timeout
	c := new(clock)
	a, b := serve(t, zone.Zone{}), serve(t, zone.Zone{})
	a.Set(func(z *zone.Zone) { z.Silent[sip+".one.example"] = true })
	r := resolver(t, discovery.Config{Servers: []string{a.Addr(), b.Addr()}, Timeout: time.Second, Now: c.now})
	look := func(d string) { _, _ = r.SRV(t.Context(), sip, domain.MustParse(d)) }
	look("one.example")
	look("two.example")
	if got := a.Queries(sip+".two.example", "SRV"); got != 0 {
		t.Errorf("the silent server was asked first again")
	}
	c.advance(time.Minute)
	look("three.example")
	if got := a.Queries(sip+".three.example", "SRV"); got != 1 {
		t.Errorf("the server is not asked first after its rest")
	}
}

func TestUnreachableServer(t *testing.T) {
	gone := serve(t, zone.Zone{})
	_ = gone.Close()
	z := serve(t, world())
	r := resolver(t, discovery.Config{Servers: []string{gone.Addr(), z.Addr()}, Timeout: time.Minute})
	if _, err := r.SRV(t.Context(), sip, domain.MustParse("fabrikam.com")); err != nil {
		t.Errorf("the second server was not asked: %v", err)
	}
	alone := resolver(t, discovery.Config{Servers: []string{gone.Addr()}, Timeout: time.Minute})
	_, err := alone.SRV(t.Context(), sip, domain.MustParse("fabrikam.com"))
	var e *discovery.Error
	if !errors.As(err, &e) || e.Kind != discovery.ServerFailure || !e.Temporary() {
		t.Errorf("got %v, want a temporary server failure", err)
	}
}
