package xmpp

import (
	"context"
	"crypto/tls"
	"net"
	"strings"

	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/policy"
	"edged/pkg/verdict"
)

// Probe opens streams to a partner, or to one of our own pools, as the gateway would,
// and tells of each stage: for people who want to know why that does not work. It
// carries no stanzas. Make one with NewProbe, end it with Close.
type Probe struct {
	srv  *Server
	side Side
	pair pair
}

// Place is one server of the next hop.
type Place struct {
	Name      string      // host:port
	Host      domain.Name // zero where an address is configured
	DirectTLS bool        // TLS from the first byte (XEP-0368)

	place
}

// Stage is one step of opening a stream.
type Stage struct {
	Name   string // dns, stream, tls, features, identity or authentication
	Reason verdict.Reason
	Text   string
	// TLS is what was negotiated, and Err why the certificate proves nothing, in the
	// stage tls.
	TLS *tls.ConnectionState
	Err error
}

// NewProbe makes a probe of theirs, as ours; on the internal side of the pool that
// serves ours, as theirs.
func NewProbe(cfg Config, st *State, side Side, ours, theirs domain.Name) *Probe {
	return &Probe{srv: New(cfg, st), side: side, pair: pair{ours: ours, theirs: theirs}}
}

// Close ends what the probe has begun.
func (p *Probe) Close() {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	p.srv.Shutdown(now)
}

// Places lists the servers of the next hop, best first; the Stage says why there is
// none.
func (p *Probe) Places(ctx context.Context) ([]Place, Stage) {
	found := Stage{Name: "dns"}
	plan, refused := p.srv.plan(ctx, p.srv.state.Load(), p.side, p.pair)
	if refused != nil {
		found.Reason, found.Text = refused.reason, refused.detail
	}
	all := make([]Place, len(plan.places))
	for i, at := range plan.places {
		all[i] = Place{Name: at.name, Host: at.host, DirectTLS: at.direct, place: at}
	}
	return all, found
}

// Stream negotiates on a fresh connection to a place, and tells of every stage. It
// returns whether stanzas could cross; the connection is closed then.
func (p *Probe) Stream(ctx context.Context, at Place, raw net.Conn, tell func(Stage)) bool {
	st := p.srv.state.Load()
	ctx, cancel := context.WithTimeout(ctx, st.Bounds.StreamTimeout)
	defer cancel()
	c := newConn(p.srv, p.side, true, raw, limit.AddrPort(raw.RemoteAddr()))
	c.self, c.peer, c.target, c.tlsa, c.host = p.pair.self(p.side), p.pair.peer(p.side), at.Name, at.tlsa, at.host
	c.shown = st.shown(c.side, c.self)
	stop := context.AfterFunc(ctx, func() { c.abort(ctx.Err()) })
	defer stop()
	w := walker{c: c, st: st, terms: c.terms(st), tell: tell}
	refused := w.walk(ctx, at.DirectTLS)
	if refused != nil && ctx.Err() != nil && refused.reason == verdict.ConnectionLost {
		refused = refuse(verdict.NoAnswer, "%s: nothing within limits.stream_timeout", at.Name)
	}
	if refused != nil {
		tell(Stage{Name: w.at, Reason: refused.reason, Text: refused.detail, TLS: c.connectionState(), Err: c.certErr})
		c.abort(refused)
		return false
	}
	_ = c.say("</stream:stream>") // nobody waits for the other end's
	c.abort(errEnded)
	return true
}

// walker goes through the stages of one stream, which are those of conn.negotiate.
type walker struct {
	c     *conn
	st    *State
	terms terms
	at    string // the stage under way
	tell  func(Stage)
}

func (w *walker) walk(ctx context.Context, direct bool) *refusal {
	c := w.c
	if direct {
		if r := w.secure(func() *refusal { return c.secure(ctx, w.st, true) }); r != nil {
			return r
		}
	}
	o, r := w.open("stream")
	if r != nil {
		return r
	}
	if !c.encrypted && w.terms.tls != policy.NotSupported && (o.starttls || w.terms.needsTLS()) {
		if r := w.secure(func() *refusal { return c.askTLS(ctx, w.st) }); r != nil {
			return r
		}
		if o, r = w.open("features"); r != nil {
			return r
		}
	}
	w.at = "identity"
	if r := c.judge(w.st, w.terms); r != nil {
		return r
	}
	w.done(proofText(c.proof, c.peer))
	w.at = "authentication"
	if r := c.authenticateTo(w.terms, o); r != nil {
		return r
	}
	w.done(authenticationText(c))
	return nil
}

// done tells that the stage under way went well.
func (w *walker) done(text string) { w.tell(Stage{Name: w.at, Text: text}) }

func (w *walker) secure(how func() *refusal) *refusal {
	w.at = "tls"
	if r := how(); r != nil {
		return r
	}
	w.tell(Stage{Name: w.at, TLS: w.c.connectionState(), Err: w.c.certErr})
	return nil
}

func (w *walker) open(stage string) (offer, *refusal) {
	w.at = stage
	o, r := w.c.openStream()
	if r == nil {
		w.done(o.text())
	}
	return o, r
}

// text lists what is offered, for people.
func (o offer) text() string {
	var all []string
	for _, f := range []struct {
		has  bool
		name string
	}{
		{o.starttls, "STARTTLS"},
		{o.external, "SASL EXTERNAL"},
		{o.dialback, "dialback"},
		{o.bidi, "bidirectional streams"},
		{o.acks, "acknowledgements"},
	} {
		if f.has {
			all = append(all, f.name)
		}
	}
	if all == nil {
		return "offers nothing that we know"
	}
	return "offers " + strings.Join(all, ", ")
}

func proofText(how proof, peer domain.Name) string {
	switch how {
	case byPKIX:
		return "the certificate proves " + peer.String()
	case byDANE:
		return "the certificate is the one that signed DNS names for " + peer.String()
	case byPOSH:
		return "the certificate is the one that the web server of " + peer.String() + " names"
	default:
		return "the certificate does not prove " + peer.String() + ", which our settings do not ask of servers that we dial"
	}
}

func authenticationText(c *conn) string {
	if c.external {
		return "our certificate is accepted for " + c.self.String() + " (SASL EXTERNAL)"
	}
	return "our dialback key is believed for " + c.self.String()
}
