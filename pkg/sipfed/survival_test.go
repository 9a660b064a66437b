package sipfed

import (
	"strings"
	"testing"
	"testing/synctest"
)

// TestDialogSurvival: a call and a subscription that one edge has set up go on over
// another that knows nothing but the secret, both ways: a restart, or another host of
// the same edge pool. With processes that are killed it is in test/faults.
func TestDialogSurvival(t *testing.T) {
	world()
	current, other := []byte(strings.Repeat("s", 32)), []byte(strings.Repeat("n", 32))
	tests := []struct {
		name   string
		secret Secret
		goesOn bool
	}{
		{"the same secret", Secret{Current: current}, true},
		{"a new secret, and the old one", Secret{Current: other, Previous: current}, true},
		{"a new secret alone", Secret{Current: other}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				call, subscription := established(t)
				second := newBed(t, direct)
				st := second.newState()
				st.Secret = tt.secret
				second.put(st)
				partner, pool := second.partner(second.world.partner), second.poolServer()
				member := second.client(second.inside, second.world.member)
				if !tt.goesOn {
					partner.send(call.fromPartner("BYE", "2"))
					partner.expect("SIP/2.0 481")
					member.send(subscription.fromPool("NOTIFY", "1"))
					member.expect("SIP/2.0 481")
					return
				}
				goesOn(t, partner, pool, call.fromPartner("INVITE", "2"))
				member.send(call.fromPool("UPDATE", "1"))
				dialled := second.serverAt(partnerAddr, second.world.partner)
				dialled.send(dialled.expect("UPDATE").reply("200 OK"))
				member.expect("SIP/2.0 200")
				goesOn(t, member, dialled, subscription.fromPool("NOTIFY", "1"))
				goesOn(t, partner, pool, subscription.fromPartner("SUBSCRIBE", "3"))
				goesOn(t, member, dialled, call.fromPool("BYE", "2"))
			})
		})
	}
}

// established sets up a call and a subscription over an edge that is gone when it
// returns.
func established(t *testing.T) (call, subscription route) {
	t.Helper()
	b := newBed(t)
	partner, pool := b.partner(b.world.partner), b.poolServer()
	for _, method := range []string{"INVITE", "SUBSCRIBE"} {
		partner.send(with(request(method, method, ""), "Contact: <sip:bob@"+partnerAddr+":5061>"))
		if method == "INVITE" {
			partner.expect("SIP/2.0 100")
		}
		got := pool.expect(method)
		pool.send(got.reply("200 OK", "Contact: <sip:alice@10.0.0.9>"))
		answer := partner.expect("SIP/2.0 200")
		r := route{id: "call-" + method, partner: answer.all("Record-Route"), pool: got.all("Record-Route")}
		if method == "INVITE" {
			call = r
			continue
		}
		subscription = r
	}
	b.s.Shutdown(t.Context())
	return call, subscription
}

// route is a dialog as its two ends know it: Call-ID and Record-Route.
type route struct {
	id            string
	partner, pool []string
}

func (r route) fromPartner(method, seq string) string {
	return strings.NewReplacer("sip:alice@contoso.com SIP", "sip:alice@10.0.0.9 SIP", "To: <sip:alice@contoso.com>", "To: <sip:alice@contoso.com>;tag=there",
		"call-p"+seq, r.id, "From: ", "Route: "+r.partner[1]+"\nRoute: "+r.partner[0]+"\nFrom: ", "CSeq: 1", "CSeq: "+seq).
		Replace(request(method, "p"+seq, ""))
}

func (r route) fromPool(method, seq string) string {
	return strings.NewReplacer("sip:bob@fabrikam.com SIP", "sip:bob@"+partnerAddr+":5061 SIP", "To: <sip:bob@fabrikam.com>", "To: <sip:bob@fabrikam.com>;tag=here",
		"tag=here", "tag=there", "call-i"+seq, r.id, "Route: <sip:"+partnerAddr+":5061;lr>", "Route: "+r.pool[0]+"\nRoute: "+r.pool[1], "CSeq: 1", "CSeq: "+seq).
		Replace(outgoing(method, "i"+seq, ""))
}

// goesOn checks that a request of a dialog gets from one end to the other, and its
// answer back.
func goesOn(t *testing.T, from, to *peer, request string) {
	t.Helper()
	from.send(request)
	method, _, _ := strings.Cut(request, " ")
	if method == "INVITE" {
		from.expect("SIP/2.0 100")
	}
	got := to.expect(method + " ")
	if len(got.all("Route")) != 0 {
		t.Errorf("%s arrived with Route %q", method, got.all("Route"))
	}
	to.send(got.reply("200 OK"))
	from.expect("SIP/2.0 200")
}
