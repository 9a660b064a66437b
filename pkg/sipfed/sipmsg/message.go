package sipmsg

import "sync/atomic"

// Message is one SIP message and the index of its rows. Read it from any number
// of goroutines, change or copy it never: a Splice makes the changed message.
type Message struct {
	// Raw is everything from the start line to the end of the body, as read. It
	// is valid until Release.
	Raw []byte
	// Body is the tail of Raw that Content-Length counts.
	Body []byte
	// Method is the request's method as written, case kept; empty for responses.
	// A broken request line keeps it as long as its first word is a token.
	Method string
	// Status is the status code of a response, 0 for requests and for a status
	// line that could not be read.
	Status int
	// Source is where the message came from; nil if that is not known.
	Source *Source
	// Number is its place among what its Reader has read, from 1; 0 if there is none.
	Number uint64

	index
	parsed
	fields []Field
	inline [20]Field // what fields starts with: enough for most messages
	pool   *Pool
	// holders counts whoever may still read it.
	holders atomic.Int32
}

// index is where things stand in Raw.
type index struct {
	response bool
	started  bool                // the start line is complete
	line     span                // start line without its CRLF
	uri      span                // Request-URI; 0, 0 if there is none
	headers  int                 // where the empty line starts; 0 while unknown
	first    [headerCount]uint16 // 1 + index of the first row
	repeated headerSet           // more than one row
	nameless bool                // a row without name and colon
}

// parsed is what validation has read; zero where it failed.
type parsed struct {
	requestURI URI
	via        ViaValue
	from, to   Address
	callID     []byte
	cseqMethod string
	cseqNumber uint32
	hops       int // 1 + Max-Forwards, 0 without
	breadth    int // 1 + Max-Breadth, 0 without
}

// span is a stretch of Raw.
type span struct{ start, end int }

func (s span) of(b []byte) []byte { return b[s.start:s.end:s.end] }

// Field is one row: a header field with all its continuation lines. The rows of a
// message cover its header section without gaps.
type Field struct {
	Header             Header
	start, end         uint32 // the row, CRLF included
	nameEnd            uint32
	valueStart, valEnd uint32
}

// Start is the offset of the row's name in Raw.
func (f Field) Start() int { return int(f.start) }

// End is the offset after the row's CRLF.
func (f Field) End() int { return int(f.end) }

// ValueStart is the offset of the trimmed value in Raw.
func (f Field) ValueStart() int { return int(f.valueStart) }

// ValueEnd is the offset after the trimmed value in Raw.
func (f Field) ValueEnd() int { return int(f.valEnd) }

// IsRequest reports whether the message is a request.
func (m *Message) IsRequest() bool { return !m.response }

// StartLine returns the span of the start line in Raw, without its CRLF.
func (m *Message) StartLine() (start, end int) { return m.line.start, m.line.end }

// RequestURI returns the Request-URI as written; nil for responses and for a
// request line that could not be read.
func (m *Message) RequestURI() []byte {
	if m.uri.end == 0 {
		return nil
	}
	return m.uri.of(m.Raw)
}

// RequestURISpan is where the Request-URI stands in Raw; 0, 0 if there is none.
func (m *Message) RequestURISpan() (start, end int) { return m.uri.start, m.uri.end }

// URI returns the parsed Request-URI. Only the scheme is set for schemes other
// than sip and sips, which the caller answers with 416.
func (m *Message) URI() URI { return m.requestURI }

// HeadersStart is the offset of the first row: after the start line's CRLF.
func (m *Message) HeadersStart() int { return m.line.end + 2 }

// HeadersEnd is the offset of the empty line after the header section.
func (m *Message) HeadersEnd() int { return m.headers }

// Fields returns the rows in order. Do not modify it.
func (m *Message) Fields() []Field { return m.fields }

// Name returns the row's name as written.
func (m *Message) Name(f Field) []byte { return m.Raw[f.start:f.nameEnd:f.nameEnd] }

// Value returns the row's value without the white space around it; folds inside
// are still there.
func (m *Message) Value(f Field) []byte { return m.Raw[f.valueStart:f.valEnd:f.valEnd] }

// Row returns the first row of h, which must be one of this package's constants.
func (m *Message) Row(h Header) (Field, bool) {
	i := m.first[h]
	if i == 0 {
		return Field{}, false
	}
	return m.fields[i-1], true
}

// Get returns the value of the first row of h.
func (m *Message) Get(h Header) ([]byte, bool) {
	f, ok := m.Row(h)
	if !ok {
		return nil, false
	}
	return m.Value(f), true
}

// Count returns the number of rows of h.
func (m *Message) Count(h Header) int {
	if !m.repeated.has(h) {
		return min(int(m.first[h]), 1)
	}
	n := 0
	for i := range m.fields {
		if m.fields[i].Header == h {
			n++
		}
	}
	return n
}

// CSeq returns the sequence number and its method.
func (m *Message) CSeq() (number uint32, method string) { return m.cseqNumber, m.cseqMethod }

// CallID returns the Call-ID as written.
func (m *Message) CallID() []byte { return m.callID }

// From returns the parsed From field; zero if it could not be parsed.
func (m *Message) From() Address { return m.from }

// To returns the parsed To field; zero if it could not be parsed.
func (m *Message) To() Address { return m.to }

// Via returns the parsed topmost Via value; zero if it could not be parsed.
func (m *Message) Via() ViaValue { return m.via }

// MaxForwards returns the hops left, 0 to 255; false if the request has no
// Max-Forwards (§16.3 step 3 lets it pass, §16.6 step 3 adds one).
func (m *Message) MaxForwards() (hops int, ok bool) {
	return max(m.hops-1, 0), m.hops > 0
}

// MaxBreadth returns how many branches the request may still have at once, at most
// MostBreadth; false if it says nothing (RFC 5393 §5).
func (m *Message) MaxBreadth() (branches int, ok bool) {
	return max(m.breadth-1, 0), m.breadth > 0
}

// Answerable reports whether the message is a request with what its sender finds
// a response by (§17.1.3): Via and CSeq. Of the other rows that a response copies
// (§8.2.6.2) some may be missing. Whether the method may be answered at all (ACK
// never is) is up to the caller.
func (m *Message) Answerable() bool {
	return !m.response && m.first[Via] > 0 && m.first[CSeq] > 0
}
