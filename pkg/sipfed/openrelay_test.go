package sipfed

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestOpenRelay: nothing that an outsider writes takes a message anywhere but to a
// pool of ours. That no connection is opened to anybody else is checked as well.
func TestOpenRelay(t *testing.T) {
	world()
	t.Run("new requests", relayNew)
	t.Run("requests in a dialog", relayInDialog)
	t.Run("a token opens nothing else", tokenOpensNothingElse)
}

// The third party that should never hear of it.
const victim = "192.0.2.66"

func relayNew(t *testing.T) {
	tests := []struct {
		name, uri string
		routes    []string
		answer    string
	}{
		{"to a partner", "sip:dan@adatum.com", nil, "403"},
		{"to a stranger", "sip:dan@third.example", nil, "403"},
		{"to an address", "sip:dan@" + victim, nil, "403"},
		{"to the sender", "sip:bob@fabrikam.com", nil, "403"},
		{"to a host of ours", "sip:alice@pool.corp.contoso.com", nil, "403"},
		{"below our domain", "sip:alice@corp.contoso.com", nil, "403"},
		{"two hosts", "sip:alice@contoso.com@" + victim, nil, "400"},
		{"maddr", "sip:alice@contoso.com;maddr=" + victim, nil, "403"},
		{"maddr of ours inside", "sip:alice@contoso.com;maddr=10.0.0.1", nil, "403"},
		{"maddr of ours, host of others", "sip:dan@third.example;maddr=sip.contoso.com", nil, "403"},
		{"Route", "sip:alice@contoso.com", []string{"<sip:" + victim + ";lr>"}, "403"},
		{"Route to a partner", "sip:alice@contoso.com", []string{"<sip:edge.adatum.com;lr>"}, "403"},
		{"Route to a member", "sip:alice@contoso.com", []string{"<sip:10.0.0.1:5061;lr>"}, "403"},
		{"Route of ours, then theirs", "sip:alice@contoso.com", []string{"<sip:sip.contoso.com;lr>, <sip:" + victim + ";lr>"}, "403"},
		{"Route of ours by both names, then theirs", "sip:alice@contoso.com", []string{"<sip:sip.contoso.com;lr>", "<sip:edge.corp.contoso.com:5061;lr>", "<sip:" + victim + ">"}, "403"},
		{"Route of ours with maddr", "sip:alice@contoso.com", []string{"<sip:sip.contoso.com;maddr=" + victim + ";lr>"}, "403"},
		{"Route of ours, other port", "sip:alice@contoso.com", []string{"<sip:sip.contoso.com:5099;lr>"}, "403"},
		{"as by a strict router", "sip:sip.contoso.com", []string{"<sip:dan@" + victim + ">"}, "403"},
		{"as by a strict router, forged", "sip:sip.contoso.com:5061;lr;edged=AAAA", []string{"<sip:dan@" + victim + ">"}, "481"},
		{"a route of ours, forged", "sip:alice@contoso.com", []string{"<sip:sip.contoso.com:5061;lr;edged=AAAA>"}, "481"},
		{"a broken Route", "sip:alice@contoso.com", []string{"<sip:sip.contoso.com"}, "400 Bad Request: Route"},
	}
	synctest.Test(t, func(t *testing.T) {
		b, partner, pool := between(t)
		for i, tt := range tests {
			text := strings.Replace(request("MESSAGE", fmt.Sprint(i), ""), "sip:alice@contoso.com SIP", tt.uri+" SIP", 1)
			for _, route := range tt.routes {
				text = strings.Replace(text, "From:", "Route: "+route+"\nFrom:", 1)
			}
			partner.send(text)
			if answer := partner.expect("SIP/2.0 "); !strings.HasPrefix(answer.first, "SIP/2.0 "+tt.answer) {
				t.Errorf("%s: %s, want %s", tt.name, answer.first, tt.answer)
			}
		}
		pool.silent(time.Minute)
		b.wentNowhereElse()
	})
}

