package sipfed

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// request is a request of the partner fabrikam.com for alice.
func request(method, branch, body string) string {
	return method + ` sip:alice@contoso.com SIP/2.0
Via: SIP/2.0/TLS edge.fabrikam.com:5061;branch=z9hG4bK` + branch + `
Max-Forwards: 70
From: <sip:bob@fabrikam.com>;tag=here
To: <sip:alice@contoso.com>
Call-ID: call-` + branch + `
CSeq: 1 ` + method + "\n\n" + body
}

// outgoing is a request of alice for the partner's bob, whose next hop the pool
// names.
func outgoing(method, branch, body string) string {
	return method + ` sip:bob@fabrikam.com SIP/2.0
Via: SIP/2.0/TLS fe1.corp.contoso.com:5061;branch=z9hG4bK` + branch + `
Max-Forwards: 70
Route: <sip:` + partnerAddr + `:5061;lr>
From: <sip:alice@contoso.com>;tag=here
To: <sip:bob@fabrikam.com>
Call-ID: call-` + branch + `
CSeq: 1 ` + method + "\n\n" + body
}

func TestMessageCrossesAndComesBack(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b, partner, pool := between(t)
		partner.send(strings.Replace(request("MESSAGE", "1", "hello"), ";branch", ";rport;branch", 1))
		got := pool.expect("MESSAGE sip:alice@contoso.com SIP/2.0")
		got.same(t, "where it came from", "Via", got.one("Via"), "SIP/2.0/TLS edge.fabrikam.com:5061;rport=40000;branch=z9hG4bK1;received="+partnerAddr)
		if got.body != "hello" || got.one("Max-Forwards") != "69" || len(got.all("Via")) != 2 || len(got.all("Record-Route")) != 0 {
			t.Fatalf("pool got\n%s", got)
		}
		pool.send(got.reply("200 OK"))
		answer := partner.expect("SIP/2.0 200 OK")
		if vias := answer.all("Via"); len(vias) != 1 || !strings.Contains(vias[0], "z9hG4bK1") {
			t.Fatalf("partner got\n%s", answer)
		}
		synctest.Wait()
		if n := b.s.table.size.Load(); n != 0 {
			t.Fatalf("%d transactions left", n)
		}
	})
}

// TestRecordRoute: what starts a dialog or refreshes its target comes back this way,
// and so does what nobody knows (RFC 3261 §16.6 step 4).
func TestRecordRoute(t *testing.T) {
	world()
	methods := map[string]bool{
		"INVITE": true, "SUBSCRIBE": true, "NOTIFY": true, "REFER": true, "UPDATE": true, "SERVICE": true, "X-FUTURE": true,
		"MESSAGE": false, "OPTIONS": false, "PUBLISH": false, "INFO": false, "PRACK": false, "BYE": false,
	}
	synctest.Test(t, func(t *testing.T) {
		_, partner, pool := between(t)
		for method, routes := range methods {
			partner.send(with(request(method, method, ""), "Record-Route: <sip:p1.fabrikam.com;lr>"))
			if method == "INVITE" {
				partner.expect("SIP/2.0 100")
			}
			got := pool.expect(method + " ")
			rr := got.all("Record-Route")
			if !routes {
				if len(rr) != 1 {
					t.Errorf("%s arrived with Record-Route %q", method, rr)
				}
			} else if len(rr) != 3 || !strings.Contains(rr[0], "edge.corp.contoso.com:5061;transport=tls;lr") || !strings.Contains(rr[1], "sip.contoso.com:5061;transport=tls;lr") {
				t.Errorf("%s arrived with Record-Route %q", method, rr)
			}
			pool.send(got.reply("200 OK"))
			partner.expect("SIP/2.0 200")
		}
	})
}

