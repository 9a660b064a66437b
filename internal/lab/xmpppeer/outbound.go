package xmpppeer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// connect opens a connection to a domain and brings it to headers and features over
// TLS, as the policy wants it. Nothing reads it yet.
func (s *Server) connect(ctx context.Context, local, remote string) (*link, error) {
	hop, err := s.cfg.Resolve(ctx, remote)
	if err != nil {
		return nil, fmt.Errorf("xmpppeer: where %s is: %w", remote, err)
	}
	conn, err := s.cfg.Dial(ctx, "tcp", hop.Addr)
	if err != nil {
		return nil, fmt.Errorf("xmpppeer: %w", err)
	}
	l := newLink(s, conn, Out)
	l.local, l.remote = local, remote
	if !s.keep(l) {
		return nil, errClosed
	}
	if err := l.prepare(ctx, hop.Direct); err != nil {
		l.finish(err)
		return nil, err
	}
	return l, nil
}

var errClosed = errors.New("xmpppeer: the server is closed")

// prepare goes up to the features that count.
func (l *link) prepare(ctx context.Context, direct bool) error {
	c := ClientTLS(l.srv.certificate(l.local), l.remote)
	if direct {
		c.NextProtos = []string{alpn}
		if err := l.stream.SecureClient(ctx, c); err != nil {
			return err
		}
		l.note(EventSecure, l.stream.TLS().NegotiatedProtocol)
	}
	if err := l.open(ctx); err != nil {
		return err
	}
	offered := l.stream.LastFeatures().Child("starttls", NSTLS) != nil
	switch {
	case direct || l.srv.cfg.TLS == WithoutTLS || !offered && l.srv.cfg.TLS == OptionalTLS:
		return nil
	case !offered:
		return errors.New("xmpppeer: the other side offers no TLS")
	}
	if err := l.stream.StartTLS(ctx, c); err != nil {
		return err
	}
	l.note(EventSecure, "")
	return l.open(ctx)
}

// open exchanges headers and reads the features.
func (l *link) open(ctx context.Context) error {
	peer, err := l.stream.Open(ctx, Header{From: l.local, To: l.remote})
	if err != nil {
		return err
	}
	l.name(l.local, l.remote, peer.ID)
	_, err = l.stream.Features(ctx)
	return err
}

// dial opens a stream to a domain that stanzas can be sent on.
func (s *Server) dial(ctx context.Context, local, remote string) (*link, error) {
	ctx, cancel := s.bounded(ctx, setup)
	defer cancel()
	l, err := s.connect(ctx, local, remote)
	if err != nil {
		return nil, err
	}
	if err := l.checkProof(); err != nil {
		l.finish(err)
		return nil, err
	}
	authenticated, err := l.external(ctx)
	if err == nil && authenticated {
		l.proveBack()
		err = l.manage(ctx)
	}
	if err != nil {
		l.finish(err)
		return nil, err
	}
	if !s.start(l.read) {
		l.finish(errClosed)
		return nil, errClosed
	}
	if authenticated {
		return l, nil
	}
	if err := l.dialback(ctx); err != nil {
		l.end()
		return nil, err
	}
	l.proveBack()
	return l, nil
}

// checkProof wants the other side's certificate to prove its domain, unless dialback
// makes up for it.
func (l *link) checkProof() error {
	if l.srv.cfg.Dialback && !l.srv.cfg.RequireProof {
		return nil
	}
	state := l.stream.TLS()
	if state == nil {
		return errors.New("xmpppeer: without TLS and dialback nothing proves the other side")
	}
	return proves(*state, l.srv.cfg.Roots, l.remote)
}

// external authenticates by EXTERNAL if it is offered, after asking for bidi if that is.
func (l *link) external(ctx context.Context) (bool, error) {
	features := l.stream.LastFeatures()
	if l.srv.cfg.Bidi && features.Child("bidi", NSBidiFeature) != nil {
		if err := l.stream.SendBidi(); err != nil {
			return false, err
		}
		l.mu.Lock()
		l.bidi = true
		l.mu.Unlock()
		l.note(EventBidi, "")
	}
	if l.srv.cfg.AvoidExternal || !OffersExternal(features) {
		return false, nil
	}
	err := l.stream.External(ctx, l.local)
	if refused, ok := errors.AsType[*SASLError](err); ok && l.srv.cfg.Dialback {
		l.note(EventExternal, refused.Condition)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	l.note(EventExternal, "")
	return true, l.open(ctx)
}

// dialback authenticates by a key (XEP-0220 §2.1.1).
func (l *link) dialback(ctx context.Context) error {
	offered := l.stream.Peer().SpeaksDialback() || l.stream.LastFeatures().Child("dialback", NSDialbackFeature) != nil
	if !l.srv.cfg.Dialback || !offered {
		return fmt.Errorf("xmpppeer: no way to authenticate to %s as %s", l.remote, l.local)
	}
	key := DialbackKey(l.srv.cfg.Secret, l.remote, l.local, l.streamID())
	err := l.ask(ctx, requestKey("result", l.local, l.remote, ""), func() error {
		return l.stream.SendResult(l.local, l.remote, key)
	})
	l.note(EventDialback, verdictOf(err))
	return err
}

// manage turns XEP-0198 on if both sides want it. With bidi the other side may say
// something else first.
func (l *link) manage(ctx context.Context) error {
	if !l.srv.cfg.Management || l.stream.LastFeatures().Child("sm", NSManagement) == nil {
		return nil
	}
	if err := l.stream.Send(enable); err != nil {
		return err
	}
	for {
		e, err := l.stream.Next(ctx)
		switch {
		case err != nil:
			return err
		case e.Is("failed", NSManagement):
			return nil
		case e.Is("enabled", NSManagement):
			l.mu.Lock()
			l.counts.out = true
			l.mu.Unlock()
			l.note(EventManaged, "")
			return nil
		}
		if err := l.handle(e); err != nil {
			return err
		}
	}
}

// proveBack lets the other side use the stream for its own stanzas, if that was agreed.
func (l *link) proveBack() {
	if l.agreedBidi() {
		l.prove(pair{from: l.remote, to: l.local})
	}
}

// maxBytes returns the longest stanza that the other side takes (XEP-0478), 0 if it
// did not say.
func (l *link) maxBytes() int {
	if m := l.stream.LastFeatures().Child("limits", NSLimits).Child("max-bytes", NSLimits); m != nil {
		n, err := strconv.Atoi(m.Text)
		if err == nil {
			return n
		}
	}
	return 0
}
