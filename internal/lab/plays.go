package lab

import (
	"context"
	"strings"

	"edged/internal/lab/sippeer"
)

// The two ends of a dialog.
const (
	caller = "caller"
	callee = "callee"
)

// opens plays a request that opens a dialog, completes an INVITE with its ACK
// (RFC 3261 §13.2.2.4), and keeps both ends under the name.
func opens(name string) func(context.Context, *stage) {
	return func(ctx context.Context, s *stage) {
		send(ctx, s)
		arrived, err := s.w.desks[s.desk()].Await(ctx, s.id, s.method)
		if err != nil || s.outcome.Final() == nil {
			s.fault("no dialog was opened")
			return
		}
		far := s.w.desks[s.desk()].DialogOfCallee(arrived)
		near := sippeer.DialogOfCaller(s.sent, s.outcome.Final())
		s.dialogs[name+" "+caller], s.dialogs[name+" "+callee] = &near, &far
		if s.method == "INVITE" {
			s.acknowledge(ctx, &near)
		}
	}
}

func (s *stage) acknowledge(ctx context.Context, d *sippeer.Dialog) {
	conn := s.line(ctx)
	if conn == nil {
		return
	}
	_ = conn.Write(s.w.Peer(s.sender).Compose(d.Next("ACK")).String()) // what is lost does not arrive
	if _, err := s.w.desks[s.desk()].Await(ctx, s.id, "ACK"); err != nil {
		s.fault("the ACK did not arrive")
	}
}

// within plays a request inside a dialog that opens has kept.
func within(name, end string) func(context.Context, *stage) {
	return func(ctx context.Context, s *stage) {
		if m := s.inDialog(name, end); m != nil {
			s.exchange(ctx, m)
		}
	}
}

// inDialog composes the scenario's request inside a kept dialog.
func (s *stage) inDialog(name, end string) *sippeer.Message {
	d := s.dialogs[name+" "+end]
	if d == nil {
		s.fault("the dialog %q was never opened", name)
		return nil
	}
	s.id = d.CallID
	s.arrange()
	m := s.w.Peer(s.sender).Compose(d.Next(s.method))
	if s.edit != nil {
		s.edit(m)
	}
	return m
}

// unanswered plays a BENOTIFY in a kept dialog: it arrives, and nothing comes
// back.
func unanswered(name, end string) func(context.Context, *stage) {
	return func(ctx context.Context, s *stage) {
		m := s.inDialog(name, end)
		if m == nil {
			return
		}
		s.expectNothing(ctx, m)
		if _, err := s.w.desks[s.desk()].Await(ctx, s.id, s.method); err != nil {
			s.fault("BENOTIFY did not arrive")
		}
	}
}

// ignored plays a request that is refused without an answer.
func ignored(ctx context.Context, s *stage) { s.expectNothing(ctx, s.compose()) }

// expectNothing sends a request and, after it on the same connection, one that
// the edge answers itself. When that has been answered, the outcome of the first
// is what has come by then.
func (s *stage) expectNothing(ctx context.Context, m *sippeer.Message) {
	conn := s.line(ctx)
	if conn == nil {
		return
	}
	s.sent = m
	call := conn.Start(m)
	conn.Do(ctx, s.probe())
	s.outcome = settled(ctx, call)
}

// probe is an OPTIONS that the edge answers itself.
func (s *stage) probe() *sippeer.Message {
	host := outsideName
	if s.outward() {
		host = insideName
	}
	return s.w.Peer(s.sender).Compose(sippeer.Request{
		Method: "OPTIONS", URI: "sip:" + host, CallID: sippeer.NewCallID("lab"),
		From: "<sip:" + s.from + ">", To: "<sip:" + host + ">",
	})
}

// cancels plays an INVITE that rings and is taken back.
func cancels(ctx context.Context, s *stage) {
	s.arrange()
	conn := s.line(ctx)
	if conn == nil {
		return
	}
	s.sent = s.compose()
	call := conn.Start(s.sent)
	call.Wait(ctx, 180)
	if o := call.Cancel(ctx); o.Final() == nil || o.Final().Status() != 200 {
		s.fault("the CANCEL was not answered 200")
	}
	s.outcome = call.Wait(ctx, 200)
	if _, err := s.w.desks[s.desk()].Await(ctx, s.id, "CANCEL"); err != nil {
		s.fault("the CANCEL did not arrive")
	}
}

// patient plays a request that is never answered, and waits until the edge has
// given up (RFC 4320 §4.2: the sender's own timer ends at the same time).
func patient(ctx context.Context, s *stage) {
	s.arrange()
	conn := s.line(ctx)
	if conn == nil {
		return
	}
	s.sent = s.compose()
	call := conn.Start(s.sent)
	s.w.AwaitLog(ctx, s.id, s.method)
	s.outcome = settled(ctx, call)
}

