package xmpp

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"edged/internal/lab/xmpppeer"
)

// record keeps what is logged.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// TestShutdown: everybody who sends to us is told, what is queued goes out, and of
// nothing that was delivered is it said that nobody knows.
func TestShutdown(t *testing.T) {
	for name, acks := range map[string]bool{"with acknowledgements": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			var log record
			b := newBed(t, func(c *setup) {
				c.pool.Management = acks
				c.config.Log = slog.New(slog.NewTextHandler(&log, nil))
			})
			p := b.partner(theirs, func(c *xmpppeer.Config) { c.Management = acks })
			b.chat(p.User(alice), b.pool.User(bob), "hello")
			b.chat(b.pool.User(bob), p.User(alice), "hello back")
			for range 100 {
				if _, err := p.User(alice).Message(b.ctx, bob, "one of many"); err != nil {
					t.Fatal(err)
				}
			}
			for range 50 { // the others are on their way
				b.receive(b.pool.User(bob))
			}
			ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
			defer cancel()
			b.s.Shutdown(ctx)
			b.happened(p, xmpppeer.EventClosed, "system-shutdown")
			b.happened(b.pool, xmpppeer.EventClosed, "system-shutdown")
			if ctx.Err() != nil {
				t.Error("it took as long as it might")
			}
			if strings.Contains(log.String(), "uncertain") {
				t.Errorf("the log tells of uncertain stanzas:\n%s", &log)
			}
			if left := b.s.Connections(); len(left) > 0 {
				t.Errorf("streams are left: %v", left)
			}
		})
	}
}
