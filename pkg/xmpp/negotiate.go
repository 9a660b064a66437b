package xmpp

import (
	"crypto/rand"
	"log/slog"
	"strconv"
	"strings"

	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/verdict"
	"edged/pkg/xmpp/xmlstream"
)

// The namespaces of streams between servers.
const (
	nsStreams         = "http://etherx.jabber.org/streams"
	nsServer          = "jabber:server"
	nsClient          = "jabber:client"
	nsTLS             = "urn:ietf:params:xml:ns:xmpp-tls"
	nsSASL            = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsStreamErrors    = "urn:ietf:params:xml:ns:xmpp-streams"
	nsStanzas         = "urn:ietf:params:xml:ns:xmpp-stanzas"
	nsDialback        = "jabber:server:dialback"
	nsDialbackFeature = "urn:xmpp:features:dialback"
	nsAck             = "urn:xmpp:sm:3"
	nsBidi            = "urn:xmpp:bidi"
	nsBidiFeature     = "urn:xmpp:features:bidi"
	nsLimits          = "urn:xmpp:stream-limits:0"
)

// ourLang is the language of the edge's own streams: nothing it says needs another.
const ourLang = "en"

// header is a stream header (RFC 6120 §4.7), read.
type header struct {
	to, from domain.Name // zero if absent
	id, lang string
	fault    *refusal
}

// readHeader reads a header and judges what does not depend on whom it is about.
func readHeader(e *xmlstream.Element) header {
	h := header{id: e.Value("id"), lang: language(e.Value("xml:lang"))}
	content := nsServer
	for _, ns := range e.Declared {
		if ns.Prefix == "" {
			content = ns.URI
		}
	}
	switch {
	case string(e.Space) != nsStreams || string(e.Local) != "stream":
		h.fault = fatal(invalidNamespace, verdict.Malformed, "not a stream header (RFC 6120 §4.8.1)")
	case content == nsClient || strings.HasPrefix(content, "jabber:component"):
		h.fault = fatal(invalidNamespace, verdict.Malformed, "content namespace %s; between servers it is jabber:server", verdict.Quotable(content))
	case !versionOne(e.Value("version")):
		h.fault = fatal(unsupportedVersion, verdict.VersionUnsupported, "stream version %q; 1.0 is needed", verdict.Quotable(e.Value("version")))
	}
	h.to = h.domain(e, "to")
	h.from = h.domain(e, "from")
	return h
}

// language returns a language tag as it is, and nothing for what is none: it is to
// stand in stanzas (RFC 5646 §2.1, of which only the characters are checked).
func language(tag string) string {
	const most = 35 // bytes (RFC 5646 §4.4.1)
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
	}
	if len(tag) > most || strings.ContainsFunc(tag, odd) {
		return ""
	}
	return tag
}

// domain reads an address of the header, which is a domain and nothing more.
func (h *header) domain(e *xmlstream.Element, attr string) domain.Name {
	text := e.Value(attr)
	if text == "" {
		return domain.Name{}
	}
	d, err := domain.Parse(strings.TrimSuffix(text, "."))
	if err != nil && h.fault == nil {
		h.fault = fatal(improperAddressing, verdict.Malformed, "%s of the stream header is no domain", attr)
	}
	return d
}

// versionOne reports whether a version is 1.0 or later (RFC 6120 §4.7.5).
func versionOne(v string) bool {
	major, minor, ok := strings.Cut(v, ".")
	if !ok {
		return false
	}
	n, err := strconv.Atoi(major)
	_, minorErr := strconv.Atoi(minor)
	return err == nil && minorErr == nil && n >= 1
}

// opened serves the header of a stream that the other end has opened, or begun anew
// after TLS or SASL (RFC 6120 §4.3.3): ours comes back, and the features.
func (c *conn) opened(e *xmlstream.Element) *refusal {
	st := c.srv.state.Load()
	h := readHeader(e)
	r := h.fault
	if r == nil {
		r = c.address(st, h)
	}
	c.lang, c.streamID = h.lang, rand.Text()
	c.greet()
	if r != nil {
		return r
	}
	t := c.terms(st)
	if c.encrypted && !c.external {
		c.proof = c.prove(st, t)
	}
	c.publish(t)
	c.control(c.features(st, t))
	if c.external {
		c.srv.adopt(c, pairOf(c.side, c.self, c.peer), t)
	}
	return nil
}