// settled is what a request has come to by now.
func settled(ctx context.Context, call *sippeer.Call) *sippeer.Outcome {
	done, cancel := context.WithCancel(ctx)
	cancel()
	return call.Wait(done, 200)
}

// alone plays a request on a connection of its own, because the edge closes it
// or does not even let it in.
func alone(ctx context.Context, s *stage) {
	s.since = s.w.log.mark()
	s.arrange()
	conn, err := s.w.Dial(ctx, s.sender)
	if err != nil {
		s.outcome = &sippeer.Outcome{Err: err}
		return
	}
	defer conn.Close()
	s.local = conn.Local()
	s.sent = s.compose()
	s.outcome = conn.Do(ctx, s.sent)
}

// loops plays a request that has been at the edge before: it carries the Via
// that the edge gave to another method of the same request, and the loop hash
// does not cover the method (RFC 5393 §4.2.1).
func loops(ctx context.Context, s *stage) {
	conn := s.line(ctx)
	if conn == nil {
		return
	}
	s.sent = s.compose()
	first := s.compose()
	first.Start = strings.Replace(first.Start, s.method, "OPTIONS", 1)
	first.Set("CSeq", "1 OPTIONS")
	first.Set("From", s.sent.Get("From"))
	conn.Do(ctx, first)
	passed, err := s.w.desks[s.desk()].Await(ctx, s.id, "OPTIONS")
	if err != nil {
		s.fault("the first round did not arrive")
		return
	}
	for _, via := range passed.All("Via") {
		header("Via", via)(s.sent)
	}
	s.outcome = conn.Do(ctx, s.sent)
}

// sentBack plays a pool that sends on, to the provider, what has come from there.
func sentBack(ctx context.Context, s *stage) {
	const provider = "wingtip"
	conn, err := s.w.Dial(ctx, provider)
	if err != nil {
		s.fault("the provider cannot connect: %v", err)
		return
	}
	defer conn.Close()
	first := s.w.Peer(provider).Compose(sippeer.Request{
		Method: "OPTIONS", URI: "sip:" + s.to, CallID: s.id, From: "<sip:" + s.from + ">", To: "<sip:" + s.to + ">",
	})
	conn.Do(ctx, first)
	passed, err := s.w.desks["front"].Await(ctx, s.id, "OPTIONS")
	if err != nil {
		s.fault("what the provider sent did not arrive")
		return
	}
	m := s.compose()
	for _, via := range passed.All("Via") {
		header("Via", via)(m)
	}
	s.exchange(ctx, m)
}

// stolen plays a request that carries the route token of somebody else's dialog.
func stolen(name string) func(context.Context, *stage) {
	return func(ctx context.Context, s *stage) {
		d := s.dialogs[name+" "+caller]
		if d == nil {
			s.fault("the dialog %q was never opened", name)
			return
		}
		m := s.compose()
		m.Set("To", d.Remote)
		for _, route := range d.Routes {
			header("Route", route)(m)
		}
		s.exchange(ctx, m)
	}
}

// alike plays a request and checks that its sender cannot tell the answer from
// the one before: users who may not federate, who do not exist and who cannot be
// read are the same to an outsider (rule hide-user).
func alike(ctx context.Context, s *stage) {
	before := s.last
	send(ctx, s)
	if before == nil || before.Final() == nil || s.outcome.Final() == nil {
		s.fault("there are no two answers to compare")
		return
	}
	if a, b := likeness(s.outcome.Final()), likeness(before.Final()); a != b {
		s.fault("the answer %q can be told from the one before, %q", a, b)
	}
}

// likeness is an answer without what differs between any two requests.
func likeness(m *sippeer.Message) string {
	var b strings.Builder
	b.WriteString(m.Start)
	for _, f := range m.Fields {
		switch f.Name {
		case "Via", "From", "To", "Call-ID", "CSeq":
			b.WriteString("\n" + f.Name)
		default:
			b.WriteString("\n" + f.Name + ": " + f.Value)
		}
	}
	return b.String() + "\n" + m.Body
}

// cutOff plays a connection that a reload closes, because nothing that was said
// on it would be allowed any more.
func cutOff(ctx context.Context, s *stage) {
	conn := s.conns[s.sender]
	if conn == nil {
		s.fault("%s had no open connection", s.sender)
		return
	}
	s.local = conn.Local()
	s.outcome = &sippeer.Outcome{}
	select {
	case <-conn.Finished():
		s.outcome.Err = conn.Err()
	case <-ctx.Done():
		s.outcome.Err = ctx.Err()
	}
}
