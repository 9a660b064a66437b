package tlsid

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"time"
)

// CertErrorKind says why we refused a certificate. The list is closed: it is a
// metric label and a log value.
type CertErrorKind uint8

// The kinds, in the order of the checks.
const (
	None              CertErrorKind = iota + 1 // the peer presented no certificate
	UnknownAuthority                           // no root we know signed it
	Expired                                    // it, or an authority above it, has expired
	NotYetValid                                // it, or an authority above it, is not valid yet
	BadChain                                   // constraints of an authority, or something in the chain we cannot process
	WrongUsage                                 // its extended key usage is for something else (RFC 5924)
	Revoked                                    // a revocation list names it, or an authority above it
	RevocationUnknown                          // revocation lists are required, and no current one covers it
	NoNames                                    // it names no domain (RFC 5922 §7.1)
	TooManyNames                               // it names more than MaxNames domains
)

var kindTexts = [...]string{
	None:              "none",
	UnknownAuthority:  "unknown-authority",
	Expired:           "expired",
	NotYetValid:       "not-yet-valid",
	BadChain:          "bad-chain",
	WrongUsage:        "wrong-usage",
	Revoked:           "revoked",
	RevocationUnknown: "revocation-unknown",
	NoNames:           "no-names",
	TooManyNames:      "too-many-names",
}

// String returns the stable text of the kind, e.g. "not-yet-valid".
func (k CertErrorKind) String() string {
	if k == 0 || int(k) >= len(kindTexts) {
		return "unknown"
	}
	return kindTexts[k]
}

// CertErrorKinds returns every kind, in order.
func CertErrorKinds() []CertErrorKind {
	var kinds []CertErrorKind
	for k := None; int(k) < len(kindTexts); k++ {
		kinds = append(kinds, k)
	}
	return kinds
}

// CertError is our refusal of a peer's certificate.
type CertError struct {
	Kind    CertErrorKind
	Subject string // the refused certificate as the peer wrote it, shortened; "" if there was none
	Err     error  // details; may be nil
}

// Error returns the kind, the subject and the details.
func (e *CertError) Error() string {
	text := "peer certificate: " + e.Kind.String()
	if e.Subject != "" {
		text += ": " + e.Subject
	}
	if e.Err != nil {
		text += ": " + clip(e.Err.Error())
	}
	return text
}

// Unwrap returns the details.
func (e *CertError) Unwrap() error { return e.Err }

// Refusal returns our refusal of the peer's certificate out of the error of a
// handshake. It is errors.As, plus the one case that crypto/tls reports in its own
// words before it asks us: a client without any certificate.
func Refusal(err error) (*CertError, bool) {
	if refused, ok := errors.AsType[*CertError](err); ok {
		return refused, true
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if e.Error() == "tls: client didn't provide a certificate" {
			return &CertError{Kind: None, Err: err}, true
		}
	}
	return nil, false
}

// IsAlert reports whether err is the peer's refusal: a TLS alert that it sent.
//
// Under TLS 1.3 a client finishes its handshake before the server has looked at
// the client's certificate (RFC 8446 §4.4.4), so this must be asked of the first
// read as well as of the handshake. A peer that resets the connection right after
// its alert can destroy the alert on the way; that looks like any other reset.
// An orderly closing (close_notify) is io.EOF and no refusal.
func IsAlert(err error) bool {
	// crypto/tls keeps its alert type to itself, but marks the sender.
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error"
}

// verifyError turns what crypto/x509 found at the moment now into a CertError.
func verifyError(leaf *x509.Certificate, err error, now time.Time) *CertError {
	kind := BadChain
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		kind = Expired
		if invalid.Cert != nil && now.Before(invalid.Cert.NotBefore) {
			kind = NotYetValid
		}
	case errors.As(err, &unknown):
		kind = UnknownAuthority
	}
	return certError(kind, leaf, err)
}

func certError(kind CertErrorKind, c *x509.Certificate, err error) *CertError {
	return &CertError{Kind: kind, Subject: describe(c), Err: err}
}

// describe names a certificate for people: its subject, or else one of its
// names, and who signed it.
func describe(c *x509.Certificate) string {
	subject := c.Subject.String()
	if subject == "" && len(c.DNSNames) > 0 {
		subject = "DNS:" + c.DNSNames[0]
	}
	if subject == "" && len(c.URIs) > 0 {
		subject = "URI:" + c.URIs[0].String()
	}
	return clip(subject) + " (issued by " + clip(c.Issuer.String()) + ")"
}

// clip keeps what a stranger may put into our log short and valid.
func clip(s string) string {
	const most = 300
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strings.ToValidUTF8(s, "?")
}

// HandshakeResult is what a handshake is counted by, out of a closed set: "ok", our
// refusal of the certificate with its kind, the peer's "alert", "timeout" or "failed".
func HandshakeResult(err error) string {
	var timeout net.Error
	if err == nil {
		return "ok"
	}
	if certificate, ok := Refusal(err); ok {
		return "certificate-" + certificate.Kind.String()
	}
	switch {
	case IsAlert(err):
		return "alert"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	default:
		return "failed"
	}
}
