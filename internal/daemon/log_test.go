package daemon_test

import (
	"regexp"
	"slices"
	"testing"
)

// TestOneID: what crosses has one id, in a line on the connection that it came on and
// in one on the connection that it went out on.
func TestOneID(t *testing.T) {
	x := startXMPP(t)
	x.arrives(x.partner(jabber, nil).User("bob@"+jabber), x.chat.User(alice))
	conn := x.dial(fabrikam)
	for range 2 {
		if got := x.say(conn, fabrikam, "bob@"+fabrikam, alice); got != 200 {
			t.Fatalf("a message by SIP: %d", got)
		}
	}
	var ids []string
	for proto, events := range map[string][2]string{"sip": {"request relayed", "request sent"}, "xmpp": {"stanza relayed", "stanza sent"}} {
		line := func(event, id string) string {
			return `msg="` + event + `" proto=` + proto + ` conn=(\d+) side=(\w+) .*id=(` + id + `)\b`
		}
		x.logged(line(events[0], "[sx][0-9.]+"))
		in := regexp.MustCompile(line(events[0], "[sx][0-9.]+")).FindAllStringSubmatch(x.log.text(), -1)
		for _, m := range in {
			x.logged(line(events[1], regexp.QuoteMeta(m[3])))
			out := regexp.MustCompile(line(events[1], regexp.QuoteMeta(m[3]))).FindAllStringSubmatch(x.log.text(), -1)
			if len(out) != 1 || out[0][1] == m[1] || m[2] != "external" || out[0][2] != "internal" {
				t.Errorf("%s: came on connection %s, %s; went out on %q", m[3], m[1], m[2], out)
			}
			ids = append(ids, m[3])
		}
	}
	slices.Sort(ids)
	if len(ids) != 3 || len(slices.Compact(ids)) != 3 {
		t.Errorf("ids %q, want three", ids)
	}
}
