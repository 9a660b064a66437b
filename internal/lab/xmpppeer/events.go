package xmpppeer

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Direction says who opened a connection.
type Direction string

// The directions, seen from the server.
const (
	In  Direction = "in"
	Out Direction = "out"
)

// What happened, in Event.What.
const (
	EventOpen     = "open"     // headers exchanged; Text is the stream's id
	EventSecure   = "secure"   // TLS is up; Text is the negotiated ALPN protocol
	EventExternal = "external" // EXTERNAL succeeded, or Text says why not
	EventDialback = "dialback" // a key was judged or was judged by the other side; Text is valid, invalid or error
	EventVerify   = "verify"   // a key was confirmed for another server, or not; Text is the answer
	EventBidi     = "bidi"     // traffic both ways was agreed
	EventManaged  = "managed"  // XEP-0198 is on for what comes in (In) or goes out (Out)
	EventStanza   = "stanza"   // a stanza came in; Text is its bytes
	EventRefused  = "refused"  // a stanza came in and ended the stream; Text is the condition
	EventIgnored  = "ignored"  // something was passed over; Text is its bytes
	EventClosed   = "closed"   // the connection ended; Text says why
)

// Event is one entry of a server's record.
type Event struct {
	What          string
	Direction     Direction // of the stream, whichever way the thing itself went
	Local, Remote string    // domains, as far as known
	Text          string
}

// String returns the event as one line.
func (e Event) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", e.Direction, e.What, e.Local, e.Remote, e.Text))
}

// Events returns what has happened so far.
func (s *Server) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// AwaitEvent waits until something has happened that match is true for, also if it
// was before the call, and returns the first such thing.
func (s *Server) AwaitEvent(ctx context.Context, match func(Event) bool) (Event, error) {
	for seen := 0; ; {
		s.mu.Lock()
		fresh, more := s.events[seen:], s.more
		s.mu.Unlock()
		seen += len(fresh)
		if i := slices.IndexFunc(fresh, match); i >= 0 {
			return fresh[i], nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return Event{}, context.Cause(ctx)
		}
	}
}

func (s *Server) note(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
	close(s.more)
	s.more = make(chan struct{})
}
