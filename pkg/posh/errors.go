package posh

import (
	"fmt"
	"strings"

	"edged/pkg/domain"
)

// ErrorKind says why there is no Set. Its text form is a metric label.
type ErrorKind uint8

// The kinds. The zero value is none of them.
const (
	// NotPublished: the web server has no such document (404, 410).
	NotPublished ErrorKind = iota + 1
	// Invalid: the document, or the way to it, breaks the rules.
	Invalid
	// Unproven: the web server's certificate is not good for its name.
	Unproven
	// Failed: no answer, or one that says that the web server is out of order.
	Failed
	// Busy: as many look-ups are under way as there may be (maxFlights).
	Busy
)

// String returns the stable, kebab-case text form.
func (k ErrorKind) String() string {
	switch k {
	case NotPublished:
		return "not-published"
	case Invalid:
		return "invalid"
	case Unproven:
		return "unproven"
	case Failed:
		return "failed"
	case Busy:
		return "busy"
	}
	return "unknown"
}

// Error is what Lookup returns when it fails.
type Error struct {
	Kind   ErrorKind
	Domain domain.Name // who was asked
	Err    error       // details for the log; may be nil
}

// Error returns the kind, the domain and the details, for logs.
func (e *Error) Error() string {
	text := fmt.Sprintf("posh: %s: %s", e.Domain, strings.ReplaceAll(e.Kind.String(), "-", " "))
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the details.
func (e *Error) Unwrap() error { return e.Err }

// Temporary tells whether the same question may have an answer in a moment.
func (e *Error) Temporary() bool { return e.Kind == Failed || e.Kind == Busy }
