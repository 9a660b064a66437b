package sipfed

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/policy"
)

// strangers starts a bed in which nothing lists fabrikam.com and adatum.com is
// allowed. The pool answers by itself: it knows nobody whose name begins with "no".
func strangers(t *testing.T, change ...func(*policy.DiscoveredLimits)) *bed {
	t.Helper()
	limits := policy.Default().Federation.Discovered
	for _, f := range change {
		f(&limits)
	}
	b := newBed(t, func(src *policy.Source, _ *limit.Bounds) {
		src.Federation.PartnerDiscovery = true
		src.AllowedDomains = src.AllowedDomains[1:]
	})
	b.state.Discovered = limit.NewDiscovered(limit.DiscoveredConfig{
		Rate: limits.Rate, SuspiciousRate: limits.SuspiciousRate, Contacts: limits.Contacts,
		ReportPeriod: limits.ReportPeriod, Total: limits.Total, Partners: 100,
	}, time.Now)
	pool := b.poolServer()
	go func() {
		for {
			m, err := pool.read(time.Hour)
			if err != nil {
				return
			}
			switch {
			case strings.HasPrefix(m.first, "ACK"):
			case strings.Contains(m.first, "sip:no"):
				pool.send(m.reply("404 Not Found"))
			default:
				pool.send(m.reply("200 OK", "Contact: <sip:alice@10.0.0.9>"))
			}
		}
	}()
	return b
}

// messages sends a MESSAGE to each of the users and returns the answers' statuses, one
// after the other.
func (b *bed) messages(from *peer, domain string, users ...string) string {
	b.t.Helper()
	var got []string
	for _, user := range users {
		b.sent++
		text := strings.ReplaceAll(request("MESSAGE", fmt.Sprint("m", b.sent), ""), "fabrikam.com", domain)
		from.send(strings.ReplaceAll(text, "sip:alice@", "sip:"+user+"@"))
		m, err := from.read(time.Hour)
		if err != nil {
			b.t.Fatal(err)
		}
		status := strings.Fields(m.first)[1]
		if status == "480" && m.one("Retry-After") == "" {
			b.t.Errorf("480 without Retry-After:\n%s", m)
		}
		got = append(got, status)
	}
	return strings.Join(got, " ")
}

func times(n int, user string) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = user
	}
	return all
}

// some is the status n times.
func some(n int, status string) string { return strings.TrimSpace(strings.Repeat(status+" ", n)) }

func TestStrangersRate(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b := strangers(t)
		first, second := b.partner(b.world.partner), b.partner(b.world.partner)
		if got := b.messages(first, "fabrikam.com", times(21, "alice")...); got != some(20, "200")+" 480" {
			t.Errorf("21 messages at once: %s", got)
		}
		if got := b.messages(second, "fabrikam.com", "alice"); got != "480" {
			t.Errorf("on another connection: %s", got)
		}
		if got := b.messages(b.partner(b.world.other), "adatum.com", times(40, "alice")...); got != some(40, "200") {
			t.Errorf("a listed partner: %s", got)
		}
		<-time.After(time.Second)
		if got := b.messages(first, "fabrikam.com", times(21, "alice")...); got != some(20, "200")+" 480" {
			t.Errorf("a second later: %s", got)
		}
	})
}

