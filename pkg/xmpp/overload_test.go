package xmpp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"edged/internal/lab/xmpppeer"
	"edged/internal/lab/zone"
	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/policy"
	"edged/pkg/verdict"
)

// open lets everybody in, with a certificate, beside the partners that are listed.
func open(c *setup) {
	c.policy.Federation.XMPPDiscovery = true
	c.policy.XMPPDefault = byCertificate()
	c.policy.XMPPDefault.Type, c.policy.XMPPDefault.ConnectionLimit = policy.Federated, 1000
}

// authenticates tells whether a new stream of a domain is let in, or that it is one too
// many.
func (b *bed) authenticates(from string) bool {
	b.t.Helper()
	s := b.dial(from, b.cert(from), xmpppeer.Reoffered)
	return s.External(b.ctx, "") == nil
}

// TestStreamsOfUnlistedPartners: names below one registered domain share its
// connection_limit, and all of them together leave a quarter to listed partners.
func TestStreamsOfUnlistedPartners(t *testing.T) {
	t.Run("connection_limit", func(t *testing.T) {
		b := newBed(t, open, func(c *setup) { c.policy.XMPPDefault.ConnectionLimit = 2 })
		for _, tt := range []struct {
			from string
			want bool
		}{{"a.one.example", true}, {"b.one.example", true}, {"c.one.example", false}, {"one.example", false}, {"two.example", true}} {
			if got := b.authenticates(tt.from); got != tt.want {
				t.Errorf("%s: %v", tt.from, got)
			}
		}
	})
	t.Run("limits.streams", func(t *testing.T) {
		b := newBed(t, open, func(c *setup) { c.bounds.Streams = 8 })
		for i := range 7 {
			if got := b.authenticates(fmt.Sprintf("p%d.example", i)); got != (i < 6) {
				t.Errorf("stream %d of unlisted partners: %v", i, got)
			}
		}
		for i := range 3 {
			if got := b.authenticates(theirs); got != (i < 2) {
				t.Errorf("stream %d of a listed partner: %v", i, got)
			}
		}
	})
}

// TestPoolStreams: one for each pair, and no more than there may be; the last are for
// listed partners.
func TestPoolStreams(t *testing.T) {
	b := newBed(t, open, func(c *setup) { c.bounds.PoolStreams = 4 })
	p, user := b.partner(theirs), b.pool.User(bob)
	for i := range 4 {
		from := fmt.Sprintf("p%d.example", i)
		s := b.dial(from, b.cert(from), xmpppeer.Ready)
		if i < 3 {
			_ = s.SendStanza(xmpppeer.Stanza{From: "x@" + from, To: bob, Payload: xmpppeer.Body(from)})
			if e := b.receive(user); e.Body() != from {
				t.Errorf("got %s", e)
			}
			continue
		}
		other := b.partner(from) // whom the answer can be sent to
		_, _ = other.User("x@"+from).Message(b.ctx, bob, "one too many")
		b.refusedWith(other.User("x@"+from), "resource-constraint", "wait")
	}
	b.chat(p.User(alice), user, "listed")
	b.reload(func(st *State) { st.Bounds.PoolStreams = 2 })
	b.eventually("there are two left", func() bool {
		n := 0
		for _, c := range b.s.Connections() {
			if c.Side == Internal.String() && c.Dialled {
				n++
			}
		}
		return n == 2
	})
}

// TestDialsAtOnce: whoever inside writes to ever more domains does not have more places
// dialled at once than there may be streams; the last ones are for listed partners.
func TestDialsAtOnce(t *testing.T) {
	t.Parallel()
	var dials, most atomic.Int32
	black := netip.MustParseAddr("127.9.9.9")
	b := newBed(t, open, func(c *setup) {
		c.bounds.Streams = 8
		c.config.Dial = func(ctx context.Context, _ Side, addr netip.AddrPort) (net.Conn, error) {
			if addr.Addr() == black {
				now := dials.Add(1)
				defer dials.Add(-1)
				for old := most.Load(); now > old; old = most.Load() {
					most.CompareAndSwap(old, now)
				}
				<-ctx.Done()
				return nil, ctx.Err()
			}
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr.String())
		}
	})
	p, user := b.partner(theirs), b.pool.User(bob)
	for i := range 20 {
		name := fmt.Sprintf("p%d.example", i)
		b.publish(name, "127.0.0.1:5269", false)
		b.zone.Set(func(z *zone.Zone) { z.A["xmpp."+name] = []netip.Addr{black} })
		b.send(user, xmpppeer.Stanza{From: bob, To: "x@" + name, ID: name})
	}
	for range 14 {
		if e := b.receive(user); e.Condition() != "resource-constraint" {
			t.Errorf("got %s", e)
		}
	}
	b.chat(user, p.User(alice), "listed")
	if n := most.Load(); n > 6 {
		t.Errorf("%d places dialled at once", n)
	}
}

