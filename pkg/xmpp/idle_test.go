package xmpp

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"edged/internal/lab/xmpppeer"
)

// TestIdle: limits.stream_idle_timeout ends a stream on which nothing crosses, however
// much white space it carries and whatever is refused on it, and no other one.
func TestIdle(t *testing.T) {
	t.Parallel()
	b := newBed(t, func(c *setup) { c.bounds.StreamIdleTimeout = time.Second })
	user := b.pool.User(bob)
	busy := b.dial(theirs, b.cert(theirs), xmpppeer.Ready)
	blank := b.dial(theirs, b.cert(theirs), xmpppeer.Ready)
	refused := b.dial(theirs, b.cert(theirs), xmpppeer.Ready)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := range 30 {
		if err := busy.Send(numbered(alice, bob, i, 10)); err != nil {
			t.Fatalf("stanza %d: %v", i, err)
		}
		if e := b.receive(user); e.Attr("id") != strconv.Itoa(i) {
			t.Fatalf("got %s", e)
		}
		_ = blank.SendRaw([]byte(" "))
		_ = refused.Send(numbered(alice, "mallory@contoso.com", i, 10))
		<-tick.C
	}
	for name, s := range map[string]*xmpppeer.Stream{"blank": blank, "refused": refused} {
		if err := s.AwaitEnd(b.ctx); !errors.Is(err, xmpppeer.ErrEnd) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithTimeout(b.ctx, 100*time.Millisecond)
	defer cancel()
	if err := busy.AwaitEnd(ctx); errors.Is(err, xmpppeer.ErrEnd) {
		t.Error("the stream that carries stanzas was ended")
	}
}