// TestStrangersUsers: the 1001st user is refused, whoever it is; those of before are
// not, and a listing lifts it.
func TestStrangersUsers(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b := strangers(t)
		partner := b.partner(b.world.partner)
		for i := range 1000 { // every tenth is nobody, or may not federate, or cannot be read
			user, want := fmt.Sprint("user", i), "200"
			switch i % 30 {
			case 0:
				user, want = fmt.Sprint("no", i), "404"
			case 10:
				user, want = fmt.Sprint("%00", i), "404"
			case 20:
				user, want = "mallory", "404"
			}
			if got := b.messages(partner, "fabrikam.com", user); got != want {
				t.Fatalf("user %d, %s: %s", i, user, got)
			}
			<-time.After(100 * time.Millisecond)
		}
		for i := range 32 { // mallory was one
			<-time.After(time.Second)
			if got := b.messages(partner, "fabrikam.com", fmt.Sprint("more", i)); got != "200" {
				t.Fatalf("user %d: %s", 968+i, got)
			}
		}
		<-time.After(time.Second)
		if got := b.messages(partner, "fabrikam.com", "new", "nobody", "%00", "user1", "mallory", "no0", "USER1"); got != "480 480 480 200 404 404 200" {
			t.Errorf("new, nobody, unreadable, user1, mallory, no0, USER1: %s", got)
		}
		if all := b.state.Discovered.Watched(); len(all) != 1 || all[0].Partner != "fabrikam.com" || all[0].Why != limit.ManyContacts {
			t.Errorf("watch list %+v", all)
		}
		listed := b.newState(func(src *policy.Source, _ *limit.Bounds) {
			src.AllowedDomains = append(src.AllowedDomains, policy.AllowedDomain{Domain: pattern("fabrikam.com")})
		})
		listed.Discovered = b.state.Discovered
		if err := b.s.Apply(listed); err != nil {
			t.Fatal(err)
		}
		if got := b.messages(partner, "fabrikam.com", append(times(30, "alice"), "new", "nobody")...); got != some(31, "200")+" 404" {
			t.Errorf("once it is listed: %s", got)
		}
	})
}

// TestStrangersWhoseRequestsFail are slowed down; a pool that is away, a challenge and
// users who are not there do not count against them, nor does what was over a budget.
func TestStrangersWhoseRequestsFail(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b := strangers(t, func(l *policy.DiscoveredLimits) { l.Rate, l.Total, l.ReportPeriod = 60, 1000, time.Minute })
		partner := b.partner(b.world.partner)
		b.messages(partner, "fabrikam.com", times(200, "alice")...) // 140 of them are over the rate
		if all := b.state.Discovered.Watched(); len(all) != 0 {
			t.Errorf("watched: %+v", all)
		}
		<-time.After(time.Second)
		if got := b.messages(partner, "fabrikam.com", append(times(59, "nobody"), "alice")...); got != some(59, "404")+" 200" {
			t.Fatalf("59 to nobody: %s", got) // of 120
		}
		if got := b.messages(partner, "fabrikam.com", "alice"); got != "480" {
			t.Errorf("over the rate: %s", got)
		}
		<-time.After(time.Minute) // a new period: 100 requests are needed
		b.messages(partner, "fabrikam.com", times(49, "alice")...)
		<-time.After(time.Second)
		b.messages(partner, "fabrikam.com", times(50, "nobody")...)
		if all := b.state.Discovered.Watched(); len(all) != 0 {
			t.Errorf("watched: %+v", all)
		}
		if got := b.messages(partner, "fabrikam.com", "mallory", "alice", "alice"); got != "404 200 480" {
			t.Errorf("the hundredth, most of which failed, and after it: %s", got)
		}
		<-time.After(time.Second)
		if got := b.messages(partner, "fabrikam.com", "alice", "alice"); got != "200 480" {
			t.Errorf("one a second: %s", got)
		}
	})
}

func TestTellsAgainst(t *testing.T) {
	for status, want := range map[int]bool{
		200: false, 302: false, 401: false, 403: true, 404: true, 407: false, 408: false, 480: false, 486: true, 487: false,
		500: false, 503: false, 504: false, 600: true, 603: true, 604: true,
	} {
		if got := tellsAgainst(status); got != want {
			t.Errorf("%d: %v", status, got)
		}
	}
}

// TestStrangersTogether: one budget for all of them.
func TestStrangersTogether(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b := strangers(t, func(l *policy.DiscoveredLimits) { l.Total = 30 })
		b.messages(b.partner(b.world.partner), "fabrikam.com", times(20, "alice")...)
		nobody := b.newState(func(src *policy.Source, _ *limit.Bounds) { src.AllowedDomains = nil })
		nobody.Discovered = b.state.Discovered
		if err := b.s.Apply(nobody); err != nil {
			t.Fatal(err)
		}
		if got := b.messages(b.partner(b.world.other), "adatum.com", times(12, "alice")...); got != some(10, "200")+" 480 480" {
			t.Errorf("the other one: %s", got)
		}
	})
}

