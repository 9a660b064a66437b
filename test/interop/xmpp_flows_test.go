package interop

import (
	"strings"
	"testing"
)

// exchangeAll plays every flow between two users and their servers, both ways.
func exchangeAll(t *testing.T, one *xmppUser, oneServer *xmppServer, other *xmppUser, otherServer *xmppServer) {
	t.Helper()
	exchangeMessages(t, one, other)
	exchangeMessages(t, other, one)
	exchangeQueries(t, one, other, otherServer)
	exchangeQueries(t, other, one, oneServer)
	exchangePresence(t, one, other)
	exchangePresence(t, other, one)
	subscribe(t, one, other)
	unsubscribe(t, one, other)
	subscribe(t, other, one)
	shareRoom(t, one, other, "tea@"+oneServer.rooms())
	shareRoom(t, other, one, "coffee@"+otherServer.rooms())
}

// exchangeMessages sends in one direction what a careless relay would change or
// reorder.
func exchangeMessages(t *testing.T, from, to *xmppUser) {
	t.Helper()
	bodies := []string{"hello", "<b>&amp;</b> ]]> \"'", "안녕하세요 \U0001F375", strings.Repeat("long ", 2000), "last"}
	for _, body := range bodies {
		from.say(t, to.jid, body)
	}
	for _, body := range bodies {
		got := to.hear(t, from.jid, body)
		if got.From != from.full || got.Type != "chat" || bare(got.To) != to.jid {
			t.Errorf("a message from %q to %q of type %q arrived, want from %q", got.From, got.To, got.Type, from.full)
		}
	}
}

// exchangeQueries asks the other user and its server.
func exchangeQueries(t *testing.T, from, to *xmppUser, server *xmppServer) {
	t.Helper()
	if got := from.ask(t, "ping", to.full); got.Type != "result" || got.From != to.full {
		t.Errorf("ping to %s answered by %s: %s", to.full, got.From, got.XML)
	}
	if got := from.ask(t, "version", to.full); !strings.Contains(got.XML, "Slixmpp") {
		t.Errorf("version of %s: %s", to.full, got.XML)
	}
	if got := from.ask(t, "version", server.domain); !strings.Contains(got.XML, "<name>"+server.version+"</name>") {
		t.Errorf("version of %s: %s, want %s", server.domain, got.XML, server.version)
	}
	if got := from.ask(t, "disco", server.rooms()); !strings.Contains(got.XML, `category="conference"`) {
		t.Errorf("disco of %s: %s", server.rooms(), got.XML)
	}
}

// exchangePresence sends presence to somebody who has not asked for it, as one does
// on joining a room (RFC 6121 §4.6).
func exchangePresence(t *testing.T, from, to *xmppUser) {
	t.Helper()
	from.presence(t, to.full, "")
	to.see(t, from.jid, "")
	from.presence(t, to.full, "unavailable")
	to.see(t, from.jid, "unavailable")
}

// subscribe lets one see the other (RFC 6121 §3.1).
func subscribe(t *testing.T, one, other *xmppUser) {
	t.Helper()
	one.presence(t, other.jid, "subscribe")
	other.see(t, one.jid, "subscribe")
	other.presence(t, one.jid, "subscribed")
	one.see(t, other.jid, "subscribed")
	if got := one.see(t, other.jid, ""); got.From != other.full {
		t.Errorf("%s sees %s, want %s", one.jid, got.From, other.full)
	}
}

// unsubscribe ends it again (RFC 6121 §3.3).
func unsubscribe(t *testing.T, one, other *xmppUser) {
	t.Helper()
	one.presence(t, other.jid, "unsubscribe")
	other.see(t, one.jid, "unsubscribe")
	one.see(t, other.jid, "unavailable")
}

// shareRoom has the owner make a room at its own server, in which a guest of the
// other server takes part.
func shareRoom(t *testing.T, owner, guest *xmppUser, room string) {
	t.Helper()
	join := func(u *xmppUser, nick string) {
		u.send(t, order{Do: "join", Room: room, Nick: nick})
		u.await(t, "to be in "+room, func(e xmppEvent) bool {
			return e.Kind == "presence" && e.Type == "" && e.From == room+"/"+nick && strings.Contains(e.XML, `code="110"`)
		})
	}
	join(owner, "owner")
	if got := owner.ask(t, "unlock", room); got.Type != "result" {
		t.Fatalf("%s does not open: %s", room, got.XML)
	}
	join(guest, "guest")
	owner.await(t, "for the guest", func(e xmppEvent) bool {
		return e.Kind == "presence" && e.Type == "" && e.From == room+"/guest"
	})
	for nick, speaker := range map[string]*xmppUser{"owner": owner, "guest": guest} {
		body := nick + " speaks in " + room
		speaker.send(t, order{Do: "message", To: room, Type: "groupchat", Body: body})
		for _, u := range []*xmppUser{owner, guest} {
			u.await(t, "to hear "+body, func(e xmppEvent) bool {
				return e.Kind == "message" && e.Type == "groupchat" && e.Body == body && e.From == room+"/"+nick
			})
		}
	}
}