// TestMergedRequests: one request by two ways is a matter of the endpoint (RFC 3261
// §8.2.2.2), not of a proxy.
func TestMergedRequests(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		_, partner, pool := between(t)
		for _, branch := range []string{"a", "b"} {
			partner.send(strings.Replace(request("MESSAGE", "1", ""), "z9hG4bK1", "z9hG4bK"+branch, 1))
		}
		one, two := pool.expect("MESSAGE"), pool.expect("MESSAGE")
		if one.one("Via") == two.one("Via") || one.one("Call-ID") != two.one("Call-ID") {
			t.Errorf("got\n%s\n%s", one, two)
		}
		pool.send(one.reply("200 OK"))
		partner.expect("SIP/2.0 200")
		pool.send(two.reply("482 Loop Detected"))
		partner.expect("SIP/2.0 482")
	})
}

// TestRepeatedRequest: the same branch is the same request, under way once (RFC 3261
// §17.2.3), but from somebody else it is another.
func TestRepeatedRequest(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b, partner, pool := between(t)
		again := b.partner(b.world.partner)
		partner.send(request("MESSAGE", "1", ""))
		one := pool.expect("MESSAGE")
		partner.send(request("MESSAGE", "1", ""))
		again.send(request("MESSAGE", "1", "")) // on another connection of the same partner
		pool.silent(time.Second)
		other := b.partner(b.world.other)
		other.send(strings.Replace(request("MESSAGE", "1", ""), "bob@fabrikam.com", "eve@adatum.com", 1))
		two := pool.expect("MESSAGE")
		pool.send(two.reply("200 OK"))
		other.expect("SIP/2.0 200")
		pool.send(one.reply("200 OK"))
		partner.expect("SIP/2.0 200")
		partner.silent(time.Second)
		again.silent(time.Second)
	})
}

func TestInviteDialogBothWays(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b, partner, pool := between(t)
		partner.send(request("INVITE", "1", ""))
		partner.expect("SIP/2.0 100")
		invite := pool.expect("INVITE")
		if rr := invite.all("Record-Route"); len(rr) != 2 || !strings.Contains(rr[0], "edge.corp.contoso.com") || !strings.Contains(rr[1], "sip.contoso.com") {
			t.Fatalf("Record-Route %q", rr)
		}
		pool.send(invite.reply("180 Ringing"))
		partner.expect("SIP/2.0 180")
		pool.send(invite.reply("200 OK", "Contact: <sip:alice@10.0.0.9>"))
		ok := partner.expect("SIP/2.0 200")
		rr := ok.all("Record-Route")
		inDialog := func(method, seq, branch string) string {
			return method + ` sip:alice@10.0.0.9 SIP/2.0
Via: SIP/2.0/TLS edge.fabrikam.com:5061;branch=z9hG4bK` + branch + `
Max-Forwards: 70
Route: ` + rr[1] + "\nRoute: " + rr[0] + `
From: <sip:bob@fabrikam.com>;tag=here
To: <sip:alice@contoso.com>;tag=there
Call-ID: call-1
CSeq: ` + seq + " " + method + "\n\n"
		}
		partner.send(inDialog("ACK", "1", "ack"))
		if ack := pool.expect("ACK"); len(ack.all("Route")) != 0 {
			t.Fatalf("ACK with our Route\n%s", ack)
		}
		partner.send(inDialog("BYE", "2", "bye"))
		bye := pool.expect("BYE sip:alice@10.0.0.9")
		pool.send(bye.reply("200 OK"))
		partner.expect("SIP/2.0 200")

		// The token is for this dialog and its user: not for another user by
		// Request-URI, nor for a request that is in no dialog.
		other := strings.Replace(inDialog("MESSAGE", "3", "user"), "sip:alice@10.0.0.9 SIP", "sip:mallory@contoso.com SIP", 1)
		partner.send(other)
		partner.expect("SIP/2.0 404")
		partner.send(strings.Replace(inDialog("INVITE", "4", "new"), ";tag=there", "", 1))
		partner.expect("SIP/2.0 481")

		// The same token on another certificate's connection is worth nothing.
		thief := b.partner(b.world.other)
		thief.send(strings.ReplaceAll(inDialog("BYE", "3", "thief"), "bob@fabrikam.com", "eve@adatum.com"))
		thief.expect("SIP/2.0 481")
		thief.send(inDialog("BYE", "3", "thief2"))
		thief.expect("SIP/2.0 403")
	})
}
