package sipmsg

import (
	"net/netip"
	"strconv"
)

// Source is where messages come from: an address, and how Via shows it.
type Source struct {
	addr           netip.Addr
	received, port string
	param          string // ;received=
}

// NewSource returns the Source for an address; nil if it is none.
func NewSource(from netip.AddrPort) *Source {
	if !from.IsValid() {
		return nil
	}
	addr := from.Addr().Unmap().WithZone("")
	text := addr.String()
	return &Source{addr: addr, received: text, port: strconv.Itoa(int(from.Port())), param: ";received=" + text}
}

// note is text that goes in place of Raw[start:end].
type note struct {
	start, end int
	text       string
}

// received is what the transport has to add to the topmost Via: where the message
// really came from, unless sent-by is that very address (RFC 3261 §18.2.1), and the
// port where the sender asks for it (RFC 3581 §4). Whatever the sender says about
// itself is replaced.
func (m *Message) received() (notes [2]note, n int) {
	top, ok := m.First(Via)
	if !ok || m.Source == nil || m.via.Host == nil {
		return notes, 0
	}
	port, asked := m.via.Param("rport")
	if asked && len(port) == 0 {
		notes[0], n = m.viaParam(top.End, "rport", m.Source.port), 1
	}
	said, already := m.via.Param("received")
	ip, isIP := m.via.HostIP()
	switch {
	case already && string(said) == m.Source.received, !already && n == 0 && isIP && ip.Unmap() == m.Source.addr:
		return notes, n
	case already:
		notes[n] = m.viaParam(top.End, "received", m.Source.received)
	default:
		notes[n] = note{top.End, top.End, m.Source.param}
	}
	if n == 1 && notes[1].start < notes[0].start {
		notes[0], notes[1] = notes[1], notes[0]
	}
	return notes, n + 1
}

// viaParam sets a parameter that the topmost Via, which ends at end, has already.
func (m *Message) viaParam(end int, name, value string) note {
	at := end - len(m.via.Params)
	from, to := paramSpan(m.via.Params, name)
	return note{at + from, at + to, name + "=" + value}
}

// NoteSource notes the transport's additions to the topmost Via in s.
func (m *Message) NoteSource(s *Splice) {
	notes, n := m.received()
	for _, e := range notes[:n] {
		s.Replace(e.start, e.end, e.text)
	}
}

// appendVias appends all Via rows with the transport's additions.
func (m *Message) appendVias(dst []byte) []byte {
	notes, n := m.received()
	for i := range m.fields {
		f := &m.fields[i]
		if f.Header != Via {
			continue
		}
		at := int(f.start)
		for _, e := range notes[:n] { // all of them in the first row
			dst = append(dst, m.Raw[at:e.start]...)
			dst = append(dst, e.text...)
			at = e.end
		}
		dst = append(dst, m.Raw[at:f.end]...)
		n = 0
	}
	return dst
}
