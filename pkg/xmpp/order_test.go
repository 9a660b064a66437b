package xmpp

import (
	"strconv"
	"testing"
	"time"

	"edged/internal/lab/ca"
	"edged/internal/lab/xmpppeer"
	"edged/pkg/domain"
	"edged/pkg/tlsid"
)

// many is how many messages are numbered.
const many = 1000

// TestOrder: messages arrive in order and once (RFC 6120 §10.1), whatever becomes of the
// streams; and all of them, as long as streams end in order.
func TestOrder(t *testing.T) {
	acks := func(on bool) func(*xmpppeer.Config) {
		return func(c *xmpppeer.Config) { c.Management = on }
	}
	tests := map[string]struct {
		acks     bool
		disturb  func(b *bed, p *xmpppeer.Server, i int)
		lossless bool
	}{
		"our certificate changes":         {false, rotate, true},
		"the same, with acknowledgements": {true, rotate, true},
		"connections break":               {false, func(_ *bed, p *xmpppeer.Server, _ int) { p.Cut() }, false},
		"the same, and acknowledgements":  {true, func(_ *bed, p *xmpppeer.Server, _ int) { p.Cut() }, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, func(c *setup) { acks(tt.acks)(&c.pool) })
			p := b.partner(theirs, acks(tt.acks))
			heard := make(chan struct{})
			defer close(heard)
			from, to := b.pool.User(bob), p.User(alice)
			b.background(func() {
				for i := range many {
					if _, err := from.Message(b.ctx, alice, strconv.Itoa(i)); err != nil {
						t.Errorf("message %d: %v", i, err)
						return
					}
					if i%200 == 199 {
						tt.disturb(b, p, i)
					}
				}
				b.untilHeard(from, alice, heard)
			})
			last, missing := -1, 0
			for {
				e := b.receive(to)
				if e.Body() == theEnd {
					break
				}
				n := must(strconv.Atoi(e.Body()))
				if n <= last {
					t.Fatalf("message %d comes after %d", n, last)
				}
				missing += n - last - 1
				last = n
			}
			missing += many - 1 - last
			if tt.lossless && missing > 0 {
				t.Errorf("%d messages of %d are missing", missing, many)
			}
		})
	}
}

const theEnd = "the end"

// untilHeard sends a last message until one gets through: the edge leaves a partner
// alone for a moment that it could not reach.
func (b *bed) untilHeard(from *xmpppeer.User, to string, heard <-chan struct{}) {
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		_, _ = from.Message(b.ctx, to, theEnd)
		select {
		case <-heard:
			return
		case <-b.ctx.Done():
			return
		case <-again.C:
		}
	}
}

// rotate gives the edge a new certificate, so that it begins streams anew.
func rotate(b *bed, _ *xmpppeer.Server, _ int) {
	cert, key, err := b.world.public.Issue(ca.Leaf{DNS: []string{ours}}).WriteFiles(b.t.TempDir(), "next")
	must(cert, err)
	next := *b.state
	next.Outside = &tlsid.Side{
		Keys: must(tlsid.LoadKeys([]tlsid.Pair{{Cert: cert, Key: key}}, domain.Name{})), Trust: b.world.external.Trust,
	}
	b.s.Apply(&next)
}
