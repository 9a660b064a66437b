package xmpp

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"time"

	"edged/pkg/xmpp/xmlstream"
)

// closeWait is how long the other end may take to answer a closing tag, and to
// close the connection (RFC 6120 §4.4).
const closeWait = 5 * time.Second

// maxControl bounds what of a stream's own waits to be written, in bytes: who asks
// and asks and does not read the answers is cut off.
const maxControl = 256 << 10

var errDeaf = errors.New("asks for more than it reads")

// control queues what belongs to this stream alone: it goes before all stanzas.
func (c *conn) control(text string) {
	c.mu.Lock()
	full := len(c.out)+len(text) > maxControl
	if c.leaving == nil && !full {
		c.out = append(c.out, text...)
	}
	c.mu.Unlock()
	if full {
		c.abort(errDeaf)
		return
	}
	c.wake()
}

// leave ends the stream in order: what the writer has begun is completed, then
// comes the closing tag. What arrives until the other end closes is still handled.
func (c *conn) leave(why error) { c.end("", why, false) }

// fail ends the stream with a stream error, or without one where the other end has
// ended it by an error of its own; nothing that arrives is handled any more.
func (c *conn) fail(condition xmlstream.Condition, why error) { c.end(condition, why, true) }

func (c *conn) end(condition xmlstream.Condition, why error, deaf bool) {
	if why == nil {
		why = errEnded
	}
	c.mu.Lock()
	if c.leaving != nil || c.closed != nil {
		c.mu.Unlock()
		return
	}
	c.leaving, c.deaf = why, deaf
	mute := !c.dialled && !c.started // nobody reads or writes yet but the TLS handshake
	greeted := c.dialled || c.greeted
	if condition != "" {
		if !greeted {
			c.out, greeted = appendOpening(c.out), true
		}
		c.out = appendStreamError(c.out, condition, why)
	}
	if c.started && greeted {
		c.out = append(c.out, "</stream:stream>"...)
	}
	c.mu.Unlock()
	if mute {
		c.abort(why)
		return
	}
	c.wake()
}

// abort closes the connection at once; the first reason given is kept.
func (c *conn) abort(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		return
	}
	if why == nil {
		why = errEnded
	}
	c.closed = why
	_ = c.raw.SetDeadline(time.Unix(1, 0)) // wakes reader and writer
	_ = c.raw.Close()
}

// wake starts the writer, unless it runs already: an idle stream has none.
func (c *conn) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.writing:
		c.again = true
	case c.over || c.held || !c.started:
	default:
		c.writing = true
		c.writers.Go(c.writeLoop)
	}
}

// hold waits until all that is queued has been written and keeps the writer from
// starting again, so that the caller may write to the socket and replace it.
func (c *conn) hold() {
	c.mu.Lock()
	c.held = true
	c.mu.Unlock()
	c.writers.Wait()
}

func (c *conn) unhold() {
	c.mu.Lock()
	c.held = false
	c.mu.Unlock()
	c.wake()
}

// drainWriter waits until the writer has nothing left.
func (c *conn) drainWriter() {
	c.hold()
	c.unhold()
}

// batch is what goes out in one write.
type batch struct {
	control []byte
	chunk   *chunk
	link    *link
	waits   bool // the chunk's stanzas are in the window
	last    bool // nothing comes after it
}

// writeLoop writes until there is nothing left.
func (c *conn) writeLoop() {
	for {
		b, ok := c.collect()
		if !ok {
			return
		}
		err := c.write(b)
		c.wrote(b, err)
		switch {
		case err != nil:
			c.abort(err)
		case b.last:
			c.closeWrite()
		}
	}
}

// collect takes what is written next; false if there is nothing, and the writer is
// to end.
func (c *conn) collect() (batch, bool) {
	for {
		c.mu.Lock()
		b := batch{control: c.out, last: c.leaving != nil && c.closed == nil && len(c.out) > 0}
		c.out = nil
		links := c.links
		if c.leaving != nil || c.closed != nil {
			links = nil
		}
		c.mu.Unlock()
		for _, l := range links {
			if b.chunk = l.take(c); b.chunk != nil {
				b.link = l
				break
			}
		}
		c.mu.Lock()
		if b.chunk == nil && c.leaving == nil { // nothing follows a closing tag
			b.control = append(b.control, c.askAck()...)
		}
		if b.waits = b.chunk != nil && c.window.on; b.waits { // before they can be acknowledged
			c.window.items = append(c.window.items, b.chunk.items...)
		}
		if b.chunk != nil || len(b.control) > 0 {
			c.mu.Unlock()
			return b, true
		}
		if !c.again {
			c.writing = false
			c.mu.Unlock()
			return b, false
		}
		c.again = false
		c.mu.Unlock()
	}
}

