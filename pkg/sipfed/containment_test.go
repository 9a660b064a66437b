package sipfed

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Test503Containment: what one server of ours does wrong is not the edge's, and what
// comes too late to be of use is not said.
func Test503Containment(t *testing.T) {
	world()
	t.Run("503", func(t *testing.T) { // RFC 3261 §16.7 step 6
		for _, method := range []string{"MESSAGE", "INVITE"} {
			synctest.Test(t, func(t *testing.T) {
				_, partner, first, second := twoMembers(t, "1")
				partner.send(request(method, "1", ""))
				if method == "INVITE" {
					partner.expect("SIP/2.0 100")
				}
				for _, member := range []*peer{first, second} { // the next one is tried first
					member.send(member.expect(method).reply("503 Service Unavailable", "Retry-After: 3600"))
					if method == "INVITE" {
						member.expect("ACK")
					}
				}
				answer := partner.expect("SIP/2.0 500")
				if answer.one("Retry-After") != "" {
					t.Errorf("Retry-After crossed\n%s", answer)
				}
				partner.send(strings.Replace(request("OPTIONS", "1", ""), "z9hG4bK1", "z9hG4bK2", 1))
				first.send(first.expect("OPTIONS").reply("200 OK")) // nobody has stopped talking to anybody
				partner.expect("SIP/2.0 200")
			})
		}
	})
	t.Run("silence after a request that is no INVITE", func(t *testing.T) { // RFC 4320
		synctest.Test(t, func(t *testing.T) {
			b, partner, pool := between(t)
			start := time.Now()
			partner.send(request("MESSAGE", "1", ""))
			pool.expect("MESSAGE")
			partner.expect("SIP/2.0 100")
			if after := time.Since(start); after < 3500*time.Millisecond || after > 4*time.Second {
				t.Errorf("100 after %v, want 3.5s (RFC 4320 §4.1)", after)
			}
			partner.silent(2 * time.Minute) // RFC 4320 §4.2: no 408
			synctest.Wait()
			if n := b.s.table.size.Load(); n != 0 {
				t.Errorf("%d transactions left", n)
			}
		})
	})
	t.Run("provisional response to a request that is no INVITE", func(t *testing.T) { // RFC 4320 §4.1
		synctest.Test(t, func(t *testing.T) {
			_, partner, pool := between(t)
			partner.send(request("MESSAGE", "1", ""))
			got := pool.expect("MESSAGE")
			for _, early := range []string{"100 Trying", "183 Session Progress", "199 Early Dialog Terminated"} {
				pool.send(got.reply(early))
			}
			partner.silent(time.Second)
			pool.send(got.reply("200 OK"))
			partner.expect("SIP/2.0 200")
		})
	})
	t.Run("100 is for one hop", func(t *testing.T) { // RFC 3261 §16.7 step 5, §17.2.1
		inCall(t, func(c call) {
			c.pool.send(c.invite.reply("100 Trying"))
			c.partner.silent(time.Second) // it has had ours at once
			c.says("183 Session Progress")
			c.says("200 OK")
		})
	})
}
