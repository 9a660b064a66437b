package sipfed

import (
	"strings"
	"testing"
	"testing/synctest"

	"edged/internal/lab/ca"
	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/policy"
)

// TestOneTypePerConnection: a connection that may speak for partners of two kinds
// speaks for the kind of its first message only, if that is asked for.
func TestOneTypePerConnection(t *testing.T) {
	both := world().public.Issue(ca.Leaf{DNS: []string{"fabrikam.com", "adatum.com"}})
	direct := func(src *policy.Source, _ *limit.Bounds) {
		src.AllowedDomains[0].Proxy = domain.MustParse("fabrikam.com")
	}
	for _, one := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, direct, func(src *policy.Source, _ *limit.Bounds) { src.Federation.OneTypePerConnection = one })
			pool := b.poolServer()
			say := func(p *peer, branch, domain string, heard bool) {
				t.Helper()
				p.send(strings.Replace(request("MESSAGE", branch, ""), "bob@fabrikam.com", "bob@"+domain, 1))
				if heard {
					pool.send(pool.expect("MESSAGE").reply("200 OK"))
					p.expect("SIP/2.0 200")
					return
				}
				p.expect("SIP/2.0 403")
			}
			first, second := b.partner(both), b.partner(both)
			say(first, "1", "fabrikam.com", true)
			say(first, "2", "adatum.com", !one)
			say(first, "3", "fabrikam.com", true)
			say(second, "4", "adatum.com", true)
			say(second, "5", "fabrikam.com", !one)
			b.apply(b.state.Pools) // after a reload the first message counts anew
			say(first, "6", "adatum.com", true)
			say(first, "7", "fabrikam.com", !one)
		})
	}
}
