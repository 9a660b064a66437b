package trace

import (
	"strings"
	"time"

	"edged/pkg/domain"
	"edged/pkg/verdict"
)

// Event is one message that was sent on, or refused, or one response on its way back.
type Event struct {
	Time   time.Time
	Proto  string // sip or xmpp
	Side   string // where it came from: external or internal
	Inward bool   // which way the request or stanza goes, for a response too
	Peer   string // who sent it, as an address
	What   string // the method, or the stanza and its type; what was tried, if no message came of it
	Status int    // SIP: of a response, or of our answer; 0 if there is none

	From, To string // as the message has them
	URI      string // SIP: of the request
	ID       string // Call-ID, or the stanza's id

	Reason  verdict.Reason
	Rule    verdict.Rule
	NextHop string // where it went on to; "" if it did not
	Detail  string
	Took    time.Duration // since the request came; 0 if nothing was waited for
}

// Refused tells whether it went no further.
func (e *Event) Refused() bool { return e.Reason != verdict.Allowed }

// Remote is the host of the partner's address; "" if there is none.
func (e *Event) Remote() string {
	address := e.To
	switch {
	case e.Inward:
		address = e.From
	case e.URI != "":
		address = e.URI
	}
	_, host := split(address)
	return strings.ToLower(host)
}

// Filter picks events. The zero value picks all of them.
type Filter struct {
	ID     string // exactly
	User   string // user@domain, or the part before the @
	Domain string // this domain, or one below it
}

// picks tells whether an event is meant.
func (f *Filter) picks(e *Event) bool {
	if f.ID != "" && f.ID != e.ID {
		return false
	}
	return (f.User == "" || e.has(f.isUser)) && (f.Domain == "" || e.has(f.isDomain))
}

// has asks about every address of an event.
func (e *Event) has(is func(user, host string) bool) bool {
	for _, address := range []string{e.From, e.To, e.URI} {
		if user, host := split(address); host != "" && is(user, host) {
			return true
		}
	}
	return false
}

func (f *Filter) isUser(user, host string) bool {
	name, at, whole := strings.Cut(f.User, "@")
	return strings.EqualFold(user, name) && (!whole || strings.EqualFold(host, at))
}

func (f *Filter) isDomain(_, host string) bool {
	wanted, err := domain.Parse(f.Domain)
	if err != nil {
		return strings.EqualFold(host, f.Domain)
	}
	n, err := domain.ParseWire(host)
	return err == nil && (n == wanted || n.Under(wanted))
}

// split takes the user and the host out of a SIP URI or a JID.
func split(address string) (user, host string) {
	for _, scheme := range []string{"sip:", "sips:", "xmpp:"} {
		if len(address) > len(scheme) && strings.EqualFold(address[:len(scheme)], scheme) {
			address = address[len(scheme):]
			break
		}
	}
	if i := strings.IndexAny(address, ";?/"); i >= 0 {
		address = address[:i]
	}
	if i := strings.LastIndexByte(address, '@'); i >= 0 {
		user, address = address[:i], address[i+1:]
	}
	if i := strings.LastIndexByte(address, ':'); i >= 0 && !strings.HasSuffix(address, "]") {
		address = address[:i]
	}
	return user, address
}
