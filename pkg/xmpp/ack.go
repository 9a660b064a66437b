package xmpp

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"edged/pkg/verdict"
	"edged/pkg/xmpp/xmlstream"
)

// Stream management (XEP-0198) without resumption: what was acknowledged is the
// responsibility of the other end, what was not when a connection breaks is
// uncertain.

// intake counts the stanzas of one incoming stream, and how many of them in a row
// are somebody else's responsibility: the h of an acknowledgement (XEP-0198 §4).
type intake struct {
	mu       sync.Mutex
	received uint64
	handled  uint64         // all up to this one are taken over
	later    []span         // and these, out of order: as many as there are gaps, at most
	owed     uint64         // all up to this one had come when an acknowledgement was last asked for; 0: it said so
	tell     func(h uint32) // sends one; called in turn
}

// span is a run of stanzas by their numbers, both ends included.
type span struct{ from, to uint64 }

// receive numbers a stanza, from 1.
func (in *intake) receive() uint64 {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.received++
	return in.received
}

// done notes that a stanza is taken over. Who has asked and was told less hears the rest
// unasked: some servers ask once, and at the end of the stream return to its sender
// what was not acknowledged.
func (in *intake) done(seq uint64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.take(seq)
	if in.owed > 0 && in.handled >= in.owed {
		in.owed = 0
		in.tell(in.h())
	}
}

// take is called with the mutex.
func (in *intake) take(seq uint64) {
	if seq <= in.handled {
		return // never: each is taken once
	}
	if seq > in.handled+1 {
		in.takeLater(seq)
		return
	}
	in.handled++
	if len(in.later) > 0 && in.later[0].from == in.handled+1 {
		in.handled = in.later[0].to
		in.later = slices.Delete(in.later, 0, 1)
	}
}

// takeLater enters a number behind a gap: most join the run that is there.
func (in *intake) takeLater(seq uint64) {
	i, _ := slices.BinarySearchFunc(in.later, seq, func(s span, seq uint64) int { return cmp.Compare(s.from, seq) })
	left, right := i > 0 && in.later[i-1].to+1 == seq, i < len(in.later) && in.later[i].from == seq+1
	switch {
	case left && right:
		in.later[i-1].to = in.later[i].to
		in.later = slices.Delete(in.later, i, i+1)
	case left:
		in.later[i-1].to = seq
	case right:
		in.later[i].from = seq
	default:
		in.later = slices.Insert(in.later, i, span{seq, seq})
	}
}

// asked answers a request at once with what has been taken over so far.
func (in *intake) asked() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.owed = 0
	if in.handled < in.received {
		in.owed = in.received
	}
	in.tell(in.h())
}

// h is the number to acknowledge, modulo 2^32 (XEP-0198 §4). It is called with the
// mutex.
func (in *intake) h() uint32 { return uint32(in.handled) } //nolint:gosec // modulo is meant

// window is what was written to a stream whose other end acknowledges, and is not
// acknowledged yet. It is guarded by the conn's mutex.
type window struct {
	on    bool
	acked uint32 // the last h
	items []item
	asked time.Time // when the oldest <r/> was sent that has acknowledged nothing yet; zero: none
	again bool      // it was answered, by the number known before: to be repeated, but not at once
}

const askForAck = "<r xmlns='urn:xmpp:sm:3'/>"

// handleAck serves the elements of stream management on either end.
func (c *conn) handleAck(e *xmlstream.Element) *refusal {
	switch string(e.Local) {
	case "enable":
		return c.enableAcks()
	case "r":
		if c.intake != nil {
			c.intake.asked()
		}
	case "a":
		return c.acknowledged(e.Value("h"))
	case "enabled":
	case "failed":
		c.endWindow()
	}
	return nil
}

// enableAcks turns acknowledging on for what the other end sends (XEP-0198 §3).
func (c *conn) enableAcks() *refusal {
	switch {
	case c.intake != nil:
		return fatal(undefinedCondition, verdict.Malformed, "stream management was enabled already")
	case c.dialled || c.bothWays() || !c.established():
		c.control("<failed xmlns='urn:xmpp:sm:3'><unexpected-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>")
		return nil
	}
	c.intake = &intake{tell: c.acknowledge}
	c.control("<enabled xmlns='urn:xmpp:sm:3'/>")
	return nil
}

// acknowledge tells the other end how many of its stanzas are taken over.
func (c *conn) acknowledge(h uint32) {
	c.control("<a xmlns='urn:xmpp:sm:3' h='" + strconv.FormatUint(uint64(h), 10) + "'/>")
}

// startWindow begins to count what is written, right behind the request to
// acknowledge it.
func (c *conn) startWindow() {
	c.mu.Lock()
	c.window.on = true
	c.mu.Unlock()
	c.control("<enable xmlns='urn:xmpp:sm:3'/>")
}

// endWindow goes on without acknowledgements: what was written counts as taken.
func (c *conn) endWindow() {
	c.mu.Lock()
	items := c.window.items
	c.window = window{}
	c.mu.Unlock()
	for _, it := range items {
		it.taken()
	}
	c.wake()
}

// countError is an acknowledgement of more than was sent (XEP-0198 §4).
type countError struct{ handled, sent uint32 }

func (e countError) Error() string {
	return fmt.Sprintf("%d stanzas acknowledged, %d sent", e.handled, e.sent)
}

// acknowledged is the other end's word that it has taken over all up to h.
func (c *conn) acknowledged(text string) *refusal {
	h, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return fatal(policyViolation, verdict.Malformed, "an acknowledgement without a number")
	}
	c.mu.Lock()
	if !c.window.on {
		c.mu.Unlock()
		return nil
	}
	n := int(uint32(h) - c.window.acked)
	if n > len(c.window.items) {
		most := len(c.window.items)
		sent := c.window.acked + uint32(most) //nolint:gosec // the count goes round, as the other end's does
		c.mu.Unlock()
		c.log.Info("acknowledgement of more than was sent", slog.Int("stanzas", n), slog.Int("unacknowledged", most))
		r := fatal(undefinedCondition, verdict.Malformed, "acknowledged more stanzas than were sent")
		r.cause = countError{uint32(h), sent}
		return r
	}
	done := append([]item(nil), c.window.items[:n]...)
	c.window.items = append(c.window.items[:0], c.window.items[n:]...)
	c.window.acked = uint32(h)
	if c.window.again = n == 0 && len(c.window.items) > 0; !c.window.again {
		c.window.asked = time.Time{}
	}
	c.mu.Unlock()
	for _, it := range done {
		it.taken()
	}
	c.wake()
	return nil
}

// askAck returns a request for an acknowledgement if one is due: there is something
// to acknowledge and no request is under way. It is called with c.mu.
func (c *conn) askAck() string {
	if !c.window.on || len(c.window.items) == 0 || !c.window.asked.IsZero() {
		return ""
	}
	c.window.asked = time.Now()
	return askForAck
}

// askAgain repeats a request that was answered by nothing new. Who takes nothing over
// is asked no more often than the sweeper comes by.
func (c *conn) askAgain() {
	c.mu.Lock()
	again := c.window.again
	c.window.again = false
	c.mu.Unlock()
	if again {
		c.control(askForAck)
	}
}
