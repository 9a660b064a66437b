package sipfed

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestUserOracle: an outsider does not learn which users there are.
func TestUserOracle(t *testing.T) {
	world()
	t.Run("one answer", oneAnswer)
	t.Run("one delay", oneDelay)
	t.Run("a scan", scan)
}

// oneAnswer: a user who does not exist and one who may not federate, by our
// policy or the pool's, get answers that differ in the To tag only, whatever was
// asked.
func oneAnswer(t *testing.T) {
	const wanted = "SIP/2.0 404 Not Found"
	synctest.Test(t, func(t *testing.T) {
		_, partner, pool := between(t)
		a := &asking{partner: partner, pool: pool}
		for _, method := range []string{"MESSAGE", "INVITE", "SUBSCRIBE", "OPTIONS", "SERVICE", "X-FUTURE"} {
			want := a.ask(method, "mallory", wanted, "")
			for _, spelling := range []string{"MALLORY", "%6dallory", "%4DALLORY", "%00"} {
				if got := a.ask(method, spelling, wanted, ""); got != want {
					t.Errorf("%s %s: got\n%s\nwant\n%s", method, spelling, got, want)
				}
			}
			for _, status := range []string{
				"404 Not Found", "410 Gone", "484 Address Incomplete", "485 Ambiguous", "604 Does Not Exist Anywhere",
				"403 Forbidden|1002", "403 Forbidden|1012", "480 Temporarily Unavailable|4005", "504 Server time-out|1003", "403 No|4003", "603 Decline|4006",
			} {
				status, id, _ := strings.Cut(status, "|")
				if got := a.ask(method, "nobody", wanted, status, "ms-diagnostics: "+id+` ;reason="inner";source="fe1"`); got != want {
					t.Errorf("%s %s %s: got\n%s\nwant\n%s", method, status, id, got, want)
				}
			}
		}
		pool.silent(time.Second)
	})
}

// oneDelay: nor can the two be told apart by how long the answer takes.
func oneDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, partner, pool := between(t)
		for i := range 20 {
			partner.send(strings.Replace(request("INVITE", fmt.Sprint("a", i), ""), "alice", "nobody", 1))
			partner.expect("SIP/2.0 100")
			invite := pool.expect("INVITE")
			<-time.After(80 * time.Millisecond)
			pool.send(invite.reply("404 Not Found"))
			pool.expect("ACK")
			partner.expect("SIP/2.0 404")
		}
		for i := range 20 {
			start := time.Now()
			partner.send(strings.Replace(request("INVITE", fmt.Sprint("b", i), ""), "alice", "mallory", 1))
			partner.expect("SIP/2.0 100")
			partner.expect("SIP/2.0 404")
			if took := time.Since(start); took < 40*time.Millisecond || took > 120*time.Millisecond {
				t.Errorf("refused after %v, the pool takes 80ms", took)
			}
		}
	})
}

// scan: a stranger who asks for user after user comes to an end, and can still reach
// those it has reached before.
func scan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := strangers(t)
		partner := b.partner(b.world.partner)
		refused := 0
		for i := range 1500 {
			if got := b.messages(partner, "fabrikam.com", fmt.Sprint("user", i)); got == "480" {
				refused++
			} else if got != "200" || refused > 0 {
				t.Fatalf("user %d: %s, after %d refusals", i, got, refused)
			}
			<-time.After(100 * time.Millisecond)
		}
		if refused != 500 {
			t.Errorf("%d of 1500 users were refused, want all beyond 1000", refused)
		}
		if got := b.messages(partner, "fabrikam.com", "user0", "user1", "user999"); got != "200 200 200" {
			t.Errorf("users of before: %s", got)
		}
	})
}
