package sipmsg

import (
	"errors"
	"io"
)

const (
	idleBuffer = 512      // bytes a Reader holds while nothing arrives
	workBuffer = 4 << 10  // bytes of the next larger buffer, which the Pool lends
	bodyStep   = 16 << 10 // bytes allocated ahead of what has arrived: one TLS record
	emptyReads = 100      // reads without bytes and error before giving up, as in bufio
)

// Reader cuts the messages out of a stream. It is owned by one goroutine.
type Reader struct {
	// OnPing is called for each CRLF CRLF between messages, which the peer wants
	// answered with CRLF (RFC 5626 §4.4.1). It may be nil.
	OnPing func()
	// Pong is asked at each lone CRLF between messages whether it answers a ping of
	// ours. One that does not may be the first half of a ping. It may be nil.
	Pong func() bool
	// OnStart is called when a message has begun and the Reader reads on for the rest
	// of it, at most once per message: the moment to set the deadline of a slow
	// message. It may be nil.
	OnStart func()
	// Grow is asked before the Reader takes so many bytes beyond its first buffers for
	// a message; a negative number lets go of them. An answer other than 0 means no: it
	// is the status of the last answer on a stream that is lost. What a Reader that is
	// not read any more has taken, its owner lets go. It may be nil.
	Grow func(bytes int) (status int)
	// Source is what the messages have as theirs.
	Source *Source
	// Pool provides the messages; without one each is allocated.
	Pool *Pool

	src        io.Reader
	lim        Limits
	idle       []byte
	buf        []byte // idle, or a larger one while more has to be kept
	start, end int    // what of buf has not been consumed
	breaks     int    // bytes of CRLF CRLF seen between messages, 0 to 3
	waiting    bool
	count      uint64   // messages that have begun
	msg        *Message // the message under way
	section    section
	body       int // bytes of msg.Raw still missing; only once the headers are complete
	headed     bool

	grownBuffer, grownBody int // bytes that Grow has granted

	err error // of the framing: nothing can be read any more
}

// NewReader returns a Reader on src.
func NewReader(src io.Reader, lim Limits) *Reader {
	idle := make([]byte, idleBuffer)
	return &Reader{src: src, lim: lim, idle: idle, buf: idle}
}

// Next returns the next message.
//
// With a *SyntaxError it returns the message too, and can be called again. With a
// *FramingError it returns the message if it is Answerable, else nil, and the
// stream is lost. Errors of the stream come as they are, io.EOF inside a message
// as io.ErrUnexpectedEOF; after a temporary one, such as a passed deadline, Next
// goes on where it stopped.
func (r *Reader) Next() (*Message, error) {
	for {
		if r.err != nil {
			return nil, r.err
		}
		m, err := r.advance()
		if m != nil || err != nil {
			return m, err
		}
		if err := r.fill(); err != nil {
			if full, ok := errors.AsType[*FramingError](err); ok {
				return r.lose(full)
			}
			return nil, err
		}
	}
}

// advance makes what it can of the bytes at hand; nil, nil means that more are
// needed.
func (r *Reader) advance() (*Message, error) {
	if r.msg == nil && !r.begin() {
		return nil, r.err
	}
	if !r.headed {
		done, err := r.section.scan(r.msg, r.buf[r.start:r.end], &r.lim)
		if err != nil {
			return r.lose(err)
		}
		if !done {
			return nil, nil
		}
		if err := r.head(); err != nil {
			return r.lose(err)
		}
	}
	if r.body > 0 {
		return nil, nil
	}
	m := r.msg
	r.msg = nil
	r.letGo(&r.grownBody)
	if bad := m.finish(&r.lim); bad != nil {
		return m, bad
	}
	return m, nil
}

// begin skips the line breaks between messages and starts one at the first other
// byte.
func (r *Reader) begin() bool {
	for ; r.start < r.end; r.start++ {
		c := r.buf[r.start]
		if c != "\r\n\r\n"[r.breaks] {
			break
		}
		if r.breaks++; r.breaks%2 == 0 {
			r.lineBreak()
		}
	}
	if r.start == r.end {
		return false
	}
	if r.breaks%2 == 1 {
		r.err = &FramingError{Detail: "CR without LF between messages"}
		return false
	}
	r.breaks = 0
	r.msg, r.section, r.headed, r.waiting = r.Pool.get(), section{}, false, false
	r.count++
	r.msg.Source, r.msg.Number = r.Source, r.count
	return true
}

