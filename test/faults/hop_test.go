package faults

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"edged/internal/lab/sippeer"
)

// way is a direction in which requests go: from a sender over the edge to a next
// hop with two servers, one of which is preferred.
type way struct {
	*edge
	conn             *sippeer.Conn
	preferred, other *server
	compose          func(method string) *sippeer.Message
}

// soonish is how soon a request is answered where nothing has to be waited for.
// The machine may be busy.
const soonish = 3 * time.Second

// bothWays runs a test from a partner to the pool, and from the pool to a partner.
func bothWays(t *testing.T, limits string, test func(*testing.T, *way)) {
	t.Helper()
	t.Parallel()
	for name, ready := range map[string]func(*edge) *way{"to a pool": inward, "to a partner": outward} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, ready(newBed(t).edge(func(s *settings) { s.Limits = limits })))
		})
	}
}

// outward is the way to fabrikam, whose first server is preferred by its record.
func outward(e *edge) *way {
	w := &way{edge: e, conn: e.dial(fe1), preferred: e.servers[first], other: e.servers[second]}
	w.compose = func(method string) *sippeer.Message { return e.compose(fe1, method, alice, bob) }
	return w
}

// inward is the way to the pool. Which member is preferred follows from the
// Call-ID: compose takes one that a first message led to fe1.
func inward(e *edge) *way {
	w := &way{edge: e, conn: e.dial(north), preferred: e.servers[fe1], other: e.servers[fe2]}
	const enough = 8
	var ids []string
	for len(ids) < enough {
		probe := e.compose(north, "MESSAGE", nina, alice)
		e.ask(w.conn, probe).want(200, patience)
		if e.arrivals(fe1, probe) > 0 {
			ids = append(ids, probe.Get("Call-ID"))
		}
	}
	number := 0
	w.compose = func(method string) *sippeer.Message {
		number++
		m := e.compose(north, method, nina, alice)
		m.Set("Call-ID", ids[number%enough])
		m.Set("CSeq", strconv.Itoa(1+number)+" "+method)
		return m
	}
	return w
}

// send sends a new request for which both servers have a script.
func (w *way) send(method string, preferred, other sippeer.Answer) *ask {
	m := w.compose(method)
	w.preferred.Desk.Script(m.Get("Call-ID"), preferred)
	w.other.Desk.Script(m.Get("Call-ID"), other)
	return w.ask(w.conn, m)
}

var (
	fine   = sippeer.Answer{}
	silent = sippeer.Answer{Silent: true}
)

// reached checks which server got a request, and how many times.
func (w *way) reached(a *ask, preferred, other int) {
	w.Helper()
	p, o := w.arrivals(w.preferred.Host(), a.m), w.arrivals(w.other.Host(), a.m)
	if p != preferred || o != other {
		w.Errorf("%s: %d at the preferred server and %d at the other, want %d and %d", a.m.Start, p, o, preferred, other)
	}
}

// awaitReached waits until the preferred server has a request.
func (w *way) awaitReached(a *ask) {
	w.Helper()
	w.await("the request to arrive", patience, func() bool { return w.arrivals(w.preferred.Host(), a.m) > 0 })
}

// recovers waits until requests reach the preferred server again.
func (w *way) recovers(within time.Duration) {
	w.Helper()
	late := time.Now().Add(within)
	for {
		a := w.send("MESSAGE", fine, fine)
		a.wantAnswer(soonish)
		if w.arrivals(w.preferred.Host(), a.m) == 1 {
			return
		}
		if time.Now().After(late) {
			w.Fatalf("the preferred server is not used again within %v", within)
		}
		pause(time.Second)
	}
}

// TestKilledServer: what it had may have been done and is not sent again, except
// an INVITE; what comes later goes to the other server; and when it is back it is
// used again.
func TestKilledServer(t *testing.T) {
	bothWays(t, "{}", func(_ *testing.T, w *way) {
		message, invite := w.send("MESSAGE", silent, fine), w.send("INVITE", silent, fine)
		w.awaitReached(message)
		w.awaitReached(invite)
		w.preferred.cable.cut()
		message.want(504, soonish)
		invite.want(200, soonish)
		w.reached(message, 1, 0)
		w.reached(invite, 1, 1)
		for _, method := range []string{"MESSAGE", "INVITE"} {
			a := w.send(method, fine, fine)
			a.want(200, soonish)
			w.reached(a, 0, 1)
		}
		if n := w.metric("edged_sip_uncertain_total"); n != 1 {
			w.Errorf("%v requests are uncertain, want the MESSAGE", n)
		}
		w.preferred.cable.mend()
		w.recovers(10 * time.Second)
	})
}

