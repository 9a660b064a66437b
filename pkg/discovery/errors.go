package discovery

import (
	"cmp"
	"errors"
	"strings"

	"edged/pkg/verdict"
)

// ErrorKind says why there is no answer. Its text form is a metric label.
type ErrorKind uint8

// The kinds. The zero value is none of them.
const (
	// NoSuchName: the name does not exist (NXDOMAIN).
	NoSuchName ErrorKind = iota + 1
	// NoData: the name exists, but has no record of the type asked for.
	NoData
	// NotOffered: the only SRV target is ".", the domain decidedly does not offer
	// the service (RFC 2782).
	NotOffered
	// ServerFailure: no server could answer (SERVFAIL, REFUSED, unreachable, ...).
	ServerFailure
	// Timeout: no server answered in time, or the caller's context ended first.
	Timeout
	// Private: the address is not one of the public Internet; see CheckAddr.
	Private
	// BadAnswer: the answer breaks the rules: no usable target, an alias that leads
	// nowhere, an undecipherable message.
	BadAnswer
	// Busy: as many look-ups are under way as there may be (maxFlights), or the asker
	// of SRVIf may not start one.
	Busy
)

// String returns the stable, kebab-case text form.
func (k ErrorKind) String() string {
	switch k {
	case NoSuchName:
		return "no-such-name"
	case NoData:
		return "no-data"
	case NotOffered:
		return "not-offered"
	case ServerFailure:
		return "server-failure"
	case Timeout:
		return "timeout"
	case Private:
		return "private"
	case BadAnswer:
		return "bad-answer"
	case Busy:
		return "busy"
	}
	return "unknown"
}

// Error is what every function of this package returns when it fails.
type Error struct {
	Kind   ErrorKind
	Name   string // what was asked for, such as "_sipfederationtls._tcp.fabrikam.com", or the address of a Private
	Server string // host:port of the server that said so; empty if none was asked
	Err    error  // details for the log; may be nil
}

// Error returns the kind, the name, the server and the details, for logs.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("dns: " + e.Name + ": " + strings.ReplaceAll(e.Kind.String(), "-", " "))
	if e.Server != "" {
		b.WriteString(" (server " + e.Server + ")")
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the details.
func (e *Error) Unwrap() error { return e.Err }

// Temporary tells whether the same question may have an answer in a moment: the
// DNS failed, rather than said no.
func (e *Error) Temporary() bool {
	return e.Kind == ServerFailure || e.Kind == Timeout || e.Kind == Busy
}

// about returns e with the question filled in, and the server unless it has one.
func (e *Error) about(name, server string) *Error {
	return &Error{Kind: e.Kind, Name: name, Server: cmp.Or(e.Server, server), Err: e.Err}
}

// Reason is the verdict's reason for an error of this package: it tells a record that
// does not exist from a DNS that does not answer.
func Reason(err error) verdict.Reason {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return verdict.DNSFailed
	}
	switch e.Kind {
	case NoSuchName, NoData, NotOffered:
		return verdict.DNSNoRecord
	case Private:
		return verdict.TargetPrivate
	default:
		return verdict.DNSFailed
	}
}
