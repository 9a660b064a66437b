package sipfed

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// call is an INVITE that has reached the pool.
type call struct {
	b             *bed
	partner, pool *peer
	invite        msg
}

// inCall runs a test with a call of which the pool has said nothing yet.
func inCall(t *testing.T, test func(c call)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b, partner, pool := between(t)
		partner.send(request("INVITE", "1", ""))
		partner.expect("SIP/2.0 100")
		test(call{b, partner, pool, pool.expect("INVITE")})
	})
}

// says lets the pool answer the INVITE, and the partner hear of it.
func (c call) says(status string, extra ...string) msg {
	c.pool.t.Helper()
	c.pool.send(c.invite.reply(status, extra...))
	return c.partner.expect("SIP/2.0 " + status)
}

// cancels lets the partner take the INVITE back.
func (c call) cancels() {
	c.partner.t.Helper()
	c.partner.send(request("CANCEL", "1", ""))
	c.partner.expect("SIP/2.0 200")
}

// acks sends the ACK of a 2xx, which is a request of its own, and checks that it
// arrives.
func (c call) acks(branch string, ok msg) {
	c.partner.t.Helper()
	rr := ok.all("Record-Route")
	c.partner.send(with(strings.NewReplacer("z9hG4bK1", "z9hG4bK"+branch, "To: <sip:alice@contoso.com>", "To: "+ok.one("To")).Replace(request("ACK", "1", "")),
		"Route: "+rr[1], "Route: "+rr[0]))
	if ack := c.pool.expect("ACK"); ack.one("To") != ok.one("To") || ack.one("Via") == c.invite.one("Via") {
		c.partner.t.Errorf("the pool got\n%s", ack)
	}
}

func TestCancelAckRaces(t *testing.T) {
	world()
	t.Run("CANCEL before a provisional response", func(t *testing.T) {
		inCall(t, func(c call) {
			c.cancels()
			c.pool.silent(time.Second)
			c.pool.send(c.invite.reply("180 Ringing"))
			cancel := c.pool.expect("CANCEL sip:alice@contoso.com")
			for _, name := range []string{"Via", "From", "To", "Call-ID"} {
				if all := cancel.all(name); len(all) != 1 || all[0] != c.invite.one(name) {
					t.Errorf("CANCEL has %s %q, the INVITE %q", name, all, c.invite.one(name))
				}
			}
			c.pool.send(cancel.reply("200 OK"))
			c.says("487 Request Terminated")
			c.pool.expect("ACK")
		})
	})
	t.Run("CANCEL after 200", func(t *testing.T) {
		inCall(t, func(c call) {
			ok := c.says("200 OK")
			c.cancels()
			c.acks("2", ok) // the call stands: no CANCEL was before it
			c.pool.silent(time.Minute)
		})
	})
	t.Run("CANCEL crosses 200", func(t *testing.T) {
		inCall(t, func(c call) {
			c.says("180 Ringing")
			c.cancels()
			cancel := c.pool.expect("CANCEL")
			ok := c.says("200 OK")
			c.pool.send(cancel.reply("200 OK"))
			c.acks("2", ok)
			c.partner.silent(time.Minute)
		})
	})
	t.Run("CANCEL that nobody obeys", func(t *testing.T) {
		inCall(t, func(c call) {
			c.says("180 Ringing")
			c.cancels()
			c.pool.expect("CANCEL")
			c.partner.expect("SIP/2.0 487")
			c.partner.send(request("ACK", "1", ""))
			c.pool.silent(time.Minute)
		})
	})
	t.Run("CANCEL twice, and of nothing", func(t *testing.T) {
		inCall(t, func(c call) {
			c.says("180 Ringing")
			c.cancels()
			c.cancels()
			c.pool.expect("CANCEL")
			c.partner.send(request("CANCEL", "2", ""))
			c.partner.expect("SIP/2.0 481")
			c.partner.send(with(request("CANCEL", "1", ""), "Proxy-Require: telepathy")) // which none may have (RFC 3261 §16.3 step 5)
			c.partner.expect("SIP/2.0 200")
			c.pool.silent(time.Second)
		})
	})
	t.Run("two 200s of branches further on", func(t *testing.T) {
		inCall(t, func(c call) {
			one := c.says("200 OK")
			c.pool.send(strings.Replace(c.invite.reply("200 OK"), "tag=there", "tag=elsewhere", 1))
			two := c.partner.expect("SIP/2.0 200")
			if one.one("To") == two.one("To") {
				t.Error("both have one tag")
			}
			c.acks("2", one)
			c.acks("3", two)
		})
	})
	t.Run("ACK for what was refused ends here", func(t *testing.T) {
		inCall(t, func(c call) {
			c.says("486 Busy Here")
			ack := c.pool.expect("ACK sip:alice@contoso.com")
			if all := ack.all("Via"); len(all) != 1 || all[0] != c.invite.one("Via") || !strings.HasSuffix(ack.one("To"), ";tag=there") {
				t.Errorf("ACK\n%s", ack)
			}
			c.pool.send(c.invite.reply("486 Busy Here")) // it missed the ACK
			c.pool.expect("ACK")
			c.partner.send(request("INVITE", "1", "")) // so did the partner the answer
			c.partner.expect("SIP/2.0 486")
			c.partner.send(request("ACK", "1", ""))
			c.pool.silent(time.Second)
			synctest.Wait()
			if n := c.b.s.table.size.Load(); n != 0 {
				t.Errorf("%d transactions left", n)
			}
			c.partner.silent(time.Minute)
		})
	})
	t.Run("stray responses", func(t *testing.T) {
		inCall(t, func(c call) {
			ok := c.invite.reply("200 OK")
			for _, stray := range []string{
				strings.Replace(ok, "z9hG4bKed-", "z9hG4bKed-x", 1),
				strings.Replace(ok, "edge.corp.contoso.com", "fe1.corp.contoso.com", 1),
				strings.Replace(ok, "CSeq: 1 INVITE", "CSeq: 1 BYE", 1),
			} {
				c.pool.send(stray)
			}
			c.partner.silent(time.Second)
			c.says("200 OK")
			c.partner.send(c.invite.reply("200 OK")) // from the wrong side
			c.partner.silent(time.Minute)
			c.pool.send(ok) // after 64*T1
			c.partner.silent(time.Second)
		})
	})
}

