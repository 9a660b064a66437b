package sipfed

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// asking asks for users in turn, and returns the answers without what differs
// between any two.
type asking struct {
	partner, pool *peer
	asked         int
}

// ask asks for a user with a method. What the pool answers, if it is asked, is
// status and rows; want is how the answer begins.
func (a *asking) ask(method, user, want, status string, rows ...string) string {
	a.asked++
	branch := fmt.Sprintf("ask%04d", a.asked)
	a.partner.send(strings.ReplaceAll(request(method, branch, ""), "alice", user))
	if method == "INVITE" {
		a.partner.expect("SIP/2.0 100")
	}
	if status != "" {
		a.pool.send(a.pool.expect(method).reply(status, append(rows, "Server: RTC/6.0", `Warning: 399 fe1 "unknown"`)...))
	}
	answer := a.partner.expect(want).String()
	if method == "INVITE" && status != "" {
		a.pool.expect("ACK")
	}
	tag := answer[strings.LastIndex(answer, ";tag=")+5:]
	answer = strings.Replace(answer, tag[:13], "TAG", 1)
	return strings.NewReplacer(user, "USER", branch, "BRANCH").Replace(answer)
}

// TestOtherAnswersAreNotHidden: everything else that a pool answers is its own
// affair, and crosses with its headers.
func TestOtherAnswersAreNotHidden(t *testing.T) {
	world()
	hidden := map[int]bool{404: true, 410: true, 484: true, 485: true, 503: true, 604: true} // 503 becomes 500
	synctest.Test(t, func(t *testing.T) {
		_, partner, pool := between(t)
		a := &asking{partner: partner, pool: pool}
		for status := 300; status < 700; status++ {
			if hidden[status] {
				continue
			}
			line := fmt.Sprintf("%d Whatever", status)
			got := a.ask("MESSAGE", "alice", "SIP/2.0 "+line, line, `ms-diagnostics: 5000;reason="busy"`)
			if !strings.Contains(got, `Warning: 399 fe1 "unknown"`) || strings.Contains(got, "ms-diagnostics") {
				t.Fatalf("got\n%s", got)
			}
		}
	})
}

// TestDialogsTellNothingOfOthers: that another user than the dialog's exists does not show
// in the pool not knowing the dialog.
func TestDialogsTellNothingOfOthers(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b, partner, pool := between(t)
		later := b.dialogWith(partner, pool)
		for i, tt := range []struct{ method, uri, says, want string }{
			{"INFO", "sip:carol@contoso.com", "481 Gone", "404"},
			{"INFO", "sip:nobody@contoso.com", "404 Not Found", "404"},
			{"BYE", "sip:mallory@contoso.com", "481 Gone", "404"},
			{"INFO", "sip:mallory@contoso.com", "", "404"},
			{"INFO", "sip:alice@contoso.com", "481 Gone", "481"},
			{"INFO", "sip:alice@10.0.0.9", "481 Gone", "481"},
		} {
			partner.send(later(tt.method, tt.uri, fmt.Sprint(i+2)))
			if tt.says != "" {
				pool.send(pool.expect(tt.method).reply(tt.says))
			}
			partner.expect("SIP/2.0 " + tt.want)
		}
	})
}

// TestHiddenWhilePoolIsDown: where the pool cannot be reached, a user who is refused and
// one who is not get the same answer after the same time, at first and later.
func TestHiddenWhilePoolIsDown(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		partner := b.partner(b.world.partner)
		go func() {
			for {
				select {
				case raw := <-b.members["10.0.0.1"]:
					_ = raw.Close()
				case <-t.Context().Done():
					return
				}
			}
		}()
		a := &asking{partner: partner}
		for range 3 {
			var answers []string
			for _, user := range []string{"alice", "mallory"} {
				begin := time.Now()
				answer := a.ask("MESSAGE", user, "SIP/2.0 504", "")
				answers = append(answers, fmt.Sprintln(time.Since(begin).Round(time.Second))+answer)
			}
			if answers[0] != answers[1] {
				t.Errorf("of a user\n%s\nof a refused one\n%s", answers[0], answers[1])
			}
		}
	})
}
