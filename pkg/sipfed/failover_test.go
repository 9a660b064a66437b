package sipfed

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edged/pkg/limit"
	"edged/pkg/policy"
)

// twoMembers starts a bed whose pool has two members, and returns them in the
// order in which a call would be offered to them.
func twoMembers(t *testing.T, branch string) (b *bed, partner, first, second *peer) {
	t.Helper()
	b = newBed(t)
	partner = b.partner(b.world.partner)
	members := b.state.Pools[0].Members
	members.SetMembers([]string{"10.0.0.1:5061", "10.0.0.2:5061"})
	at := map[string]*peer{"10.0.0.1:5061": b.poolAt("10.0.0.1"), "10.0.0.2:5061": b.poolAt("10.0.0.2")}
	synctest.Wait()
	order := members.Order(callKey(parsed(t, request("INVITE", branch, ""))))
	return b, partner, at[order[0]], at[order[1]]
}

func TestSilentMemberIsLeftForTheNext(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b, partner, first, second := twoMembers(t, "1")
		start := time.Now()
		partner.send(request("INVITE", "1", ""))
		partner.expect("SIP/2.0 100")
		early := first.expect("INVITE")
		later := second.expect("INVITE")
		if took := time.Since(start); took < 4*time.Second || took > 5*time.Second {
			t.Errorf("next target after %v, want 4s", took)
		}
		if early.one("Via") == later.one("Via") {
			t.Error("both attempts have one branch")
		}
		// The first member wakes up late: it is taken back, and its call is not shown.
		first.send(early.reply("180 Ringing"))
		cancel := first.expect("CANCEL")
		if cancel.one("Via") != early.one("Via") {
			t.Errorf("CANCEL of %s, want %s", cancel.one("Via"), early.one("Via"))
		}
		first.send(cancel.reply("200 OK"))
		first.send(early.reply("487 Request Terminated"))
		first.expect("ACK")
		second.send(later.reply("200 OK"))
		partner.expect("SIP/2.0 200")
		synctest.Wait()
		if open := b.s.table.open(); open != 0 {
			t.Errorf("%d transactions owe an answer", open)
		}
	})
}

// TestSilentMemberRingsAfterTheEnd: a call that is over, and whose end the sender has
// acknowledged, rings nowhere on.
func TestSilentMemberRingsAfterTheEnd(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b, partner, first, second := twoMembers(t, "1")
		partner.send(request("INVITE", "1", ""))
		partner.expect("SIP/2.0 100")
		early := first.expect("INVITE")
		second.send(second.expect("INVITE").reply("486 Busy Here"))
		second.expect("ACK")
		partner.expect("SIP/2.0 486")
		partner.send(request("ACK", "1", ""))
		synctest.Wait()
		first.send(early.reply("180 Ringing"))
		first.send(first.expect("CANCEL").reply("200 OK"))
		first.send(early.reply("487 Request Terminated"))
		first.expect("ACK")
		partner.silent(time.Minute)
		if n := b.clients(); n != 0 {
			t.Errorf("%d client transactions are left", n)
		}
	})
}

// A MESSAGE that was written may have been read: sending it again would double
// it. An INVITE may go to the next member.
func TestLostConnection(t *testing.T) {
	world()
	tests := []struct {
		method string
		again  bool
		answer string
	}{
		{"MESSAGE", false, "SIP/2.0 504"},
		{"INVITE", true, "SIP/2.0 200"},
	}
	for _, tt := range tests {
		t.Run(tt.method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, partner, first, second := twoMembers(t, "1")
				start := time.Now()
				partner.send(request(tt.method, "1", ""))
				if tt.method == "INVITE" {
					partner.expect("SIP/2.0 100")
				}
				first.expect(tt.method)
				_ = first.raw.Close()
				if tt.again {
					second.send(second.expect(tt.method).reply("200 OK"))
				}
				partner.expect(tt.answer)
				if took := time.Since(start); took > time.Second {
					t.Errorf("answered after %v, want at once", took)
				}
				if !tt.again {
					second.silent(time.Minute)
				}
			})
		})
	}
}

