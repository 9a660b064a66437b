package sipfed

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// clients counts the client transactions in the table.
func (b *bed) clients() int {
	n := 0
	for i := range b.s.table.clients {
		shard := &b.s.table.clients[i]
		shard.mu.Lock()
		n += len(shard.m)
		shard.mu.Unlock()
	}
	return n
}

func TestNothingIsLeftBehind(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b, partner, first, second := twoMembers(t, "1")
		for _, method := range []string{"MESSAGE", "INVITE"} {
			partner.send(request(method, "1", ""))
			if method == "INVITE" {
				partner.expect("SIP/2.0 100")
			}
			first.send(first.expect(method).reply("503 Service Unavailable"))
			if method == "INVITE" {
				first.expect("ACK")
			}
			second.send(second.expect(method).reply("200 OK"))
			partner.expect("SIP/2.0 200")
		}
		<-time.After(time.Minute)
		synctest.Wait()
		if servers, clients := b.s.table.size.Load(), b.clients(); servers != 0 || clients != 0 {
			t.Errorf("%d server and %d client transactions are left", servers, clients)
		}
		for _, c := range b.s.group.All() {
			if n := c.pending.Load(); n != 0 || len(c.waiting) != 0 {
				t.Errorf("connection %d: %d pending, %d waiting", c.id, n, len(c.waiting))
			}
		}
	})
}

// TestLateAnswerTakesTheOthersBack: the first member answers after all, while
// the second is ringing.
func TestLateAnswerTakesTheOthersBack(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		_, partner, first, second := twoMembers(t, "1")
		partner.send(request("INVITE", "1", ""))
		partner.expect("SIP/2.0 100")
		early := first.expect("INVITE")
		later := second.expect("INVITE")
		second.send(later.reply("180 Ringing"))
		partner.expect("SIP/2.0 180")
		first.send(early.reply("200 OK"))
		partner.expect("SIP/2.0 200")
		second.expect("CANCEL")
	})
}

// TestMemberThatDropsRequestsComesLast: its connection works, its service does not.
func TestMemberThatDropsRequestsComesLast(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		_, partner, first, second := twoMembers(t, "1")
		partner.send(request("MESSAGE", "1", ""))
		first.expect("MESSAGE")
		_ = first.raw.Close()
		partner.expect("SIP/2.0 504") // it may have been read: not sent again
		partner.send(strings.Replace(request("MESSAGE", "1", ""), "branch=z9hG4bK", "branch=z9hG4bKagain-", 1))
		second.send(second.expect("MESSAGE").reply("200 OK"))
		partner.expect("SIP/2.0 200")
	})
}

// TestShutdownWaitsForNobodyForLong: a peer that takes nothing cannot hold it up.
func TestShutdownWaitsForNobodyForLong(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b, partner, pool := between(t)
		for i := range 3 {
			partner.send(request("MESSAGE", fmt.Sprint(i), ""))
			pool.expect("MESSAGE")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		b.s.Shutdown(ctx) // answers 503 to a partner that does not read
		if took := time.Since(start); took > lastWords+time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestApplyKeepsWhatIsUnderWay(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b, partner, pool := between(t)
		partner.send(request("MESSAGE", "1", ""))
		one := pool.expect("MESSAGE")
		next := b.newState()
		next.Pools = b.state.Pools
		if err := b.s.Apply(next); err != nil {
			t.Fatal(err)
		}
		pool.send(one.reply("200 OK"))
		partner.expect("SIP/2.0 200")
		broken := b.newState()
		broken.Secret = Secret{}
		if err := b.s.Apply(broken); err == nil {
			t.Error("a State without secret was applied")
		}
		partner.send(request("MESSAGE", "2", ""))
		pool.send(pool.expect("MESSAGE").reply("200 OK"))
		partner.expect("SIP/2.0 200")
	})
}
