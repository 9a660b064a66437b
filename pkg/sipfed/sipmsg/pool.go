package sipmsg

import "sync"

// Pool recycles the memory of messages. The zero value is ready; share one between
// the connections of a server.
type Pool struct{ p sync.Pool }

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
	return m
}

// Release gives the message's memory back to the pool it came from. Raw and all
// slices of it are invalid afterwards, and Release must not be called again. It
// does nothing for a message that came from no pool; nil is allowed.
func (m *Message) Release() {
	if m == nil || m.pool == nil {
		return
	}
	if cap(m.Raw) > maxPooled {
		m.Raw = nil
	}
	if cap(m.fields) > 4*len(m.inline) {
		m.fields = nil
	}
	pool := m.pool
	m.pool = nil
	pool.p.Put(m)
}
