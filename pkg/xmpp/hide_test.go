package xmpp

import (
	"strings"
	"testing"

	"edged/internal/lab/xmpppeer"
)

// TestUnknownUser: an outsider cannot tell a user who may not federate from one who does
// not exist by any word of the answer (RFC 6120 §8.3.3.19, §13.11).
func TestUnknownUser(t *testing.T) {
	b := newBed(t)
	p := b.partner(theirs)
	friend := p.User(alice)
	b.pool.User("mallory@contoso.com")
	for name, st := range map[string]xmpppeer.Stanza{
		"chat":           {Type: "chat", Payload: xmpppeer.Body("are you there?")},
		"message":        {Lang: "de", Payload: xmpppeer.Body("are you there?")},
		"get":            {Kind: "iq", Type: "get", Payload: "<query xmlns='jabber:iq:version'/>"},
		"set":            {Kind: "iq", Type: "set", Payload: "<query xmlns='jabber:iq:private'/>"},
		"ping":           {Kind: "iq", Type: "get", Payload: "<ping xmlns='urn:xmpp:ping'/>"},
		"id with quotes": {Type: "chat", ID: "a'b\"&<c", Payload: xmpppeer.Body("are you there?")},
	} {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			if st.ID == "" {
				st.ID = "q1"
			}
			for _, resource := range []string{"", "/phone"} {
				answers := map[string]string{}
				for _, user := range []string{"mallory", "nobody"} {
					st.From, st.To = alice+"/home", user+"@contoso.com"+resource
					b.send(friend, st)
					answers[user] = strings.ReplaceAll(b.receive(friend).Raw, user, "USER")
				}
				if answers["mallory"] != answers["nobody"] {
					t.Errorf("not federated: %s\nnot there:     %s", answers["mallory"], answers["nobody"])
				}
			}
		})
	}
}