func TestPoolDown(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.state.Pools[0].Members.SetMembers([]string{"10.0.0.9:5061"})
		partner := b.partner(b.world.partner)
		partner.send(request("MESSAGE", "1", ""))
		answer := partner.expect("SIP/2.0 504")
		if strings.Contains(answer.String(), "10.0.0.9") || !strings.Contains(answer.one("To"), "tag=") {
			t.Errorf("partner got\n%s", answer)
		}
	})
}

func TestInviteTimers(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		_, partner, pool := between(t)
		start := time.Now()
		partner.send(request("INVITE", "b", ""))
		partner.expect("SIP/2.0 100")
		pool.expect("INVITE")
		partner.expect("SIP/2.0 408") // timer B
		if took := time.Since(start); took != 32*time.Second {
			t.Errorf("timer B after %v, want 32s", took)
		}
		start = time.Now()
		partner.send(request("INVITE", "c", ""))
		partner.expect("SIP/2.0 100")
		invite := pool.expect("INVITE")
		pool.send(invite.reply("180 Ringing"))
		partner.expect("SIP/2.0 180")
		pool.expect("CANCEL") // timer C
		partner.expect("SIP/2.0 408")
		if took := time.Since(start); took < 3*time.Minute {
			t.Errorf("timer C after %v, want more than 3 minutes", took)
		}
	})
	inCall(t, func(c call) { // each provisional response sets timer C anew (RFC 3261 §16.7 step 2)
		for range 5 {
			c.says("183 Session Progress")
			<-time.After(3 * time.Minute)
		}
		c.says("200 OK")
		c.pool.silent(time.Minute)
	})
}

func TestRepeatedMessagesOfInvite(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b, partner, pool := between(t)
		partner.send(request("INVITE", "1", ""))
		partner.expect("SIP/2.0 100")
		invite := pool.expect("INVITE")
		pool.send(invite.reply("180 Ringing"))
		partner.expect("SIP/2.0 180")
		partner.send(request("INVITE", "1", "")) // absorbed (RFC 3261 §17.2.3), the last response again
		partner.expect("SIP/2.0 180")
		pool.silent(time.Second)
		for range 3 { // RFC 6026: every 2xx passes
			pool.send(invite.reply("200 OK"))
			partner.expect("SIP/2.0 200")
		}
		pool.silent(33 * time.Second) // 64*T1 later the transaction is gone
		pool.send(invite.reply("200 OK"))
		partner.silent(time.Second)
		if n := b.s.table.size.Load(); n != 0 {
			t.Errorf("%d transactions left", n)
		}
	})
}

func TestBounds(t *testing.T) {
	world()
	change := func(_ *policy.Source, l *limit.Bounds) {
		l.Transactions, l.MessageTimeout, l.FirstMessageTimeout, l.IdleTimeout = 1, 5*time.Second, 20*time.Second, time.Minute
	}
	t.Run("transactions", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, change)
			partner := b.partner(b.world.partner)
			pool := b.poolServer()
			partner.send(request("MESSAGE", "1", ""))
			one := pool.expect("MESSAGE")
			partner.send(request("MESSAGE", "2", ""))
			if partner.expect("SIP/2.0 503").one("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			pool.send(one.reply("200 OK"))
			partner.expect("SIP/2.0 200")
		})
	})
	t.Run("silent after the handshake", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, change)
			closesAfter(t, b.partner(b.world.partner), 20*time.Second)
		})
	})
	t.Run("idle", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, change)
			partner := b.partner(b.world.partner)
			pool := b.poolServer()
			partner.send(request("MESSAGE", "1", ""))
			pool.send(pool.expect("MESSAGE").reply("200 OK"))
			partner.expect("SIP/2.0 200")
			closesAfter(t, partner, time.Minute)
		})
	})
	t.Run("slow message", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, change)
			partner := b.partner(b.world.partner)
			done := make(chan struct{})
			go func() { // a byte a second
				defer close(done)
				for _, c := range wire(request("MESSAGE", "1", "")) {
					if _, err := partner.sock.Write([]byte{byte(c)}); err != nil {
						return
					}
					<-time.After(time.Second)
				}
			}()
			closesAfter(t, partner, 5*time.Second)
			_ = partner.raw.Close()
			<-done
		})
	})
}

