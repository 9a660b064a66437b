package sipfed

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestBENOTIFY: presence as Microsoft's clients have it. BENOTIFY is a NOTIFY that is
// never answered (MS-SIP §3.5): whatever becomes of it, nothing is said and nothing
// is kept.
func TestBENOTIFY(t *testing.T) {
	world()
	t.Run("subscription", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b, partner, pool := between(t)
			partner.send(with(request("SUBSCRIBE", "1", ""), "Proxy-Require: ms-benotify", "Event: presence",
				"Supported: ms-benotify, ms-piggyback-first-notify", "Contact: <sip:bob@"+partnerAddr+":5061>"))
			subscribe := pool.expect("SUBSCRIBE")
			holds(t, subscribe, "Proxy-Require: ms-benotify")
			pool.send(strings.TrimSuffix(subscribe.reply("200 OK", "Content-Type: application/pidf+xml", "ms-piggyback-cseq: 1"), "\n") + "\n<first notification/>")
			if got := partner.expect("SIP/2.0 200"); got.body != "<first notification/>" {
				t.Errorf("piggybacked body %q", got.body)
			}
			partner.send(request("BENOTIFY", "2", "news"))
			note := pool.expect("BENOTIFY")
			if note.body != "news" || len(note.all("Record-Route")) != 0 {
				t.Errorf("arrived as\n%s", note)
			}
			pool.send(note.reply("200 OK")) // a peer that answers it all the same
			pool.send(note.reply("503 Service Unavailable"))
			partner.silent(time.Hour - time.Minute)
			b.leavesNothing()
		})
	})
	t.Run("in a dialog, outwards", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b, member, dialled := outward(t)
			partner, pool := b.partner(b.world.partner), b.poolServer()
			partner.send(with(request("SUBSCRIBE", "1", ""), "Proxy-Require: ms-benotify"))
			subscribe := pool.expect("SUBSCRIBE")
			pool.send(subscribe.reply("200 OK"))
			partner.expect("SIP/2.0 200")
			rr := subscribe.all("Record-Route")
			for _, seq := range []string{"2", "3"} {
				member.send(strings.NewReplacer(
					"sip:bob@fabrikam.com SIP", "sip:bob@"+partnerAddr+":5061 SIP", "Route: <sip:"+partnerAddr+":5061;lr>", "Route: "+rr[0]+"\nRoute: "+rr[1],
					"tag=here", "tag=there", "To: <sip:bob@fabrikam.com>", "To: <sip:bob@fabrikam.com>;tag=here", "call-"+seq, "call-1",
				).Replace(outgoing("BENOTIFY", seq, "<presence/>")))
				if got := dialled.expect("BENOTIFY"); got.body != "<presence/>" {
					t.Errorf("arrived as\n%s", got)
				}
			}
			member.silent(time.Minute)
			b.leavesNothing()
		})
	})
	t.Run("in every failure", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b, partner, pool := between(t)
			good := request("BENOTIFY", "1", "")
			for _, bad := range []string{
				strings.Replace(good, "Max-Forwards: 70", "Max-Forwards: 0", 1),
				strings.Replace(good, "CSeq: 1", "CSeq: x", 1),
				strings.Replace(good, "SIP/2.0\n", "SIP/7.0\n", 1),
				strings.Replace(good, "sip:alice@contoso.com SIP", "tel:+1 SIP", 1),
				strings.Replace(good, "bob@fabrikam.com", "eve@adatum.com", 1),
				strings.Replace(good, "sip:alice@contoso.com SIP", "sip:x@third.example SIP", 1),
				strings.Replace(good, "alice", "mallory", 1),
				with(good, "Proxy-Require: telepathy"), with(good, "Route: <sip:third.example;lr>"),
				strings.Replace(good, "To: <sip:alice@contoso.com>", "To: <sip:alice@contoso.com>;tag=x", 1),
			} {
				partner.send(bad)
			}
			partner.silent(time.Minute)
			pool.silent(time.Second)
			_ = pool.raw.Close() // and the pool goes away; whoever is dialled says nothing
			again := b.partner(b.world.partner)
			again.send(request("BENOTIFY", "2", ""))
			again.silent(time.Minute)
			b.leavesNothing()
		})
	})
	t.Run("ms-benotify does not hide others", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, partner, _ := between(t)
			partner.send(with(request("SUBSCRIBE", "4", ""), "Proxy-Require: ms-benotify, x-unknown"))
			if got := partner.expect("SIP/2.0 420"); got.one("Unsupported") != "x-unknown" {
				t.Errorf("Unsupported %q", got.one("Unsupported"))
			}
		})
	})
}

// leavesNothing checks that no transaction is left.
func (b *bed) leavesNothing() {
	b.t.Helper()
	synctest.Wait()
	if servers, clients := b.s.table.size.Load(), b.clients(); servers != 0 || clients != 0 {
		b.t.Errorf("%d server and %d client transactions are left", servers, clients)
	}
}
