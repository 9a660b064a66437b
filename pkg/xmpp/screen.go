package xmpp

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"edged/pkg/consent"
	"edged/pkg/policy"
	"edged/pkg/verdict"
	"edged/pkg/xmpp/jid"
	"edged/pkg/xmpp/xmlstream"
)

// admission is a stanza that may cross, and what was learnt on the way to that
// verdict.
type admission struct {
	st       *State
	from, to jid.JID
	pair     pair
	inward   bool
	kind     string // the attribute type
	partner  *policy.Partner
	rule     verdict.Rule
	seq      uint64 // its number on the stream
	id       stanzaID
}

// local and remote are our user's address and the contact's.
func (adm *admission) local() jid.JID {
	if adm.inward {
		return adm.to
	}
	return adm.from
}

func (adm *admission) remote() jid.JID {
	if adm.inward {
		return adm.from
	}
	return adm.to
}

// handleStanza screens a stanza and relays it, answers it, or ends the stream.
func (c *conn) handleStanza(ctx context.Context, e *xmlstream.Element) *refusal {
	adm := admission{st: c.srv.state.Load(), inward: c.side == External}
	r := c.screenStanza(e, &adm)
	switch {
	case r == nil:
		c.forwardStanza(ctx, e, &adm)
	case r.stream != "":
		c.srv.metrics.stanza(c.side, e.Local, r.reason)
		return r
	default:
		c.refuseStanza(e, &adm, r)
	}
	return nil
}

// screenStanza checks a stanza up to and including policy. The steps are in the
// order in which a fault ends the stream, then the stanza.
func (c *conn) screenStanza(e *xmlstream.Element, adm *admission) *refusal {
	// Is it a stanza, in the one form that may be relayed? (RFC 6120 §4.8.5)
	switch {
	case !isStanza(e.Local):
		return fatal(unsupportedStanzaType, verdict.Malformed, "no message, presence or iq")
	case len(e.Prefix) > 0:
		return fatal(badNamespacePrefix, verdict.Malformed, "a stanza with a namespace prefix")
	case !c.established():
		return fatal(notAuthorized, verdict.IdentityMismatch, "a stanza before authentication")
	}
	if c.intake != nil {
		adm.seq = c.intake.receive()
	}
	c.stanzas++
	adm.id = stanzaID{uint32(c.id), uint32(c.stanzas)} //nolint:gosec // it comes round after a billion
	// Whom is it between? (§8.1.1.2, §8.1.2.2)
	known := c.recent.find(e, adm.st)
	if known != nil {
		adm.from, adm.to, adm.pair = known.from, known.to, known.pair
	} else {
		if r := c.addresses(e, adm); r != nil {
			return r
		}
		known = &acquaintance{st: adm.st, from: adm.from, to: adm.to, pair: adm.pair}
		c.recent.add(known)
	}
	// Is it what the relay has to see through? (§8.2.3)
	adm.kind = stanzaType(e)
	if string(e.Local) == "iq" {
		if r := screenIQ(e, adm.kind); r != nil {
			return r
		}
	}
	if known.partner != nil {
		adm.partner, adm.rule = known.partner, known.rule
		return c.spend(adm)
	}
	return c.decide(e, adm, known)
}

// addresses reads from and to, and holds them against what the stream has proven. Of
// an odd one the domain counts all the same: the user who wrote it must not end the
// stream of everybody else.
func (c *conn) addresses(e *xmlstream.Element, adm *admission) *refusal {
	var fromOdd, toOdd, err error
	if adm.from, fromOdd, err = address(e, "from"); err != nil {
		return fatal(improperAddressing, verdict.Malformed, "from: %v", err)
	}
	if adm.to, toOdd, err = address(e, "to"); err != nil {
		return fatal(improperAddressing, verdict.Malformed, "to: %v", err)
	}
	adm.pair = pairOf(c.side, adm.to.Domain, adm.from.Domain)
	if r := c.speaksIn(adm); r != nil {
		return r
	}
	if odd := cmp.Or(fromOdd, toOdd); odd != nil {
		return refuse(verdict.Malformed, "%v", odd)
	}
	return nil
}

// speaksIn refuses a stanza of a pair that was not proven.
func (c *conn) speaksIn(adm *admission) *refusal {
	if _, ok := c.proven(adm.pair); ok {
		return nil
	}
	for _, p := range c.spokenFor() {
		if p.peer(c.side) != adm.from.Domain {
			continue
		}
		// Who is proven by certificate is so for all that we serve (RFC 6120 §8.1.1.2).
		if how, _ := c.proven(p); c.external && how != byDialback && adm.st.actsFor(c.side, adm.to.Domain) {
			return nil
		}
		return fatal(hostUnknown, verdict.NotOurs, "to is a domain that this stream was not opened for")
	}
	return fatal(invalidFrom, verdict.IdentityMismatch, "from is a domain that was not proven on this stream")
}

