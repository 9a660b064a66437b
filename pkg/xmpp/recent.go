package xmpp

import (
	"sync/atomic"

	"edged/pkg/policy"
	"edged/pkg/verdict"
	"edged/pkg/xmpp/jid"
	"edged/pkg/xmpp/xmlstream"
)

// recent remembers whom the latest stanzas of a stream were between: people who talk
// write more than one. Its reader owns it.
type recent struct {
	met map[string]*acquaintance // by the two addresses as they are written
	key []byte
	// stale is set by whoever takes a pair from the stream.
	stale atomic.Bool
}

// acquaintance is two addresses that a State has looked at.
type acquaintance struct {
	st       *State
	from, to jid.JID
	pair     pair
	// partner and rule are set if policy lets everything pass between the two, whatever
	// it is: nothing about a single stanza was asked.
	partner *policy.Partner
	rule    verdict.Rule
}

// What one stream remembers: so many pairs of addresses, of so many bytes together as
// they are written. References make long ones of short ones.
const (
	maxRecent    = 32
	maxRecentKey = 1 << 10
)

// find returns what is known about the addresses of a stanza under a State, nil if
// they are new, and keeps the key for add.
func (r *recent) find(e *xmlstream.Element, st *State) *acquaintance {
	from, _ := e.Attr("from")
	to, _ := e.Attr("to")
	if r.stale.Swap(false) {
		r.met = nil
	}
	if r.key = r.key[:0]; len(from)+len(to) > maxRecentKey {
		return nil
	}
	r.key = append(append(append(r.key, from...), 0), to...)
	if a := r.met[string(r.key)]; a != nil && a.st == st {
		return a
	}
	return nil
}

// add remembers the addresses that find did not know.
func (r *recent) add(a *acquaintance) {
	if len(r.key) == 0 {
		return // too long
	}
	if r.met == nil || len(r.met) >= maxRecent {
		r.met = make(map[string]*acquaintance)
	}
	r.met[string(r.key)] = a
}

// stanzaType returns the attribute type; the usual ones cost no memory.
func stanzaType(e *xmlstream.Element) string {
	raw, _ := e.Attr("type")
	switch string(raw) {
	case "":
		return ""
	case "chat":
		return "chat"
	case "groupchat":
		return "groupchat"
	case "get":
		return "get"
	case "set":
		return "set"
	case "result":
		return "result"
	case "error":
		return "error"
	}
	return e.Value("type")
}
