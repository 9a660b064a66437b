package sipfed

import "time"

// sendBytes appends a message to the outgoing buffer and wakes the writer. It
// never blocks.
func (c *conn) sendBytes(b []byte) error {
	return c.sendFor(nil, func(dst []byte) []byte { return append(dst, b...) })
}

// sendFor appends what fill appends. With an attempt it is for a request, which
// then awaits its answer here, and learns where in the connection's stream of
// bytes it ends. A retired connection takes no requests, only the answers that
// it owes.
func (c *conn) sendFor(a *attempt, fill func(dst []byte) []byte) error {
	most := int(c.srv.state.Load().Bounds.QueueBytes)
	c.mu.Lock()
	if c.closed != nil || c.leaving != nil || a != nil && c.retired {
		c.mu.Unlock()
		return errConnClosed
	}
	if len(c.out) >= most {
		c.mu.Unlock()
		c.srv.metrics.queueFull(c.side)
		return errQueueFull
	}
	before := len(c.out)
	c.out = fill(c.out)
	added := len(c.out) - before
	c.queued += int64(added)
	c.used = time.Now()
	if a != nil {
		a.end = c.queued
		c.waiting[a] = struct{}{}
	}
	c.mu.Unlock()
	c.srv.metrics.queueBytes(added)
	c.wakeWriter()
	return nil
}

func (c *conn) wakeWriter() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// writeLoop is the connection's writer: it sends all that has been queued in
// one write and closes the socket when that fails, which wakes the reader.
func (c *conn) writeLoop() {
	for range c.wake {
		var batch []byte
		for batch = c.take(nil); len(batch) > 0; batch = c.take(batch[:0]) {
			err := c.write(batch)
			c.srv.metrics.queueBytes(-len(batch))
			if err != nil {
				c.writeFailed(err)
				return
			}
		}
		if err := c.ending(); err != nil {
			c.close(err)
			return
		}
	}
}

// lastLook is how long the reader of a connection that cannot be written any
// more looks for the reason.
const lastLook = time.Second

// writeFailed ends a connection whose peer takes nothing more. A peer that has
// not said a word yet may have refused our certificate, which under TLS 1.3 it
// says after the handshake: the reader gets a moment to find that alert.
func (c *conn) writeFailed(err error) {
	if !c.dialled || c.heard.Load() > 0 {
		c.close(err)
		return
	}
	c.giveUp.Store(true)
	if c.sock.SetReadDeadline(time.Now().Add(lastLook)) != nil {
		c.close(err)
	}
}

// ending reports why the writer has nothing left to do, if so.
func (c *conn) ending() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		return c.closed
	}
	return c.leaving
}

// idleBuffer is what an idle connection may keep of its outgoing buffer.
const idleBuffer = 4 << 10

// take swaps the queue for an empty buffer and counts its bytes as written:
// whatever of a batch fails, it may have been sent. Where nothing is queued, no
// large buffer stays behind.
func (c *conn) take(empty []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		return nil
	}
	if len(c.out) == 0 {
		if cap(c.out) < cap(empty) && cap(empty) <= idleBuffer {
			c.out = empty
		}
		if cap(c.out) > idleBuffer {
			c.out = nil
		}
		return nil
	}
	batch := c.out
	c.out = empty
	c.written = c.queued
	return batch
}

func (c *conn) write(batch []byte) error {
	timeout := c.srv.state.Load().Bounds.WriteTimeout
	if err := c.sock.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	_, err := c.sock.Write(batch)
	return err
}

// finish closes the connection once the writer has sent what is queued: the
// answer that tells a peer why it is being cut off. The write time-out bounds it.
func (c *conn) finish(why error) {
	c.mu.Lock()
	if c.leaving == nil {
		c.leaving = why
	}
	c.mu.Unlock()
	c.wakeWriter()
}

// close ends the connection; the first reason given is kept. Reader and writer
// notice by themselves.
func (c *conn) close(why error) {
	c.mu.Lock()
	if c.closed != nil {
		c.mu.Unlock()
		return
	}
	c.closed = why
	c.srv.metrics.queueBytes(-len(c.out))
	c.out = nil
	c.mu.Unlock()
	c.wakeWriter()
	// crypto/tls sends close_notify under a deadline of its own.
	_ = c.sock.Close()
}
