package sipmsg

import (
	"strconv"
	"strings"
)

// AppendResponse appends the edge's own response to req (RFC 3261 §8.2.6): all
// Via rows with the address that the request came from (§18.2.1), From, To, Call-ID
// and CSeq as they are, the extra header lines, and no body. A To without tag gets toTag unless that is empty. The extra lines get the
// CRLF that they lack.
//
// req must be Answerable; rows that occur too often are copied once.
func AppendResponse(dst []byte, req *Message, status int, reason, toTag string, extra ...string) []byte {
	dst = append(dst, "SIP/2.0 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, reason...)
	dst = append(dst, "\r\n"...)
	dst = req.appendVias(dst)
	dst = req.appendRow(dst, From)
	dst = req.appendTo(dst, toTag)
	dst = req.appendRow(dst, CallID)
	dst = req.appendRow(dst, CSeq)
	if status == 100 { // §8.2.6.1
		dst = req.appendRow(dst, Timestamp)
	}
	for _, line := range extra {
		dst = append(dst, line...)
		if !strings.HasSuffix(line, "\r\n") {
			dst = append(dst, "\r\n"...)
		}
	}
	return append(dst, "Content-Length: 0\r\n\r\n"...)
}

// AppendACK appends the ACK that a client transaction sends for a final response
// of 300 to 699 (§17.1.1.3). sent is the INVITE as it was sent to the peer.
func AppendACK(dst []byte, sent, resp *Message) []byte {
	dst = sent.appendHead(dst, "ACK")
	dst = resp.appendRow(dst, To)
	return sent.appendTail(dst, "ACK")
}

// AppendCancel appends the CANCEL for a request (§9.1). sent is the request as it
// was sent to the peer.
func AppendCancel(dst []byte, sent *Message) []byte {
	dst = sent.appendHead(dst, "CANCEL")
	dst = sent.appendRow(dst, To)
	return sent.appendTail(dst, "CANCEL")
}

// appendHead writes what ACK and CANCEL share up to the To field.
func (m *Message) appendHead(dst []byte, method string) []byte {
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, m.RequestURI()...)
	dst = append(dst, " SIP/2.0\r\n"...)
	if top, ok := m.First(Via); ok {
		dst = append(dst, "Via: "...)
		dst = append(dst, top.Text...)
		dst = append(dst, "\r\n"...)
	}
	dst = append(dst, "Max-Forwards: 70\r\n"...)
	dst = m.appendRows(dst, Route)
	return m.appendRow(dst, From)
}

func (m *Message) appendTail(dst []byte, method string) []byte {
	dst = m.appendRow(dst, CallID)
	dst = append(dst, "CSeq: "...)
	dst = strconv.AppendUint(dst, uint64(m.cseqNumber), 10)
	dst = append(dst, ' ')
	dst = append(dst, method...)
	return append(dst, "\r\nContent-Length: 0\r\n\r\n"...)
}

func (m *Message) appendRows(dst []byte, h Header) []byte {
	for i := range m.fields {
		if f := &m.fields[i]; f.Header == h {
			dst = append(dst, m.Raw[f.start:f.end]...)
		}
	}
	return dst
}

func (m *Message) appendRow(dst []byte, h Header) []byte {
	if f, ok := m.Row(h); ok {
		dst = append(dst, m.Raw[f.start:f.end]...)
	}
	return dst
}

func (m *Message) appendTo(dst []byte, tag string) []byte {
	f, ok := m.Row(To)
	if !ok || tag == "" || m.to.Tag() != nil {
		return m.appendRow(dst, To)
	}
	dst = append(dst, m.Raw[f.start:f.valEnd]...)
	dst = append(dst, ";tag="...)
	dst = append(dst, tag...)
	return append(dst, m.Raw[f.valEnd:f.end]...)
}
