package sipfed

import (
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"edged/pkg/limit"
	"edged/pkg/policy"
)

// write sends bytes as they are.
func (p *peer) write(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.sock, text); err != nil {
		p.t.Fatal("write:", err)
	}
}

// take reads exactly these bytes.
func (p *peer) take(want string) {
	p.t.Helper()
	got := make([]byte, len(want))
	_ = p.sock.SetReadDeadline(time.Now().Add(time.Hour))
	if n, err := io.ReadFull(p.r, got); err != nil || string(got) != want {
		p.t.Fatalf("got %q, %v; want %q", got[:n], err, want)
	}
}

// quiet checks that not a byte arrives for a while.
func (p *peer) quiet(d time.Duration) {
	p.t.Helper()
	_ = p.sock.SetReadDeadline(time.Now().Add(d))
	if b, err := p.r.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Fatalf("got %q, %v; want silence", b, err)
	}
}

// gone checks that the edge closes the connection after so long, and sends
// nothing more.
func (p *peer) gone(after time.Duration) {
	p.t.Helper()
	start := time.Now()
	_ = p.sock.SetReadDeadline(start.Add(time.Hour))
	rest, err := io.ReadAll(p.r)
	if took := time.Since(start); errors.Is(err, os.ErrDeadlineExceeded) || len(rest) > 0 || took < after || took > after+2*time.Second {
		p.t.Fatalf("got %q, %v after %v; want the end after %v", rest, err, took, after)
	}
}

// TestPeersPings: RFC 5626 §4.4.1 and RFC 3261 §7.5, where CRLF may stand before
// any message.
func TestPeersPings(t *testing.T) {
	world()
	message := wire(request("MESSAGE", "1", "\r\n\r\n\r\n\r\n"))
	tests := []struct {
		name, sent, answer string
	}{
		{"a ping", "\r\n\r\n", "\r\n"},
		{"two pings", "\r\n\r\n\r\n\r\n", "\r\n\r\n"},
		{"a lone CRLF", "\r\n", ""},
		{"a ping and a lone CRLF", "\r\n\r\n\r\n", "\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, partner, pool := between(t)
				start := time.Now()
				for _, c := range tt.sent { // however it is cut
					partner.write(string(c))
				}
				partner.take(tt.answer)
				if took := time.Since(start); took > time.Second {
					t.Errorf("answered after %v, want at once", took)
				}
				partner.quiet(time.Second)
				partner.write(tt.sent + message) // in front of a message; what is in its body is body
				partner.take(tt.answer)
				pool.send(pool.expect("MESSAGE").reply("200 OK"))
				partner.expect("SIP/2.0 200")
				partner.quiet(time.Second)
			})
		})
	}
}

// pinging gives the pool's connections a ping of so much silence, by a reload.
func (b *bed) pinging(every time.Duration) {
	b.t.Helper()
	pool := *b.state.Pools[0]
	pool.Ping = every
	b.apply([]*Pool{&pool})
}

func TestPings(t *testing.T) {
	world()
	pinged := func(t *testing.T) (b *bed, partner, pool *peer) {
		t.Helper()
		b = newBed(t)
		pool = b.poolServer()
		pool.quiet(2 * time.Minute) // the default is none
		b.pinging(time.Minute)
		pool.quiet(59 * time.Second)
		pool.take("\r\n\r\n")
		return b, b.partner(b.world.partner), pool
	}
	t.Run("answered", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, _, pool := pinged(t)
			for range 20 { // two pongs in a row are no ping, and idle_timeout is over
				pool.write("\r\n")
				pool.quiet(59 * time.Second)
				pool.take("\r\n\r\n")
			}
		})
	})
	t.Run("unanswered", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b, partner, pool := pinged(t)
			partner.send(request("MESSAGE", "1", ""))
			pool.expect("MESSAGE")
			pool.gone(10 * time.Second)
			partner.expect("SIP/2.0 100")
			partner.expect("SIP/2.0 504")
			again := b.poolServer() // members are always connected
			again.quiet(30 * time.Second)
		})
	})
	t.Run("a message is an answer too", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, partner, pool := pinged(t)
			partner.send(request("INVITE", "1", ""))
			partner.expect("SIP/2.0 100")
			invite := pool.expect("INVITE")
			<-time.After(9 * time.Second)
			pool.send(invite.reply("180 Ringing"))
			partner.expect("SIP/2.0 180")
			pool.quiet(59 * time.Second)
			pool.take("\r\n\r\n")
			pool.write("\r\n")
			pool.send(invite.reply("200 OK"))
			partner.expect("SIP/2.0 200")
		})
	})
	t.Run("switched off by a reload", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b, _, pool := pinged(t)
			b.pinging(0)
			pool.quiet(2 * time.Minute)
		})
	})
}

func TestPingsToPartners(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		ping := func(every time.Duration) func(*policy.Source, *limit.Bounds) {
			return func(src *policy.Source, _ *limit.Bounds) { src.AllowedDomains[0].Ping = every }
		}
		b, _, partner := outward(t, ping(time.Minute))
		accepted := b.partner(b.world.partner) // what the partner has opened is for the partner to ask
		accepted.send(request("MESSAGE", "1", ""))
		pool := b.poolServer()
		pool.send(pool.expect("MESSAGE").reply("200 OK"))
		accepted.expect("SIP/2.0 200")
		partner.quiet(59 * time.Second)
		partner.take("\r\n\r\n")
		partner.write("\r\n")
		accepted.quiet(time.Second)
		b.apply(b.state.Pools, ping(2*time.Minute)) // reaches the connection although nothing crosses it
		partner.quiet(119 * time.Second)
		partner.take("\r\n\r\n")
		partner.gone(10 * time.Second)
	})
}
