package sipfed

import (
	"fmt"
	"strings"

	"edged/pkg/verdict"
)

// refusal is why a request goes no further. It carries the reason that is
// logged and counted, the rule that fired, and what the wire may show.
type refusal struct {
	reason verdict.Reason
	rule   verdict.Rule
	phrase string   // replaces the table's phrase, for a 400 that names the header
	extra  []string // further header lines, such as Unsupported, without CRLF
	detail string   // for logs and for diagnostics inside; never outside
}

func (r *refusal) Error() string {
	if r.detail == "" {
		return r.reason.String()
	}
	return r.reason.String() + ": " + r.detail
}

func refuse(reason verdict.Reason, format string, args ...any) *refusal {
	return &refusal{reason: reason, detail: fmt.Sprintf(format, args...)}
}

// answer is the wire form of a reason.
type answer struct {
	status     int
	phrase     string
	id         int    // ms-diagnostics id, inside only; 0 = none (MS-OCER §8.2)
	text       string // its reason text
	retryAfter int    // seconds; 0 = no Retry-After
}

// The phrases that are used more than once.
const (
	forbidden   = "Forbidden"
	notFound    = "Not Found"
	timeOut     = "Server Time-out"
	unavailable = "Service Unavailable"
)

// Texts of ms-diagnostics: the official ones of MS-OCER §8.2 where there is one.
const (
	textNoRoute     = "Cannot route to destination domain"
	textWrongType   = "Cannot route this type of SIP request to or from federated partners"
	textNoSRV       = "Unable to resolve DNS SRV record"
	textNoTrust     = "Certificate trust with another server could not be established"
	textNoConnect   = "Failed to connect to a federated peer server"
	textTemporarily = "Temporarily cannot route"
	textNotPublic   = "From URI not authorized to communicate with public IM providers"
	textNotPartner  = "From URI not authorized to communicate with federated partners"
	textPeerSilent  = "Previous hop federated peer did not report diagnostic information"
)

// answerTo is the one table from a reason to what the wire shows (spec-sip §10).
// The side is the one that gets the answer: an outsider cannot tell a user who
// may not federate from one who does not exist (rule hide-user).
func answerTo(reason verdict.Reason, side Side) answer {
	if side == External && hidesUser(reason) {
		return answer{status: 404, phrase: notFound}
	}
	if a, ok := answerToMessage(reason); ok {
		return a
	}
	switch reason {
	case verdict.FederationOff, verdict.DomainBlocked, verdict.DomainUnlisted, verdict.ProviderDisabled:
		return answer{status: 403, phrase: forbidden, id: 1027, text: textWrongType}
	case verdict.ProviderUnlisted:
		return answer{
			status: 403, phrase: forbidden, id: 1028,
			text: "Domain resolved by DNS SRV to a configured hosting service but the domain is not in the allow list",
		}
	case verdict.NotOurs, verdict.IdentityMismatch, verdict.SenderAnonymous:
		return answer{status: 403, phrase: forbidden, id: 1005, text: textNoRoute}
	case verdict.UserNotFederated, verdict.UserNotXMPP, verdict.UserUnreadable, verdict.NoConsent:
		return answer{status: 403, phrase: forbidden, id: 1002, text: textNotPartner}
	case verdict.UserNotPublic, verdict.UserNotPublicAV:
		return answer{status: 403, phrase: forbidden, id: 1001, text: textNotPublic}
	case verdict.BudgetExhausted, verdict.DNSLimited:
		return answer{status: 480, phrase: "Temporarily Unavailable", retryAfter: 60}

	case verdict.DNSNoRecord, verdict.DNSFailed, verdict.NeedsDNS:
		return answer{status: 504, phrase: timeOut, id: 1008, text: textNoSRV}
	case verdict.TargetOutsideDomain:
		return answer{status: 504, phrase: timeOut, id: 1009, text: "No match for domain in DNS SRV results"}
	case verdict.DNSNoAddress:
		return answer{status: 504, phrase: timeOut, id: 1014, text: "Unable to resolve DNS A record"}
	case verdict.ConnectFailed, verdict.TargetPrivate:
		return answer{status: 504, phrase: timeOut, id: 1046, text: textNoConnect}
	case verdict.TLSFailed:
		return answer{
			status: 504, phrase: timeOut, id: 1047,
			text: "Failed to complete TLS negotiation with a federated peer server",
		}
	case verdict.CertificateRefused:
		return answer{status: 504, phrase: timeOut, id: 1010, text: textNoTrust}
	case verdict.ConnectionLost, verdict.PoolDown:
		return answer{status: 504, phrase: timeOut, id: 1007, text: textTemporarily}
	case verdict.NoAnswer:
		return answer{status: 408, phrase: "Request Timeout", id: 1007, text: textTemporarily}
	case verdict.PeerRefused:
		return answer{status: 500, phrase: "Server Internal Error", id: 1034, text: textPeerSilent}
	case verdict.QueueFull:
		return answer{status: 480, phrase: "Temporarily Unavailable", id: 1007, text: textTemporarily, retryAfter: 10}
	case verdict.Overloaded, verdict.ShuttingDown:
		return answer{status: 503, phrase: unavailable, id: 1007, text: textTemporarily, retryAfter: 10}
	default:
		return answer{status: 500, phrase: "Server Internal Error"}
	}
}