// address reads an address of a stanza as it means itself, references resolved. It may
// be odd; then nothing but its domain is known.
func address(e *xmlstream.Element, attr string) (j jid.JID, odd, err error) {
	raw, _ := e.Attr(attr)
	if bytes.IndexByte(raw, '&') < 0 {
		j, err = jid.Parse(raw)
	} else {
		j, err = jid.Parse(e.Value(attr))
	}
	if o, ok := errors.AsType[*jid.OddError](err); ok {
		return o.JID, o, nil
	}
	return j, nil, err
}

func isStanza(local []byte) bool {
	switch string(local) {
	case "message", "presence", "iq":
		return true
	}
	return false
}

// screenIQ refuses what nobody could answer.
func screenIQ(e *xmlstream.Element, kind string) *refusal {
	switch kind {
	case "get", "set", "result", "error":
	default:
		return refuse(verdict.Malformed, "type of an iq")
	}
	if id, _ := e.Attr("id"); len(id) == 0 {
		return refuse(verdict.Malformed, "an iq without id")
	}
	children := 0
	e.Children(func(_, _ []byte, _, _ int) bool {
		children++
		return children <= 2
	})
	switch {
	case (kind == "get" || kind == "set") && children != 1:
		return refuse(verdict.Malformed, "%d children of an iq that asks; it has one", children)
	case kind == "result" && children > 1:
		return refuse(verdict.Malformed, "more than one child of the result of an iq")
	}
	return nil
}

// decide asks policy.
func (c *conn) decide(e *xmlstream.Element, adm *admission, known *acquaintance) *refusal {
	how, ok := c.proven(adm.pair)
	if !ok {
		how = c.proof
	}
	local, remote := adm.local(), adm.remote()
	q := policy.Question{
		Protocol: policy.XMPP, Direction: policy.Outward,
		Local: policy.User{Local: local.Local, Domain: local.Domain}, Remote: remote.Domain,
	}
	if adm.inward {
		q.Direction = policy.Inward
		q.Facts = policy.Facts{Proven: true, Proof: how.said(c.encrypted), Answer: isAnswer(e.Local, adm.kind)}
		if how == byPKIX {
			q.Facts.Anchors = c.identity.Anchors
		}
		q.Facts.Consent = !q.Facts.Answer && c.srv.cfg.Consent.Has(party(local), party(remote))
	}
	d := adm.st.Policy.Decide(q)
	adm.partner, adm.rule = d.Partner, d.Rule
	r := refusedBy(d)
	if r != nil && hidesUser(r.reason) {
		if over := c.spend(adm); over != nil { // who asks for users that are refused spends as much
			return over
		}
	}
	if r != nil {
		if adm.inward && !hidesUser(r.reason) {
			r.stream = policyViolation
		}
		return r
	}
	if !adm.inward || d.Partner.XMPP.Type != policy.PublicUnverified {
		known.partner, known.rule = d.Partner, d.Rule
	}
	return c.spend(adm)
}

// isAnswer reports whether a stanza answers a request that went the other way. Errors
// to messages and presence need no such pass: what they answer has given consent, and
// strangers could wrap what they like in one.
func isAnswer(local []byte, kind string) bool {
	return string(local) == "iq" && (kind == "result" || kind == "error")
}

func party(j jid.JID) consent.Party { return consent.Party{Local: j.Local, Domain: j.Domain} }

// grantsConsent reports whether a stanza of our user says that its contact may
// answer: everything does but answers and leave-taking.
func grantsConsent(local []byte, kind string) bool {
	switch string(local) {
	case "message":
		return kind != "error"
	case "iq":
		return kind == "get" || kind == "set"
	}
	switch kind { // presence
	case "", "subscribe", "subscribed", "probe":
		return true
	}
	return false
}

// overBudget is how long the reader of a stream rests for each stanza beyond a budget.
const overBudget = 50 * time.Millisecond

// refuseStanza answers a stanza that may not cross, as far as it may be answered.
func (c *conn) refuseStanza(e *xmlstream.Element, adm *admission, r *refusal) {
	c.srv.metrics.stanza(c.side, e.Local, r.reason)
	c.traceRefused(e, adm, r)
	c.log.Info("stanza refused", adm.id.attr(), slog.String("stanza", string(e.Local)), slog.String("type", verdict.Quotable(adm.kind)),
		slog.String("from", verdict.Quotable(adm.from.String())), slog.String("to", verdict.Quotable(adm.to.String())),
		slog.String("reason", r.reason.String()), slog.String("rule", string(r.rule)), slog.String("detail", verdict.Quotable(r.detail)))
	if r.reason == verdict.BudgetExhausted {
		c.srv.group.Sleep(overBudget) // so that a flood is as slow for us as it is for its sender
	} else {
		c.report(adm, true)
	}
	it := item{from: c.intake, seq: adm.seq, id: adm.id}
	if adm.inward && hidesUser(r.reason) {
		why := c.srv.links.likeOthers(adm.pair, len(c.rewrite(e, adm)))
		if why == nil {
			c.srv.hideUser(e, adm, it)
			return
		}
		r = why
	}
	c.srv.bounce(e, c.side, adm.pair, r)
	it.taken()
}
