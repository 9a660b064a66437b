package sipfed

import (
	"fmt"

	"edged/pkg/policy"
	"edged/pkg/sipfed/sipmsg"
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

// refuseField refuses a message for one of its header fields, which the answer
// names (RFC 3261 §21.4.1).
func refuseField(h sipmsg.Header, format string, args ...any) *refusal {
	r := refuse(verdict.Malformed, h.String()+": "+format, args...)
	r.phrase = "Bad Request: " + h.String()
	return r
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
	temporarily = "Temporarily Unavailable"
)

// Texts of ms-diagnostics: the official ones of MS-OCER §8.2 where there is one.
const (
	textNotPublic   = "From URI not authorized to communicate with public IM providers"
	textNotPartner  = "From URI not authorized to communicate with federated partners"
	textRouteSet    = "Route set is no longer valid"
	textNoRoute     = "Cannot route to destination domain"
	textTemporarily = "Temporarily cannot route"
	textNoSRV       = "Unable to resolve DNS SRV record"
	textConflict    = "No match for domain in DNS SRV results"
	textNoTrust     = "Certificate trust with another server could not be established"
	textNoAddress   = "Unable to resolve DNS A record"
	textWrongType   = "Cannot route this type of SIP request to or from federated partners"
	textCombination = "Cannot route From and To domains in this combination"
	textNotListed   = "Domain resolved by DNS SRV to a configured hosting service but the domain is not in the allow list"
	textPeerSilent  = "Previous hop federated peer did not report diagnostic information"
	textCloudSilent = "Previous hop public IM provider did not report diagnostic information"
	textSplitSilent = "Previous hop shared address space peer did not report diagnostic information"
	textNoConnect   = "Failed to connect to a federated peer server"
	textNoTLS       = "Failed to complete TLS negotiation with a federated peer server"
)

// answers is the one table from a reason to what the wire shows:
// status, phrase, diagnostics id and text for the inside, Retry-After.
var answers = [verdict.Count]answer{
	verdict.FederationOff:       {403, forbidden, 1027, textWrongType, 0},
	verdict.DomainBlocked:       {403, forbidden, 1027, textWrongType, 0},
	verdict.DomainUnlisted:      {403, forbidden, 1027, textWrongType, 0},
	verdict.ProviderDisabled:    {403, forbidden, 1027, textWrongType, 0},
	verdict.ProviderUnlisted:    {403, forbidden, 1028, textNotListed, 0},
	verdict.NotOurs:             {403, forbidden, 1005, textNoRoute, 0},
	verdict.IdentityMismatch:    {403, forbidden, 1005, textNoRoute, 0},
	verdict.CombinationRefused:  {403, forbidden, 1017, textCombination, 0},
	verdict.TypeMixed:           {403, forbidden, 1005, textNoRoute, 0},
	verdict.SenderAnonymous:     {403, forbidden, 1005, textNoRoute, 0},
	verdict.UserNotFederated:    {403, forbidden, 1002, textNotPartner, 0},
	verdict.UserNotXMPP:         {403, forbidden, 1002, textNotPartner, 0},
	verdict.UserUnreadable:      {403, forbidden, 1002, textNotPartner, 0},
	verdict.NoConsent:           {403, forbidden, 1002, textNotPartner, 0},
	verdict.UserNotPublic:       {403, forbidden, 1001, textNotPublic, 0},
	verdict.UserNotPublicAV:     {403, forbidden, 1001, textNotPublic, 0},
	verdict.BudgetExhausted:     {480, temporarily, 0, "", 60},
	verdict.DNSLimited:          {480, temporarily, 0, "", 60},
	verdict.NeedsDNS:            {504, timeOut, 1008, textNoSRV, 0},
	verdict.DNSNoRecord:         {504, timeOut, 1008, textNoSRV, 0},
	verdict.DNSFailed:           {504, timeOut, 1008, textNoSRV, 0},
	verdict.TargetOutsideDomain: {504, timeOut, 1009, textConflict, 0},
	verdict.DNSNoAddress:        {504, timeOut, 1014, textNoAddress, 0},
	verdict.TargetPrivate:       {504, timeOut, 1046, textNoConnect, 0},
	verdict.ConnectFailed:       {504, timeOut, 1046, textNoConnect, 0},
	verdict.TLSFailed:           {504, timeOut, 1047, textNoTLS, 0},
	verdict.CertificateRefused:  {504, timeOut, 1010, textNoTrust, 0},
	verdict.ConnectionLost:      {504, timeOut, 1007, textTemporarily, 0},
	verdict.PoolDown:            {504, timeOut, 1007, textTemporarily, 0},
	verdict.NoAnswer:            {408, "Request Timeout", 1007, textTemporarily, 0},
	verdict.PeerRefused:         {500, "Server Internal Error", 1034, textPeerSilent, 0},
	verdict.NegotiationFailed:   {504, timeOut, 1047, textNoTLS, 0}, // XMPP's; with a row all the same
	verdict.DialbackInvalid:     {504, timeOut, 1010, textNoTrust, 0},
	verdict.QueueFull:           {480, temporarily, 1007, textTemporarily, 10},
	verdict.Overloaded:          {503, unavailable, 1007, textTemporarily, 10},
	verdict.ShuttingDown:        {503, unavailable, 1007, textTemporarily, 10},

	verdict.Malformed:            {400, "Bad Request", 0, "", 0},
	verdict.TooSlow:              {400, "Bad Request", 0, "", 0},
	verdict.MethodRefused:        {405, "Method Not Allowed", 0, "", 0},
	verdict.BodyTooLarge:         {413, "Request Entity Too Large", 0, "", 0},
	verdict.URITooLong:           {414, "Request-URI Too Long", 0, "", 0},
	verdict.SchemeUnsupported:    {416, "Unsupported URI Scheme", 0, "", 0},
	verdict.ExtensionUnsupported: {420, "Bad Extension", 0, "", 0},
	verdict.BreadthExhausted:     {440, "Max-Breadth Exceeded", 0, "", 0},
	verdict.RouteInvalid:         {481, "Call/Transaction Does Not Exist", 1004, textRouteSet, 0},
	verdict.LoopDetected:         {482, "Loop Detected", 0, "", 0},
	verdict.HopsExhausted:        {483, "Too Many Hops", 0, "", 0},
	verdict.Cancelled:            {487, "Request Terminated", 0, "", 0},
	verdict.PrivacyUnsupported:   {500, "Privacy Not Supported", 0, "", 0}, // RFC 3323 §5
	verdict.VersionUnsupported:   {505, "Version Not Supported", 0, "", 0},
	verdict.HeadersTooLarge:      {513, "Message Too Large", 0, "", 0},
}

// answerTo is the answer for the side that gets it: an outsider cannot tell a
// user who may not federate from one who does not exist (rule hide-user).
func answerTo(reason verdict.Reason, side Side) answer {
	if side == External && hidesUser(reason) {
		return answer{status: 404, phrase: notFound}
	}
	return answers[reason]
}

// silentPeer is what the inside is told of a refusal that the peer does not explain.
func silentPeer(adm *admission) answer {
	a := answers[verdict.PeerRefused]
	switch {
	case adm.hosted:
		a.id, a.text = 1036, textSplitSilent
	case adm.decision.Partner.Kind == policy.PublicProvider:
		a.id, a.text = 1035, textCloudSilent
	}
	return a
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
	case 480:
		return verdict.BudgetExhausted
	case 503:
		return verdict.Overloaded
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
		line += `;summary="` + verdict.Quotable(detail) + `"`
	}
	return line
}
