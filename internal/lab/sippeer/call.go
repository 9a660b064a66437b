package sippeer

import "context"

// Outcome is what a request came to.
type Outcome struct {
	Sent      *Message
	Responses []*Message // in order
	Err       error      // the connection ended, or the wait did, before a final answer
}

// Final returns the last response if it is final, or nil.
func (o *Outcome) Final() *Message {
	if n := len(o.Responses); n > 0 && o.Responses[n-1].Status() >= 200 {
		return o.Responses[n-1]
	}
	return nil
}

// maxWaiting is how many responses to one request are kept until they are read.
const maxWaiting = 32

// Call is a request under way.
type Call struct {
	conn *Conn
	out  Outcome
	in   chan *Message
}

// Start sends a request. A write that fails shows as the outcome's error: the
// reader knows better why the connection ended.
func (c *Conn) Start(m *Message) *Call {
	call := c.Expect(m)
	_ = c.Write(m.String())
	return call
}

// Expect makes a Call of a request that the caller writes, perhaps in one piece
// with others.
func (c *Conn) Expect(m *Message) *Call {
	call := &Call{conn: c, out: Outcome{Sent: m}, in: make(chan *Message, maxWaiting)}
	c.mu.Lock()
	c.waiting[m.key()] = call.in
	c.mu.Unlock()
	return call
}

// Wait collects responses until one has at least the given status, the connection
// ends or ctx is done.
func (k *Call) Wait(ctx context.Context, status int) *Outcome {
	for {
		select {
		case m := <-k.in:
			if k.take(m) >= status {
				return &k.out
			}
		case <-k.conn.finished:
			return k.end(k.conn.Err())
		case <-ctx.Done():
			return k.end(ctx.Err())
		}
	}
}

// end takes what had arrived before the wait ended; err counts if none of it was
// final.
func (k *Call) end(err error) *Outcome {
	k.drain()
	if k.out.Final() == nil {
		k.out.Err = err
	}
	return &k.out
}

// take records a response, acknowledges it if it refuses an INVITE, and returns
// its status.
func (k *Call) take(m *Message) int {
	k.out.Responses = append(k.out.Responses, m)
	if m.Status() >= 300 && k.out.Sent.Method() == "INVITE" {
		_ = k.conn.Write(ack(k.out.Sent, m).String())
	}
	return m.Status()
}

func (k *Call) drain() {
	for {
		select {
		case m := <-k.in:
			k.take(m)
		default:
			return
		}
	}
}

// Cancel sends the CANCEL of the request and waits for what it is answered.
func (k *Call) Cancel(ctx context.Context) *Outcome {
	return k.conn.Do(ctx, cancel(k.out.Sent))
}

// Do sends a request and waits for its final answer.
func (c *Conn) Do(ctx context.Context, m *Message) *Outcome {
	defer c.forget(m)
	return c.Start(m).Wait(ctx, 200)
}

// forget ends the wait for responses to a request.
func (c *Conn) forget(m *Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, m.key())
}

// Send opens a connection, sends one MESSAGE from one SIP URI to another, and returns
// the status of the final answer.
func (p *Peer) Send(ctx context.Context, addr, serverName, from, to string) (int, error) {
	conn, err := p.Dial(ctx, addr, serverName)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	outcome := conn.Do(ctx, p.Compose(Request{
		Method: "MESSAGE", URI: to, From: "<" + from + ">", To: "<" + to + ">", CallID: NewCallID(p.Host()), Body: "hello",
	}))
	if final := outcome.Final(); final != nil {
		return final.Status(), nil
	}
	return 0, outcome.Err
}
