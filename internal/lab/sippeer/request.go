package sippeer

import (
	"crypto/rand"
	"strconv"
	"strings"
)

// Request describes a request; Peer.Compose turns it into a Message. Everything
// left empty gets an ordinary value.
type Request struct {
	Method  string
	URI     string
	From    string // header value; a tag is added if it has none
	To      string // header value
	CallID  string
	CSeq    int
	Hops    string   // Max-Forwards; "" means 70
	Via     []Field  // rows below the peer's own Via
	Routes  []string // Route rows
	Headers []Field  // further rows
	Type    string   // Content-Type
	Body    string
}

// NewCallID returns a Call-ID that nobody has used.
func NewCallID(host string) string { return rand.Text() + "@" + host }

// Compose writes the request with the Via and Contact of the peer.
func (p *Peer) Compose(r Request) *Message {
	m := &Message{Start: r.Method + " " + r.URI + " SIP/2.0", Body: r.Body}
	m.add("Via", "SIP/2.0/TLS "+p.sentBy()+";branch=z9hG4bK"+rand.Text())
	m.Fields = append(m.Fields, r.Via...)
	m.add("Max-Forwards", or(r.Hops, "70"))
	for _, route := range r.Routes {
		m.add("Route", route)
	}
	m.add("From", withTag(r.From, rand.Text()))
	m.add("To", r.To)
	m.add("Call-ID", r.CallID)
	m.add("CSeq", strconv.Itoa(max(r.CSeq, 1))+" "+r.Method)
	m.add("Contact", p.contact())
	m.Fields = append(m.Fields, r.Headers...)
	if r.Body != "" {
		m.add("Content-Type", or(r.Type, "text/plain"))
	}
	return m
}

func (m *Message) add(name, value string) { m.Fields = append(m.Fields, Field{name, value}) }

// Set replaces the first row called name, or adds it.
func (m *Message) Set(name, value string) {
	for i, f := range m.Fields {
		if f.Name == name {
			m.Fields[i].Value = value
			return
		}
	}
	m.add(name, value)
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func withTag(value, tag string) string {
	if param(value, "tag") != "" {
		return value
	}
	return value + ";tag=" + tag
}

// cancel is the CANCEL for a request as it was sent (RFC 3261 §9.1).
func cancel(sent *Message) *Message {
	return sameHop(sent, "CANCEL", sent.Get("To"))
}

// ack is the ACK for a refused INVITE (RFC 3261 §17.1.1.3).
func ack(sent, final *Message) *Message {
	return sameHop(sent, "ACK", final.Get("To"))
}

func sameHop(sent *Message, method, to string) *Message {
	m := &Message{Start: method + " " + sent.URI() + " SIP/2.0"}
	m.add("Via", sent.Get("Via"))
	m.add("Max-Forwards", "70")
	for _, route := range sent.All("Route") {
		m.add("Route", route)
	}
	m.add("From", sent.Get("From"))
	m.add("To", to)
	m.add("Call-ID", sent.Get("Call-ID"))
	number, _, _ := strings.Cut(sent.Get("CSeq"), " ")
	m.add("CSeq", number+" "+method)
	return m
}
