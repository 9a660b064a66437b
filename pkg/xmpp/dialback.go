package xmpp

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"strings"

	"edged/pkg/domain"
	"edged/pkg/verdict"
	"edged/pkg/xmpp/xmlstream"
)

// dialbackSecret holds what dialback keys are made with: the current secret, and
// the previous one, whose keys are still good while hosts are being changed over.
type dialbackSecret struct{ current, previous []byte }

func newDialbackSecret(s Secret) dialbackSecret {
	derive := func(secret []byte) []byte {
		if secret == nil {
			return nil
		}
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte("edged xmpp dialback"))
		return mac.Sum(nil)
	}
	return dialbackSecret{derive(s.Current), derive(s.Previous)}
}

// dialbackKey makes the key of one stream and pair (XEP-0185 §2): any host with the
// same secret makes the same, so that none has to be remembered.
func dialbackKey(secret []byte, receiving, originating domain.Name, streamID string) string {
	sum := sha256.Sum256(secret)
	mac := hmac.New(sha256.New, []byte(hex.EncodeToString(sum[:])))
	mac.Write([]byte(receiving.String() + " " + originating.String() + " " + streamID))
	return hex.EncodeToString(mac.Sum(nil))
}

// verifies reports whether a key is one of ours.
func (s dialbackSecret) verifies(key string, receiving, originating domain.Name, streamID string) bool {
	good := false
	for _, secret := range [][]byte{s.current, s.previous} {
		if secret != nil && hmac.Equal([]byte(key), []byte(dialbackKey(secret, receiving, originating, streamID))) {
			good = true
		}
	}
	return good
}

// handleDialback serves dialback elements, before and after authentication: servers
// mix them among stanzas (XEP-0220 §2.2.1).
func (c *conn) handleDialback(ctx context.Context, e *xmlstream.Element) *refusal {
	if _, answer := e.Attr("type"); answer || c.dialled {
		// Whoever awaits an answer reads it on the stream it asked on, and nowhere else
		// is one believed (XEP-0220 §3.1).
		c.srv.metrics.unsolicited(c.side)
		if !c.unasked { // one line for each stream: there may be any number
			c.log.Info("dialback element that nobody awaits", slog.String("element", verdict.Quotable(string(e.Local))))
		}
		c.unasked = true
		return nil
	}
	from, fromErr := domain.Parse(strings.TrimSuffix(e.Value("from"), "."))
	to, toErr := domain.Parse(strings.TrimSuffix(e.Value("to"), "."))
	if fromErr != nil || toErr != nil {
		return fatal(improperAddressing, verdict.Malformed, "db:%s needs domains in from and to", verdict.Quotable(string(e.Local)))
	}
	key, _ := e.Text()
	switch string(e.Local) {
	case "verify":
		c.answerVerify(from, to, e.Value("id"), strings.TrimSpace(key))
	case "result":
		return c.receiveKey(ctx, pairOf(c.side, to, from), strings.TrimSpace(key))
	}
	return nil
}

// answerVerify is the authoritative server: did we make this key? (XEP-0220 §2.3)
func (c *conn) answerVerify(receiving, originating domain.Name, streamID, key string) {
	st := c.srv.state.Load()
	switch {
	case !st.actsFor(c.side, originating):
		c.control(dialbackAnswer("verify", originating, receiving, streamID, "error", stanzaItemNotFound))
	case st.secret.verifies(key, receiving, originating, streamID):
		c.control(dialbackAnswer("verify", originating, receiving, streamID, "valid", ""))
	default:
		c.control(dialbackAnswer("verify", originating, receiving, streamID, "invalid", ""))
	}
}

// receiveKey is the receiving server: the key is verified with the authoritative
// server of the domain that it is for (XEP-0220 §2.2). Policy is asked first, and
// what is under way is bounded: each key makes us open a connection. It ends with ctx,
// which is the reader's.
func (c *conn) receiveKey(ctx context.Context, p pair, key string) *refusal {
	st := c.srv.state.Load()
	if _, ok := c.proven(p); ok {
		c.answerKey(p, "valid", "")
		return nil
	}
	t := st.terms(c.side, p, false)
	if condition := c.refusesKey(st, p, t); condition != "" {
		c.answerKey(p, "error", condition)
		c.logKeyRefused(p, condition, t.refused)
		return c.refusedKey()
	}
	// The certificate says it already (XEP-0344 §2.1).
	if how := c.proveFor(st, t, p.peer(c.side)); how != unproven {
		c.believe(st, p, how)
		return nil
	}
	if !c.mayAsk(st, t, p.peer(c.side)) || !c.awaitKey(p) {
		c.answerKey(p, "error", stanzaNoResources)
		return c.refusedKey()
	}
	id, one := c.streamID, c.verification(t)
	if !c.srv.verifying.enter(one, &st.Bounds) {
		c.forgetKey(p)
		c.answerKey(p, "error", stanzaNoResources)
		return c.refusedKey()
	}
	started := c.srv.group.Go(func(context.Context) {
		defer c.srv.verifying.leave(one)
		c.verified(st, p, c.srv.verify(ctx, st, c.side, p, id, key))
	})
	if !started {
		c.srv.verifying.leave(one)
	}
	return nil
}

// refusedKey ends a stream whose keys are refused over and over. One refusal does not
// (XEP-0220 §2.5), as servers ask for many domains on one stream.
func (c *conn) refusedKey() *refusal {
	if c.badKeys++; c.badKeys <= maxPairs {
		return nil
	}
	return fatal(policyViolation, verdict.IdentityMismatch, "%d dialback keys were refused", c.badKeys)
}

