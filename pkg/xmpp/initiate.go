package xmpp

import (
	"context"
	"errors"
	"strconv"
	"time"

	"edged/pkg/policy"
	"edged/pkg/verdict"
	"edged/pkg/xmpp/xmlstream"
)

// offer is what a receiving entity's features hold that we know.
type offer struct {
	starttls, external, dialback, bidi, acks bool

	most int // bytes of a stanza; 0: it does not say
}

func readOffer(e *xmlstream.Element) offer {
	has := func(space, local string) bool {
		_, _, ok := e.Child(space, local)
		return ok
	}
	o := offer{
		starttls: has(nsTLS, "starttls"), external: offersExternal(e), dialback: has(nsDialbackFeature, "dialback"),
		bidi: has(nsBidiFeature, "bidi"), acks: has(nsAck, "sm"),
	}
	start, end, ok := e.Child(nsLimits, "limits")
	if !ok {
		return o
	}
	limits := e.At(start, end)
	if start, end, ok = limits.Child(nsLimits, "max-bytes"); ok {
		text, _ := limits.At(start, end).Text()
		if n, err := strconv.Atoi(text); err == nil && n >= 10_000 { // no server may take less (RFC 6120 §13.12)
			o.most = n
		}
	}
	return o
}

// negotiate takes a fresh connection to where it serves its purpose, as the
// initiating entity (RFC 6120 §4.3).
func (c *conn) negotiate(ctx context.Context, st *State, why purpose, direct bool) *refusal {
	t := c.terms(st)
	o, r := c.approach(ctx, st, t, direct)
	if r != nil || why == toVerify && c.side == External { // whom the DNS leads to is believed
		return r
	}
	if r := c.judge(st, t); r != nil || why == toVerify {
		return r
	}
	return c.authenticateTo(t, o)
}

// approach goes as far as the features of a stream that is as secure as it gets. A
// place that takes the connection and then is silent must not take the time of the
// places behind it.
func (c *conn) approach(ctx context.Context, st *State, t terms, direct bool) (o offer, r *refusal) {
	silent := time.AfterFunc(st.Bounds.HandshakeTimeout, func() { c.abort(errSilent) })
	defer func() {
		if !silent.Stop() {
			r = refuse(verdict.NoAnswer, "%s: no features within limits.handshake_timeout", c.target)
		}
	}()
	if direct {
		if r := c.secure(ctx, st, true); r != nil {
			return offer{}, r
		}
	}
	if o, r = c.openStream(); r != nil {
		return offer{}, r
	}
	// A server that requires TLS need not say so, and what it says in the clear may
	// have been removed on the way (RFC 7590 §3.1): where we need TLS we ask for it.
	if !c.encrypted && t.tls != policy.NotSupported && (o.starttls || t.needsTLS()) {
		if r := c.askTLS(ctx, st); r != nil {
			return offer{}, r
		}
		return c.openStream()
	}
	return o, nil
}

var errSilent = errors.New("silent")

// judge holds the other end's certificate against the domain: a partner that may be
// believed by dialback alone is believed by DNS alone, too.
func (c *conn) judge(st *State, t terms) *refusal {
	c.proof = c.prove(st, t)
	if c.proof != unproven || c.side == External && t.allowsDialback(c.encrypted) {
		return nil
	}
	r := refuse(verdict.CertificateRefused, "%s: the certificate does not prove %s", c.target, c.peer)
	if c.certErr != nil {
		r.detail += ": " + c.certErr.Error()
	} else if c.encrypted {
		r.detail += ", but " + joined(c.identity.Names())
	}
	r.permanent = true
	return r
}

// openStream sends our header and reads the other end's, with its features.
func (c *conn) openStream() (offer, *refusal) {
	if err := c.say(string(c.appendHeader(nil))); err != nil {
		return offer{}, refuse(verdict.ConnectionLost, "%s: %v", c.target, err)
	}
	e, r := c.await()
	if r != nil {
		return offer{}, r
	}
	h := readHeader(e)
	switch {
	case h.fault != nil:
		return offer{}, refuse(verdict.PeerRefused, "%s: %s", c.target, h.fault.detail)
	case h.id == "":
		return offer{}, refuse(verdict.PeerRefused, "%s: a stream header without id", c.target)
	}
	c.streamID, c.lang = h.id, h.lang
	if e, r = c.await(); r != nil {
		return offer{}, r
	}
	if string(e.Space) != nsStreams || string(e.Local) != "features" {
		return offer{}, refuse(verdict.PeerRefused, "%s: no features behind the stream header", c.target)
	}
	return readOffer(e), nil
}

// askTLS asks for TLS and begins it (RFC 6120 §5.4.2).
func (c *conn) askTLS(ctx context.Context, st *State) *refusal {
	if err := c.say("<starttls xmlns='" + nsTLS + "'/>"); err != nil {
		return refuse(verdict.ConnectionLost, "%s: %v", c.target, err)
	}
	e, r := c.await()
	switch {
	case r != nil:
		return r
	case string(e.Space) != nsTLS || string(e.Local) != "proceed":
		return refuse(verdict.TLSFailed, "%s answers starttls with %s", c.target, verdict.Quotable(string(e.Local)))
	case c.reader.Buffered() > 0: // §5.4.3.3: what came behind it was not encrypted
		return refuse(verdict.TLSFailed, "%s sends more behind proceed", c.target)
	}
	return c.secure(ctx, st, false)
}

