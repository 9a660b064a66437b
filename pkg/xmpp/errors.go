package xmpp

import (
	"errors"
	"fmt"
	"strings"

	"edged/pkg/policy"
	"edged/pkg/verdict"
	"edged/pkg/xmpp/xmlstream"
)

// refusal is why a stanza or a stream goes no further: the reason that is logged
// and counted, the rule that fired, and what only logs may show.
type refusal struct {
	reason verdict.Reason
	rule   verdict.Rule
	detail string
	// stream is set where the whole stream ends by it.
	stream xmlstream.Condition
	// permanent says that trying again does not help, whatever the table says.
	permanent bool
	cause     error
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

// fatal is a refusal that ends the stream with a stream error.
func fatal(condition xmlstream.Condition, reason verdict.Reason, format string, args ...any) *refusal {
	return &refusal{reason: reason, stream: condition, detail: fmt.Sprintf(format, args...)}
}

func refusedBy(d policy.Decision) *refusal {
	if d.Allow() {
		return nil
	}
	return &refusal{reason: d.Reason, rule: d.Rule}
}

// The stream error conditions that are not the reader's (RFC 6120 §4.9.3).
const (
	badNamespacePrefix     xmlstream.Condition = "bad-namespace-prefix"
	conflict               xmlstream.Condition = "conflict"
	connectionTimeout      xmlstream.Condition = "connection-timeout"
	hostUnknown            xmlstream.Condition = "host-unknown"
	improperAddressing     xmlstream.Condition = "improper-addressing"
	invalidFrom            xmlstream.Condition = "invalid-from"
	invalidNamespace       xmlstream.Condition = "invalid-namespace"
	notAuthorized          xmlstream.Condition = "not-authorized"
	policyViolation                            = xmlstream.PolicyViolation
	resetStream            xmlstream.Condition = "reset"
	resourceConstraint     xmlstream.Condition = "resource-constraint"
	systemShutdown         xmlstream.Condition = "system-shutdown"
	undefinedCondition     xmlstream.Condition = "undefined-condition"
	unsupportedStanzaType  xmlstream.Condition = "unsupported-stanza-type"
	unsupportedVersion     xmlstream.Condition = "unsupported-version"
	xmlNotWellFormedLegacy xmlstream.Condition = "xml-not-well-formed" // RFC 3920's name, understood when received
)

// answer is the wire form of a reason: a stanza error (RFC 6120 §8.3).
type answer struct {
	condition string // the defined condition
	kind      string // the error type: what the sender may do about it
}

// The stanza error conditions in use (RFC 6120 §8.3.3).
const (
	stanzaBadRequest       = "bad-request"
	stanzaForbidden        = "forbidden"
	stanzaInternalError    = "internal-server-error"
	stanzaNotAllowed       = "not-allowed"
	stanzaPolicyViolation  = "policy-violation"
	stanzaNoServer         = "remote-server-not-found"
	stanzaServerTimeout    = "remote-server-timeout"
	stanzaNoResources      = "resource-constraint"
	stanzaUnavailable      = "service-unavailable"
	stanzaItemNotFound     = "item-not-found"
	stanzaNotAuthorized    = "not-authorized"
	stanzaConnectionFailed = "remote-connection-failed"
)

// answers is the one table from a reason to the stanza error that the sender gets.
// Where the sender is outside, answerTo hides what speaks about a local user.
var answers = [verdict.Count]answer{
	verdict.FederationOff:    {stanzaNotAllowed, "cancel"},
	verdict.NotOurs:          {stanzaNotAllowed, "cancel"},
	verdict.DomainBlocked:    {stanzaNotAllowed, "cancel"},
	verdict.DomainUnlisted:   {stanzaNotAllowed, "cancel"},
	verdict.IdentityMismatch: {stanzaForbidden, "auth"},
	verdict.UserNotFederated: {stanzaForbidden, "auth"},
	verdict.UserNotXMPP:      {stanzaForbidden, "auth"},
	verdict.UserUnreadable:   {stanzaForbidden, "auth"},
	verdict.NoConsent:        {stanzaForbidden, "auth"},
	verdict.BudgetExhausted:  {stanzaNoResources, "wait"},

	verdict.DNSNoRecord:        {stanzaNoServer, "cancel"},
	verdict.DNSNoAddress:       {stanzaNoServer, "cancel"},
	verdict.DNSFailed:          {stanzaServerTimeout, "wait"},
	verdict.DNSLimited:         {stanzaServerTimeout, "wait"},
	verdict.TargetPrivate:      {stanzaServerTimeout, "cancel"},
	verdict.LoopDetected:       {stanzaServerTimeout, "cancel"},
	verdict.ConnectFailed:      {stanzaServerTimeout, "wait"},
	verdict.TLSFailed:          {stanzaServerTimeout, "wait"},
	verdict.CertificateRefused: {stanzaServerTimeout, "cancel"},
	verdict.ConnectionLost:     {stanzaServerTimeout, "wait"},
	verdict.NoAnswer:           {stanzaServerTimeout, "wait"},
	verdict.PeerRefused:        {stanzaServerTimeout, "wait"},
	verdict.NegotiationFailed:  {stanzaServerTimeout, "cancel"},
	verdict.DialbackInvalid:    {stanzaInternalError, "cancel"},
	verdict.PoolDown:           {stanzaInternalError, "wait"},
	verdict.QueueFull:          {stanzaNoResources, "wait"},
	verdict.Overloaded:         {stanzaNoResources, "wait"},
	verdict.ShuttingDown:       {stanzaServerTimeout, "wait"},

	verdict.Malformed:    {stanzaBadRequest, "modify"},
	verdict.BodyTooLarge: {stanzaPolicyViolation, "modify"},
}

// answerTo is the answer for the side that gets it: an outsider cannot tell a user
// who may not federate from one who does not exist (rule hide-user).
func answerTo(r *refusal, side Side) answer {
	if side == External && hidesUser(r.reason) {
		return answer{stanzaUnavailable, "cancel"}
	}
	a := answers[r.reason]
	if a.condition == "" {
		a = answer{stanzaInternalError, "wait"} // a reason of another protocol: never expected
	}
	if side == External && (a.condition == stanzaServerTimeout || a.condition == stanzaNoServer) {
		a = answer{stanzaInternalError, "wait"} // to an outsider we are the server, not on the way to it
	}
	if r.permanent && side == Internal {
		a.kind = "cancel"
	}
	return a
}

// hidesUser lists the reasons that speak about a local user.
func hidesUser(reason verdict.Reason) bool {
	switch reason {
	case verdict.UserNotFederated, verdict.UserNotXMPP, verdict.UserUnreadable, verdict.NoConsent:
		return true
	default:
		return false
	}
}

// streamFault turns what a reader stopped with into the refusal that ends the stream.
func streamFault(err error) *refusal {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	var e *xmlstream.Error
	if !errors.As(err, &e) {
		return nil
	}
	reason := verdict.Malformed
	if e.Condition == policyViolation {
		reason = verdict.BodyTooLarge
	}
	return fatal(e.Condition, reason, "%s", e.Detail)
}

// joined lists names in a log.
func joined(names []string) string { return verdict.Quotable(strings.Join(names, ", ")) }
