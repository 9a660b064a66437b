package sipmsg

import "sync"

// Pool recycles the memory of messages. The zero value is ready; share one between
// the connections of a server.
type Pool struct {
	// Poison overwrites messages as they come back, so that a test finds whoever
	// still reads them.
	Poison bool

	p       sync.Pool
	buffers sync.Pool // of Readers, each of workBuffer bytes
}

// maxPooled is the largest Raw, in bytes, that a released message keeps.
const maxPooled = 8 << 10

func (p *Pool) get() *Message {
	var m *Message
	if p != nil {
		m, _ = p.p.Get().(*Message)
	}
	if m == nil {
		m = new(Message)
	}
	m.reset()
	m.pool = p
	m.holders.Store(1)
	return m
}

// lend returns a buffer of workBuffer bytes.
func (p *Pool) lend() []byte {
	if p != nil {
		if b, ok := p.buffers.Get().(*[workBuffer]byte); ok {
			return b[:]
		}
	}
	return make([]byte, workBuffer)
}

// giveBack takes a buffer that lend has returned; others are left alone.
func (p *Pool) giveBack(b []byte) {
	if p != nil && len(b) == workBuffer {
		p.buffers.Put((*[workBuffer]byte)(b))
	}
}

// Retain adds a holder, who calls Release too.
func (m *Message) Retain() { m.holders.Add(1) }

// Release is called once by each holder: whoever got the message from a Reader, and
// whoever has retained it. With the last, its memory goes back to the pool that it
// came from, and Raw and all slices of it are invalid. It does nothing for a message
// that came from no pool; nil is allowed.
func (m *Message) Release() {
	if m == nil || m.pool == nil || m.holders.Add(-1) > 0 {
		return
	}
	pool := m.pool
	m.pool = nil
	if pool.Poison {
		m.poison()
	}
	if cap(m.Raw) > maxPooled {
		m.Raw = nil
	}
	if cap(m.fields) > 4*len(m.inline) {
		m.fields = nil
	}
	pool.p.Put(m)
}

func (m *Message) poison() {
	for i := range m.Raw {
		m.Raw[i] = 0xdd
	}
	clear(m.fields)
	m.index, m.parsed, m.Method, m.Status, m.Body = index{}, parsed{}, "", 0, nil
}
