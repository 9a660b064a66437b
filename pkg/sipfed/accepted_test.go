package sipfed

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"edged/pkg/limit"
	"edged/pkg/policy"
)

// TestAcceptedInvites: for 64*T1 after a 2xx another one passes, and no longer; where
// there are too many to remember, the oldest is forgotten.
func TestAcceptedInvites(t *testing.T) {
	world()
	tests := []struct {
		name   string
		most   int
		calls  int
		after  time.Duration
		passes []bool // another 2xx, for each call
	}{
		{"within its time", 10, 1, 31 * time.Second, []bool{true}},
		{"later", 10, 1, 34 * time.Second, []bool{false}},
		{"too many", 2, 3, time.Second, []bool{false, true, true}},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, func(_ *policy.Source, l *limit.Bounds) { l.AcceptedInvites = tt.most })
			partner, pool := b.partner(b.world.partner), b.poolServer()
			var invites []msg
			for i := range tt.calls {
				partner.send(request("INVITE", fmt.Sprint(i), ""))
				partner.expect("SIP/2.0 100")
				invites = append(invites, pool.expect("INVITE"))
				pool.send(invites[i].reply("200 OK"))
				partner.expect("SIP/2.0 200")
			}
			<-time.After(tt.after)
			for i, passes := range tt.passes {
				pool.send(invites[i].reply("200 OK", "X-Another: one"))
				if passes {
					partner.expect("SIP/2.0 200")
				} else {
					partner.silent(time.Second)
				}
			}
		})
	}
}

// TestAcceptedInvitesAreNotUnderWay: a connection that may have one request under way
// makes one call after the other.
func TestAcceptedInvitesAreNotUnderWay(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, func(_ *policy.Source, l *limit.Bounds) { l.Transactions, l.TransactionsPerConnection = 1, 1 })
		partner, pool := b.partner(b.world.partner), b.poolServer()
		for i := range 3 {
			partner.send(request("INVITE", fmt.Sprint(i), ""))
			partner.expect("SIP/2.0 100")
			pool.send(pool.expect("INVITE").reply("200 OK"))
			partner.expect("SIP/2.0 200")
		}
	})
}
