package sip

import (
	"fmt"
	"strings"
)

const (
	// BodyBytes is the length of every MESSAGE's body.
	BodyBytes = 64
	// mark is where the number of a request goes in a form.
	mark   = "########"
	digits = len(mark)
)

// form is a request with places for its number.
type form struct{ parts []string }

func newForm(text string) form { return form{strings.Split(text, mark)} }

func (f form) append(dst []byte, n uint32) []byte {
	for i, part := range f.parts {
		if i > 0 {
			dst = appendNumber(dst, n)
		}
		dst = append(dst, part...)
	}
	return dst
}

func appendNumber(dst []byte, n uint32) []byte {
	const hex = "0123456789abcdef"
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		dst = append(dst, hex[n>>shift&15])
	}
	return dst
}

// Parties are who writes to whom.
type Parties struct {
	From, To string // user@domain
	Host     string // the sender's own name, in Via and Contact
}

// head begins a request outside of a dialog, with everything but what depends on
// its method.
func (p Parties) head(method string) string {
	return fmt.Sprintf("%s sip:%s SIP/2.0\r\n"+
		"Via: SIP/2.0/TLS %s:5061;branch=z9hG4bK%s\r\n"+
		"Max-Forwards: 70\r\n"+
		"From: <sip:%s>;tag=f%s\r\n"+
		"To: <sip:%s>\r\n"+
		"Call-ID: %s@%s\r\n"+
		"CSeq: 1 %s\r\n"+
		"User-Agent: bench\r\n",
		method, p.To, p.Host, mark, p.From, mark, p.To, mark, p.Host, method)
}

// message is an instant message of about 430 bytes.
func (p Parties) message() form {
	body := strings.Repeat("Lunch at noon? ", BodyBytes)[:BodyBytes]
	return newForm(p.head("MESSAGE") + "Date: Mon, 23 Nov 2026 12:00:00 GMT\r\nContent-Type: text/plain;charset=UTF-8\r\n" +
		fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body))
}

// invite begins a call.
func (p Parties) invite() form {
	body := "v=0\r\no=alice 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0 8\r\n"
	return newForm(p.head("INVITE") + "Contact: <sip:alice@" + p.Host + ":5061;transport=tls>\r\nContent-Type: application/sdp\r\n" +
		fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body))
}

// options asks the next hop itself.
func (p Parties) options() form { return newForm(p.head("OPTIONS") + "Content-Length: 0\r\n\r\n") }

// inDialog is the rest of an ACK or BYE after its request line and Route.
func (p Parties) inDialog(method string, seq int) form {
	return newForm(fmt.Sprintf("Via: SIP/2.0/TLS %s:5061;branch=z9hG4bK%c%s\r\n"+
		"Max-Forwards: 70\r\n"+
		"From: <sip:%s>;tag=f%s\r\n"+
		"Call-ID: %s@%s\r\n"+
		"CSeq: %d %s\r\n"+
		"Content-Length: 0\r\n", p.Host, method[0], mark, p.From, mark, mark, p.Host, seq, method))
}
