package sipmsg

import "fmt"

// RequestLine and StatusLine are the values of SyntaxError.Field and
// FramingError.Field for the first line of a message.
const (
	RequestLine = "Request-Line"
	StatusLine  = "Status-Line"
)

// SyntaxError is a message that is broken while its end is known. The connection
// can go on.
type SyntaxError struct {
	// Status is what a request deserves: 400, 414 or 505. It is 0 for a response,
	// which is dropped (RFC 3261 §8.1.3, §18.1.2).
	Status int
	// Field is the header field at fault, or RequestLine or StatusLine. It is one
	// of this package's own spellings, so it is safe in a reason phrase (§21.4.1).
	Field string
	// Detail says what is wrong and what would be right. It never repeats bytes
	// of the message.
	Detail string
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("SIP message: %s: %s", e.Field, e.Detail)
}

// FramingError is a stream whose next message boundary is unknown, or a message
// beyond a limit. The connection has to be closed.
type FramingError struct {
	// Status is the last answer before closing: 400, 413, 513, or what
	// Reader.Grow says. It is 0 when
	// nothing can be answered: the bytes are not SIP, or are a response.
	Status int
	// Field is the header field at fault, RequestLine or StatusLine, or empty
	// when the bytes belong to none.
	Field string
	// Detail says what is wrong and what would be right.
	Detail string
}

// Error implements error.
func (e *FramingError) Error() string {
	if e.Field == "" {
		return "SIP stream: " + e.Detail
	}
	return fmt.Sprintf("SIP stream: %s: %s", e.Field, e.Detail)
}

// grammarError is what the parsers of single values return.
type grammarError string

func (e grammarError) Error() string { return string(e) }
