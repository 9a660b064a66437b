package xmpp

import (
	"fmt"
	"log/slog"
)

// item is one stanza in a queue.
type item struct {
	size int     // bytes
	from *intake // who awaits that it is taken over; nil: nobody
	seq  uint64  // its number there
	id   stanzaID
}

// stanzaID is what the lines of one stanza have in common, on the stream that it came
// on and on the one that it goes out on. The zero value is a stanza of the edge's own.
type stanzaID struct{ conn, number uint32 }

// attr is no attribute for the zero value.
func (id stanzaID) attr() slog.Attr {
	if id == (stanzaID{}) {
		return slog.Attr{}
	}
	return slog.String("id", fmt.Sprintf("x%d.%d", id.conn, id.number))
}

// taken tells the stream that the stanza came in on that somebody else is
// responsible for it now: it was acknowledged, written, bounced or dropped.
func (it item) taken() {
	if it.from != nil {
		it.from.done(it.seq)
	}
}

// chunkBytes is how much a chunk holds, unless one stanza alone is larger: what
// fits into one TLS record (RFC 8446 §5.1).
const chunkBytes = 16 << 10

// chunk is a run of stanzas that are written together.
type chunk struct {
	buf   []byte
	items []item
}

// newChunk returns an empty chunk, at once of the full size where there is much to
// hold.
func newChunk(busy bool) *chunk {
	if !busy {
		return &chunk{}
	}
	return &chunk{buf: make([]byte, 0, chunkBytes), items: make([]item, 0, 64)}
}

// queue holds stanzas in order, in chunks. It keeps no memory when it is empty.
type queue struct {
	chunks  []*chunk
	bytes   int
	stanzas int
}

// push appends a copy of a stanza.
func (q *queue) push(it item, raw []byte) {
	it.size = len(raw)
	if q.needs(len(raw)) {
		q.chunks = append(q.chunks, newChunk(len(q.chunks) > 0))
	}
	c := q.chunks[len(q.chunks)-1]
	c.buf = append(c.buf, raw...)
	c.items = append(c.items, it)
	q.bytes += len(raw)
	q.stanzas++
}

// needs reports whether so many bytes more begin a new chunk.
func (q *queue) needs(bytes int) bool {
	n := len(q.chunks)
	if n == 0 {
		return true
	}
	last := len(q.chunks[n-1].buf)
	return last > 0 && last+bytes > chunkBytes
}

// next returns the first chunk without removing it, nil if the queue is empty.
func (q *queue) next() *chunk {
	if len(q.chunks) == 0 {
		return nil
	}
	return q.chunks[0]
}

// pop removes the first chunk.
func (q *queue) pop() *chunk {
	c := q.chunks[0]
	q.chunks[0] = nil
	q.chunks = q.chunks[1:]
	if len(q.chunks) == 0 {
		q.chunks = nil
	}
	q.bytes -= len(c.buf)
	q.stanzas -= len(c.items)
	return c
}

// drop empties the queue and calls each with every stanza in it, in order.
func (q *queue) drop(each func(it item, raw []byte)) {
	for q.next() != nil {
		c := q.pop()
		at := 0
		for _, it := range c.items {
			each(it, c.buf[at:at+it.size])
			at += it.size
		}
	}
}

// over removes the stanzas of more than most bytes, 0 being no bound, and returns them.
func (q *queue) over(most int) queue {
	var large, rest queue
	if most == 0 || q.bytes <= most {
		return large
	}
	q.drop(func(it item, raw []byte) {
		if len(raw) > most {
			large.push(it, raw)
			return
		}
		rest.push(it, raw)
	})
	*q = rest
	return large
}