// answerToMessage has the rows of what is wrong in the message itself.
func answerToMessage(reason verdict.Reason) (answer, bool) {
	a := answer{}
	switch reason {
	case verdict.Malformed, verdict.TooSlow:
		a = answer{status: 400, phrase: "Bad Request"}
	case verdict.VersionUnsupported:
		a = answer{status: 505, phrase: "Version Not Supported"}
	case verdict.SchemeUnsupported:
		a = answer{status: 416, phrase: "Unsupported URI Scheme"}
	case verdict.ExtensionUnsupported:
		a = answer{status: 420, phrase: "Bad Extension"}
	case verdict.MethodRefused:
		a = answer{status: 405, phrase: "Method Not Allowed"}
	case verdict.HopsExhausted:
		a = answer{status: 483, phrase: "Too Many Hops"}
	case verdict.LoopDetected:
		a = answer{status: 482, phrase: "Loop Detected"}
	case verdict.RouteInvalid:
		a = answer{status: 481, phrase: "Call/Transaction Does Not Exist", id: 1004, text: "Route set is no longer valid"}
	case verdict.SecurityDowngrade:
		a = answer{status: 480, phrase: "Temporarily Unavailable"}
	case verdict.URITooLong:
		a = answer{status: 414, phrase: "Request-URI Too Long"}
	case verdict.BodyTooLarge:
		a = answer{status: 413, phrase: "Request Entity Too Large"}
	case verdict.HeadersTooLarge:
		a = answer{status: 513, phrase: "Message Too Large"}
	case verdict.Cancelled:
		a = answer{status: 487, phrase: "Request Terminated"}
	default:
		return a, false
	}
	return a, true
}

// hidesUser lists the reasons that speak about a local user.
func hidesUser(reason verdict.Reason) bool {
	switch reason {
	case verdict.UserNotFederated, verdict.UserNotXMPP, verdict.UserNotPublic,
		verdict.UserNotPublicAV, verdict.UserUnreadable, verdict.NoConsent:
		return true
	default:
		return false
	}
}

// reasonFor is the reason of a message that sipmsg found broken.
func reasonFor(status int) verdict.Reason {
	switch status {
	case 413:
		return verdict.BodyTooLarge
	case 414:
		return verdict.URITooLong
	case 416:
		return verdict.SchemeUnsupported
	case 505:
		return verdict.VersionUnsupported
	case 513:
		return verdict.HeadersTooLarge
	default:
		return verdict.Malformed
	}
}

// diagnostics renders an ms-diagnostics line for the inside (MS-OCER §2.2.1.1):
// what a colleague's administrator needs and a partner must not see.
func (a answer) diagnostics(source, detail string) string {
	line := fmt.Sprintf(`ms-diagnostics: %d;reason="%s";source="%s"`, a.id, a.text, source)
	if detail != "" {
		line += `;summary="` + quotable(detail) + `"`
	}
	return line
}

// quotable makes text safe inside a quoted string of one header line: what a
// peer sent must not end the string, the line or the terminal that shows it.
func quotable(text string) string {
	const most = 300 // bytes; a summary is one line, not a dump
	if len(text) > most {
		text = text[:most]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '"' || r == '\\' || r == 0xfffd {
			return '\''
		}
		return r
	}, text)
}
