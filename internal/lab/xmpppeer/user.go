package xmpppeer

import (
	"context"
	"sync"
)

// inboxSize is Config.InboxSize if that is not set.
const inboxSize = 4096

// User is somebody with an account, or the domain itself. All resources share one
// inbox.
type User struct {
	Address string // bare, in lower case
	srv     *Server
	inbox   chan *Element

	mu      sync.Mutex
	waiting map[string]chan *Element // Ask, by the id of the question
}

// User returns the user with that bare address, e.g. "alice@fabrikam.com", and makes
// the account at the first call: what comes before is for a stranger. An address without localpart is the domain itself:
// its inbox gets what the server does not answer by itself.
func (s *Server) User(address string) *User {
	s.mu.Lock()
	defer s.mu.Unlock()
	address = bare(address)
	if s.users[address] == nil {
		s.users[address] = &User{
			Address: address, srv: s, inbox: make(chan *Element, s.cfg.InboxSize), waiting: map[string]chan *Element{},
		}
	}
	return s.users[address]
}

// Send sends a stanza, opening a stream if need be. Without From it comes from the
// user; another From is sent as it is, on the stream that the user's stanzas take. An
// error says that it was not sent; whether it arrived is another matter.
func (u *User) Send(ctx context.Context, st Stanza) error {
	if st.From == "" {
		st.From = u.Address
	}
	return u.srv.SendRaw(ctx, u.Address, st.To, st.String())
}

// Message sends a chat message with a new id and returns the id.
func (u *User) Message(ctx context.Context, to, text string) (id string, err error) {
	id = newID()
	return id, u.Send(ctx, Stanza{Type: "chat", To: to, ID: id, Payload: Body(text)})
}

// Ask sends an iq, type get unless st says otherwise, and waits for its result or
// error, which does not go to the inbox.
func (u *User) Ask(ctx context.Context, st Stanza) (*Element, error) {
	st.Kind, st.ID = "iq", newID()
	if st.Type == "" {
		st.Type = "get"
	}
	answered := make(chan *Element, 1)
	u.mu.Lock()
	u.waiting[st.ID] = answered
	u.mu.Unlock()
	defer func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.waiting, st.ID)
	}()
	if err := u.Send(ctx, st); err != nil {
		return nil, err
	}
	select {
	case e := <-answered:
		return e, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Inbox returns what came for the user, in the order it came on each stream.
func (u *User) Inbox() <-chan *Element { return u.inbox }

// Receive waits for the next stanza in the inbox.
func (u *User) Receive(ctx context.Context) (*Element, error) {
	select {
	case e := <-u.inbox:
		return e, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// take gives a stanza to the user. While the inbox is full it waits, and with it the
// reading of the link.
func (u *User) take(l *link, e *Element) {
	if e.Name == "iq" && (e.Attr("type") == "result" || e.Attr("type") == "error") {
		u.mu.Lock()
		waiter := u.waiting[e.Attr("id")]
		delete(u.waiting, e.Attr("id"))
		u.mu.Unlock()
		if waiter != nil {
			waiter <- e
			return
		}
	}
	select {
	case u.inbox <- e:
	case <-l.srv.life.Done():
	}
}

// deliver gives a stanza to whom it is for: the user, or the server itself, which
// answers pings (XEP-0199) and turns away what is for nobody (RFC 6120 §10.5.3.1,
// RFC 6121 §8.5.1).
func (s *Server) deliver(l *link, e *Element) {
	to := bare(e.Attr("to"))
	if to == domainOf(to) && e.Attr("type") == "get" && e.Child("ping", NSPing) != nil {
		s.reply(l, answerTo(e, "result", ""))
		return
	}
	s.mu.Lock()
	u := s.users[to]
	s.mu.Unlock()
	switch {
	case u != nil:
		u.take(l, e)
	case mayBeRefused(e) && !s.cfg.IgnoreStrangers:
		s.reply(l, answerTo(e, "error", Fault("cancel", "service-unavailable")))
	}
}

// reply sends an answer behind those before it, while the reading goes on.
func (s *Server) reply(l *link, st Stanza) {
	n := s.lane(pair{from: domainOf(st.From), to: domainOf(st.To)})
	select {
	case n.answers <- st:
	default:
		l.note(EventIgnored, "no room for "+st.String())
	}
}