// relayInDialog uses a route that is good: at most the pool gets what goes on.
func relayInDialog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, partner, pool := between(t)
		later := b.dialogWith(partner, pool)
		arrives := func(what, text string) {
			t.Helper()
			partner.send(text)
			line, _, _ := strings.Cut(text, "\n")
			got := pool.expect(line)
			pool.send(got.reply("200 OK"))
			if answer := partner.expect("SIP/2.0"); !strings.HasPrefix(answer.first, "SIP/2.0 200") {
				t.Errorf("%s: %s", what, answer.first)
			}
		}
		arrives("a device of the user's", later("INFO", "sip:alice@10.0.0.9", "2"))
		arrives("Request-URI", later("INFO", "sip:dan@"+victim, "3"))
		arrives("Route behind ours", later("INFO", "sip:alice@10.0.0.9", "4", "Route: <sip:"+victim+";lr>"))
		arrives("strict Route behind ours", later("INFO", "sip:alice@10.0.0.9", "5", "Route: <sip:mallory@contoso.com>"))
		arrives("Contact", later("INFO", "sip:alice@10.0.0.9", "6", "Contact: <sip:dan@"+victim+">"))

		for i, tt := range []struct{ name, text, answer string }{
			{"maddr", later("INFO", "sip:alice@10.0.0.9;maddr="+victim, "10"), "403"},
			{"another Call-ID", strings.Replace(later("INFO", "sip:x@y", "11"), "call-dialog", "call-other", 1), "481"},
			{"another tag", strings.Replace(later("INFO", "sip:x@y", "12"), "tag=here", "tag=elsewhere", 1), "481"},
			{"no dialog", strings.Replace(later("INVITE", "sip:alice@contoso.com", "13"), ";tag=there", "", 1), "481"},
			{"no token", strings.Replace(later("INFO", "sip:x@y", "14"), ";edged=", ";edge=", 2), "481"},
			{"a changed token", strings.Replace(later("INFO", "sip:x@y", "15"), ";edged=", ";edged=A", 2), "481"},
			{"the inside's token", strings.Replace(later("INFO", "sip:x@y", "16"), "Route: <sip:sip.contoso", "X: <sip:sip.contoso", 1), "481"},
		} {
			partner.send(tt.text)
			if answer := partner.expect("SIP/2.0"); !strings.HasPrefix(answer.first, "SIP/2.0 "+tt.answer) {
				t.Errorf("%d %s: %s, want %s", i, tt.name, answer.first, tt.answer)
			}
		}
		thief := b.partner(b.world.other) // replays it, for itself and in the partner's name
		thief.send(strings.ReplaceAll(later("BYE", "sip:alice@10.0.0.9", "20"), "bob@fabrikam.com", "eve@adatum.com"))
		thief.expect("SIP/2.0 481")
		thief.send(later("BYE", "sip:alice@10.0.0.9", "21"))
		thief.expect("SIP/2.0 403")
		pool.silent(time.Minute)
		b.wentNowhereElse()
	})
}

func tokenOpensNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, partner, pool := between(t)
		later := b.dialogWith(partner, pool)
		for i, tt := range []struct{ uri, answer string }{
			{"sip:mallory@contoso.com", "SIP/2.0 404"},
			{"sip:%6dallory@CONTOSO.com", "SIP/2.0 404"},
			{"sip:mallory@pool.corp.contoso.com", "SIP/2.0 404"},
			{"sip:mallory@edge.corp.contoso.com", "SIP/2.0 404"},
			{"sip:mallory@x.example;maddr=10.0.0.99", "SIP/2.0 403"},
			{"sip:%00@contoso.com", "SIP/2.0 404"},
		} {
			partner.send(later("MESSAGE", tt.uri, fmt.Sprint(10+i)))
			if answer := partner.expect(tt.answer); answer.one("CSeq") != fmt.Sprintf("%d MESSAGE", 10+i) {
				t.Errorf("%s: got\n%s", tt.uri, answer)
			}
		}
		// Another user of the pool than the dialog's: what the pool says stays hidden.
		partner.send(later("MESSAGE", "sip:carol@contoso.com", "30"))
		pool.send(pool.expect("MESSAGE").reply("410 Gone"))
		partner.expect("SIP/2.0 404")
	})
}