// TestLinks: queues are made for so many pairs of domains, the last ones for listed
// partners.
func TestLinks(t *testing.T) {
	b := newBed(t, open, func(c *setup) { c.bounds.Links = 16 })
	made := 0
	for i := range 20 {
		l := b.s.links.get(External, pair{domain.MustParse(ours), domain.MustParse(fmt.Sprintf("p%d.example", i))})
		if l.refused == nil {
			made++
		} else if _, err := l.push(item{}, []byte("x"), &b.state.Bounds); err == nil || l.refused.reason != verdict.Overloaded {
			t.Errorf("pushed: %v", err)
		}
	}
	if made != 12 {
		t.Errorf("%d queues for partners that nothing lists", made)
	}
	p := b.partner(theirs)
	b.chat(p.User(alice), b.pool.User(bob), "listed")
	b.chat(b.pool.User(bob), p.User(alice), "and back")
}

// TestLongElements: what is arriving counts as held, too. Who gets no room waits, and is
// cut off when it takes too long; short stanzas go on.
func TestLongElements(t *testing.T) {
	t.Parallel()
	const size = 200_000
	b := newBed(t, open, func(c *setup) {
		c.bounds.HeldBytes, c.bounds.PartnerShare, c.bounds.MessageTimeout = limit.MiB, 50, 2*time.Second
	})
	text := numbered("a@p.example", bob, 1, size)
	most := int64(0)
	var all []*xmpppeer.Stream
	for i := range 12 {
		from := fmt.Sprintf("p%d.example", i)
		s := b.dial(from, b.cert(from), xmpppeer.Ready)
		go func() { _ = s.SendRaw([]byte(strings.ReplaceAll(text, "p.example", from)[:size])) }()
		all = append(all, s)
	}
	p, user := b.partner(theirs), b.pool.User(bob)
	for begun := time.Now(); time.Since(begun) < time.Second; {
		b.chat(p.User(alice), user, "meanwhile")
		most = max(most, b.s.held.Bytes())
	}
	if most < size || most > 1<<20 {
		t.Errorf("%d bytes are held", most)
	}
	full := 0
	for _, s := range all {
		if e, _ := s.AwaitError(b.ctx); e != nil && e.Condition == "resource-constraint" {
			full++
		}
	}
	if full == 0 || full == len(all) {
		t.Errorf("%d of %d streams had no room", full, len(all))
	}
	b.eventually("everything is given back", func() bool { return b.s.held.Bytes() == 0 })
	b.chat(p.User(alice), user, strings.Repeat("x", size))
}

// TestHeldBytes: what waits is bounded in all and for each partner; senders wait, and
// in the end everything arrives in order.
func TestHeldBytes(t *testing.T) {
	const messages, size = 150, 10_000
	await := make(chan struct{})
	b := newBed(t, open, func(c *setup) {
		c.bounds.HeldBytes, c.bounds.PartnerShare = limit.MiB, 40
		c.config.Dial = func(ctx context.Context, _ Side, addr netip.AddrPort) (net.Conn, error) {
			select {
			case <-await:
			case <-ctx.Done():
			}
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr.String())
		}
	})
	partners := []string{theirs, "x.one.example", "y.one.example", "two.example"}
	users := make([]*xmpppeer.User, len(partners))
	for k, from := range partners {
		users[k] = b.pool.User(fmt.Sprintf("bob%d@%s", k, ours))
		s := b.dial(from, b.cert(from), xmpppeer.Ready)
		go func() {
			for i := range messages {
				if s.Send(numbered("a@"+from, fmt.Sprintf("bob%d@%s", k, ours), i, size)) != nil {
					return
				}
			}
		}()
	}
	b.eventually("all of them wait", func() bool {
		n := 0
		for _, l := range b.s.links.all() {
			l.mu.Lock()
			if l.full != nil {
				n++
			}
			l.mu.Unlock()
		}
		return n == len(partners)
	})
	held := b.s.held.Bytes()
	if held < 800<<10 || held > 1<<20+int64(len(partners))*size*11/10 {
		t.Errorf("%d bytes are held", held)
	}
	close(await)
	for k, u := range users {
		for i := range messages {
			if e := b.receive(u); e.Attr("id") != fmt.Sprint(i) {
				t.Fatalf("of %s: got %s for message %d", partners[k], e.Attr("id"), i)
			}
		}
	}
}

