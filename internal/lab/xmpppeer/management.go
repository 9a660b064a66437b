package xmpppeer

import (
	"context"
	"fmt"
	"strings"
)

// counts is the state of XEP-0198 on one link. The link's mutex guards it.
type counts struct {
	in, out       bool          // enabled, for stanzas that come in and that go out
	handled       uint32        // came in since
	sent, settled uint32        // went out since, and of these are acknowledged
	changed       chan struct{} // closed and replaced when settled changes
}

// handleManagement is XEP-0198 §3 and §4, without resumption.
func (l *link) handleManagement(e *Element) error {
	switch e.Name {
	case "enable":
		return l.enableIncoming()
	case "r":
		if l.srv.cfg.WithholdAcks {
			return nil
		}
		l.mu.Lock()
		h := l.counts.handled
		l.mu.Unlock()
		return l.stream.SendAck(h)
	case "a":
		return l.settle(e)
	}
	l.note(EventIgnored, e.Raw)
	return nil
}

func (l *link) enableIncoming() error {
	allowed := l.srv.cfg.Management && l.authenticated()
	l.mu.Lock()
	again := l.counts.in
	if allowed {
		l.counts.in = true
	}
	l.mu.Unlock()
	switch {
	case !allowed:
		return l.stream.Send("<failed xmlns='", NSManagement, "'><unexpected-request xmlns='", NSStanzaErrors, "'/></failed>")
	case again:
		return fatal("policy-violation")
	}
	l.note(EventManaged, "")
	return l.stream.Send("<enabled xmlns='" + NSManagement + "'/>")
}

// handled counts a stanza that came in.
func (l *link) handled() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts.in {
		l.counts.handled++
	}
}

// settle takes an acknowledgement.
func (l *link) settle(e *Element) error {
	h, err := handled(e)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if h-l.counts.settled > l.counts.sent-l.counts.settled { // modulo 2^32
		text := fmt.Sprintf("<handled-count-too-high xmlns='%s' h='%d' send-count='%d'/>", NSManagement, h, l.counts.sent)
		return &fatalError{condition: "undefined-condition", inside: text}
	}
	l.counts.settled = h
	close(l.counts.changed)
	l.counts.changed = make(chan struct{})
	return nil
}

// write sends something and, if it is a stanza under XEP-0198, counts it and asks for
// the acknowledgement.
func (l *link) write(xml string) error {
	l.mu.Lock()
	managed := l.counts.out && looksLikeStanza(xml)
	if managed {
		l.counts.sent++
	}
	l.mu.Unlock()
	if managed {
		xml += "<r xmlns='" + NSManagement + "'/>"
	}
	return l.stream.Send(xml)
}

func looksLikeStanza(xml string) bool {
	for _, start := range []string{"<message", "<presence", "<iq"} {
		if strings.HasPrefix(xml, start) {
			return true
		}
	}
	return false
}

// Settled waits until the other side has acknowledged all that was sent from one domain
// to another on the present stream. It fails without XEP-0198 on it.
func (s *Server) Settled(ctx context.Context, from, to string) error {
	l := s.lane(pair{from: from, to: to}).live()
	if l == nil {
		return fmt.Errorf("xmpppeer: no stream from %s to %s", from, to)
	}
	for {
		l.mu.Lock()
		c := l.counts
		l.mu.Unlock()
		switch {
		case !c.out:
			return fmt.Errorf("xmpppeer: the stream from %s to %s is without XEP-0198", from, to)
		case c.sent == c.settled:
			return nil
		}
		select {
		case <-c.changed:
		case <-l.done:
			return fmt.Errorf("xmpppeer: the stream ended with %d stanzas unacknowledged", c.sent-c.settled)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
