package interop

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"

	"edged/internal/lab/xmpppeer"
)

// outsider is jabber.example as the test plays it: it sends what no stock server
// would, and sees every answer as it comes.
type outsider struct {
	*xmpppeer.Server
	bob   *xmpppeer.User
	asked int
}

// newOutsider listens where the DNS has jabber.example, with a good certificate, and
// sends everything to the server at that place.
func (w *world) newOutsider(t *testing.T, to string) *outsider {
	t.Helper()
	cert := w.roots.Issue(leaf("jabber.example")).TLS
	return w.playJabber(t, xmppPartner, to, xmpppeer.Config{Certificates: map[string]*tls.Certificate{"": &cert}})
}

// playJabber plays jabber.example at one place towards the server at another.
func (w *world) playJabber(t *testing.T, at, to string, c xmpppeer.Config) *outsider {
	t.Helper()
	c.Domains = []string{"jabber.example"}
	o := &outsider{Server: w.play(t, at, to, c)}
	o.bob = o.User("bob@jabber.example")
	return o
}

// play plays a server at one place, which sends everything to the one at another.
func (w *world) play(t *testing.T, at, to string, c xmpppeer.Config) *xmpppeer.Server {
	t.Helper()
	if c.Resolve == nil {
		c.Resolve = func(context.Context, string) (xmpppeer.Hop, error) {
			return xmpppeer.Hop{Addr: w.place(to).String()}, nil
		}
	}
	s := xmpppeer.NewServer(c)
	t.Cleanup(s.Close)
	listener, err := net.Listen("tcp", w.place(at).String())
	if err != nil {
		t.Fatal(err)
	}
	s.ServeStartTLS(listener)
	return s
}

// approaches are all the ways to ask whether somebody is there.
var approaches = []xmpppeer.Stanza{
	{Type: "chat", Payload: "<body>hello</body>"},
	{Type: "normal", Payload: "<body>hello</body>"},
	{Type: "headline", Payload: "<body>hello</body>"},
	{Type: "groupchat", Payload: "<body>hello</body>"},
	{Kind: "iq", Type: "get", Payload: "<ping xmlns='urn:xmpp:ping'/>"},
	{Kind: "iq", Type: "get", Payload: "<query xmlns='jabber:iq:version'/>"},
	{Kind: "iq", Type: "get", Payload: "<query xmlns='jabber:iq:last'/>"},
	{Kind: "iq", Type: "get", Payload: "<query xmlns='http://jabber.org/protocol/disco#info'/>"},
	{Kind: "iq", Type: "get", Payload: "<query xmlns='http://jabber.org/protocol/disco#items'/>"},
	{Kind: "iq", Type: "get", Payload: "<vCard xmlns='vcard-temp'/>"},
	{Kind: "iq", Type: "get", Payload: "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:avatar:metadata'/></pubsub>"},
	{Kind: "iq", Type: "set", Payload: "<query xmlns='urn:example:nothing'/>"},
	{Kind: "presence"},
	{Kind: "presence", Type: "unavailable"},
	{Kind: "presence", Type: "probe"},
	{Kind: "presence", Type: "subscribe"},
	{Kind: "presence", Type: "subscribed"},
	{Kind: "presence", Type: "unsubscribe"},
	{Kind: "presence", Type: "unsubscribed"},
}

// asText is the approach as one reads it.
func asText(s xmpppeer.Stanza) string {
	kind := s.Kind
	if kind == "" {
		kind = "message"
	}
	text := strings.TrimSpace(kind + " " + s.Type)
	if s.Kind == "iq" {
		_, space, _ := strings.Cut(s.Payload, "xmlns='")
		space, _, _ = strings.Cut(space, "'")
		text += " " + space
	}
	return text
}

// question is an approach that was made. Who asked asked nothing else, so that every
// answer has its question, whenever it comes.
type question struct {
	what string
	to   string
	by   *xmpppeer.User
	got  []*xmpppeer.Element
}

// approach sends the stanza to somebody.
func (o *outsider) approach(t *testing.T, s xmpppeer.Stanza, to string) *question {
	t.Helper()
	o.asked++
	q := &question{what: asText(s) + " to " + to, to: to, by: o.User(fmt.Sprintf("bob%d@jabber.example", o.asked))}
	s.From, s.To, s.ID = q.by.Address+"/desk", to, fmt.Sprint("approach-", o.asked)
	if err := q.by.Send(soon(t), s); err != nil {
		t.Fatal(err)
	}
	return q
}

// settle asks somebody who gives answers, time after time, until those to everything
// before have come: edged holds its own back for a while, at random.
func (o *outsider) settle(t *testing.T, to string) {
	t.Helper()
	for range 10 {
		if _, err := o.bob.Ask(soon(t), xmpppeer.Stanza{To: to, Payload: "<ping xmlns='urn:xmpp:ping'/>"}); err != nil {
			t.Fatalf("no answer to a ping of %s: %v", to, err)
		}
	}
}

// await keeps waiting for the first answer, where there is to be one: on a machine with
// much to do it may be later than what settle waits for.
func (q *question) await(t *testing.T) {
	t.Helper()
	if e, err := q.by.Receive(soon(t)); err == nil {
		q.got = append(q.got, e)
	}
}

// answers is what has come, in words.
func (q *question) answers() string {
	for {
		select {
		case e := <-q.by.Inbox():
			q.got = append(q.got, e)
		default:
			return seen(q.got, q.to)
		}
	}
}

// nothing is no answer, in words.
const nothing = "nothing"

// seen is what an outsider learns from the answers, in words: everything but ids.
func seen(answers []*xmpppeer.Element, to string) string {
	if len(answers) == 0 {
		return nothing
	}
	var texts []string
	for _, e := range answers {
		text := strings.TrimSpace(e.Name + " " + e.Attr("type"))
		if fault := e.Child("error", xmpppeer.NSServer); fault != nil {
			text += " " + fault.Attr("type") + " " + e.Condition()
			if by := fault.Attr("by"); by != "" {
				text += " by " + by
			}
			if said := fault.Child("text", xmpppeer.NSStanzaErrors); said != nil {
				text += fmt.Sprintf(" %q", said.Text)
			}
		}
		for _, c := range e.Children {
			if c.Name != "error" {
				text += " <" + c.Name + ">"
			}
		}
		texts = append(texts, text+" from "+strings.ReplaceAll(e.Attr("from"), bare(to), "the user"))
	}
	return strings.Join(texts, "; ")
}
