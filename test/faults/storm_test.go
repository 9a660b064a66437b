package faults

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"edged/internal/lab/kit"
	"edged/internal/lab/zone"
)

// underLoad is an edge with sinks for a pool and for fabrikam, and sources that
// send both ways.
type underLoad struct {
	*edge
	*tally
	members [2]*sink
	partner *sink
	sources []*source

	goroutines float64 // of the edge before the load
}

const carol = "carol@contoso.com"

// startLoad prepares what is needed for a load of so long. One in ten messages is
// for carol.
func startLoad(t *testing.T, d time.Duration, outwardToo bool) *underLoad {
	t.Helper()
	b := newBed(t)
	u := &underLoad{tally: newTally(t, int(d.Seconds()+5)**perSec)}
	u.members = [2]*sink{b.servers[fe1].sink(u.tally), b.servers[fe2].sink(u.tally)}
	u.partner = b.servers[first].sink(u.tally)
	b.dns.Set(func(z *zone.Zone) { z.SRV[record(fabrikam)] = []zone.SRV{{Port: u.partner.port(), Target: first}} })
	u.edge = b.edge(func(s *settings) {
		s.Members = []string{fmt.Sprintf("%s:%d", fe1, u.members[0].port()), fmt.Sprintf("%s:%d", fe2, u.members[1].port())}
		s.Level = "warn"
	})
	toUs := func(n int64) string {
		if n%10 == 0 {
			return carol
		}
		return alice
	}
	for range 4 {
		u.sources = append(u.sources, u.source(u.tally, north, nina, toUs))
		if outwardToo {
			u.sources = append(u.sources, u.source(u.tally, fe1, alice, func(int64) string { return bob }))
		}
	}
	u.goroutines = u.metric("go_goroutines ")
	return u
}

// nothingLeft wants the edge to be as it was before the load: no transaction, no
// byte in a queue, and no connection or goroutine but those of the bed.
func (u *underLoad) nothingLeft() {
	u.Helper()
	const few = 8 // what the DNS and the Go runtime may need at the moment
	u.await("everything to be over", patience, func() bool {
		return u.metric("edged_sip_transactions ") == 0 && u.metric("edged_sip_queue_bytes ") == 0 &&
			u.metric(`edged_sip_connections{opened="dialled"`) <= 3 && u.metric("go_goroutines ") <= u.goroutines+few
	})
}

// TestReloadStorm: a hundred reloads a minute, most of which change something, one
// in five refused. No request is left without its final answer, none has two, and
// none fails because of them.
func TestReloadStorm(t *testing.T) {
	if testing.Short() {
		t.Skip("runs for a minute")
	}
	u := startLoad(t, *duration, true)
	over := make(chan struct{})
	go func() {
		defer close(over)
		u.storm(*duration, 600*time.Millisecond, "{}")
	}()
	u.flow(*perSec, *duration, u.sources...)
	<-over
	u.settle()
	u.nothingLeft()
	seen := u.judge(200, 404)
	sent := int(u.next.Load())
	u.Logf("%.0f messages per second, of %d wanted; %v reloads done, %v refused", float64(sent)/duration.Seconds(), *perSec,
		u.metric(`edged_config_reloads_total{result="done"}`), u.metric(`edged_config_reloads_total{result="refused"}`))
	if seen[404] == 0 || seen[404] > sent/10 {
		u.Errorf("%d refusals of %d messages: carol was to lose and regain the right to federate", seen[404], sent)
	}
	if u.metric(`edged_config_reloads_total{result="done"}`) < 10 || u.metric(`edged_config_reloads_total{result="refused"}`) < 2 {
		u.Error("hardly a reload was made")
	}
}

// storm changes a file and sends SIGHUP, over and over. Other limits than these are
// refused.
func (e *edge) storm(d, every time.Duration, limits string) {
	for i := range int(d / every) {
		e.settings.Limits, e.settings.Refused = limits, nil
		switch i % 5 {
		case 0:
			e.settings.Blocked = []string{fmt.Sprintf("spam%d.example", i)}
		case 1:
			e.settings.Refused = []string{carol}
		case 2:
			e.Issue("edge", e.Public, outside, "contoso.com")
			e.Issue("inside", e.Private, inside)
		case 3:
			e.secret(kit.NewSecret(), e.current)
		case 4:
			e.settings.Limits = "{connections: none}"
		}
		e.write("edged.yaml")
		e.signal(syscall.SIGHUP)
		pause(every)
	}
}

// TestCallsInAStorm: calls from both sides are set up, changed and ended while the
// configuration changes under them, its certificates and its secret too.
func TestCallsInAStorm(t *testing.T) {
	t.Parallel()
	const limits = "{connections_per_address: 4096}"
	e := newBed(t).edge(func(s *settings) { s.Limits = limits })
	over := make(chan struct{})
	go func() {
		defer close(over)
		e.storm(8*time.Second, 400*time.Millisecond, limits)
	}()
	calls := 0
	for !ended(over) && !t.Failed() {
		for _, d := range []*dialogue{e.dialogue("INVITE", north, nina, alice), e.dialogue("INVITE", fe1, alice, bob)} {
			d.goesOn(e, "INVITE", "INFO", "UPDATE")
			d.goesOn(e, "BYE")
			calls++
		}
	}
	<-over
	t.Logf("%d calls; %v reloads done, %v refused", calls,
		e.metric(`edged_config_reloads_total{result="done"}`), e.metric(`edged_config_reloads_total{result="refused"}`))
}

func ended(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// TestMemberKilledUnderLoad: what the member had been sent is answered with 504, at
// most once; everything else goes to the other one; and it is used again when it
// is back.
func TestMemberKilledUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("runs for twelve seconds")
	}
	const d = 12 * time.Second
	u := startLoad(t, d, false)
	over := make(chan struct{})
	go func() {
		defer close(over)
		pause(d / 4)
		u.members[0].hangs.Store(true)
		pause(100 * time.Millisecond) // so that there is something to lose
		u.members[0].kill()
		pause(d / 4)
		u.members[0].revive()
	}()
	go func() {
		<-over
		u.members[0].count.Store(0)
	}()
	u.flow(*perSec, d, u.sources...)
	<-over
	u.settle()
	u.nothingLeft()
	seen := u.judge(200, 504)
	if lost := float64(seen[504]); lost == 0 || lost != u.metric("edged_sip_uncertain_total") || lost > window {
		u.Errorf("%v requests answered with 504, %v counted as uncertain", lost, u.metric("edged_sip_uncertain_total"))
	}
	if u.members[0].count.Load() == 0 {
		u.Error("the member was not used again")
	}
}
