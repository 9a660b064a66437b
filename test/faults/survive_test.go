package faults

import (
	"strconv"
	"testing"

	"edged/internal/lab/kit"
	"edged/internal/lab/sippeer"
)

// dialogue is a dialog between two servers, seen from both ends.
type dialogue struct {
	b              *bed
	caller, callee string // their hosts
	near, far      sippeer.Dialog
}

// dialogue starts one by a request of a user at one server to a user behind the
// edge, and finds out where that is.
func (e *edge) dialogue(method, caller, from, to string) *dialogue {
	e.Helper()
	conn, m := e.dial(caller), e.compose(caller, method, from, to)
	a := e.ask(conn, m)
	a.want(200, patience)
	if e.Failed() {
		e.FailNow()
	}
	d := &dialogue{b: e.bed, caller: caller, near: sippeer.DialogOfCaller(m, a.out.Final())}
	for host, s := range e.servers {
		if arrived := s.Desk.Arrived(m.Get("Call-ID")); len(arrived) > 0 {
			d.callee, d.far = host, s.Desk.DialogOfCallee(arrived[0])
		}
	}
	if method == "INVITE" {
		d.acknowledge(conn, &d.near, caller, d.callee)
	}
	return d
}

// acknowledge sends the ACK of a 2xx and waits for its arrival.
func (d *dialogue) acknowledge(conn *sippeer.Conn, from *sippeer.Dialog, host, other string) {
	d.b.Helper()
	ack := d.b.servers[host].Compose(from.Next("ACK"))
	if err := conn.Write(ack.String()); err != nil {
		d.b.Fatal(err)
	}
	d.b.await("the ACK at "+other, patience, func() bool { return d.b.delivered(other, ack) })
}

// delivered reports whether a request has arrived at a server, or at any member
// if it is one: only a member that the token names has to be the one.
func (b *bed) delivered(host string, m *sippeer.Message) bool {
	if host == fe1 || host == fe2 {
		return b.arrivals(fe1, m)+b.arrivals(fe2, m) == 1
	}
	return b.arrivals(host, m) == 1
}

// goesOn has both ends send these requests in the dialog, over new connections to
// the edge.
func (d *dialogue) goesOn(e *edge, methods ...string) {
	d.b.Helper()
	for _, end := range []struct {
		dialog      *sippeer.Dialog
		host, other string
	}{{&d.near, d.caller, d.callee}, {&d.far, d.callee, d.caller}} {
		conn := e.dial(end.host)
		end.dialog.CSeq += 10 // both ends count for themselves, which arrivals cannot tell
		if end.host == d.callee {
			end.dialog.CSeq += 1000
		}
		for _, method := range methods {
			m := d.b.servers[end.host].Compose(end.dialog.Next(method))
			d.b.ask(conn, m).want(200, patience)
			if !d.b.delivered(end.other, m) {
				d.b.Errorf("%s of %s did not arrive once at %s", method, end.host, end.other)
			}
			if method == "INVITE" {
				d.acknowledge(conn, end.dialog, end.host, end.other)
			}
		}
	}
}

// refused has both ends send a request that the edge does not know the dialog of.
func (d *dialogue) refused(e *edge) {
	d.b.Helper()
	d.near.CSeq += 5000
	d.far.CSeq += 6000
	d.b.ask(e.dial(d.caller), d.b.servers[d.caller].Compose(d.near.Next("INFO"))).want(481, patience)
	d.b.ask(e.dial(d.callee), d.b.servers[d.callee].Compose(d.far.Next("INFO"))).want(481, patience)
}

// TestKillNineKeepsDialogs: calls and subscriptions, begun from either side, go on
// at an edge that has never heard of them: the same one after kill -9, another one
// of the edge pool, and each with a secret that is the previous one by now. They do
// not where the secret is another.
func TestKillNineKeepsDialogs(t *testing.T) {
	t.Parallel()
	elsewhere := func(s *settings) { s.Address, s.StateDir = ownAddress().String(), "state2" }
	same := func(*settings) {}
	for name, tt := range map[string]struct {
		change func(*settings)
		secret func(old string) []string
		lost   bool
	}{
		"again":                          {same, func(old string) []string { return []string{old} }, false},
		"again, the secret changed":      {same, func(old string) []string { return []string{kit.NewSecret(), old} }, false},
		"elsewhere":                      {elsewhere, func(old string) []string { return []string{old} }, false},
		"elsewhere, the secret changed":  {elsewhere, func(old string) []string { return []string{kit.NewSecret(), old} }, false},
		"elsewhere, with another secret": {elsewhere, func(string) []string { return []string{kit.NewSecret()} }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			old := kit.NewSecret()
			b.secret(old)
			e := b.edge()
			var calls, subscriptions []*dialogue
			for range 2 { // both members, most likely
				calls = append(calls, e.dialogue("INVITE", north, nina, alice), e.dialogue("INVITE", fe1, alice, nina))
				subscriptions = append(subscriptions, e.dialogue("SUBSCRIBE", north, nina, alice), e.dialogue("SUBSCRIBE", fe2, alice, nina))
			}
			e.kill()
			b.secret(tt.secret(old)...)
			e = b.edge(tt.change)
			if tt.lost {
				for _, d := range append(calls, subscriptions...) {
					d.refused(e)
				}
				return
			}
			for _, d := range subscriptions {
				d.goesOn(e, "NOTIFY", "SUBSCRIBE", "NOTIFY")
			}
			for _, d := range calls {
				d.goesOn(e, "INVITE", "INFO", "BYE")
			}
		})
	}
}

// TestInstancesShareDialogs: two edges with one secret run side by side; each of
// the requests of a call comes over the other one.
func TestInstancesShareDialogs(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	one := b.edge()
	b.settings.Address, b.settings.StateDir, b.settings.Policy = ownAddress().String(), "state2", "policy2.yaml"
	b.write("second.yaml")
	two := b.launch("second.yaml", "exec %s serve -c %s")
	b.await("the second edge to be ready", patience, two.ready)
	for i, from := range []struct{ caller, user, to string }{{north, nina, alice}, {fe1, alice, nina}} {
		d := one.dialogue("INVITE", from.caller, from.user, from.to)
		for n := range 4 {
			e := []*edge{two, one}[(i+n)%2]
			d.goesOn(e, "INVITE", "UPDATE")
		}
		d.goesOn(two, "BYE")
	}
	for i, e := range []*edge{one, two} {
		if n := e.metric(`edged_sip_requests_total{direction="inward",method="INVITE",reason="allowed"}`); n < 4 {
			b.Errorf("edge %s relayed %v INVITEs inwards", strconv.Itoa(i), n)
		}
	}
}
