package xmlstream

import (
	"errors"
	"io"
)

const (
	idleBuffer = 1 << 10  // bytes a Reader holds while little arrives
	busyBuffer = 8 << 10  // and while more does; long elements need more still
	calmTimes  = 4        // how often the buffer has to empty, with little in it, to get small
	freeBuffer = 16 << 10 // beyond which Grow is asked
	emptyReads = 100      // reads without bytes and error before giving up, as in bufio
)

// Reader cuts the elements out of a stream. It is owned by one goroutine.
type Reader struct {
	// OnSpace is called for white space between elements, by which the peer shows
	// that it is alive (RFC 6120 §4.6.1): once for each piece as it arrives. It
	// may be nil.
	OnSpace func()
	// OnStart is called when an element has begun and the Reader has to wait for
	// the rest of it, at most once per element: the moment to set the deadline of
	// a slow one. It may be nil.
	OnStart func()
	// Grow is asked before the buffer takes so many bytes more, beyond the first 16 KiB,
	// for a long element, and is told with a negative number of what it gives back. An
	// error ends the reading. It may be nil.
	Grow func(bytes int) error

	src        io.Reader
	lim        Limits
	buf        []byte
	start, end int // what of buf has not been consumed
	calm       int // how often little has arrived since much did
	waiting    bool
	item       item
	err        error // after which nothing can be read any more
}

// NewReader returns a Reader on src, at the start of a stream.
func NewReader(src io.Reader, lim Limits) *Reader {
	return &Reader{src: src, lim: lim, buf: make([]byte, idleBuffer)}
}

// Reset starts a new stream on src (RFC 6120 §4.3.3). Bytes that were read ahead
// belong to it only if keep is set: after SASL, but never after STARTTLS, where
// they were injected before the encryption.
func (r *Reader) Reset(src io.Reader, keep bool) {
	r.src, r.item, r.err, r.waiting = src, item{}, nil, false
	if !keep {
		r.start, r.end = 0, 0
	}
}

// Buffered returns how many bytes have been read ahead of the last element.
func (r *Reader) Buffered() int { return r.end - r.start }

// Next returns the next part of the stream, which is valid until the next call;
// after the closing tag io.EOF.
//
// After an *Error the stream is lost. Errors of src come as they are, io.EOF
// inside of an element as io.ErrUnexpectedEOF; after a temporary one, such as a
// passed deadline, Next goes on where it stopped.
func (r *Reader) Next() (*Element, error) {
	for r.err == nil {
		e, err := r.advance()
		if err != nil {
			r.err = err
			break
		}
		if e != nil {
			return e, nil
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
	return nil, r.err
}

// advance makes what it can of the bytes at hand; nil, nil means that more are
// needed.
func (r *Reader) advance() (*Element, error) {
	for {
		if !r.item.begun() && !r.skip() {
			return nil, nil
		}
		b := r.buf[r.start:r.end]
		most := r.item.most(&r.lim)
		done, err := r.item.scan(b[:min(len(b), most)], &r.lim)
		switch {
		case err != nil:
			return nil, err
		case done == 0 && len(b) >= most:
			return nil, excess("more bytes than the limit of a header or an element")
		case done == 0:
			return nil, nil
		}
		r.start += done
		r.waiting = false
		if e := r.item.finish(b[:done:done]); e != nil {
			if e.Kind == Closing {
				r.err = io.EOF
			}
			return e, nil
		}
	}
}

// skip passes white space between elements and says whether something follows.
func (r *Reader) skip() bool {
	n := skipSpace(r.buf[r.start:r.end], 0)
	if n > 0 {
		r.start += n
		r.item.spaced = true
		if r.OnSpace != nil {
			r.OnSpace()
		}
	}
	return r.start < r.end
}

// fill reads once.
func (r *Reader) fill() error {
	if r.start < r.end && !r.waiting {
		r.waiting = true
		if r.OnStart != nil {
			r.OnStart()
		}
	}
	if err := r.makeRoom(); err != nil {
		return err
	}
	for range emptyReads {
		n, err := r.src.Read(r.buf[r.end:])
		r.end += n
		switch {
		case n > 0:
			return nil // an error comes again with the next read
		case errors.Is(err, io.EOF) && r.start < r.end:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}

// makeRoom makes a free byte at the end of the buffer, and the buffer as large as
// the traffic wants it.
func (r *Reader) makeRoom() error {
	rest := r.buf[r.start:r.end]
	if size := r.fitting(len(rest)); size != len(r.buf) {
		if err := r.granted(size); err != nil {
			return err
		}
		r.buf = make([]byte, size)
	} else if len(rest) > 0 && r.end < size {
		return nil
	}
	r.start, r.end = 0, copy(r.buf, rest)
	return nil
}

// granted asks for what a buffer of that size takes more than this one.
func (r *Reader) granted(size int) error {
	more := max(size, freeBuffer) - max(len(r.buf), freeBuffer)
	if more == 0 || r.Grow == nil {
		return nil
	}
	return r.Grow(more)
}

// fitting returns the size that the buffer should have, with rest bytes in it that
// stay.
func (r *Reader) fitting(rest int) int {
	size, full := len(r.buf), r.end == len(r.buf)
	switch {
	case r.end >= idleBuffer:
		r.calm = 0
	case rest == 0:
		r.calm = min(r.calm+1, calmTimes)
	}
	switch {
	case rest == 0 && r.calm == calmTimes:
		return idleBuffer
	case full && size < busyBuffer, rest == 0 && size > busyBuffer:
		return busyBuffer
	case full && rest > size/2:
		return 2 * size
	}
	return size
}
