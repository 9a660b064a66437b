package sipfed

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// strictly is what a strict router makes of a request (RFC 2543, RFC 3261
// §16.12.1.2): its next hop becomes the Request-URI, and the target the last Route.
func strictly(request string) string {
	line, rest, _ := strings.Cut(request, "\n")
	method, target, _ := strings.Cut(strings.TrimSuffix(line, " SIP/2.0"), " ")
	routes := msgOf(request).all("Route")
	rest = strings.Replace(rest, "Route: "+routes[0]+"\n", "", 1)
	return with(method+" "+strings.Trim(routes[0], "<>")+" SIP/2.0\n"+rest, "Route: <"+target+">")
}

// msgOf reads a message that is written with plain line ends.
func msgOf(text string) msg {
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	return msg{first: lines[0], rows: lines[1:], body: body}
}

func TestStrictRouters(t *testing.T) { // RFC 3261 §16.4, §16.6 step 6
	world()
	t.Run("behind a partner", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b, partner, pool := between(t)
			later := b.dialogWith(partner, pool)
			partner.send(strictly(later("INFO", "sip:alice@10.0.0.9", "2")))
			got := pool.expect("INFO sip:alice@10.0.0.9 SIP/2.0")
			if routes := got.all("Route"); len(routes) != 0 {
				t.Errorf("Route %q is left", routes)
			}
			pool.send(got.reply("200 OK"))
			partner.expect("SIP/2.0 200")

			// The rules stay those of a loose route: whose dialog, which user, which scheme.
			forged := strictly(later("INFO", "sip:alice@10.0.0.9", "3"))
			partner.send(strings.Replace(forged, "edged=", "edged=A", 1))
			partner.expect("SIP/2.0 481")
			partner.send(strictly(later("INFO", "sip:mallory@contoso.com", "4")))
			partner.expect("SIP/2.0 404")
			partner.send(strictly(later("INFO", "tel:+1", "5")))
			partner.expect("SIP/2.0 416")
			partner.send(strictly(later("INFO", "sip:alice@10.0.0.9?Route=x", "6")))
			partner.expect("SIP/2.0 400 Bad Request: Route")
			alone := strings.NewReplacer("Route: ", "X-Route: ", "Record-X-Route", "Record-Route").Replace(strictly(later("INFO", "sip:x", "7")))
			partner.send(alone)
			partner.expect("SIP/2.0 481")
			pool.silent(time.Second)
		})
	})
	t.Run("inside, and behind it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b, member, partner := outward(t)
			_ = b
			member.send(outgoing("INVITE", "1", ""))
			member.expect("SIP/2.0 100")
			strict := "<sip:p1.fabrikam.com;x=y>" // no lr: a strict router of the partner's
			invite := partner.expect("INVITE")
			partner.send(strings.Replace(invite.reply("200 OK", "Contact: <sip:bob@192.0.2.9>"), "Record-Route: ", "Record-Route: "+strict+", ", 1))
			ok := member.expect("SIP/2.0 200")
			if rr := ok.all("Record-Route"); len(rr) != 2 || !strings.HasPrefix(rr[0], strict) {
				t.Fatalf("Record-Route %q", rr)
			}
			own := strings.TrimPrefix(ok.all("Record-Route")[0], strict+", ")
			bye := func(seq, routes string) string {
				text := strings.NewReplacer("sip:bob@fabrikam.com SIP", "sip:bob@192.0.2.9 SIP", "branch=z9hG4bK1", "branch=z9hG4bKbye"+seq,
					"Route: <sip:"+partnerAddr+":5061;lr>\n", routes, "To: <sip:bob@fabrikam.com>", "To: <sip:bob@fabrikam.com>;tag=there", "CSeq: 1", "CSeq: "+seq)
				return text.Replace(outgoing("BYE", "1", ""))
			}
			next := "Route: <sip:" + partnerAddr + ":5061;x=y>\n" // as strict, where the pipe leads
			member.send(bye("2", "Route: "+ok.all("Record-Route")[1]+"\nRoute: "+own+"\n"+next))
			got := partner.expect("BYE sip:" + partnerAddr + ":5061;x=y SIP/2.0")
			if routes := got.all("Route"); len(routes) != 1 || routes[0] != "<sip:bob@192.0.2.9>" {
				t.Errorf("Route %q, want the target", routes)
			}
			partner.send(got.reply("200 OK"))
			member.expect("SIP/2.0 200")
		})
	})
}

func TestOwnMaddr(t *testing.T) { // RFC 3261 §16.4
	world()
	tests := []struct{ uri, target string }{ // no target: refused
		{"sip:alice@contoso.com;maddr=sip.contoso.com", "sip:alice@contoso.com"},
		{"sip:alice@contoso.com:5061;user=ip;MADDR=SIP.contoso.com;transport=TLS;x", "sip:alice@contoso.com;user=ip;x"},
		{"sips:alice:pw@contoso.com;maddr=sip.contoso.com", "sips:alice:pw@contoso.com"},
		{"sip:alice@contoso.com;maddr=sip.contoso.com;transport=udp", ""},
		{"sip:alice@contoso.com:5070;maddr=sip.contoso.com", ""},
		{"sip:alice@contoso.com;maddr=edge.corp.contoso.com", ""},
		{"sip:alice@contoso.com;maddr=192.0.2.1", ""},
		{"sip:alice@third.example;maddr=sip.contoso.com", ""},
	}
	synctest.Test(t, func(t *testing.T) {
		_, partner, pool := between(t)
		for i, tt := range tests {
			partner.send(strings.Replace(request("MESSAGE", fmt.Sprint(i), ""), "sip:alice@contoso.com SIP", tt.uri+" SIP", 1))
			if tt.target == "" {
				partner.expect("SIP/2.0 403")
				continue
			}
			pool.send(pool.expect("MESSAGE " + tt.target + " SIP/2.0").reply("200 OK"))
			partner.expect("SIP/2.0 200")
		}
		pool.silent(time.Second)
	})
}

func TestSipsStays(t *testing.T) { // RFC 3261 §16.6 step 4
	world()
	for _, change := range []string{"sip:bob@fabrikam.com SIP", "sip:" + partnerAddr} {
		synctest.Test(t, func(t *testing.T) {
			_, member, partner := outward(t)
			member.send(strings.Replace(outgoing("SUBSCRIBE", "1", ""), change, strings.Replace(change, "sip:", "sips:", 1), 1))
			for _, rr := range partner.expect("SUBSCRIBE").all("Record-Route") {
				if !strings.HasPrefix(rr, "<sips:") {
					t.Errorf("Record-Route %s", rr)
				}
			}
		})
	}
}
