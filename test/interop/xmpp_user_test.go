package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// xmppUser is a slixmpp client, in a process of its own. It keeps what arrives
// until somebody awaits it.
type xmppUser struct {
	*process
	jid  string // bare
	full string // with the resource that the server gave

	stdin  io.Writer
	orders int // given so far; numbers their ids
	events chan xmppEvent
	kept   []xmppEvent
}

// xmppEvent is a line of testdata/xmpp/user.py.
type xmppEvent struct {
	Event string // online, offline, failed or stanza
	JID   string // the own, when online

	Kind  string // message, presence or iq
	Type  string
	ID    string
	From  string
	To    string
	Body  string
	Error string // "TYPE CONDITION"
	Text  string // of the error
	XML   string
}

// order is a command to it.
type order struct {
	Do   string `json:"do"`
	To   string `json:"to,omitempty"`
	ID   string `json:"id,omitempty"`
	Type string `json:"type"`
	Body string `json:"body,omitempty"`
	Room string `json:"room,omitempty"`
	Nick string `json:"nick,omitempty"`
}

// newUser logs in at the server and waits until it is online.
func (w *world) newUser(t *testing.T, name string, s *xmppServer) *xmppUser {
	t.Helper()
	// Debian's own: another Python in PATH would not have slixmpp.
	python := findBinary(t, "/usr/bin/python3")
	script, err := filepath.Abs(filepath.Join("testdata", "xmpp", "user.py"))
	if err != nil {
		t.Fatal(err)
	}
	at := w.place(s.clients())
	u := &xmppUser{jid: name + "@" + s.domain, events: make(chan xmppEvent, 4096)}
	u.process = w.prepare(t, "user-"+name+"-"+s.host, python, script, u.jid, password,
		at.Addr().String(), fmt.Sprint(at.Port()), s.signer.file)
	stdin, err := u.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, in := io.Pipe()
	u.stdin, u.cmd.Stdout = stdin, in
	u.run(t)
	go u.read(stdout)
	go func() {
		<-u.done
		in.Close()
	}()
	u.full = u.await(t, "to be online", func(e xmppEvent) bool { return e.Event == "online" }).JID
	return u
}

// read passes on what the client tells.
func (u *xmppUser) read(from io.Reader) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e xmppEvent
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			e = xmppEvent{Event: "failed", Text: lines.Text()}
		}
		u.events <- e
	}
}

// await returns the first event that fits, and keeps the others.
func (u *xmppUser) await(t *testing.T, what string, fits func(xmppEvent) bool) xmppEvent {
	t.Helper()
	e, ok := u.look(patience, fits)
	if !ok {
		t.Fatalf("%s waited %v %s; it has seen:\n%s", u.jid, patience, what, u.seen())
	}
	return e
}

// look is await that may end without.
func (u *xmppUser) look(patience time.Duration, fits func(xmppEvent) bool) (xmppEvent, bool) {
	if i := slices.IndexFunc(u.kept, fits); i >= 0 {
		e := u.kept[i]
		u.kept = slices.Delete(u.kept, i, i+1)
		return e, true
	}
	end := time.After(patience)
	for {
		select {
		case e := <-u.events:
			if fits(e) {
				return e, true
			}
			u.kept = append(u.kept, e)
		case <-end:
			return xmppEvent{}, false
		}
	}
}

// seen is what arrived and nobody awaited.
func (u *xmppUser) seen() string {
	var text strings.Builder
	for _, e := range u.kept {
		fmt.Fprintf(&text, "%s %s%s\n", e.Event, e.XML, e.Text)
	}
	return text.String()
}

// send gives an order under an id of its own, and returns the id.
func (u *xmppUser) send(t *testing.T, o order) string {
	t.Helper()
	u.orders++
	o.ID = fmt.Sprintf("%s-%d", u.jid, u.orders)
	line, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.stdin.Write(append(line, '\n')); err != nil {
		t.Fatalf("%s: %v", u.jid, err)
	}
	return o.ID
}

// say sends a chat message and returns its id.
func (u *xmppUser) say(t *testing.T, to, body string) string {
	t.Helper()
	return u.send(t, order{Do: "message", To: to, Type: "chat", Body: body})
}

// presence sends a presence stanza: "" is available.
func (u *xmppUser) presence(t *testing.T, to, kind string) string {
	t.Helper()
	return u.send(t, order{Do: "presence", To: to, Type: kind})
}

// hear awaits a chat message with that body, from that bare address.
func (u *xmppUser) hear(t *testing.T, from, body string) xmppEvent {
	t.Helper()
	return u.await(t, fmt.Sprintf("for %q from %s", body, from), func(e xmppEvent) bool {
		return e.Kind == "message" && e.Type != "error" && e.Body == body && bare(e.From) == from
	})
}

// see awaits a presence of that type from that bare address.
func (u *xmppUser) see(t *testing.T, from, kind string) xmppEvent {
	t.Helper()
	return u.await(t, fmt.Sprintf("for presence %q from %s", kind, from), func(e xmppEvent) bool {
		return e.Kind == "presence" && e.Type == kind && bare(e.From) == from
	})
}

// answer awaits the result or error to the stanza with that id.
func (u *xmppUser) answer(t *testing.T, id string) xmppEvent {
	t.Helper()
	return u.await(t, "for the answer to "+id, func(e xmppEvent) bool { return e.ID == id && e.From != u.full })
}

// ask sends an iq of get and returns its answer.
func (u *xmppUser) ask(t *testing.T, what, to string) xmppEvent {
	t.Helper()
	return u.answer(t, u.send(t, order{Do: what, To: to}))
}

// bare is an address without its resource.
func bare(jid string) string {
	before, _, _ := strings.Cut(jid, "/")
	return before
}