// address takes whom the stream is between from its header. What an earlier header
// in the clear said counts no more (RFC 6120 §5.4.3.3).
func (c *conn) address(st *State, h header) *refusal {
	if c.external && (h.from != c.peer && !h.from.IsZero() || h.to != c.self) {
		return fatal(invalidFrom, verdict.IdentityMismatch, "the header after SASL names others than before")
	}
	if c.external {
		return nil
	}
	c.self, c.peer = h.to, h.from
	switch {
	case h.to.IsZero() || !st.actsFor(c.side, h.to):
		c.self = domain.Name{}
		return fatal(hostUnknown, verdict.NotOurs, "to=%s is no domain that this edge serves here", h.to)
	case c.side == Internal && !h.from.IsZero() && st.pools[h.from] == nil:
		return fatal(notAuthorized, verdict.NotOurs, "from=%s is in no pool of xmpp.pools", h.from)
	}
	c.named()
	return nil
}

// named lets every further log line of the stream say whom it is between.
func (c *conn) named() {
	c.log = c.srv.log.With(slog.Uint64("conn", c.id), slog.String("side", c.side.String()), slog.String("peer_addr", c.addr.String()),
		slog.String("local_domain", c.ours().String()), slog.String("peer_domain", c.theirs().String()))
}

// headerStart is what all our headers begin with. Dialback's prefix is declared even
// where it is not used, because some servers look for it (XEP-0220 §2.4.1).
const headerStart = "<?xml version='1.0'?><stream:stream xmlns='" + nsServer + "' xmlns:db='" + nsDialback + "'" +
	" xmlns:stream='" + nsStreams + "' version='1.0' xml:lang='" + ourLang + "'"

// appendHeader appends our stream header, as initiating or receiving entity.
func (c *conn) appendHeader(dst []byte) []byte {
	dst = append(dst, headerStart...)
	if !c.self.IsZero() {
		dst = appendAttr(dst, "from", c.self.String())
	}
	if !c.peer.IsZero() {
		dst = appendAttr(dst, "to", c.peer.String())
	}
	if !c.dialled {
		dst = appendAttr(dst, "id", c.streamID)
	}
	return append(dst, '>')
}

// terms are how a stream may be secured and authenticated: a partner's settings, or
// what the inside asks for.
type terms struct {
	partner                *policy.Partner // nil: no entry covers the domain
	tls, sasl              policy.Requirement
	dialback               bool
	dane, posh, bidi, ping bool
	limit                  int
	anchor                 string
	refused                *refusal // why policy does not want the domain at all
}

// needsTLS reports whether nothing may happen in the clear.
func (t *terms) needsTLS() bool { return t.tls == policy.Required || !t.dialback }

// allowsDialback reports whether dialback may authenticate, on a stream that is
// encrypted or not.
func (t *terms) allowsDialback(encrypted bool) bool {
	switch {
	case !t.dialback:
		return false
	case encrypted:
		return t.tls != policy.Required || t.sasl != policy.Required
	}
	return t.tls != policy.Required
}

// terms returns those of the stream's pair.
func (c *conn) terms(st *State) terms {
	return st.terms(c.side, pairOf(c.side, c.self, c.peer), c.dialled)
}

func (st *State) terms(side Side, p pair, dialled bool) terms {
	if side == Internal {
		t := terms{tls: policy.Required, sasl: policy.Required}
		if st.Authority == nil {
			t.sasl, t.dialback = policy.Optional, true
		}
		return t
	}
	way, facts := policy.Inward, policy.Facts{Proven: true}
	if dialled {
		way, facts = policy.Outward, policy.Facts{}
	}
	d, refused := st.partner(p, way, facts)
	if d.Partner == nil || refused != nil {
		// What a stranger is offered is what an unlisted one is: the strictest.
		return terms{tls: policy.Required, sasl: policy.Optional, dialback: true, refused: refused}
	}
	x := &d.Partner.XMPP
	return terms{
		partner: d.Partner, tls: x.TLS, sasl: x.SASL, dialback: x.Dialback.On(), dane: x.DANE.On(), posh: x.POSH.On(),
		bidi: x.Bidi.On(), ping: x.KeepAlive.On(), limit: x.ConnectionLimit, anchor: d.Partner.Anchor,
	}
}

