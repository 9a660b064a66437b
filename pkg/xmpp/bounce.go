package xmpp

import (
	"errors"
	"fmt"
	"log/slog"

	"edged/pkg/verdict"
	"edged/pkg/xmpp/xmlstream"
)

// bounce answers a stanza with an error (RFC 6120 §8.3): on the stream that goes the
// other way, as from the address that the stanza was for. An error is never answered
// with an error.
func (s *Server) bounce(e *xmlstream.Element, side Side, p pair, r *refusal) {
	if !bounceable(e) {
		return
	}
	st := s.state.Load()
	a := answerTo(r, side)
	by := ""
	if side == Internal && r.reason != verdict.BodyTooLarge {
		by = st.Host.String()
	}
	s.sendOwn(st, side, p, appendBounce(nil, e, a, by))
	s.metrics.bounced(side, a.condition)
}

// bounceable lists what may be answered: neither an error nor an answer, nor
// presence that asks nothing.
func bounceable(e *xmlstream.Element) bool {
	kind := e.Value("type")
	switch string(e.Local) {
	case "message":
		return kind != "error"
	case "iq":
		return kind != "error" && kind != "result"
	}
	switch kind { // presence
	case "", "subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe":
		return true
	}
	return false
}

// bounceQueued answers a stanza that has waited in a link's queue in vain.
func (s *Server) bounceQueued(l *link, it item, raw []byte, why *refusal) {
	e, err := readAgain(raw)
	if err != nil {
		return // never: it has been read before
	}
	from := l.key.side.other()
	s.metrics.stanza(from, e.Local, why.reason)
	l.traceBounced(e, why)
	l.log.Info("stanza not delivered", it.id.attr(), slog.String("stanza", string(e.Local)), slog.String("from", verdict.Quotable(e.Value("from"))),
		slog.String("to", verdict.Quotable(e.Value("to"))), slog.String("reason", why.reason.String()), slog.String("detail", verdict.Quotable(why.detail)))
	s.bounce(e, from, l.key.pair, why)
}

// sendOwn queues a stanza of the edge's own. It waits for nothing: where there is no
// room the stanza is dropped, and partners get only so many.
func (s *Server) sendOwn(st *State, side Side, p pair, raw []byte) {
	if side == External && !s.bounces.Load().Allow(p.theirs.String()) {
		s.metrics.dropped(side)
		return
	}
	s.push(st, side, p, raw)
}

// push queues a stanza where there is room for it.
func (s *Server) push(st *State, side Side, p pair, raw []byte) {
	for {
		_, err := s.links.get(side, p).push(item{}, raw, &st.Bounds)
		if errors.Is(err, errGone) {
			continue // removed since; get makes a new one
		}
		if err != nil {
			s.metrics.dropped(side)
		}
		return
	}
}

// appendBounce appends an error stanza: addresses swapped as they were written, the
// same id, no payload.
func appendBounce(dst []byte, e *xmlstream.Element, a answer, by string) []byte {
	dst = append(append(dst, '<'), e.Local...)
	dst = appendAttr(dst, "from", e.Value("to"))
	dst = appendAttr(dst, "to", e.Value("from"))
	return appendErrorBody(dst, e, a, by)
}

// appendErrorBody appends the rest of an error stanza after its addresses.
func appendErrorBody(dst []byte, e *xmlstream.Element, a answer, by string) []byte {
	if _, ok := e.Attr("id"); ok {
		dst = appendAttr(dst, "id", e.Value("id"))
	}
	dst = append(dst, " type='error'><error"...)
	if by != "" {
		dst = appendAttr(dst, "by", by)
	}
	dst = appendAttr(dst, "type", a.kind)
	dst = append(dst, "><"+a.condition+" xmlns='"+nsStanzas+"'/></error></"...)
	return append(append(dst, e.Local...), '>')
}

// appendStreamError appends a stream error (RFC 6120 §4.9); a stanza that is too large
// is said to be so (§4.9.3.14), and so is an acknowledgement of too many (XEP-0198 §4).
func appendStreamError(dst []byte, condition xmlstream.Condition, why error) []byte {
	dst = append(dst, "<stream:error><"+string(condition)+" xmlns='"+nsStreamErrors+"'/>"...)
	if r, ok := errors.AsType[*refusal](why); ok {
		count, isCount := errors.AsType[countError](r.cause)
		switch {
		case r.reason == verdict.BodyTooLarge:
			dst = append(dst, "<stanza-too-big xmlns='urn:xmpp:errors'/>"...)
		case isCount:
			dst = fmt.Appendf(dst, "<handled-count-too-high xmlns='"+nsAck+"' h='%d' send-count='%d'/>", count.handled, count.sent)
		}
	}
	return append(dst, "</stream:error>"...)
}

// streamCondition returns the condition in a stream error, out of a closed list.
func streamCondition(e *xmlstream.Element) string {
	found := string(undefinedCondition)
	e.Children(func(space, local []byte, _, _ int) bool {
		if string(space) != nsStreamErrors || !knownCondition(xmlstream.Condition(local)) {
			return true
		}
		found = string(local)
		return false
	})
	return found
}

func knownCondition(c xmlstream.Condition) bool {
	switch c {
	case xmlstream.BadFormat, badNamespacePrefix, conflict, connectionTimeout, "host-gone", hostUnknown, improperAddressing,
		"internal-server-error", invalidFrom, invalidNamespace, "invalid-xml", notAuthorized, xmlstream.NotWellFormed, xmlNotWellFormedLegacy,
		policyViolation, "remote-connection-failed", resetStream, resourceConstraint, xmlstream.RestrictedXML, "see-other-host",
		systemShutdown, undefinedCondition, xmlstream.UnsupportedEncoding, "unsupported-feature", unsupportedStanzaType, unsupportedVersion, "invalid-id":
		return true
	}
	return false
}

// stanzaCondition returns the condition in the error of a stanza, or of a dialback
// answer.
func stanzaCondition(e *xmlstream.Element) string {
	start, end, ok := e.Child(nsServer, "error")
	if !ok {
		return ""
	}
	found := ""
	e.At(start, end).Children(func(space, local []byte, _, _ int) bool {
		if string(space) == nsStanzas && string(local) != "text" {
			found = string(local)
		}
		return found == ""
	})
	return found
}
