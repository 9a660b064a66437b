package xmpp

import (
	"context"
	"errors"
	"log/slog"

	"edged/pkg/policy"
	"edged/pkg/verdict"
	"edged/pkg/xmpp/xmlstream"
)

// What the relay changes in a stanza, and nothing else:
//
//	redeclare   a namespace that only the stream header declared is declared in the
//	            stanza, which says nothing without it elsewhere (RFC 6120 §4.8.5)
//	xml-lang    a stanza without a language gets that of the stream it came on
//	            (RFC 6120 §8.1.5)
//	status-note outward, the users of public partners do not see the text that goes
//	            with our users' presence, as Lync has it
//	hide-user   outward, a pool's word that a user is not there is worded as the
//	            edge's own (hide.go)

// forwardStanza sends a stanza that may cross on its way. Where the queue of the
// next hop is full, the stream that it came on waits, and so does its sender.
func (c *conn) forwardStanza(ctx context.Context, e *xmlstream.Element, adm *admission) {
	c.learn(e, adm)
	raw := c.rewrite(e, adm)
	it := item{from: c.intake, seq: adm.seq, id: adm.id}
	err := c.send(ctx, adm, it, raw)
	if cap(c.scratch) > 2*chunkBytes { // raw may be in it: done with
		c.scratch = nil
	}
	if err != nil {
		it.taken()
		c.undelivered(e, adm, err)
		return
	}
	c.crossed = true
	c.srv.metrics.stanza(c.side, e.Local, verdict.Allowed)
	c.logRelayed(ctx, e, adm)
	if c.srv.cfg.Tap.On() {
		c.traceRelayed(e, adm)
	}
}

// logRelayed is the line of a stanza that crosses, for who asks for so much.
func (c *conn) logRelayed(ctx context.Context, e *xmlstream.Element, adm *admission) {
	if !c.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	c.log.LogAttrs(ctx, slog.LevelDebug, "stanza relayed", adm.id.attr(), slog.String("stanza", string(e.Local)), slog.String("type", verdict.Quotable(adm.kind)),
		slog.String("from", verdict.Quotable(adm.from.String())), slog.String("to", verdict.Quotable(adm.to.String())),
		slog.String("reason", verdict.Allowed.String()), slog.String("rule", string(adm.rule)))
}

// learn notes what the stanza says about those it is between.
func (c *conn) learn(e *xmlstream.Element, adm *admission) {
	switch {
	case adm.inward:
		if c.stanzas%observed == 1 {
			c.srv.hiding.observe(e, adm, true)
		}
		c.report(adm, false)
	case adm.partner.XMPP.Type == policy.PublicUnverified && grantsConsent(e.Local, adm.kind):
		c.srv.cfg.Consent.Grant(party(adm.from), party(adm.to))
	}
}

// rewrite returns the stanza as it leaves: as it came, if no rule says otherwise. The
// bytes are valid until the next element is read.
func (c *conn) rewrite(e *xmlstream.Element, adm *admission) []byte {
	if !adm.inward {
		if hidden := c.hideAnswer(e, adm); hidden != nil {
			return hidden
		}
	}
	changed := false
	c.edit.Reset(e)
	for _, ns := range e.Inherited {
		if ns.Prefix != "" || ns.URI != nsServer {
			c.edit.Declare(ns)
			changed = true
		}
	}
	if c.lang != "" && c.lang != ourLang {
		if _, ok := e.Attr("xml:lang"); !ok {
			c.edit.Set("xml:lang", c.lang)
			changed = true
		}
	}
	raw := e.Raw
	if changed {
		c.scratch = c.edit.AppendTo(c.scratch[:0])
		raw = c.scratch
	}
	if !adm.inward && string(e.Local) == "presence" && adm.partner.XMPP.Type != policy.Federated {
		return withoutStatus(raw)
	}
	return raw
}

// withoutStatus is the rule status-note.
func withoutStatus(raw []byte) []byte {
	e, err := readAgain(raw)
	if err != nil {
		return raw // never: it has been read before
	}
	var out []byte
	at := 0
	e.Children(func(space, local []byte, start, end int) bool {
		if string(space) == nsServer && string(local) == "status" {
			out = append(out, raw[at:start]...)
			at = end
		}
		return true
	})
	return append(out, raw[at:]...)
}

// readAgain reads a stanza that has passed the limits of its stream before, and has
// grown by what the relay adds.
func readAgain(raw []byte) (*xmlstream.Element, error) {
	return xmlstream.ParseElement(raw, nsServer, xmlstream.Limits{
		Header: len(raw), Element: len(raw), Depth: 1 << 10, Attributes: 1 << 10, Namespaces: 1 << 10,
	})
}

// send appends a stanza to the queue across the edge.
func (c *conn) send(ctx context.Context, adm *admission, it item, raw []byte) error {
	for {
		l := c.route(adm.pair)
		room, err := l.push(it, raw, &adm.st.Bounds)
		switch {
		case err == nil:
			l.relayed.Add(1)
			return nil
		case errors.Is(err, errGone):
			delete(c.routes, adm.pair)
		case !errors.Is(err, errFull):
			return err
		default:
			c.srv.metrics.stalled(c.side)
			select {
			case <-room:
			case <-ctx.Done():
				return refuse(verdict.ShuttingDown, "this edge is stopping")
			}
		}
	}
}

// maxRoutes bounds what a stream remembers of the ways across the edge.
const maxRoutes = 64

// route returns the link across the edge.
func (c *conn) route(p pair) *link {
	if l := c.routes[p]; l != nil {
		return l
	}
	if c.routes == nil || len(c.routes) >= maxRoutes {
		c.routes = make(map[pair]*link)
	}
	l := c.srv.links.get(c.side.other(), p)
	if l.refused == nil {
		c.routes[p] = l
	}
	return l
}

// undelivered answers a stanza that the next hop cannot be given.
func (c *conn) undelivered(e *xmlstream.Element, adm *admission, err error) {
	r := &refusal{reason: verdict.ConnectionLost, detail: err.Error()}
	_ = errors.As(err, &r)
	c.srv.metrics.stanza(c.side, e.Local, r.reason)
	c.traceRefused(e, adm, r)
	c.log.Info("stanza not delivered", adm.id.attr(), slog.String("stanza", string(e.Local)), slog.String("from", verdict.Quotable(adm.from.String())),
		slog.String("to", verdict.Quotable(adm.to.String())), slog.String("reason", r.reason.String()), slog.String("detail", verdict.Quotable(r.detail)))
	c.srv.bounce(e, c.side, adm.pair, r)
}
