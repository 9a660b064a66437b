package faults

import (
	"errors"
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	"edged/internal/lab/sippeer"
)

// TestGracefulStop in the midst of traffic: listeners close at once, what is under
// way is finished, what comes over connections that are still open is refused, and
// the edge ends with status 0 as soon as nothing is owed.
func TestGracefulStop(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	e := b.edge()
	in, out := e.dial(north), e.dial(fe1)
	ring := sippeer.Answer{Provisional: []int{180}, Silent: true}
	call := e.compose(north, "INVITE", nina, alice)
	for _, host := range []string{fe1, fe2} {
		e.servers[host].Desk.Script(call.Get("Call-ID"), ring)
	}
	ringing := e.ask(in, call)
	ringing.Wait(e.Soon(), 180)
	for _, host := range []string{first, fe1, fe2} {
		e.ask(out, e.compose(fe1, "MESSAGE", alice, bob)).want(200, patience) // its link is open
		e.servers[host].cable.slow(500 * time.Millisecond)
	}
	var underWay []*ask
	for range 100 {
		underWay = append(underWay, e.ask(in, e.compose(north, "MESSAGE", nina, alice)), e.ask(out, e.compose(fe1, "MESSAGE", alice, bob)))
	}
	b.await("everything to be under way", patience, func() bool { return e.metric("edged_sip_transactions ") >= 201 })
	e.signal(syscall.SIGTERM)
	e.logged("msg=stopping")
	b.await("the listeners to be closed", patience, func() bool {
		for _, port := range []string{":5061", ":5062"} {
			if conn, err := net.Dial("tcp", e.addr+port); err == nil {
				conn.Close()
				return false
			}
		}
		return true
	})
	late := e.ask(in, e.compose(north, "MESSAGE", nina, alice))
	late.want(503, soonish)
	if !late.out.Final().Has("Retry-After") {
		t.Error("503 without Retry-After")
	}
	for _, a := range underWay {
		a.want(200, patience)
	}
	ringing.Cancel(e.Soon())
	ringing.want(487, patience)
	if status := e.exit(soonish + 2*time.Second); status != 0 {
		t.Errorf("status %d", status)
	}
	for _, conn := range []*sippeer.Conn{in, out} {
		<-conn.Finished()
	}
}

// TestStopWaitsNoLonger than limits.drain_timeout: what is not finished by then is
// answered, what rings is taken back, and the status is still 0.
func TestStopWaitsNoLonger(t *testing.T) {
	t.Parallel()
	const drain = 2 * time.Second
	e := newBed(t).edge(func(s *settings) { s.Limits = "{drain_timeout: 2s}" })
	message, invite := e.neverAnswered(t)
	stopped := time.Now()
	e.signal(syscall.SIGTERM)
	message.want(503, patience)
	invite.want(503, patience)
	if took := time.Since(stopped); took < drain {
		t.Errorf("answered after %v, before drain_timeout", took)
	}
	if status := e.exit(drain + soonish); status != 0 {
		t.Errorf("status %d", status)
	}
	if _, err := e.servers[first].Desk.Await(e.Soon(), invite.m.Get("Call-ID"), "CANCEL"); err != nil {
		t.Error("nobody took the ringing call back")
	}
}

// neverAnswered has the edge wait for answers that never come.
func (e *edge) neverAnswered(t *testing.T) (message, invite *ask) {
	t.Helper()
	conn := e.dial(fe1)
	for _, a := range []struct {
		method string
		into   **ask
		script sippeer.Answer
	}{
		{"MESSAGE", &message, silent},
		{"INVITE", &invite, sippeer.Answer{Provisional: []int{180}, Silent: true}},
	} {
		m := e.compose(fe1, a.method, alice, bob)
		e.servers[first].Desk.Script(m.Get("Call-ID"), a.script)
		*a.into = e.ask(conn, m)
		if _, err := e.servers[first].Desk.Await(e.Soon(), m.Get("Call-ID"), a.method); err != nil {
			t.Fatal(err)
		}
	}
	invite.Wait(e.Soon(), 180)
	return message, invite
}

// TestSecondSignalStopsAtOnce, however soon it follows the first.
func TestSecondSignalStopsAtOnce(t *testing.T) {
	t.Parallel()
	for _, later := range []time.Duration{0, 100 * time.Microsecond, time.Millisecond, 100 * time.Millisecond} {
		t.Run(strconv.FormatInt(later.Microseconds(), 10)+"us", func(t *testing.T) {
			t.Parallel()
			e := newBed(t).edge(func(s *settings) { s.Limits = "{drain_timeout: 1m}" })
			message, invite := e.neverAnswered(t)
			e.signal(syscall.SIGTERM)
			pause(later)
			// Two of the same kind that are not delivered yet are one.
			if err := e.cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
				t.Fatal(err)
			}
			message.want(503, soonish)
			invite.want(503, soonish)
			if status := e.exit(soonish); status != 0 {
				t.Errorf("status %d", status)
			}
		})
	}
}
