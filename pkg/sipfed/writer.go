package sipfed

import "time"

// send queues a message and wakes the writer. It never blocks.
func (c *conn) send(b []byte) error { return c.queue(nil, nil, b) }

// queue appends to the outgoing buffer. With an attempt it is a request, which then
// awaits its answer here, and learns where in the connection's stream of bytes it
// ends. A retired connection takes no requests, only the answers that it owes.
//
// by is the connection whose reader is at work, nil if none is: it wakes the writer
// when it has handled all that it has read, so that everything goes out in one write.
func (c *conn) queue(by *conn, a *attempt, b []byte) error {
	most := c.queueRoom(a)
	c.mu.Lock()
	if c.closed != nil || c.leaving != nil || a != nil && c.retired != nil {
		c.mu.Unlock()
		return errConnClosed
	}
	if c.out == nil {
		c.out = c.srv.buffers.get()
	}
	if len(c.out.b) >= most {
		c.mu.Unlock()
		c.srv.metrics.queueFull(c.side)
		return errQueueFull
	}
	c.out.b = append(c.out.b, b...)
	c.queued += int64(len(b))
	if a != nil {
		a.end = c.queued
		c.waiting[a] = a.end
	}
	c.mu.Unlock()
	c.hold(len(b))
	if by != nil {
		by.wakeLater(c)
		return nil
	}
	c.wakeWriter()
	return nil
}

// wakeLater notes a connection that this one's reader has given something to send.
func (c *conn) wakeLater(other *conn) {
	if n := len(c.fed); n == 0 || c.fed[n-1] != other {
		c.fed = append(c.fed, other)
	}
}

// few is how many connections a reader writes to itself, and how often to each.
const few = 4

// wakeFed has all that the reader has fed sent, before it waits for anything. A little
// for one connection the reader writes itself, or for a few where nobody has much to do:
// under load a writer finds more to send at once. What TLS has said by itself and the
// system has not taken is left to the writer too.
func (c *conn) wakeFed() {
	if c.below.owes() {
		c.wakeWriter()
	}
	most := 1
	if c.below.calm() {
		most = few
	}
	many := len(c.fed) > most
	for i, other := range c.fed {
		if many || !other.writeLittle() {
			other.wakeWriter()
		}
		c.fed[i] = nil
	}
	c.fed = c.fed[:0]
}

// wakeWriter starts the writer, unless it runs already: an idle connection has none.
// One that is ending keeps its last.
func (c *conn) wakeWriter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.writing {
		c.writing = true
		c.writers.Go(c.writeLoop)
	}
}

// little is what a reader writes for another connection: one or two messages.
const little = 4 << 10

// writeLittle does the writer's work of a moment, if that is a small one and no writer
// is there, and needs no waiting. What comes meanwhile it writes too, or leaves it to a
// writer if that goes on. It reports false if it did nothing.
func (c *conn) writeLittle() bool {
	c.mu.Lock()
	if c.writing || !c.below.eager() || !c.hasLittleLocked() {
		c.mu.Unlock()
		return false
	}
	c.writing = true
	c.writers.Add(1)
	c.mu.Unlock()
	defer c.writers.Done()
	for range few {
		if !c.writeBatch() || !c.hasMore() {
			return true
		}
		if !c.hasLittle() {
			break
		}
	}
	c.writers.Go(c.writeLoop)
	return true
}

// hasLittle reports whether there is a little to write, and nothing that has to wait.
func (c *conn) hasLittle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hasLittleLocked()
}

func (c *conn) hasLittleLocked() bool {
	return c.out != nil && len(c.out.b) <= little && !c.below.owes()
}

// hasMore reports whether the writer has something left to do; if not, there is none
// any more.
func (c *conn) hasMore() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing = c.out != nil || c.closed != nil || c.leaving != nil || c.below.owes()
	return c.writing
}

// writeLoop is the connection's writer: it sends all that has been queued in one
// write, until nothing is left, and closes the socket when that fails, which wakes
// the reader.
func (c *conn) writeLoop() {
	for {
		if err := c.flush(); err != nil {
			c.writeFailed(err)
			return
		}
		if !c.writeBatch() {
			return
		}
	}
}

// writeBatch writes what is queued. It reports false if there is nothing to do, or never
// will be again.
func (c *conn) writeBatch() bool {
	batch, owing, end := c.take()
	switch {
	case batch != nil:
		err := c.write(batch.b)
		c.unsent += len(batch.b)
		c.srv.buffers.put(batch)
		if err != nil || !c.below.owes() {
			c.letGo()
		}
		if err != nil {
			c.writeFailed(err)
		}
		return err == nil
	case end != nil:
		c.close(end)
	}
	return owing
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

// take takes all that is queued and counts it as written: whatever of a batch fails,
// it may have been sent. Where there is nothing, it says whether something is left to
// flush, or why the connection ends now, or lets the writer go.
func (c *conn) take() (batch *buffer, owing bool, end error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed != nil:
		return nil, false, c.closed
	case c.out != nil:
		batch, c.out, c.written = c.out, nil, c.queued
		return batch, false, nil
	case c.below.owes(): // TLS has said something by itself
		return nil, true, nil
	case c.leaving != nil:
		return nil, false, c.leaving
	}
	c.writing = false
	return nil, false, nil
}

func (c *conn) write(batch []byte) error {
	now := time.Now()
	if c.below.eager() {
		c.below.makeRoom(len(batch))
	} else if err := c.sock.SetWriteDeadline(now.Add(c.srv.state.Load().Bounds.WriteTimeout)); err != nil {
		return err
	}
	_, err := c.sock.Write(batch)
	c.touch(now)
	return err
}

// flush waits until the system has taken what has been written, or for
// limits.write_timeout.
func (c *conn) flush() error {
	if !c.below.owes() {
		return nil
	}
	defer c.letGo()
	if err := c.sock.SetWriteDeadline(time.Now().Add(c.srv.state.Load().Bounds.WriteTimeout)); err != nil {
		return err
	}
	if err := c.below.flush(); err != nil {
		return err
	}
	return c.sock.SetWriteDeadline(time.Time{})
}

// letGo counts what was written as held no more.
func (c *conn) letGo() {
	c.hold(-c.unsent)
	c.unsent = 0
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
	if c.out != nil {
		c.hold(-len(c.out.b))
		c.out = nil
	}
	c.mu.Unlock()
	// crypto/tls sends close_notify under a deadline of its own.
	_ = c.sock.Close()
}
