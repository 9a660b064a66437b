package lab

import (
	"context"
	"errors"

	"edged/internal/lab/xmpppeer"
)

// What is played on streams by hand.

// kept is a stream that one exchange leaves open for another.
type kept struct {
	*xmpppeer.Stream
	local string
	since uint64
}

// dial opens a stream up to a step. If that fails, that is the answer.
func (s *talk) dial(ctx context.Context, until xmpppeer.Step) *xmpppeer.Stream {
	return s.dialAs(ctx, s.from, until)
}

func (s *talk) dialAs(ctx context.Context, as string, until xmpppeer.Step) *xmpppeer.Stream {
	return s.open(ctx, xmpppeer.DialOptions{From: domainOrSelf(as), To: domainOrSelf(s.to), Until: until})
}

func (s *talk) open(ctx context.Context, o xmpppeer.DialOptions) *xmpppeer.Stream {
	st, local, err := s.w.dialChat(ctx, s.sender, o)
	if local != nil {
		s.local = local.String()
	}
	if err != nil {
		s.wire = endOf(err)
		return nil
	}
	return st
}

func domainOrSelf(address string) string {
	if d := domainOf(address); d != "" {
		return d
	}
	return address
}

// ends plays a stream that the edge ends because of what is sent on it at a step.
func ends(until xmpppeer.Step, text string) func(context.Context, *talk) {
	return func(ctx context.Context, s *talk) {
		st := s.dial(ctx, until)
		if st == nil {
			return
		}
		defer st.Close()
		if err := st.Send(text); err != nil {
			s.fault("sending: %v", err)
		}
		s.awaitError(ctx, st)
	}
}

// awaitError waits for the end of a stream, which an error and a closing tag are.
func (s *talk) awaitError(ctx context.Context, st *xmpppeer.Stream) {
	se, err := st.AwaitError(ctx)
	if err != nil {
		s.wire = endOf(err)
		return
	}
	s.wire = endOf(se)
	if err := st.AwaitEnd(ctx); !errors.Is(err, xmpppeer.ErrEnd) {
		s.fault("after the error: %v, want a closing tag", err)
	}
}

// keptOut plays a domain that is offered no EXTERNAL, tries it all the same, and then
// tries dialback.
func keptOut(ctx context.Context, s *talk) {
	st := s.dial(ctx, xmpppeer.Reoffered)
	if st == nil {
		return
	}
	defer st.Close()
	if xmpppeer.OffersExternal(st.LastFeatures()) {
		s.fault("EXTERNAL is offered")
	}
	if err := st.External(ctx, s.from); endOf(err) != "EXTERNAL: not-authorized" {
		s.fault("%s, want EXTERNAL: not-authorized", endOf(err))
	}
	s.wire = endOf(st.Dialback(ctx, s.from, s.to, "key"))
}

// opensWith plays a stream that begins with another header than usual.
func opensWith(header string) func(context.Context, *talk) {
	return func(ctx context.Context, s *talk) {
		if st := s.open(ctx, xmpppeer.DialOptions{To: s.to, Header: header, Until: xmpppeer.Offered}); st != nil {
			s.wire = endOf(nil)
			_ = st.Close()
		}
	}
}

// authorizesAs plays EXTERNAL for another domain than that of the stream.
func authorizesAs(domain string) func(context.Context, *talk) {
	return func(ctx context.Context, s *talk) {
		st := s.dial(ctx, xmpppeer.Reoffered)
		if st == nil {
			return
		}
		defer st.Close()
		s.wire = endOf(st.External(ctx, domain))
	}
}

// badKey plays dialback with a key that is nobody's.
func badKey(ctx context.Context, s *talk) {
	st := s.dial(ctx, xmpppeer.Reoffered)
	if st == nil {
		return
	}
	defer st.Close()
	s.wire = endOf(st.Dialback(ctx, s.from, s.to, "made up"))
}

// piggybacks plays a stanza of a second domain that the certificate covers as well, on
// the stream of the first (XEP-0220 §2.6).
func piggybacks(first string) func(context.Context, *talk) {
	return func(ctx context.Context, s *talk) {
		st := s.dialAs(ctx, first, xmpppeer.Ready)
		if st == nil {
			return
		}
		defer st.Close()
		if err := st.Dialback(ctx, domainOf(s.from), domainOf(s.to), "key"); err != nil {
			s.wire = endOf(err)
			return
		}
		s.deliverOn(ctx, st)
	}
}

// stays plays a stanza on a stream of its own, which is kept open for cutStream.
func stays(ctx context.Context, s *talk) {
	st := s.dial(ctx, xmpppeer.Ready)
	if st == nil {
		return
	}
	s.streams[s.sender] = kept{st, s.local, s.since}
	s.deliverOn(ctx, st)
}

// deliverOn sends the stanza on a stream and waits until it has arrived.
func (s *talk) deliverOn(ctx context.Context, st *xmpppeer.Stream) {
	sent := s.compose()
	if err := st.SendStanza(sent); err != nil {
		s.fault("sending: %v", err)
		return
	}
	for to := s.receiver(); s.wire == noAnswer; {
		e, err := to.Receive(ctx)
		if err != nil {
			return
		}
		if e.Attr("id") == s.id {
			s.arrived(ctx, e, sent, to)
		}
	}
}

// cutStream plays a stream that a reload ends, because nothing that was said on it
// would be allowed any more.
func cutStream(ctx context.Context, s *talk) {
	k, ok := s.streams[s.sender]
	if !ok {
		s.fault("%s had no open stream", s.sender)
		return
	}
	defer k.Close()
	s.local, s.since = k.local, k.since
	s.awaitError(ctx, k.Stream)
}
