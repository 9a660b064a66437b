package sipfed

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestIdentityBinding: a partner's certificate says who may be in From, for each
// message anew (RFC 3261 §26.3.2.2).
func TestIdentityBinding(t *testing.T) {
	world()
	from := func(branch, sender string, lines ...string) string {
		text := strings.Replace(request("MESSAGE", branch, ""), "<sip:bob@fabrikam.com>", sender, 1)
		return with(text, append([]string{"X: y"}, lines...)...)
	}
	tests := []struct {
		name, sender string
		asserts      string
		allowed      bool
	}{
		{"itself", "<sip:bob@fabrikam.com>", "", true},
		{"in capitals", "<SIP:bob@FABRIKAM.Com>", "", true},
		{"another partner", "<sip:eve@adatum.com>", "", false},
		{"itself again, on the same connection", "<sip:bob@fabrikam.com>", "", true},
		{"below", "<sip:bob@sub.fabrikam.com>", "", false},
		{"above", "<sip:bob@com>", "", false},
		{"ends alike", "<sip:bob@evilfabrikam.com>", "", false},
		{"begins alike", "<sip:bob@fabrikam.com.evil.example>", "", false},
		{"a dot at the end", "<sip:bob@fabrikam.com.>", "", false},
		{"an address", "<sip:bob@203.0.113.7>", "", false},
		{"us", "<sip:ceo@contoso.com>", "", false},
		{"nobody", "<sip:anonymous@anonymous.invalid>", "", false},
		{"no user", "<sip:fabrikam.com>", "", true},
		{"the domain in the user part", "<sip:bob%40fabrikam.com@adatum.com>", "", false},
		{"a display name of ours", `"ceo@contoso.com" <sip:bob@fabrikam.com>`, "", true},
		{"a number", "<tel:+15550100>", "", false},
		{"an honest From, somebody else asserted", "<sip:bob@fabrikam.com>", "<sip:eve@adatum.com>", true}, // which does not cross
		{"a false From, itself asserted", "<sip:eve@adatum.com>", "<sip:bob@fabrikam.com>", false},
	}
	synctest.Test(t, func(t *testing.T) {
		_, partner, pool := between(t)
		for i, tt := range tests {
			text := from(fmt.Sprint(i), tt.sender)
			if tt.asserts != "" {
				text = from(fmt.Sprint(i), tt.sender, "P-Asserted-Identity: "+tt.asserts)
			}
			partner.send(text)
			if !tt.allowed {
				if answer := partner.expect("SIP/2.0"); !strings.HasPrefix(answer.first, "SIP/2.0 403 Forbidden") || answer.one("ms-diagnostics") != "" {
					t.Errorf("%s: got\n%s", tt.name, answer)
				}
				continue
			}
			got := pool.expect("MESSAGE")
			if got.one("Call-ID") != fmt.Sprint("call-", i) || got.one("P-Asserted-Identity") != "" {
				t.Errorf("%s: arrived as\n%s", tt.name, got)
			}
			pool.send(got.reply("200 OK"))
			partner.expect("SIP/2.0 200")
		}
		pool.silent(time.Minute)
	})
	t.Run("a certificate of several", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t)
			many, pool := b.partner(b.world.many), b.poolServer() // fabrikam.com is listed, the examples are not
			for i, tt := range []struct{ sender, answer string }{
				{"fabrikam.com", "200"}, {"example.com", "403"}, {"adatum.com", "403"}, {"fabrikam.com", "200"},
			} {
				many.send(from(fmt.Sprint(i), "<sip:bob@"+tt.sender+">"))
				if tt.answer == "200" {
					pool.send(pool.expect("MESSAGE").reply("200 OK"))
				}
				many.expect("SIP/2.0 " + tt.answer)
			}
		})
	})
	t.Run("the inside", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, member, partner := outward(t)
			for i, sender := range []string{"adatum.com", "kr.contoso.com", "contoso.com.evil.example", "fabrikam.com"} {
				member.send(strings.Replace(outgoing("MESSAGE", fmt.Sprint(i), ""), "<sip:alice@contoso.com>;tag", "<sip:alice@"+sender+">;tag", 1))
				member.expect("SIP/2.0 403")
			}
			partner.silent(time.Minute)
		})
	})
}