// features is what we offer next (RFC 6120 §4.3.2).
func (c *conn) features(st *State, t terms) string {
	var b strings.Builder
	b.WriteString("<stream:features>")
	switch {
	case !c.encrypted:
		c.clearFeatures(&b, t)
	case c.external:
		b.WriteString("<sm xmlns='urn:xmpp:sm:3'/>" + dialbackFeature)
	default:
		if c.proof != unproven && t.sasl != policy.NotSupported && t.refused == nil {
			b.WriteString("<mechanisms xmlns='" + nsSASL + "'><mechanism>EXTERNAL</mechanism></mechanisms>")
		}
		if t.bidi {
			b.WriteString("<bidi xmlns='" + nsBidiFeature + "'/>")
		}
		if t.allowsDialback(true) {
			b.WriteString(dialbackFeature + "<sm xmlns='urn:xmpp:sm:3'/>")
		}
	}
	if c.encrypted {
		b.WriteString("<limits xmlns='" + nsLimits + "'><max-bytes>" + strconv.Itoa(c.srv.links.takes(c.side, pairOf(c.side, c.self, c.peer), int(st.Bounds.StanzaBytes))) + "</max-bytes></limits>")
	}
	b.WriteString("</stream:features>")
	return b.String()
}

func (c *conn) clearFeatures(b *strings.Builder, t terms) {
	switch {
	case t.tls == policy.NotSupported && t.dialback:
	case t.needsTLS():
		b.WriteString("<starttls xmlns='" + nsTLS + "'><required/></starttls>")
	default:
		b.WriteString("<starttls xmlns='" + nsTLS + "'/>")
	}
	if t.allowsDialback(false) {
		b.WriteString(dialbackFeature)
	}
}

// dialbackFeature announces dialback with its errors (XEP-0220 §2.4.2).
const dialbackFeature = "<dialback xmlns='" + nsDialbackFeature + "'><errors/></dialback>"

// ready makes a stream one on which stanzas cross, for a pair that was proven. It
// returns a refusal if a bound is reached.
func (c *conn) ready(st *State, p pair, how proof) *refusal {
	t := st.terms(c.side, p, c.dialled)
	if c.side == External && t.partner != nil {
		if r := c.srv.count(c, t.partner, p.theirs, t.limit); r != nil {
			return r
		}
	}
	if !c.speaksFor(p, how) {
		return fatal(resourceConstraint, verdict.Overloaded, "%d pairs of domains on one stream", maxPairs)
	}
	// A reload since the handshake has not seen the pair.
	if r := c.srv.state.Load().stillWelcome(c, p, how); r != nil {
		c.disown(p)
		r.stream = policyViolation
		return r
	}
	c.srv.metrics.opened(c.side, c.dialled, how.String())
	c.log.Info("stream authenticated", slog.Bool("dialled", c.dialled), slog.String("from", p.peer(c.side).String()),
		slog.String("to", p.self(c.side).String()), slog.String("proof", how.String()), slog.Any("tls", c.tlsVersion()))
	return nil
}

// maxPairs is how many pairs of domains a partner may prove on one stream.
const maxPairs = 64

// speaksFor notes a pair that was proven; false if there are too many.
func (c *conn) speaksFor(p pair, how proof) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, p)
	if _, again := c.pairs[p]; !again && c.side == External && len(c.pairs) >= maxPairs {
		return false
	}
	if c.pairs == nil {
		c.pairs = make(map[pair]proof)
	}
	c.pairs[p] = how
	return true
}

// appendAttr appends an attribute.
func appendAttr(dst []byte, name, value string) []byte {
	dst = append(dst, ' ')
	dst = append(dst, name...)
	dst = append(dst, '=', '\'')
	return append(xmlstream.AppendEscaped(dst, value), '\'')
}