// TestResetConnection: as if the server was killed, but for the next request.
func TestResetConnection(t *testing.T) {
	bothWays(t, "{}", func(_ *testing.T, w *way) {
		message, invite := w.send("MESSAGE", silent, fine), w.send("INVITE", silent, fine)
		w.awaitReached(message)
		w.awaitReached(invite)
		w.preferred.cable.reset()
		message.want(504, soonish)
		invite.want(200, soonish)
		w.reached(message, 1, 0)
		w.reached(invite, 1, 1)
		w.recovers(10 * time.Second)
	})
}

// TestServerThatHangsUp on every request, over and over: each has its answer, and
// nothing is sent twice.
func TestServerThatHangsUp(t *testing.T) {
	bothWays(t, "{}", func(_ *testing.T, w *way) {
		hangup := sippeer.Answer{Hangup: true}
		for range 4 {
			message, invite := w.send("MESSAGE", hangup, fine), w.send("INVITE", hangup, fine)
			if got := message.wantAnswer(soonish); got != 200 && got != 504 {
				w.Errorf("MESSAGE answered with %d", got)
			}
			invite.want(200, soonish)
			if p, o := w.arrivals(w.preferred.Host(), message.m), w.arrivals(w.other.Host(), message.m); p+o != 1 {
				w.Errorf("the MESSAGE arrived %d times here and %d times there", p, o)
			}
		}
	})
}

// TestFrozenServer takes what it is sent and says nothing. An INVITE goes on to
// the other server; anything else was sent and cannot be sent again: its sender
// hears 100, and then nothing (RFC 4320 §4). What comes later goes to the other
// server, until the frozen one speaks again.
func TestFrozenServer(t *testing.T) {
	bothWays(t, "{transaction_timeout: 6s, invite_target_timeout: 1s}", func(_ *testing.T, w *way) {
		warm := w.send("MESSAGE", fine, fine)
		warm.want(200, soonish)
		w.preferred.cable.freeze()
		message, invite := w.send("MESSAGE", fine, fine), w.send("INVITE", fine, fine)
		invite.want(200, time.Second+soonish)
		if got, took := message.final(8 * time.Second); got != 0 {
			w.Errorf("the MESSAGE was answered with %d after %v", got, took)
		}
		if n := len(message.out.Responses); n != 1 || message.out.Responses[0].Status() != 100 {
			w.Errorf("the MESSAGE had %d responses, want one 100", n)
		}
		for _, method := range []string{"MESSAGE", "INVITE", "MESSAGE"} {
			later := w.send(method, fine, fine)
			later.want(200, soonish)
			w.reached(later, 0, 1)
		}
		w.preferred.cable.thaw()
		w.awaitReached(message)
		w.recovers(40 * time.Second)
		w.reached(message, 1, 0)
		w.reached(invite, 1, 1)
	})
}

// TestServerThatDoesNotEvenGreet: connecting to it takes connect_timeout. Once that
// is known nobody waits for another attempt while the other server is there; and
// when it greets again it is used again.
func TestServerThatDoesNotEvenGreet(t *testing.T) {
	bothWays(t, "{connect_timeout: 3s}", func(_ *testing.T, w *way) {
		w.send("MESSAGE", fine, fine).want(200, soonish)
		w.preferred.cable.freeze()
		w.preferred.cable.reset()
		for range 2 { // the first may find the connection, which is gone
			w.send("MESSAGE", fine, fine).wantAnswer(4*time.Second + soonish)
		}
		w.logged("dial failed")
		for late := time.Now().Add(9 * time.Second); time.Now().Before(late); {
			for _, method := range []string{"MESSAGE", "INVITE"} {
				w.send(method, fine, fine).want(200, 2*time.Second)
			}
			pause(100 * time.Millisecond)
		}
		w.preferred.cable.thaw()
		w.recovers(35 * time.Second)
	})
}

