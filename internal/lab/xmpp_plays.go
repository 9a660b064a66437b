package lab

import (
	"context"
	"strings"

	"edged/internal/lab/xmpppeer"
)

// ghost may use XMPP, and the pool does not know the address.
const ghost = "ghost@contoso.com"

// says is how most exchanges are played: a user sends a stanza, and the lab sees at
// whose door something arrives.
func says(ctx context.Context, s *talk) {
	if e := s.deliver(ctx, s.compose()); e != nil {
		s.hidden = s.likeness(e)
	}
}

// deliver sends a stanza and waits until it has arrived, or for its answer, which it
// returns.
func (s *talk) deliver(ctx context.Context, st xmpppeer.Stanza) *xmpppeer.Element {
	from := s.w.chats[s.sender].User(s.from)
	to := s.receiver()
	if err := from.Send(ctx, st); err != nil {
		s.wire = endOf(err)
		return nil
	}
	var arrivals <-chan *xmpppeer.Element
	if to != nil {
		arrivals = to.Inbox()
	}
	for {
		select {
		case e := <-arrivals:
			if e.Attr("id") == st.ID && s.arrived(ctx, e, st, to) {
				return nil
			}
		case e := <-from.Inbox():
			if e.Attr("id") == st.ID {
				s.answer(e)
				return e
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// receiver is whom the stanza is for, nil if that is nobody.
func (s *talk) receiver() *xmpppeer.User {
	server := s.w.chats[chatOf(domainOf(s.to))]
	if server == nil || s.to == ghost {
		return nil
	}
	return server.User(s.to)
}

// arrived looks at a stanza at its destination, and answers a question. It reports
// whether nothing more is to come.
func (s *talk) arrived(ctx context.Context, e *xmpppeer.Element, sent xmpppeer.Stanza, at *xmpppeer.User) bool {
	if e.Raw != sent.String() {
		s.fault("the stanza arrived changed: sent %q, got %q", sent, e.Raw)
	}
	s.wire = delivered
	if sent.Kind != "iq" {
		return true
	}
	if err := at.Send(ctx, xmpppeer.Stanza{Kind: "iq", Type: "result", To: sent.From, ID: sent.ID}); err != nil {
		s.fault("answering: %v", err)
		return true
	}
	return false
}

// answer looks at what came back.
func (s *talk) answer(e *xmpppeer.Element) {
	s.wire = e.Attr("type")
	if c := e.Condition(); c != "" {
		s.wire = c
	}
	if s.inward() && strings.Contains(e.Raw, " by=") {
		s.fault("the answer outside speaks about the inside: %s", e.Raw)
	}
}

// hiddenAlike plays a stanza and checks that its sender cannot tell the answer from
// the one before: users who may not use XMPP, who do not exist and who have not
// written first are the same to an outsider (rule hide-user).
func hiddenAlike(ctx context.Context, s *talk) {
	before := s.hidden
	says(ctx, s)
	if before != s.hidden {
		s.fault("the answer %q can be told from the one before, %q", s.hidden, before)
	}
}

// likeness is an answer without what differs between any two stanzas.
func (s *talk) likeness(e *xmpppeer.Element) string {
	return strings.NewReplacer(s.id, "ID", s.from, "FROM", s.to, "TO").Replace(e.Raw)
}

// unheard plays a stanza that is refused without an answer: the answer to a message
// after it comes first.
func unheard(ctx context.Context, s *talk) {
	from := s.w.chats[s.sender].User(s.from)
	if err := from.Send(ctx, s.compose()); err != nil {
		s.wire = endOf(err)
		return
	}
	probe := xmpppeer.Stanza{From: s.from, To: s.to, ID: s.id + "-probe", Payload: xmpppeer.Body("hello?")}
	if err := from.Send(ctx, probe); err != nil {
		s.fault("the stream is gone: %v", err)
		return
	}
	for {
		e, err := from.Receive(ctx)
		switch {
		case err != nil:
			s.fault("the message after it was not answered")
			return
		case e.Attr("id") == s.id:
			s.answer(e)
		case e.Attr("id") == probe.ID:
			return
		}
	}
}
