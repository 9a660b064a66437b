package xmpp

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"edged/internal/lab/xmpppeer"

	"github.com/prometheus/client_golang/prometheus"
)

// TestSlowPeers: who says nothing is cut off in time, and who does not read holds up
// nobody else.
func TestSlowPeers(t *testing.T) {
	b := newBed(t, func(c *setup) {
		c.bounds.StreamTimeout, c.bounds.HandshakeTimeout = 500*time.Millisecond, 500*time.Millisecond
		c.bounds.MessageTimeout, c.bounds.WriteTimeout = 500*time.Millisecond, time.Second
		c.bounds.QueueMessages, c.bounds.QueueBytes = 50, 1<<20
	})
	p := b.partner(theirs)
	flows := func(text string) {
		t.Helper()
		b.chat(p.User(alice), b.pool.User(bob), text)
		b.chat(b.pool.User(bob), p.User(alice), text)
	}
	flows("before")
	tests := map[string]struct {
		until xmpppeer.Step
		text  string
		error bool // with a stream error
	}{
		"nothing after connect":  {xmpppeer.Connected, "", false},
		"half a header":          {xmpppeer.Connected, "<stream:stream to='", false},
		"only a header":          {xmpppeer.Offered, "", true},
		"begin of a ClientHello": {xmpppeer.Connected, "\x16\x03\x01\x02\x00\x01", false},
		"no TLS after proceed":   {xmpppeer.Offered, "<starttls xmlns='" + nsTLS + "'/>", false},
		"nothing after TLS":      {xmpppeer.Secured, "", false},
		"no authentication":      {xmpppeer.Reoffered, "", true},
		"white space for ever":   {xmpppeer.Reoffered, " ", true},
		"half a stanza":          {xmpppeer.Ready, "<message from='alice@jab", true},
	}
	t.Run("cut off", func(t *testing.T) {
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				b := b.in(t)
				begun := time.Now()
				s := b.dial(theirs, b.cert(theirs), tt.until)
				_ = s.SendRaw([]byte(tt.text))
				if tt.error {
					b.ended(s, "connection-timeout")
				} else if _, err := io.Copy(io.Discard, rawReader{b, s}); err != nil {
					t.Fatalf("the connection stays: %v", err)
				}
				if took := time.Since(begun); took > 3*time.Second {
					t.Errorf("cut off after %v", took)
				}
			})
		}
	})
	flows("after")
	b.deafPartner(flows)
}

// rawReader passes over what comes on a stream, whatever it is, until the other side
// closes it.
type rawReader struct {
	b *bed
	s *xmpppeer.Stream
}

func (r rawReader) Read([]byte) (int, error) {
	ctx, cancel := context.WithTimeout(r.b.ctx, 5*time.Second)
	defer cancel()
	_, _ = r.s.ReadHeader(ctx)
	_ = r.s.AwaitEnd(ctx)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	return 0, io.EOF
}

// deafPartner is other.example, which opens a stream and never reads on.
func (b *bed) deafPartner(flows func(string)) {
	const name = "other.example"
	l := listen(b.t)
	b.publish(name, l.Addr().String(), false)
	streams := make(chan *xmpppeer.Stream, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s, err := xmpppeer.Accept(b.ctx, conn, xmpppeer.AcceptOptions{Domain: name, Certificate: b.cert(name)})
			if err == nil {
				streams <- s
			}
		}
	}()
	flood, stop := context.WithCancel(b.ctx)
	flooded := make(chan struct{})
	go func() {
		defer close(flooded)
		text := strings.Repeat("flood ", 10_000)
		for flood.Err() == nil {
			_, _ = b.pool.User(carol).Message(flood, "dave@"+name, text)
		}
	}()
	b.eventually("its queue is full", func() bool { return b.s.QueueFill(External) > 0.9 })
	if fill := b.s.QueueFill(Internal); fill > 0.5 {
		b.t.Errorf("the queue inside is filled to %.2f", fill)
	}
	for i := range 20 {
		flows(fmt.Sprintf("meanwhile %d", i))
	}
	b.eventually("another stream is tried", func() bool { return len(streams) > 1 })
	flows("in the end")
	stop()
	_ = l.Close()
	<-done
	close(streams)
	for s := range streams {
		_ = s.Drop()
	}
	<-flooded
}

// TestBackpressure: where a pool takes nothing, who sends to it waits; what waits in
// the edge is bounded, and others do not notice.
func TestBackpressure(t *testing.T) {
	const messages, size = 250, 16_000
	reg := prometheus.NewRegistry()
	b := newBed(t, counted(reg), func(c *setup) {
		c.pool.InboxSize = 1
		c.bounds.QueueMessages, c.bounds.QueueBytes, c.bounds.WriteTimeout = 100, 50_000, 15*time.Second
		c.config.Dial = func(ctx context.Context, _ Side, addr netip.AddrPort) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, "tcp", addr.String())
			return narrow(conn), err
		}
	})
	s := must(xmpppeer.Dial(b.ctx, narrow(b.connect()), xmpppeer.DialOptions{From: theirs, To: ours, Certificate: b.cert(theirs)}))
	t.Cleanup(func() { _ = s.Close() })
	o := b.partner("other.example")
	user := b.pool.User(bob)
	sent := make(chan error, 1)
	go func() {
		for i := range messages {
			if err := s.Send(numbered(alice, bob, i, size)); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	b.eventually("the sender has to wait", func() bool { return total(t, reg, "edged_xmpp_stalls_total") > 0 })
	for i := range 50 {
		b.chat(o.User("dave@other.example"), b.pool.User(carol), "meanwhile "+strconv.Itoa(i))
		if n := total(t, reg, "edged_xmpp_queue_bytes"); n > 150_000 {
			t.Errorf("%d bytes wait in the edge", n)
		}
	}
	select {
	case err := <-sent:
		t.Fatalf("the sender did not wait: %v", err)
	default:
	}
	for i := range messages {
		if e := b.receive(user); e.Attr("id") != strconv.Itoa(i) {
			t.Fatalf("after %d messages came %s", i, e)
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// narrow makes a connection one that holds little on its way.
func narrow(c net.Conn) net.Conn {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(64 << 10)
	}
	return c
}

// TestSilentHandshakesHoldUpNobody: however many there are, at the start of the
// connection or after STARTTLS.
func TestSilentHandshakesHoldUpNobody(t *testing.T) {
	b := newBed(t, func(c *setup) { c.bounds.Handshakes, c.bounds.HandshakeTimeout = 1, time.Minute })
	const begun = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" // a ClientHello, to be continued
	for range 10 {
		_ = b.dial(theirs, b.cert(theirs), xmpppeer.Connected).SendRaw([]byte(begun))
		s := b.dial(theirs, b.cert(theirs), xmpppeer.Offered)
		_ = s.SendRaw([]byte("<starttls xmlns='" + nsTLS + "'/>"))
		if _, err := s.Await(b.ctx, "proceed", nsTLS); err != nil {
			t.Fatal(err)
		}
		_ = s.SendRaw([]byte(begun))
	}
	p := b.partner(theirs)
	b.chat(p.User(alice), b.pool.User(bob), "in between")
	b.chat(b.pool.User(bob), p.User(alice), "and back")
}