// TestServerThatStopsReading: what waits for it is bounded, by bytes and by time, and
// then answered; a partner beside it does not notice; and everything is as before
// when it reads again.
func TestServerThatStopsReading(t *testing.T) {
	t.Parallel()
	e := newBed(t).edge(func(s *settings) {
		s.Limits = "{write_timeout: 2s, transaction_timeout: 4s, queue_bytes: 2MiB, connect_timeout: 1s, connect_total: 2s}"
	})
	pool := e.dial(fe1)
	e.outwards(pool, nina).want(200, patience)
	e.servers[north].cable.freeze()
	body := strings.Repeat("x", 32<<10)
	var all []*ask
	for range 1000 { // 32 MiB: more than all buffers on the way take
		m := e.compose(fe1, "MESSAGE", alice, nina)
		m.Body = body
		all = append(all, e.ask(pool, m))
		if len(all)%100 == 0 {
			e.outwards(pool, bob).want(200, soonish)
		}
	}
	seen := map[int]int{}
	for _, a := range all {
		status, _ := a.final(time.Until(a.sent.Add(8 * time.Second)))
		seen[status]++
	}
	// 480: no room. 504: the connection was given up. 0: silence, until then.
	if seen[480] == 0 || seen[504] == 0 || seen[480]+seen[504]+seen[0] != len(all) {
		t.Errorf("answers by status: %v", seen)
	}
	if n := e.metric("edged_sip_queue_bytes "); n != 0 {
		t.Errorf("%v bytes are still queued", n)
	}
	e.servers[north].cable.reset()
	e.servers[north].cable.thaw()
	e.answered("northwind", 10*time.Second, func() *ask { return e.outwards(pool, nina) })
	for _, a := range all {
		if e.arrivals(north, a.m) > 1 {
			t.Error("a message arrived twice")
		}
	}
}

// TestSlowServer: its answer comes late, and is the only one.
func TestSlowServer(t *testing.T) {
	bothWays(t, "{invite_target_timeout: 20s}", func(_ *testing.T, w *way) {
		w.send("MESSAGE", fine, fine).want(200, soonish)
		w.preferred.cable.slow(2500 * time.Millisecond) // each way
		message, invite := w.send("MESSAGE", fine, fine), w.send("INVITE", fine, fine)
		message.want(200, 5*time.Second+soonish)
		invite.want(200, 5*time.Second+soonish)
		if r := message.out.Responses; len(r) != 2 || r[0].Status() != 100 {
			w.Errorf("the MESSAGE had %d responses, want 100 and 200", len(r))
		}
		w.reached(message, 1, 0)
		w.reached(invite, 1, 0)
	})
}

// TestBusyServer answers 503: the request goes to the other server, which is
// asked first for a while if the busy one said how long it needs. If both are
// busy, that is 500 to the sender: the edge itself is not (RFC 3261 §16.7 step 6).
func TestBusyServer(t *testing.T) {
	bothWays(t, "{}", func(_ *testing.T, w *way) {
		busy := sippeer.Answer{Status: 503}
		for _, method := range []string{"MESSAGE", "INVITE"} {
			a := w.send(method, busy, fine)
			a.want(200, soonish)
			w.reached(a, 1, 1)
		}
		both := w.send("MESSAGE", busy, busy)
		both.want(500, soonish)
		w.reached(both, 1, 1)
		next := w.send("MESSAGE", fine, fine) // it did not say that it needs rest
		next.want(200, soonish)
		w.reached(next, 1, 0)

		busy.Headers = []sippeer.Field{{Name: "Retry-After", Value: "4"}}
		for _, method := range []string{"INVITE", "MESSAGE"} {
			a := w.send(method, busy, fine)
			a.want(200, soonish)
			if a.out.Final().Has("Retry-After") {
				w.Error("Retry-After crossed")
			}
		}
		spared := w.send("MESSAGE", fine, fine)
		spared.want(200, soonish)
		w.reached(spared, 0, 1)
		w.recovers(10 * time.Second)
	})
}

// TestEveryServerDown: an answer at once, not after a time-out, and service again
// when one of them is back.
func TestEveryServerDown(t *testing.T) {
	bothWays(t, "{}", func(_ *testing.T, w *way) {
		w.send("MESSAGE", fine, fine).want(200, soonish)
		w.preferred.cable.cut()
		w.other.cable.cut()
		side := map[string]string{fe1: "internal", first: "external"}[w.preferred.Host()]
		w.await("the edge to notice", patience, func() bool {
			return w.metric(`edged_sip_connections{opened="dialled",side="`+side) == 0
		})
		for _, method := range []string{"MESSAGE", "INVITE", "OPTIONS"} {
			a := w.send(method, fine, fine)
			a.want(504, soonish)
			w.reached(a, 0, 0)
			a.diagnosed(map[string]string{fe1: "", first: "1046"}[w.preferred.Host()])
		}
		w.preferred.cable.mend()
		w.recovers(15 * time.Second)
	})
}
