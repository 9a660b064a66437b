package sipfed

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edged/pkg/limit"
	"edged/pkg/policy"
)

func TestMidDialogOddities(t *testing.T) {
	world()
	t.Run("NOTIFY before the 2xx", func(t *testing.T) { // RFC 6665 §4.4.1
		synctest.Test(t, func(t *testing.T) {
			b, member, dialled := outward(t)
			partner, pool := b.partner(b.world.partner), b.poolServer()
			partner.send(with(request("SUBSCRIBE", "1", ""), "Event: presence", "Contact: <sip:bob@"+partnerAddr+":5061>"))
			subscribe := pool.expect("SUBSCRIBE")
			rr := subscribe.all("Record-Route")
			notify := strings.NewReplacer(
				"sip:bob@fabrikam.com SIP", "sip:bob@"+partnerAddr+":5061 SIP", "Route: <sip:"+partnerAddr+":5061;lr>", "Route: "+rr[0]+"\nRoute: "+rr[1],
				"tag=here", "tag=there", "To: <sip:bob@fabrikam.com>", "To: <sip:bob@fabrikam.com>;tag=here", "call-2", "call-1",
			).Replace(outgoing("NOTIFY", "2", "<presence/>"))
			member.send(notify)
			got := dialled.expect("NOTIFY")
			if rr := got.all("Record-Route"); got.body != "<presence/>" || len(rr) != 2 {
				t.Errorf("the partner got\n%s", got)
			}
			dialled.send(got.reply("200 OK"))
			member.expect("SIP/2.0 200")
			pool.send(subscribe.reply("200 OK"))
			partner.expect("SIP/2.0 200")
		})
	})
	t.Run("From changes", func(t *testing.T) { // RFC 4916 §4.4
		synctest.Test(t, func(t *testing.T) {
			b, partner, pool := between(t)
			later := b.dialogWith(partner, pool)
			update := strings.Replace(later("UPDATE", "sip:alice@10.0.0.9", "2"), "sip:bob@", "sip:carol@", 1)
			partner.send(update)
			pool.send(pool.expect("UPDATE").reply("200 OK"))
			partner.expect("SIP/2.0 200")
			update = later("UPDATE", "sip:alice@10.0.0.9", "3")
			partner.send(strings.Replace(update, "bob@fabrikam.com", "bob@adatum.com", 1))
			partner.expect("SIP/2.0 403") // still a matter of what this connection proves
		})
	})
	t.Run("another connection of the same partner", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b, partner, pool := between(t)
			later := b.dialogWith(partner, pool)
			_ = partner.raw.Close()
			again := b.partner(b.world.partner)
			again.send(later("INVITE", "sip:alice@10.0.0.9", "2"))
			again.expect("SIP/2.0 100")
			pool.send(pool.expect("INVITE").reply("200 OK"))
			again.expect("SIP/2.0 200")
			again.send(later("BYE", "sip:alice@10.0.0.9", "3"))
			pool.send(pool.expect("BYE").reply("200 OK"))
			again.expect("SIP/2.0 200")
			thief := b.partner(b.world.other)
			thief.send(strings.ReplaceAll(later("BYE", "sip:alice@10.0.0.9", "4"), "bob@fabrikam.com", "eve@adatum.com"))
			thief.expect("SIP/2.0 481")
		})
	})
	t.Run("a response whose connection is gone", comeBacks)
}

