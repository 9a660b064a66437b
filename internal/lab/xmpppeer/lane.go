package xmpppeer

import (
	"context"
	"fmt"
	"sync"
)

// backlog is how many answers may wait for a lane before they are dropped.
const backlog = 1024

// lane is the way from one of our domains to another domain: the order of its stanzas,
// and the stream they go on.
type lane struct {
	srv     *Server
	pair    pair          // from ours to the other
	turn    chan struct{} // held by who opens the stream or writes on it
	answers chan Stanza   // made by the server itself

	mu    sync.Mutex
	mine  *link // opened by us
	their *link // opened by the other side, which lets us use it (XEP-0288)
}

// lane returns the way from one domain to another, and makes it at its first use.
func (s *Server) lane(p pair) *lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lanes[p] == nil {
		s.lanes[p] = &lane{srv: s, pair: p, turn: make(chan struct{}, 1), answers: make(chan Stanza, backlog)}
		if !s.closed {
			s.wg.Go(s.lanes[p].answer)
		}
	}
	return s.lanes[p]
}

// own returns the usable stream that we opened, or nil.
func (n *lane) own() *link {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mine != nil && n.mine.alive() {
		return n.mine
	}
	return nil
}

// live returns the usable stream, or nil.
func (n *lane) live() *link {
	if l := n.own(); l != nil {
		return l
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.their != nil && n.their.alive() {
		return n.their
	}
	return nil
}

// lend lets the lane use a stream that the other side opened.
func (n *lane) lend(l *link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.their = l
}

// send writes XML on the lane's stream, opening it if need be. Who comes first is
// written first.
func (n *lane) send(ctx context.Context, xml string) error {
	select {
	case n.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-n.srv.life.Done():
		return errClosed
	}
	defer func() { <-n.turn }()
	l := n.live()
	if l == nil {
		var err error
		if l, err = n.srv.dial(ctx, n.pair.from, n.pair.to); err != nil {
			return err
		}
		n.mu.Lock()
		n.mine = l
		n.mu.Unlock()
	}
	if limit := l.maxBytes(); limit > 0 && len(xml) > limit {
		return fmt.Errorf("%w: %d bytes, and %s takes %d", ErrTooBig, len(xml), n.pair.to, limit)
	}
	return l.write(xml)
}

// answer sends what the server itself has to say, until it is closed. What cannot be
// sent is dropped: there is nobody to tell.
func (n *lane) answer() {
	for {
		select {
		case st := <-n.answers:
			if err := n.send(n.srv.life, st.String()); err != nil {
				n.srv.note(Event{What: EventIgnored, Direction: Out, Local: n.pair.from, Remote: n.pair.to, Text: err.Error()})
			}
		case <-n.srv.life.Done():
			return
		}
	}
}

// SendRaw sends bytes on the stream from one of the server's domains to another
// domain, opening the stream if need be. It returns when they are written; an error
// says why there is no stream.
func (s *Server) SendRaw(ctx context.Context, from, to, raw string) error {
	return s.lane(pair{from: domainOf(from), to: domainOf(to)}).send(ctx, raw)
}