func (c *conn) write(b batch) error {
	defer c.raw.end()
	if err := c.raw.begin(); err != nil {
		return err
	}
	buf := b.control
	if b.chunk != nil {
		buf = b.chunk.buf
		if len(b.control) > 0 {
			buf = append(b.control, buf...)
		}
	}
	_, err := c.sock.Write(buf)
	return err
}

// wrote settles what was written: with acknowledgements it waits for one, without
// it is the other end's now. What failed may have arrived or not.
func (c *conn) wrote(b batch, err error) {
	now := time.Now()
	c.mu.Lock()
	c.sent = now
	if b.chunk != nil {
		c.busy = now
		c.written.add(now, len(b.chunk.items))
	}
	c.mu.Unlock()
	if b.chunk == nil {
		return
	}
	c.logSent(b.chunk)
	if !b.waits {
		for _, it := range b.chunk.items {
			it.taken()
		}
	}
	b.link.hold(-len(b.chunk.buf))
	if err == nil {
		b.link.reuse(b.chunk)
	}
}

// logSent is the line of each stanza on the stream that it goes out on, for who asks
// for so much.
func (c *conn) logSent(sent *chunk) {
	ctx := c.srv.group.Context()
	if !c.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	for _, it := range sent.items {
		if it.id != (stanzaID{}) {
			c.log.LogAttrs(ctx, slog.LevelDebug, "stanza sent", it.id.attr())
		}
	}
}

// hasWritten reports whether the stream has carried a stanza.
func (c *conn) hasWritten() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.written.since1.IsZero()
}

// closeWrite tells the other end that nothing more comes, and gives it a moment to
// do the same.
func (c *conn) closeWrite() {
	if sock, ok := c.sock.(*tls.Conn); ok {
		_ = sock.CloseWrite()
	}
	if c.isDeaf() {
		c.raw.closeWrite()
	}
	by := time.Now().Add(closeWait)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeBy = by
	_ = c.sock.SetReadDeadline(by)
}

// awaitClose waits, where the other end has ended a stream that we send on, until it
// closes the connection: whoever comes first with its closing tag does so when it has
// read the answer (RFC 6120 §4.4). Before that the next stream would overtake what was
// written to this one. Two closing tags may have crossed if anything is unacknowledged.
func (c *conn) awaitClose() {
	c.mu.Lock()
	crossed := errors.Is(c.leaving, errEnded) || len(c.window.items) > 0
	waits := crossed && len(c.links) > 0 && c.closed == nil && !c.closeBy.IsZero()
	c.mu.Unlock()
	if !waits {
		return
	}
	c.raw.closeWrite()
	const most = 1 << 20 // bytes; nothing is to come
	_, _ = io.CopyN(io.Discard, c.raw, most)
}

// room reports whether so many stanzas more may be unacknowledged.
func (c *conn) room(stanzas int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leaving == nil && c.closed == nil &&
		(!c.window.on || len(c.window.items)+stanzas <= max(stanzas, c.srv.state.Load().Bounds.Unacknowledged))
}

// settle ends the account of a stream that has ended: what was written and neither
// acknowledged nor followed by an orderly end is uncertain (XEP-0198 §5 leaves it so
// without resumption). Without acknowledgements that is what was written last.
func (c *conn) settle() {
	c.mu.Lock()
	items, on, written, closed := c.window.items, c.window.on, c.written, c.closed
	// The other end's closing tag answers ours; behind an error of its own, or of ours
	// that it caused, the two may have crossed.
	orderly := c.leaving != nil && errors.Is(closed, errEnded) && (!c.deaf || endedByUs(c.leaving))
	c.window.items = nil
	c.mu.Unlock()
	for _, it := range items {
		it.taken()
	}
	unsure := len(items)
	if !on {
		unsure = written.since(time.Now().Add(-doubt))
	}
	if orderly || unsure == 0 {
		return
	}
	c.srv.metrics.uncertain(c.side, unsure)
	c.log.Warn("stanzas uncertain", slog.Int("stanzas", unsure), slog.Bool("acknowledgements", on), slog.Any("err", quoted{closed}))
}

// doubt is how long after being written a stanza counts as uncertain when its
// stream breaks without acknowledgements.
const doubt = 5 * time.Second

// tally counts stanzas by the time they were written, roughly: it remembers two
// spans of time.
type tally struct {
	since1, since2 time.Time
	count1, count2 int
}

func (t *tally) add(now time.Time, n int) {
	if now.Sub(t.since1) > doubt/2 {
		t.since2, t.count2 = t.since1, t.count1
		t.since1, t.count1 = now, 0
	}
	t.count1 += n
}

// since returns how many were written since a moment, or somewhat before it.
func (t *tally) since(moment time.Time) int {
	n := 0
	if t.since1.Add(doubt / 2).After(moment) {
		n += t.count1
	}
	if t.since2.Add(doubt / 2).After(moment) {
		n += t.count2
	}
	return n
}
