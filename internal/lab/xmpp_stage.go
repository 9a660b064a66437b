package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"edged/internal/lab/sippeer"
	"edged/internal/lab/xmpppeer"
	"edged/pkg/verdict"
)

// exchange is one thing that happens over XMPP in the lab, and what the lab expects
// of it.
type exchange struct {
	from, to string // bare addresses, or domains
	kind     string // message, presence or iq; "stream" if it ends before
	typ      string // the stanza's type
	label    string // what is special about it

	sender  string // the server that sends; mostly that of from's domain
	payload string
	play    func(context.Context, *talk)

	want answered
}

// answered is how an exchange ends.
type answered struct {
	reason verdict.Reason
	rule   string
	wire   string
	log    string // the edge's log line that carries the verdict, if it is not the first
}

// What the wire column shows where a stanza, or the answer to a question, arrived.
const (
	delivered = "delivered"
	replied   = "result"
)

// stanza begins an exchange: whoever serves from's domain sends it.
func stanza(kind, typ, from, to, label string) exchange {
	x := exchange{kind: kind, typ: typ, from: from, to: to, label: label, sender: chatOf(domainOf(from)), play: says}
	if kind == "message" {
		x.payload = xmpppeer.Body("hello")
	}
	return x
}

// chatting begins the exchange of a message.
func chatting(from, to, label string) exchange { return stanza("message", "chat", from, to, label) }

// asking begins the exchange of a question.
func asking(from, to, label string) exchange {
	x := stanza("iq", "get", from, to, label)
	x.payload = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
	return x
}

// stream begins what is played by hand on a stream from one domain to another.
func stream(from, to, label string, play func(context.Context, *talk)) exchange {
	return exchange{kind: "stream", from: from, to: to, label: label, sender: chatOf(from), play: play}
}

// by is how the exchange is played.
func (x exchange) by(play func(context.Context, *talk)) exchange {
	x.play = play
	return x
}

// as has another server send it.
func (x exchange) as(server string) exchange {
	x.sender = server
	return x
}

// passes expects the stanza to arrive, and a question to be answered.
func (x exchange) passes(rule string) exchange {
	x.want = answered{rule: rule, wire: delivered}
	if x.kind == "iq" {
		x.want.wire = replied
	}
	return x
}

// relayed expects the stanza to be allowed, and this answer of others.
func (x exchange) relayed(wire, rule string) exchange {
	x.want = answered{rule: rule, wire: wire}
	return x
}

// refused expects an answer, or the end of the stream, and its reason.
func (x exchange) refused(wire string, reason verdict.Reason, rule string) exchange {
	x.want = answered{reason: reason, rule: rule, wire: wire}
	return x
}

// undelivered expects an error for a stanza that policy has allowed.
func (x exchange) undelivered(wire string, reason verdict.Reason) exchange {
	x.want = answered{reason: reason, wire: wire, log: "stanza not delivered"}
	return x
}

// cut expects an open stream to be ended by a reload.
func (x exchange) cut(reason verdict.Reason, rule string) exchange {
	x.want = answered{reason: reason, rule: rule, wire: "stream error policy-violation", log: "stream refused after reload"}
	return x
}

// xmpp makes exchanges the turns of an act.
func xmpp(exchanges []exchange) []turn {
	turns := make([]turn, len(exchanges))
	for i := range exchanges {
		turns[i] = &exchanges[i]
	}
	return turns
}

// expected is how the lab wants the exchange to end.
func (x *exchange) expected() result {
	return result{
		From: x.from, To: x.to, Method: x.kind, Kind: x.label,
		Allowed: x.want.reason == verdict.Allowed, Reason: x.want.reason.String(), Rule: x.want.rule, Wire: x.want.wire,
	}
}

// talk is what one exchange is played on. play fills in what it learns.
type talk struct {
	*show
	*exchange
	id    string // of the stanza
	since uint64 // what the edge has logged before

	wire   string
	local  string // the address of a stream played by hand, by which the edge logs it
	faults []string
}

// run plays one exchange and judges it.
func (x *exchange) run(ctx context.Context, h *show) result {
	ctx, cancel := context.WithTimeout(ctx, playTimeout)
	defer cancel()
	s := &talk{show: h, exchange: x, id: sippeer.NewCallID("lab"), since: h.w.log.mark(), wire: noAnswer}
	begin := time.Now()
	x.play(ctx, s)
	r := result{From: x.from, To: x.to, Method: x.kind, Kind: x.label, Wire: s.wire, Took: time.Since(begin)}
	s.readVerdict(ctx, &r)
	r.Wrong = s.judge(r)
	return r
}

// readVerdict fills in what the edge logged.
func (s *talk) readVerdict(ctx context.Context, r *result) {
	ctx, cancel := context.WithTimeout(ctx, logTimeout)
	defer cancel()
	rec, ok := s.w.log.await(ctx, s.concerns)
	if !ok {
		r.Reason = "not logged"
		return
	}
	r.Reason, r.Rule = rec.Attrs["reason"], rec.Attrs["rule"]
	r.Allowed = r.Reason == verdict.Allowed.String()
}

// concerns picks the edge's log line about the exchange: by the stanza's addresses, or
// by the sender's where a stream is played by hand.
func (s *talk) concerns(r Record) bool {
	switch {
	case r.seq <= s.since, r.Attrs["reason"] == "", s.want.log != "" && r.Message != s.want.log:
		return false
	case s.local != "":
		return r.Attrs["peer_addr"] == s.local
	}
	return r.Attrs["stanza"] == s.kind && r.Attrs["from"] == s.from && r.Attrs["to"] == s.to
}

// judge compares what happened with what the lab expects.
func (s *talk) judge(r result) []string {
	wrong, want := s.faults, s.expected()
	for _, d := range []struct{ what, want, got string }{
		{"reason", want.Reason, r.Reason}, {"rule", want.Rule, r.Rule}, {"answer", want.Wire, r.Wire},
	} {
		if d.want != d.got {
			wrong = append(wrong, fmt.Sprintf("%s: expected %q, got %q", d.what, d.want, d.got))
		}
	}
	if !r.Allowed && s.reached() {
		wrong = append(wrong, "the stanza was refused and arrived all the same")
	}
	return wrong
}

// reached tells whether the stanza has arrived at the server that it is for.
func (s *talk) reached() bool {
	server := s.w.chats[chatOf(domainOf(s.to))]
	return server != nil && slices.ContainsFunc(server.Events(), func(e xmpppeer.Event) bool {
		return e.What == xmpppeer.EventStanza && strings.Contains(e.Text, "'"+s.id+"'") && !strings.Contains(e.Text, "type='error'")
	})
}

// fault notes something that is not as it should be.
func (s *talk) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// inward tells whether the stanza comes from outside.
func (s *talk) inward() bool { return s.sender != chatPool().name }

// compose is the exchange's stanza.
func (s *talk) compose() xmpppeer.Stanza {
	return xmpppeer.Stanza{Kind: s.kind, Type: s.typ, From: s.from, To: s.to, ID: s.id, Payload: s.payload}
}

// endOf says how a stream, or the way to one, ended.
func endOf(err error) string {
	if se, ok := errors.AsType[*xmpppeer.StreamError](err); ok {
		return "stream error " + se.Condition
	}
	if se, ok := errors.AsType[*xmpppeer.SASLError](err); ok {
		return "EXTERNAL: " + se.Condition
	}
	if de, ok := errors.AsType[*xmpppeer.DialbackError](err); ok {
		return strings.TrimSpace("dialback: " + de.Type + " " + de.Condition)
	}
	if err == nil {
		return "let in"
	}
	return err.Error()
}