// authenticateTo proves us to the other end: SASL EXTERNAL first, dialback where
// that is not possible or does not work (XEP-0178 §3 step 11).
func (c *conn) authenticateTo(t terms, o offer) *refusal {
	if t.bidi && o.bidi && c.proof != unproven {
		if err := c.say("<bidi xmlns='" + nsBidi + "'/>"); err != nil {
			return refuse(verdict.ConnectionLost, "%s: %v", c.target, err)
		}
		c.goBothWays()
	}
	var failed *refusal
	if c.encrypted && o.external && t.allowsSASL() {
		after, r := c.authenticateExternal()
		if r == nil {
			c.external = true
			return c.begun(after)
		}
		failed = r
		if r.reason != verdict.PeerRefused || !t.allowsDialback(c.encrypted) {
			return r
		}
	}
	if t.allowsDialback(c.encrypted) {
		if r := c.sendKey(); r != nil {
			return r
		}
		return c.begun(o)
	}
	if failed != nil {
		return failed
	}
	r := refuse(verdict.NegotiationFailed, "%s offers no SASL EXTERNAL, and dialback is not allowed here", c.target)
	r.permanent = true
	return r
}

// begun takes up what the features of an authenticated stream allow.
func (c *conn) begun(o offer) *refusal {
	c.most = o.most
	if o.acks && !c.bothWays() {
		c.startWindow()
	}
	if c.bothWays() {
		c.mu.Lock()
		c.pairs = map[pair]proof{pairOf(c.side, c.self, c.peer): c.proof}
		c.mu.Unlock()
	}
	return nil
}

// authenticateExternal goes through SASL EXTERNAL (XEP-0178 §3) and the restart of
// the stream; it returns the features after it.
func (c *conn) authenticateExternal() (offer, *refusal) {
	auth, err := externalAuth(c.self)
	if err == nil {
		err = c.say(auth)
	}
	if err != nil {
		return offer{}, refuse(verdict.ConnectionLost, "%s: %v", c.target, err)
	}
	e, r := c.await()
	switch {
	case r != nil:
		return offer{}, r
	case string(e.Space) == nsSASL && string(e.Local) == "success":
		c.reader.Reset(timedReader{c}, true)
		return c.openStream()
	}
	return offer{}, refuse(verdict.PeerRefused, "%s answers SASL EXTERNAL with %s %s", c.target, verdict.Quotable(string(e.Local)), saslCondition(e))
}

// saslCondition names what is in a SASL failure, for logs.
func saslCondition(e *xmlstream.Element) string {
	found := ""
	e.Children(func(space, local []byte, _, _ int) bool {
		if string(space) == nsSASL && string(local) != "text" {
			found = verdict.Quotable(string(local))
		}
		return found == ""
	})
	return found
}

// sendKey authenticates us by dialback as the initiating server (XEP-0220 §2.1).
func (c *conn) sendKey() *refusal {
	st := c.srv.state.Load()
	by := time.Now().Add(st.Bounds.DialbackTimeout)
	key := dialbackKey(st.secret.current, c.peer, c.self, c.streamID)
	if err := c.say(dialbackRequest("result", c.self, c.peer, "", key)); err != nil {
		return refuse(verdict.ConnectionLost, "%s: %v", c.target, err)
	}
	for {
		e, r := c.await()
		switch {
		case r != nil:
			return r
		case time.Now().After(by):
			return refuse(verdict.NoAnswer, "%s: no answer to our dialback key within limits.dialback_timeout", c.target)
		case string(e.Space) != nsDialback || string(e.Local) != "result" ||
			!sameDomain(e.Value("from"), c.peer) || !sameDomain(e.Value("to"), c.self):
			continue // not what was asked for: believed nowhere (XEP-0220 §3.1)
		}
		switch e.Value("type") {
		case "valid":
			return nil
		case "invalid":
			return refuse(verdict.DialbackInvalid, "%s says that our dialback key is invalid", c.target)
		case "error":
			return refuse(verdict.PeerRefused, "%s answers our dialback key with %s", c.target, verdict.Quotable(stanzaCondition(e)))
		}
	}
}

// say writes while nobody else does: during negotiation.
func (c *conn) say(text string) error {
	_, err := c.sock.Write([]byte(text))
	return err
}

// await reads the next element of a negotiation. The other end's stream error, its
// leaving and broken XML are refusals.
func (c *conn) await() (*xmlstream.Element, *refusal) {
	e, err := c.reader.Next()
	switch {
	case err != nil:
		return nil, c.unread(err)
	case e.Kind == xmlstream.Closing:
		return nil, refuse(verdict.ConnectionLost, "%s closes the stream", c.target)
	case e.Kind == xmlstream.Header || string(e.Space) != nsStreams || string(e.Local) != "error":
		return e, nil
	}
	condition := streamCondition(e)
	c.srv.metrics.streamErrorReceived(c.side, condition)
	r := refuse(verdict.PeerRefused, "%s: stream error %s", c.target, condition)
	if start, end, ok := e.Child(nsStreamErrors, "see-other-host"); ok && c.encrypted {
		host, _ := e.At(start, end).Text()
		r.cause = elsewhere{host}
	}
	return nil, r
}

func (c *conn) unread(err error) *refusal {
	if broken, ok := errors.AsType[*xmlstream.Error](err); ok {
		_ = c.say(string(appendStreamError(nil, broken.Condition, nil)) + "</stream:stream>")
		return refuse(verdict.PeerRefused, "%s: %v", c.target, broken)
	}
	return refuse(verdict.ConnectionLost, "%s: %v", c.target, err)
}