// refusesKey says why a key is not even verified (XEP-0220 §2.5), "" if it is.
func (c *conn) refusesKey(st *State, p pair, t terms) string {
	switch {
	case !st.actsFor(c.side, p.self(c.side)):
		return stanzaItemNotFound
	case c.side == Internal && st.pools[p.ours] == nil, t.refused != nil:
		return stanzaForbidden
	case !c.encrypted && !t.allowsDialback(false):
		return stanzaPolicyViolation
	case t.allowsDialback(c.encrypted):
		return ""
	case c.proveFor(st, t, p.peer(c.side)) == unproven:
		return stanzaNotAuthorized
	}
	return ""
}

// logKeyRefused is the line of a key that is not verified: why says what policy has
// against the domain, if it is that.
func (c *conn) logKeyRefused(p pair, condition string, why *refusal) {
	if why == nil {
		why = refuse(verdict.IdentityMismatch, "no key proves the domain here")
	}
	c.log.Info("dialback refused", slog.String("from", p.peer(c.side).String()), slog.String("condition", condition),
		slog.String("reason", why.reason.String()), slog.String("rule", string(why.rule)), slog.String("detail", verdict.Quotable(why.detail)))
}

// mayAsk spends one of the verifications that an address may cause, and of a stranger
// one of its look-ups.
func (c *conn) mayAsk(st *State, t terms, d domain.Name) bool {
	if c.side == Internal {
		return true
	}
	from := c.srv.verifying.key(c.addr.Addr()).String()
	if t.partner == nil || !isStranger(t.partner) {
		return c.srv.keys.Load().Allow(from)
	}
	if _, ok := c.asked[d]; !ok {
		if len(c.asked) >= st.Bounds.StrangerDomains {
			return false
		}
		if c.asked == nil {
			c.asked = make(map[domain.Name]struct{})
		}
		c.asked[d] = struct{}{}
	}
	return c.srv.strangers.Load().Allow(from)
}

// maxPending is how many keys of one stream are being verified at a time.
const maxPending = 16

func (c *conn) awaitKey(p pair) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, twice := c.pending[p]; twice || len(c.pending) >= maxPending {
		return false
	}
	if c.pending == nil {
		c.pending = make(map[pair]struct{})
	}
	c.pending[p] = struct{}{}
	return true
}

// forgetKey reports whether the key was all that the stream had.
func (c *conn) forgetKey(p pair) (alone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, p)
	return len(c.pending) == 0 && len(c.pairs) == 0
}

// believe makes a pair one that stanzas may come from, and says so.
func (c *conn) believe(st *State, p pair, how proof) {
	r := c.ready(st, p, how)
	if r == nil {
		c.answerKey(p, "valid", "")
		c.srv.adopt(c, p, st.terms(c.side, p, false))
		return
	}
	c.log.Info("dialback refused", slog.String("reason", r.reason.String()), slog.String("detail", verdict.Quotable(r.detail)))
	c.forgetKey(p)
	c.answerKey(p, "error", stanzaNoResources)
}

// verified ends a verification.
func (c *conn) verified(st *State, p pair, r *refusal) {
	if r == nil {
		c.believe(st, p, byDialback)
		return
	}
	c.srv.metrics.opened(c.side, false, r.reason.String())
	c.log.Info("dialback failed", slog.String("from", p.peer(c.side).String()), slog.String("reason", r.reason.String()),
		slog.String("detail", verdict.Quotable(r.detail)))
	alone := c.forgetKey(p) // before the answer: another key may follow it at once
	if r.reason != verdict.DialbackInvalid {
		c.answerKey(p, "error", verifyCondition(r.reason))
		return
	}
	c.answerKey(p, "invalid", "")
	if alone { // no other domain is proven on the stream (XEP-0220 §2.2.1)
		c.leave(r)
	}
}

// verifyCondition is what the initiating server learns about why the authoritative
// one could not be asked (XEP-0220 §2.5).
func verifyCondition(reason verdict.Reason) string {
	switch reason {
	case verdict.DNSNoRecord, verdict.DNSNoAddress, verdict.PeerRefused:
		return stanzaNoServer
	case verdict.ConnectFailed, verdict.TLSFailed, verdict.CertificateRefused, verdict.TargetPrivate:
		return stanzaConnectionFailed
	case verdict.Overloaded:
		return stanzaNoResources
	default:
		return stanzaServerTimeout
	}
}

func (c *conn) answerKey(p pair, kind, condition string) {
	c.control(dialbackAnswer("result", p.self(c.side), p.peer(c.side), "", kind, condition))
}

// dialbackAnswer renders an answer to a key or to a question about one.
func dialbackAnswer(local string, from, to domain.Name, id, kind, condition string) string {
	b := appendAttr([]byte("<db:"+local), "from", from.String())
	b = appendAttr(b, "to", to.String())
	if id != "" {
		b = appendAttr(b, "id", id)
	}
	b = appendAttr(b, "type", kind)
	if condition == "" {
		return string(b) + "/>"
	}
	return string(b) + "><error type='cancel'><" + condition + " xmlns='" + nsStanzas + "'/></error></db:" + local + ">"
}

// dialbackRequest renders a key, or a question about one.
func dialbackRequest(local string, from, to domain.Name, id, key string) string {
	b := appendAttr([]byte("<db:"+local), "from", from.String())
	b = appendAttr(b, "to", to.String())
	if id != "" {
		b = appendAttr(b, "id", id)
	}
	b = append(b, '>')
	return string(xmlstream.AppendEscaped(b, key)) + "</db:" + local + ">"
}