// TestStrangersEndTheirDialogs: a budget that is used up holds back no BYE, and what
// is in a dialog is no new user.
func TestStrangersEndTheirDialogs(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b := strangers(t, func(l *policy.DiscoveredLimits) { l.Contacts = 1 })
		partner := b.partner(b.world.partner)
		partner.send(request("INVITE", "dialog", ""))
		partner.expect("SIP/2.0 100")
		rr := partner.expect("SIP/2.0 200").all("Record-Route")
		later := func(method string, seq int) string {
			text := strings.NewReplacer("branch=z9hG4bKdialog", fmt.Sprint("branch=z9hG4bKd", seq), "sip:alice@contoso.com SIP", "sip:alice@10.0.0.9 SIP",
				"To: <sip:alice@contoso.com>", "To: <sip:alice@contoso.com>;tag=there", "CSeq: 1", fmt.Sprint("CSeq: ", seq)).
				Replace(request(method, "dialog", ""))
			return with(text, "Route: "+rr[1], "Route: "+rr[0])
		}
		partner.send(later("MESSAGE", 2))
		partner.expect("SIP/2.0 200")
		b.messages(partner, "fabrikam.com", times(18, "alice")...)
		partner.send(later("MESSAGE", 3))
		if m := partner.expect("SIP/2.0 480"); m.one("Retry-After") == "" {
			t.Errorf("no Retry-After\n%s", m)
		}
		partner.send(later("BYE", 4))
		partner.expect("SIP/2.0 200")
	})
}

// TestStrangersGuessInDialogs: a dialog with one user opens no way to look for others,
// and BYE none to look for any.
func TestStrangersGuessInDialogs(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b := strangers(t, func(l *policy.DiscoveredLimits) { l.Contacts = 3 })
		partner := b.partner(b.world.partner)
		partner.send(request("INVITE", "dialog", ""))
		partner.expect("SIP/2.0 100")
		rr := partner.expect("SIP/2.0 200").all("Record-Route")
		for i, tt := range []struct{ method, uri, want string }{
			{"INFO", "sip:user1@contoso.com", "200"},
			{"BYE", "sip:nobody@pool.corp.contoso.com", "404"},
			{"INFO", "sip:user2@contoso.com", "480"},
			{"BYE", "sip:user2@contoso.com", "480"},
			{"INFO", "sip:mallory@contoso.com", "480"},
			{"BYE", "sip:%00@contoso.com", "480"},
			{"INFO", "sip:user1@contoso.com", "200"},
			{"INFO", "sip:alice@contoso.com", "200"},
			{"BYE", "sip:alice@10.0.0.9", "200"},
		} {
			text := strings.NewReplacer("branch=z9hG4bKdialog", fmt.Sprint("branch=z9hG4bKd", i), "sip:alice@contoso.com SIP", tt.uri+" SIP",
				"To: <sip:alice@contoso.com>", "To: <sip:alice@contoso.com>;tag=there", "CSeq: 1", fmt.Sprint("CSeq: ", i+2)).
				Replace(request(tt.method, "dialog", ""))
			partner.send(with(text, "Route: "+rr[1], "Route: "+rr[0]))
			if m, err := partner.read(time.Minute); err != nil || strings.Fields(m.first)[1] != tt.want {
				t.Errorf("%s %s: %s, want %s", tt.method, tt.uri, m.first, tt.want)
			}
		}
		<-time.After(time.Second)
		for i := range 21 {
			want := "SIP/2.0 404"
			if i == 20 {
				want = "SIP/2.0 480"
			}
			partner.send(strings.Replace(request("BYE", fmt.Sprint("bye", i), ""), "sip:alice@", "sip:nobody@", 1))
			partner.expect(want)
		}
	})
}

// TestImpostorsSpendNobodysBudget: who does not prove a domain takes nothing from it.
func TestImpostorsSpendNobodysBudget(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b := strangers(t)
		impostor := b.partner(b.world.other)
		if got := b.messages(impostor, "fabrikam.com", times(120, "alice")...); got != some(120, "403") {
			t.Errorf("the impostor: %s", got)
		}
		if got := b.messages(b.partner(b.world.partner), "fabrikam.com", times(20, "alice")...); got != some(20, "200") {
			t.Errorf("the partner: %s", got)
		}
		b.state.Discovered.Outcome(limit.Stranger{Domain: domain.MustParse("fabrikam.com")}, false)
		if all := b.state.Discovered.Watched(); len(all) != 0 {
			t.Errorf("watched: %+v", all)
		}
	})
}
