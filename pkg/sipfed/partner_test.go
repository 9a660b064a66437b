package sipfed

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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

// TestConnectionsOfPartner: requests spread over as many connections as the entry
// says, and those between two users stay on one.
func TestConnectionsOfPartner(t *testing.T) {
	world()
	for most, want := range map[int]int{0: 1, 1: 1, 2: 2, 4: 4} {
		synctest.Test(t, func(t *testing.T) {
			b, member, first := outward(t, listing("fabrikam.com", func(a *policy.AllowedDomain) { a.Connections = most }))
			conns, of := []*peer{first}, map[string]*peer{}
			for i := range 60 {
				user := fmt.Sprintf("bob%d@fabrikam.com", i%20)
				member.send(strings.ReplaceAll(outgoing("MESSAGE", fmt.Sprint(i), ""), "bob@fabrikam.com", user))
				p := b.arriving(&conns, member)
				if before := of[user]; before != nil && before != p {
					t.Errorf("of %d connections %s has two", most, user)
				}
				of[user] = p
			}
			if len(conns) != want {
				t.Errorf("%d connections where %d are wanted", len(conns), want)
			}
		})
	}
}

// arriving answers the request that arrives on one of the connections to the
// partner, or on a new one, and returns it.
func (b *bed) arriving(conns *[]*peer, member *peer) *peer {
	b.t.Helper()
	synctest.Wait()
	if len(b.members[partnerAddr]) > 0 {
		*conns = append(*conns, b.serverAt(partnerAddr, b.world.partner))
	}
	for _, p := range *conns {
		if m, err := p.read(time.Millisecond); err == nil {
			p.send(m.reply("200 OK"))
			member.expect("SIP/2.0 200")
			return p
		}
	}
	b.t.Fatal("the request has not arrived")
	return nil
}