// comeBacks: RFC 3261 §18.2.2, but nobody gets the response who does not prove to
// be the sender of the request.
func comeBacks(t *testing.T) {
	run := func(name, via string, test func(t *testing.T, b *bed, ok func())) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, partner, pool := between(t)
				partner.send(strings.Replace(request("MESSAGE", "1", ""), "edge.fabrikam.com:5061", via, 1))
				got := pool.expect("MESSAGE")
				_ = partner.raw.Close()
				synctest.Wait()
				test(t, b, func() { pool.send(got.reply("200 OK")) })
			})
		})
	}
	run("another connection is open", "edge.fabrikam.com:5061", func(_ *testing.T, b *bed, ok func()) {
		other := b.partner(b.world.partner)
		synctest.Wait()
		ok()
		other.expect("SIP/2.0 200")
	})
	for via, port := range map[string]uint32{"edge.fabrikam.com:5062": 5062, "192.0.2.99": 5061} { // the address is the real one
		run("a new one to "+via, via, func(_ *testing.T, b *bed, ok func()) {
			ok()
			dialled := b.serverAt(partnerAddr, b.world.partner)
			if got := dialled.expect("SIP/2.0 200"); got.one("Call-ID") != "call-1" || b.port.Load() != port {
				t.Errorf("at port %d came\n%s", b.port.Load(), got)
			}
			dialled.send(request("MESSAGE", "2", "")) // it is a connection like others
		})
	}
	t.Run("every 2xx of an INVITE", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b, partner, pool := between(t)
			partner.send(request("INVITE", "1", ""))
			partner.expect("SIP/2.0 100")
			invite := pool.expect("INVITE")
			_ = partner.raw.Close()
			synctest.Wait()
			pool.send(invite.reply("200 OK"))
			dialled := b.serverAt(partnerAddr, b.world.partner)
			dialled.expect("SIP/2.0 200")
			pool.send(invite.reply("200 OK")) // the ACK has not come
			dialled.expect("SIP/2.0 200")
		})
	})
	run("somebody else is there", "edge.fabrikam.com:5061", func(t *testing.T, b *bed, ok func()) {
		t.Helper()
		ok()
		if impostor := b.serverAt(partnerAddr, b.world.other); impostor.receives() {
			t.Error("an impostor got the response")
		}
	})
	run("nobody is there", "edge.fabrikam.com:5070", func(t *testing.T, b *bed, ok func()) {
		t.Helper()
		ok()
		<-time.After(time.Minute)
		synctest.Wait()
		if servers, clients := b.s.table.size.Load(), b.clients(); servers != 0 || clients != 0 {
			t.Errorf("%d server and %d client transactions are left", servers, clients)
		}
	})
}

// TestComeBacksAreFew: a sender that names a port in each request, and is away when the
// response comes, has the edge hold few connections.
func TestComeBacksAreFew(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		pool, open := b.poolServer(), 0
		for i := range 2 * maxComebacks {
			partner := b.partner(b.world.partner)
			partner.send(strings.Replace(request("MESSAGE", fmt.Sprint(i), ""), ":5061", fmt.Sprint(":", 6000+i), 1))
			got := pool.expect("MESSAGE")
			_ = partner.raw.Close()
			synctest.Wait()
			pool.send(got.reply("200 OK"))
			synctest.Wait()
			if len(b.members[partnerAddr]) > 0 {
				b.serverAt(partnerAddr, b.world.many).expect("SIP/2.0 200")
				open++
			}
		}
		if open != maxComebacks {
			t.Errorf("%d connections, want %d", open, maxComebacks)
		}
	})
}

// TestDialledOutside: of the connections that were dialled to partners, the one that was
// used longest ago ends where there would be too many.
func TestDialledOutside(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, direct, func(_ *policy.Source, l *limit.Bounds) { l.Connections = 3 })
		b.poolServer()
		member := b.client(b.inside, b.world.member)
		var partners []*peer
		for i := range 5 {
			member.send(strings.Replace(outgoing("MESSAGE", fmt.Sprint(i), ""), ":5061;lr", fmt.Sprint(":", 6000+i, ";lr"), 1))
			partner := b.serverAt(partnerAddr, b.world.partner)
			partner.send(partner.expect("MESSAGE").reply("200 OK"))
			member.expect("SIP/2.0 200")
			partners = append(partners, partner)
			<-time.After(time.Second)
		}
		for i, ended := range []bool{true, true, false, false, false} {
			_, err := partners[i].read(time.Second)
			if ended != errors.Is(err, io.EOF) {
				t.Errorf("connection %d: %v", i, err)
			}
		}
	})
}

// receives reports whether a single byte arrives before the connection ends.
func (p *peer) receives() bool {
	_ = p.sock.SetReadDeadline(time.Now().Add(time.Hour))
	_, err := p.r.ReadByte()
	return err == nil
}