// TestOldBranches: without a unique branch transactions are told apart by what
// RFC 2543 has gone by (RFC 3261 §17.2.3).
func TestOldBranches(t *testing.T) {
	world()
	old := func(text, branch string) string {
		return strings.Replace(text, ";branch=z9hG4bK1", branch, 1)
	}
	for _, branch := range []string{"", ";branch=1", ";branch=Z9hG4bK"} {
		t.Run(branch, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, partner, pool := between(t)
				invite := old(request("INVITE", "1", ""), branch)
				partner.send(invite)
				partner.expect("SIP/2.0 100")
				one := pool.expect("INVITE")
				partner.send(invite) // again: absorbed
				partner.expect("SIP/2.0 100")
				// What differs in one of them is another.
				for i, change := range [][2]string{
					{"tag=here", "tag=other"},
					{"call-1", "call-2"},
					{"CSeq: 1", "CSeq: 2"},
					{"sip:alice@contoso.com SIP", "sip:alice@contoso.com;x SIP"},
					{"edge.fabrikam.com:5061", "edge.fabrikam.com:5062"},
				} {
					partner.send(strings.Replace(invite, change[0], change[1], 1))
					partner.expect("SIP/2.0 100")
					if got := pool.expect("INVITE"); got.one("Via") == one.one("Via") {
						t.Errorf("change %d: the same branch went on", i)
					}
				}
				pool.send(one.reply("486 Busy Here"))
				pool.expect("ACK")
				partner.expect("SIP/2.0 486")
				ack := old(request("ACK", "1", ""), branch)
				partner.send(strings.Replace(ack, "To: <sip:alice@contoso.com>", "To: <sip:alice@contoso.com>;tag=else", 1))
				partner.send(invite) // that was not its ACK
				partner.expect("SIP/2.0 486")
				partner.send(strings.Replace(ack, "To: <sip:alice@contoso.com>", "To: <sip:alice@contoso.com>;tag=there", 1))
				synctest.Wait()
				partner.send(invite) // but that was: now it is new
				partner.expect("SIP/2.0 100")
				two := pool.expect("INVITE")
				pool.send(two.reply("180 Ringing"))
				partner.expect("SIP/2.0 180")
				partner.send(old(request("CANCEL", "1", ""), branch))
				partner.expect("SIP/2.0 200")
				pool.expect("CANCEL")
			})
		})
	}
}

// TestNobodyFindsItTooEarly: what another connection of the sender says of an INVITE in
// the moment in which it enters the table (CANCEL, and the ACK of what that was answered)
// comes after the 100 and the first attempt, and never between them.
func TestNobodyFindsItTooEarly(t *testing.T) {
	b := newBed(t)
	partner, pool := b.partner(b.world.partner), b.poolServer()
	go func() { _, _ = io.Copy(io.Discard, partner.sock) }()
	go func() { _, _ = io.Copy(io.Discard, pool.sock) }()
	var other *conn
	for other == nil {
		for _, open := range b.s.group.All() {
			if open.side == External {
				other = open
			}
		}
	}
	c := newConn(b.s, External, partner.sock, other.peer, *other.identity.Load()) // whose reader is this test
	rounds := 5000
	if testing.Short() {
		rounds = 1000
	}
	for i := range rounds {
		branch := fmt.Sprint("enters", i)
		invite, cancel, ack := parsed(t, request("INVITE", branch, "")), parsed(t, request("CANCEL", branch, "")), parsed(t, request("ACK", branch, ""))
		done := make(chan bool)
		go func() {
			key, tx := serverKey(other, cancel), (*transaction)(nil)
			for tx == nil {
				tx = b.s.table.server(key)
			}
			early := tx.last == nil
			tx.mu.Unlock()
			b.s.handleCancel(other, cancel)
			b.s.handleACK(t.Context(), other, ack)
			done <- early
		}()
		b.s.handleRequest(t.Context(), c, invite)
		if <-done {
			t.Fatalf("INVITE %d was found before it had begun", i)
		}
		c.fed = c.fed[:0]
	}
}
