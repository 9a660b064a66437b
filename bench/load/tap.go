package load

import (
	"io"
	"sync/atomic"

	"edged/bench/wire"
)

// Tap hands what arrives on one stream to whoever is interested at the time.
type Tap struct {
	to atomic.Pointer[func(b []byte) (rest []byte)]
}

// To is who gets the bytes from now on; rest is what it wants to see again.
func (t *Tap) To(f func(b []byte) (rest []byte)) { t.to.Store(&f) }

// Run reads until the stream ends.
func (t *Tap) Run(r io.Reader) error {
	return receive(r, func(b []byte) []byte {
		if f := t.to.Load(); f != nil {
			return (*f)(b)
		}
		return nil
	})
}

// receive hands on the messages of each read.
func receive(r io.Reader, batch func(b []byte) (rest []byte)) error {
	buf, kept := make([]byte, readBytes), 0
	for {
		n, err := r.Read(buf[kept:])
		kept = copy(buf, batch(buf[:kept+n]))
		if err != nil {
			return err
		}
	}
}

// Echo answers every message with one of the same number.
func Echo(w io.Writer, form wire.Form) func(b []byte) (rest []byte) {
	var out []byte
	return func(b []byte) []byte {
		out = out[:0]
		rest := wire.Scan(b, func(n uint32) { out = form.Append(out, n) })
		if len(out) > 0 {
			_, _ = w.Write(out) // a lost stream is noticed by its reader
		}
		return rest
	}
}
