package xmpppeer

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// link is one stream of a server.
type link struct {
	srv    *Server
	stream *Stream
	dir    Direction
	headed bool          // our header of the present stream is sent; only who reads may look
	done   chan struct{} // closed when reading has ended

	mu            sync.Mutex
	local, remote string                   // the domains of the headers
	id            string                   // of the stream, what dialback keys are bound to
	pairs         map[pair]bool            // whose stanzas are taken: from the other side, to us
	bidi          bool                     // agreed
	waiting       map[string]chan *Element // who waits for a dialback answer, by requestKey
	counts        counts
	left          bool // ended, or about to: nothing new is sent on it
	err           error
}

func newLink(s *Server, conn net.Conn, dir Direction) *link {
	l := &link{
		srv: s, stream: NewStream(conn), dir: dir, done: make(chan struct{}),
		pairs: map[pair]bool{}, waiting: map[string]chan *Element{},
	}
	l.counts.changed = make(chan struct{})
	return l
}

func (l *link) note(what, text string) {
	l.mu.Lock()
	e := Event{What: what, Direction: l.dir, Local: l.local, Remote: l.remote, Text: text}
	l.mu.Unlock()
	l.srv.note(e)
}

// name sets whom the stream is between and its id.
func (l *link) name(local, remote, id string) {
	l.mu.Lock()
	l.local, l.remote, l.id = local, remote, id
	l.mu.Unlock()
	l.note(EventOpen, id)
}

// prove accepts stanzas of a pair from now on.
func (l *link) prove(p pair) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pairs[p] = true
}

// lend lets stanzas of a pair go back on this stream, if the other side opened it and
// agreed to that.
func (l *link) lend(p pair) {
	if l.dir == In && l.agreedBidi() {
		l.srv.lane(pair{from: p.to, to: p.from}).lend(l)
	}
}

func (l *link) proven(p pair) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pairs[p]
}

// authenticated says whether anything has been proven.
func (l *link) authenticated() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pairs) > 0
}

// alive says whether stanzas may be sent on the stream.
func (l *link) alive() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.left
}

// leave keeps new stanzas off the stream, from the moment it is to end: what follows
// takes another one.
func (l *link) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = true
}

// read handles what comes in until the stream ends.
func (l *link) read() {
	for {
		e, err := l.stream.Next(context.Background())
		if err == nil {
			err = l.handle(e)
		}
		if err != nil {
			l.finish(err)
			return
		}
	}
}

// finish closes the stream, politely if the other side did or is to be told why.
func (l *link) finish(err error) {
	l.leave()
	_ = l.stream.raw.SetWriteDeadline(time.Now().Add(goodbye)) // for the last words
	l.lastWords(err)
	l.mu.Lock()
	l.err = err
	l.mu.Unlock()
	close(l.done)
	l.srv.drop(l)
	l.note(EventClosed, err.Error())
}

// lastWords says what the other side may hear about the end.
func (l *link) lastWords(err error) {
	fatal, ours := errors.AsType[*fatalError](err)
	_, theirs := errors.AsType[*StreamError](err)
	_, malformed := errors.AsType[*SyntaxError](err)
	switch {
	case ours:
		l.complain(fatal.condition, fatal.inside)
	case errors.Is(err, ErrTooBig):
		l.complain("policy-violation", "<stanza-too-big xmlns='"+NSErrors+"'/>")
	case malformed:
		l.complain("not-well-formed", "")
	case theirs || errors.Is(err, ErrEnd):
		_ = l.stream.End()
	}
}

// complain sends a stream error, after our header even if theirs was not to be had (RFC
// 6120 §4.9.1.2).
func (l *link) complain(condition, inside string) {
	if l.dir == In && !l.headed {
		_ = l.sendHeader(l.srv.cfg.Domains[0], newID())
	}
	_ = l.stream.SendError(condition, inside)
}

// end says goodbye and closes the connection, which ends the reading.
func (l *link) end() {
	l.leave()
	_ = l.stream.raw.SetWriteDeadline(time.Now().Add(goodbye)) // also frees who is writing
	if l.stream.End() != nil {
		_ = l.stream.Drop() // TLS would wait for its own last words
	}
	l.stream.Close()
}

// fatalError ends a stream with a stream error.
type fatalError struct {
	condition string
	inside    string // further XML in the error
}

func (e *fatalError) Error() string { return "xmpppeer: closed it with " + e.condition }

func fatal(condition string) error { return &fatalError{condition: condition} }

// handle does what a top-level element asks for. An error ends the stream.
func (l *link) handle(e *Element) error {
	if err := asStreamError(e); err != nil {
		return err
	}
	switch e.Space {
	case NSDialback:
		return l.handleDialback(e)
	case NSManagement:
		return l.handleManagement(e)
	case NSServer:
		if isStanza(e) {
			return l.handleStanza(e)
		}
	}
	if l.dir == In {
		switch {
		case e.Is("starttls", NSTLS):
			return l.handleStartTLS()
		case e.Is("auth", NSSASL):
			return l.handleAuth(e)
		case e.Is("bidi", NSBidi):
			return l.handleBidi()
		}
	}
	l.note(EventIgnored, e.Raw)
	return nil
}

// handleStanza checks addresses as RFC 6120 §8.1.1.2 and §8.1.2.2 want it.
func (l *link) handleStanza(e *Element) error {
	p := pair{from: domainOf(e.Attr("from")), to: domainOf(e.Attr("to"))}
	condition := ""
	switch {
	case !l.authenticated():
		condition = "not-authorized"
	case p.from == "" || p.to == "":
		condition = "improper-addressing"
	case !l.srv.serves(p.to):
		condition = "host-unknown"
	case !l.proven(p):
		condition = "invalid-from"
	}
	if condition != "" {
		l.note(EventRefused, condition)
		return fatal(condition)
	}
	l.note(EventStanza, e.Raw)
	l.srv.deliver(l, e)
	l.handled()
	return nil
}