// lineBreak judges a CRLF between messages.
func (r *Reader) lineBreak() {
	switch {
	case r.breaks == 2 && r.Pong != nil && r.Pong():
		r.breaks = 0
	case r.breaks == 4:
		r.breaks = 0
		if r.OnPing != nil {
			r.OnPing()
		}
	}
}

// lose ends the stream with err.
func (r *Reader) lose(err *FramingError) (*Message, error) {
	r.err = err
	m := r.msg
	r.msg = nil
	r.letGo(&r.grownBody)
	if r.headed {
		return m.broken(m.Raw, &r.lim), err
	}
	return m.broken(r.buf[r.start:r.end], &r.lim), err
}

// head moves a complete header section, and what has arrived of the body, from
// the buffer into the message.
func (r *Reader) head() *FramingError {
	b := r.buf[r.start:r.end]
	r.msg.indexRows(b)
	body, err := r.msg.bodyLength(b, &r.lim)
	if err != nil {
		return err
	}
	total := r.msg.headers + 2 + body
	have := min(total, len(b))
	if room := min(total, have+bodyStep); cap(r.msg.Raw) < room {
		r.msg.Raw = make([]byte, 0, room)
	}
	r.msg.Raw = append(r.msg.Raw[:0], b[:have]...)
	r.start += have
	r.body = total - have
	r.headed = true
	return nil
}

// fill reads once, into the message's body or else into the buffer.
func (r *Reader) fill() error {
	if r.msg != nil && !r.waiting {
		r.waiting = true
		if r.OnStart != nil {
			r.OnStart()
		}
	}
	if r.msg != nil && r.headed {
		room, err := r.bodyRoom()
		if err != nil {
			return err
		}
		n, err := r.read(room)
		r.msg.Raw = r.msg.Raw[:len(r.msg.Raw)+n]
		r.body -= n
		return err
	}
	if err := r.makeRoom(); err != nil {
		return err
	}
	n, err := r.read(r.buf[r.end:])
	r.end += n
	return err
}

// bodyRoom returns the free part of the message's bytes, doubling them when they
// are full, so that memory follows what has arrived, not what was announced.
func (r *Reader) bodyRoom() ([]byte, error) {
	raw := r.msg.Raw
	if len(raw) == cap(raw) {
		more := min(r.body, len(raw))
		if err := r.grow(&r.grownBody, more); err != nil {
			return nil, err
		}
		grown := make([]byte, len(raw), len(raw)+more)
		copy(grown, raw)
		r.msg.Raw, raw = grown, grown
	}
	return raw[len(raw):min(cap(raw), len(raw)+r.body)], nil
}

// makeRoom makes a free byte at the end of the buffer, and the buffer small again
// when it is empty.
func (r *Reader) makeRoom() error {
	if r.start == r.end {
		r.use(r.idle)
		r.letGo(&r.grownBuffer)
	}
	switch {
	case r.end < len(r.buf):
	case r.start > 0:
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	case len(r.buf) < workBuffer:
		r.use(r.Pool.lend())
	default:
		if err := r.grow(&r.grownBuffer, len(r.buf)); err != nil {
			return err
		}
		r.use(make([]byte, 2*len(r.buf)))
	}
	return nil
}

// grow asks for more memory.
func (r *Reader) grow(part *int, bytes int) error {
	if r.Grow != nil {
		if status := r.Grow(bytes); status != 0 {
			return &FramingError{Status: status, Detail: "no memory is left for the rest of this message"}
		}
	}
	*part += bytes
	return nil
}

// letGo gives back what was asked for.
func (r *Reader) letGo(part *int) {
	if *part > 0 && r.Grow != nil {
		r.Grow(-*part)
	}
	*part = 0
}

// use goes on with another buffer, into which it moves what has not been consumed.
func (r *Reader) use(buf []byte) {
	old := r.buf
	r.buf = buf
	r.end = copy(buf, old[r.start:r.end])
	r.start = 0
	r.Pool.giveBack(old)
}

func (r *Reader) read(b []byte) (int, error) {
	for range emptyReads {
		n, err := r.src.Read(b)
		switch {
		case n > 0:
			return n, nil // an error comes again with the next read
		case errors.Is(err, io.EOF) && r.msg != nil:
			return 0, io.ErrUnexpectedEOF
		case err != nil:
			return 0, err
		}
	}
	return 0, io.ErrNoProgress
}
