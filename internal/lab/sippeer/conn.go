package sippeer

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// Conn is one connection of a peer. It answers requests by the peer's scripts as
// they come in, and is safe for concurrent use.
type Conn struct {
	peer *Peer
	net  net.Conn

	writeMu sync.Mutex

	mu       sync.Mutex
	waiting  map[string]chan *Message // responses, by transaction
	invites  map[string]*Message      // INVITEs left without a final answer, by branch
	err      error                    // why reading ended
	finished chan struct{}            // closed when reading has ended
}

func newConn(p *Peer, n net.Conn) *Conn {
	return &Conn{
		peer: p, net: n, waiting: map[string]chan *Message{},
		invites: map[string]*Message{}, finished: make(chan struct{}),
	}
}

// Close closes the connection.
func (c *Conn) Close() error { return c.net.Close() }

// Local returns the connection's own address, which is what the other side logs.
func (c *Conn) Local() string { return c.net.LocalAddr().String() }

// Err returns why the connection ended, or nil while it is open.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Finished is closed when the connection has ended.
func (c *Conn) Finished() <-chan struct{} { return c.finished }

// Write sends bytes as they are.
func (c *Conn) Write(text string) error {
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	if err := c.net.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := io.WriteString(c.net, text)
	return err
}

func (c *Conn) run() {
	r := bufio.NewReaderSize(c.net, maxLine)
	for {
		m, err := read(r, func() { _ = c.Write("\r\n") })
		if err != nil {
			c.finish(err)
			return
		}
		if m.Status() > 0 {
			c.deliver(m)
		} else {
			c.answer(m)
		}
	}
}

func (c *Conn) finish(err error) {
	c.net.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	close(c.finished)
}

// deliver hands a response to whoever waits for it. One that nobody waits for is
// dropped, as is one beyond what a waiter can hold.
func (c *Conn) deliver(m *Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case c.waiting[m.key()] <- m:
	default:
	}
}

// answer does with a request what its script says.
func (c *Conn) answer(m *Message) {
	script := c.peer.Desk.receive(m)
	switch m.Method() {
	case "ACK", "BENOTIFY":
		return
	case "CANCEL":
		c.answerCancel(m)
		return
	}
	if script.Hangup {
		c.net.Close()
		return
	}
	for _, status := range script.Provisional {
		c.reply(m, status, Answer{})
	}
	if script.Silent {
		c.leave(m)
		return
	}
	c.reply(m, max(script.Status, 200), script)
}

// leave keeps an INVITE that is ringing, for a CANCEL to find.
func (c *Conn) leave(m *Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.Method() == "INVITE" {
		c.invites[m.branch()] = m
	}
}

// answerCancel is RFC 3261 §9.2.
func (c *Conn) answerCancel(m *Message) {
	c.mu.Lock()
	invite := c.invites[m.branch()]
	delete(c.invites, m.branch())
	c.mu.Unlock()
	if invite == nil {
		c.reply(m, 481, Answer{})
		return
	}
	c.reply(m, 200, Answer{})
	c.reply(invite, 487, Answer{})
}

func (c *Conn) reply(m *Message, status int, a Answer) {
	r := &Message{Start: fmt.Sprintf("SIP/2.0 %d %s", status, phrase(status)), Body: a.Body}
	for _, f := range m.Fields {
		switch strings.ToLower(compact(f.Name)) {
		case "via", "from", "call-id", "cseq":
			r.Fields = append(r.Fields, f)
		case "record-route":
			if status < 300 {
				r.Fields = append(r.Fields, f)
			}
		case "to":
			r.add("To", withTag(f.Value, c.peer.Desk.tag(m.Get("Call-ID"))))
		}
	}
	r.add("Contact", c.peer.contact())
	r.Fields = append(r.Fields, a.Headers...)
	if a.Body != "" {
		r.add("Content-Type", or(a.Type, "text/plain"))
	}
	_ = c.Write(r.String()) // a lost connection shows at the reader
}

// phrase is the reason phrase of the statuses that scripts use.
func phrase(status int) string {
	switch status {
	case 180:
		return "Ringing"
	case 200:
		return "OK"
	case 404:
		return "Not Found"
	case 481:
		return "Call/Transaction Does Not Exist"
	case 486:
		return "Busy Here"
	case 487:
		return "Request Terminated"
	case 503:
		return "Service Unavailable"
	}
	return "Scripted"
}
