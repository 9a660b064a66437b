package sipfed

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// sameCall is a request that twoMembers puts first and second in order for.
func sameCall(method, branch string) string {
	return strings.Replace(request(method, branch, ""), "Call-ID: call-"+branch, "Call-ID: call-1", 1)
}

// offer sends a request and returns which of two members it is offered to.
func offer(t *testing.T, partner, first, second *peer, method, branch string) string {
	t.Helper()
	partner.send(sameCall(method, branch))
	if method == "INVITE" {
		partner.expect("SIP/2.0 100")
	}
	for name, p := range map[string]*peer{"first": first, "second": second} {
		m, err := p.read(100 * time.Millisecond)
		if err != nil {
			continue
		}
		p.send(m.reply("200 OK"))
		partner.expect("SIP/2.0 200")
		return name
	}
	t.Fatal("offered to nobody")
	return ""
}

// TestMemberThatAsksForRest comes last for as long as it says, and no longer than
// half a minute.
func TestMemberThatAsksForRest(t *testing.T) {
	world()
	for retryAfter, want := range map[string]time.Duration{
		"10":                    10 * time.Second,
		"5 (lunch);duration=60": 5 * time.Second,
		"86400":                 restAtMost,
		"99999999999":           0,
		"soon":                  0,
	} {
		t.Run(retryAfter, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, partner, first, second := twoMembers(t, "1")
				start := time.Now()
				partner.send(request("MESSAGE", "1", ""))
				first.send(first.expect("MESSAGE").reply("503 Service Unavailable", "Retry-After: "+retryAfter))
				second.send(second.expect("MESSAGE").reply("200 OK"))
				partner.expect("SIP/2.0 200")
				rested := time.Duration(0)
				for i := 0; offer(t, partner, first, second, "MESSAGE", fmt.Sprint("x", i)) == "second"; i++ {
					<-time.After(time.Second)
					rested = time.Since(start)
				}
				if rested < want || rested > want+2*time.Second {
					t.Errorf("came last for %v, want %v", rested, want)
				}
			})
		})
	}
}

// TestAllMembersRest: then they are asked as ever, one after the other.
func TestAllMembersRest(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		_, partner, first, second := twoMembers(t, "1")
		for range 3 {
			partner.send(request("MESSAGE", "1", ""))
			for _, p := range []*peer{first, second} {
				p.send(p.expect("MESSAGE").reply("503 Service Unavailable", "Retry-After: 3600"))
			}
			partner.expect("SIP/2.0 500")
		}
	})
}

// TestSilentMemberComesLast until it speaks, but for one that has only left a
// request unanswered.
func TestSilentMemberComesLast(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		_, partner, first, second := twoMembers(t, "1")
		partner.send(request("MESSAGE", "1", ""))
		one := first.expect("MESSAGE")
		partner.send(sameCall("MESSAGE", "2"))
		first.send(first.expect("MESSAGE").reply("200 OK"))
		partner.expect("SIP/2.0 200")
		partner.expect("SIP/2.0 100")
		if got := offer(t, partner, first, second, "MESSAGE", "3"); got != "first" {
			t.Fatal("a member that speaks was passed over")
		}
		first.send(one.reply("200 OK"))
		partner.expect("SIP/2.0 200")

		partner.send(sameCall("MESSAGE", "4"))
		one = first.expect("MESSAGE")
		partner.expect("SIP/2.0 100")
		for _, method := range []string{"MESSAGE", "INVITE"} {
			if got := offer(t, partner, first, second, method, "5"); got != "second" {
				t.Errorf("%s was offered to a silent member", method)
			}
		}
		first.send(one.reply("200 OK"))
		partner.expect("SIP/2.0 200")
		if got := offer(t, partner, first, second, "MESSAGE", "6"); got != "first" {
			t.Error("a member that speaks again was passed over")
		}
	})
}