// TestAnnouncedSize: what we say that we take is what gets through (XEP-0478 §2).
func TestAnnouncedSize(t *testing.T) {
	b := newBed(t, func(c *setup) { c.pool.MaxBytes = 30_000 })
	announced := func() string {
		s := b.dial(theirs, b.cert(theirs), xmpppeer.Secured)
		if err := s.SendHeader(xmpppeer.Header{From: theirs, To: ours, Version: "1.0"}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ReadHeader(b.ctx); err != nil {
			t.Fatal(err)
		}
		features, err := s.Await(b.ctx, "features", xmpppeer.NSStreams)
		if err != nil {
			t.Fatal(err)
		}
		limits := features.Child("limits", xmpppeer.NSLimits)
		return limits.Child("max-bytes", xmpppeer.NSLimits).Text
	}
	if got := announced(); got != fmt.Sprint(int64(limit.DefaultBounds().StanzaBytes)) {
		t.Errorf("before the pool is known: %s", got)
	}
	p := b.partner(theirs)
	b.chat(p.User(alice), b.pool.User(bob), "hello")
	if got := announced(); got != "30000" {
		t.Errorf("afterwards: %s", got)
	}
}

// TestAuthorityReplaced: streams to pools that show a certificate of the old authority
// end with a reload, and those of the same one do not.
func TestAuthorityReplaced(t *testing.T) {
	b := newBed(t)
	p, user := b.partner(theirs), b.pool.User(bob)
	b.chat(p.User(alice), user, "before")
	dialled := func() (ids []uint64) {
		for _, c := range b.s.Connections() {
			if c.Side == Internal.String() && c.Dialled {
				ids = append(ids, c.ID)
			}
		}
		return ids
	}
	before := dialled()
	b.reload(func(*State) {})
	b.chat(p.User(alice), user, "the same")
	if after := dialled(); len(before) != 1 || len(after) != 1 || after[0] != before[0] {
		t.Errorf("streams %v before a reload, %v after it", before, after)
	}
	other := *b.world
	other.dir = t.TempDir()
	other.loadMint()
	b.reload(func(st *State) { st.Authority = other.mint })
	b.eventually("the stream of the old authority has ended", func() bool { return len(dialled()) == 0 })
}

// TestVerificationRate: of a listed partner's keys, one address may have only so many
// verified.
func TestVerificationRate(t *testing.T) {
	b := newBed(t, entry(byEither()), func(c *setup) { c.bounds.VerificationRate = 0.01 })
	b.partner(theirs, func(c *xmpppeer.Config) { c.Dialback, c.Secret = true, sharedSecret })
	first := b.dial(theirs, nil, xmpppeer.Reoffered)
	_ = first.SendResult(theirs, ours, key(first))
	b.judged(first, "valid", "")
	second := b.dial(theirs, nil, xmpppeer.Reoffered)
	_ = second.SendResult(theirs, ours, key(second))
	b.judged(second, "error", "resource-constraint")
}

// TestRefusedUsersSpend: guessing at users costs the same, whether they are refused or
// not, and a budget that is used up looks the same for both.
func TestRefusedUsersSpend(t *testing.T) {
	b := newBed(t, open)
	b.reload(func(st *State) {
		st.Discovered = limit.NewDiscovered(limit.DiscoveredConfig{
			Rate: 100, SuspiciousRate: 1, Contacts: 2, ReportPeriod: time.Hour, Partners: 10,
		}, time.Now)
	})
	p := b.partner("one.example")
	eve := p.User("eve@one.example")
	b.chat(eve, b.pool.User(bob), "known")
	for _, tt := range []struct{ to, condition, kind string }{
		{"mallory@" + ours, "service-unavailable", "cancel"}, // may not federate: the second user
		{"carol@" + ours, "resource-constraint", "wait"},
		{"%00@" + ours, "resource-constraint", "wait"},
		{"mallory@" + ours, "service-unavailable", "cancel"},
	} {
		if _, err := eve.Message(b.ctx, tt.to, "hello"); err != nil {
			t.Fatal(err)
		}
		b.refusedWith(eve, tt.condition, tt.kind)
	}
	b.chat(eve, b.pool.User(bob), "still known")
}
