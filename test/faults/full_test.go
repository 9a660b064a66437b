package faults

import (
	"testing"
	"time"
)

// TestFull: where the edge is full because nobody inside answers, new requests get
// 503; where it is one partner's share, that partner gets 480 and others go on. The
// BYE of a call is taken all the same, and in the end everything that was taken is
// answered.
func TestFull(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		limits         string
		status, others int // of what is refused, and of the other partner's; 0: taken
		taken          int
	}{
		"everybody":       {"{transactions: 40, transactions_per_connection: 40, partner_share: 100}", 503, 503, 36},
		"partner's share": {"{transactions: 40, transactions_per_connection: 40, partner_share: 50}", 480, 0, 18},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			e := b.edge(func(s *settings) { s.Limits = tt.limits })
			call := e.dialogue("INVITE", first, bob, alice)
			for _, host := range []string{fe1, fe2} {
				b.servers[host].cable.freeze()
			}
			conn := e.dial(first)
			var all []*ask
			for range 50 {
				all = append(all, e.ask(conn, e.compose(first, "MESSAGE", bob, alice)))
			}
			for _, a := range all[tt.taken:] {
				a.want(tt.status, soonish)
				if f := a.out.Final(); f == nil || f.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
			}
			other := e.ask(e.dial(north), e.compose(north, "MESSAGE", nina, alice))
			if tt.others != 0 {
				other.want(tt.others, soonish)
			}
			bye := e.ask(conn, b.servers[first].Compose(call.near.Next("BYE")))
			pause(200 * time.Millisecond)
			for _, host := range []string{fe1, fe2} {
				b.servers[host].cable.thaw()
			}
			bye.want(200, patience)
			if tt.others == 0 {
				other.want(200, patience)
			}
			for _, a := range all[:tt.taken] {
				a.want(200, patience)
			}
			e.ask(conn, e.compose(first, "MESSAGE", bob, alice)).want(200, soonish)
		})
	}
}