// closesAfter checks when the edge ends a connection.
func closesAfter(t *testing.T, p *peer, want time.Duration) {
	t.Helper()
	start := time.Now()
	if m, err := p.read(time.Hour); err == nil {
		t.Fatalf("got\n%s", m)
	}
	if took := time.Since(start); took < want || took > want+2*time.Second {
		t.Errorf("closed after %v, want %v", took, want)
	}
}

func TestShutdownFinishesWhatIsUnderWay(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b, partner, pool := between(t)
		partner.send(request("MESSAGE", "1", ""))
		one := pool.expect("MESSAGE")
		done := make(chan struct{})
		go func() { b.s.Shutdown(t.Context()); close(done) }()
		synctest.Wait()
		partner.send(request("MESSAGE", "2", ""))
		partner.expect("SIP/2.0 503")
		pool.send(one.reply("200 OK"))
		partner.expect("SIP/2.0 200")
		<-done
		if m, err := partner.read(time.Second); err == nil {
			t.Errorf("after the end came\n%s", m)
		}
	})
}

// TestConnectionsThatEndAtOnce: a next hop whose connections end before anything can be
// sent on them is dialled a few times, not for ever.
func TestConnectionsThatEndAtOnce(t *testing.T) {
	distrusting := world().side(world().edge, world().private, "nobody")
	t.Run("by a reload", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, direct)
			member := b.client(b.inside, b.world.member)
			member.send(outgoing("MESSAGE", "1", ""))
			raw := <-b.members[partnerAddr] // the dial begins under roots that are taken away
			st := b.newState()
			st.Faces[External].TLS = distrusting
			b.put(st)
			b.endAll(raw)
			member.expect("SIP/2.0 504")
		})
	})
	t.Run("by the partner", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, direct)
			member := b.client(b.inside, b.world.member)
			for i := range 20 {
				member.send(outgoing("MESSAGE", fmt.Sprint(i), ""))
			}
			b.endAll(<-b.members[partnerAddr])
			for range 20 {
				member.expect("SIP/2.0 504")
			}
		})
	})
}

// endAll is a partner whose connections end together with their handshakes, in one
// segment, for as long as the edge dials.
func (b *bed) endAll(raw net.Conn) {
	b.t.Helper()
	for dials := 1; ; dials++ {
		if dials > 20 {
			b.t.Fatal("it is dialled again and again")
		}
		sock := tls.Server(&segment{Conn: raw}, &tls.Config{
			Certificates: []tls.Certificate{b.world.partner.TLS}, ClientAuth: tls.RequestClientCert, MaxVersion: tls.VersionTLS12,
		})
		_ = sock.HandshakeContext(b.t.Context())
		_ = sock.Close()
		synctest.Wait()
		select {
		case raw = <-b.members[partnerAddr]:
		default:
			return
		}
	}
}

// segment collects what is written until the other side's turn comes, or the end.
type segment struct {
	net.Conn
	held []byte
}

func (s *segment) Write(b []byte) (int, error) { s.held = append(s.held, b...); return len(b), nil }
func (s *segment) Read(b []byte) (int, error)  { s.flush(); return s.Conn.Read(b) }
func (s *segment) Close() error                { s.flush(); return s.Conn.Close() }

func (s *segment) flush() {
	if len(s.held) > 0 {
		_ = s.SetWriteDeadline(time.Time{}) // tls.Conn.Close has left one
		_, _ = s.Conn.Write(s.held)
		s.held = nil
	}
}
