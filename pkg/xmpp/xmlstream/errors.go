package xmlstream

// Condition is the name of a stream error condition, as it goes on the wire in
// the namespace urn:ietf:params:xml:ns:xmpp-streams (RFC 6120 §4.9.3).
type Condition string

// The conditions that a Reader finds.
const (
	BadFormat           Condition = "bad-format"           // well-formed, but not a stream (§4.9.3.1)
	NotWellFormed       Condition = "not-well-formed"      // XML or its namespaces (§4.9.3.13, §11.3)
	PolicyViolation     Condition = "policy-violation"     // beyond a limit (§4.9.3.14)
	RestrictedXML       Condition = "restricted-xml"       // forbidden by §11.1 (§4.9.3.18)
	UnsupportedEncoding Condition = "unsupported-encoding" // not UTF-8, or broken UTF-8 (§4.9.3.22)
)

// Error is a fault after which nothing of the stream can be read any more.
type Error struct {
	// Condition is the stream error to send before closing.
	Condition Condition
	// Detail says what is wrong and what would be right. It never repeats bytes
	// of the stream.
	Detail string
}

// Error implements error.
func (e *Error) Error() string { return "XML stream: " + string(e.Condition) + ": " + e.Detail }

func malformed(detail string) *Error  { return &Error{NotWellFormed, detail} }
func restricted(detail string) *Error { return &Error{RestrictedXML, detail} }
func excess(detail string) *Error     { return &Error{PolicyViolation, detail} }
