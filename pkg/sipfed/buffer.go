package sipfed

import "sync"

// buffers recycles outgoing bytes: a connection with nothing to send holds none.
type buffers struct{ pool sync.Pool }

type buffer struct{ b []byte }

const (
	newBuffer  = 4 << 10   // bytes a buffer starts with
	keptBuffer = 512 << 10 // bytes of the largest one that is used again
)

func (p *buffers) get() *buffer {
	if b, ok := p.pool.Get().(*buffer); ok {
		return b
	}
	return &buffer{b: make([]byte, 0, newBuffer)}
}

func (p *buffers) put(b *buffer) {
	if cap(b.b) <= keptBuffer {
		b.b = b.b[:0]
		p.pool.Put(b)
	}
}
