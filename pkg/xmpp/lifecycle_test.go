package xmpp

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"edged/internal/lab/ca"
	"edged/internal/lab/xmpppeer"
	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/tlsid"

	"github.com/prometheus/client_golang/prometheus"
)

const carol = "carol@contoso.com"

// counted gives a bed metrics, to be read by total.
func counted(reg *prometheus.Registry) func(*setup) {
	return func(c *setup) { c.config.Metrics = NewMetrics(reg) }
}

// total adds up a metric over the series that have all the labels, each "name=value".
func total(t *testing.T, reg *prometheus.Registry, metric string, labels ...string) int {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != metric {
			continue
		}
		for _, m := range f.GetMetric() {
			text := " "
			for _, l := range m.GetLabel() {
				text += l.GetName() + "=" + l.GetValue() + " "
			}
			fits := true
			for _, l := range labels {
				fits = fits && strings.Contains(text, " "+l+" ")
			}
			if fits {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return int(sum)
}

// eventually waits until something is so.
func (b *bed) eventually(what string, so func() bool) {
	b.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-b.ctx.Done():
			b.t.Fatalf("it never happened that %s", what)
		case <-tick.C:
		}
	}
}

// numbered is the i-th message of many.
func numbered(from, to string, i, size int) string {
	text := strconv.Itoa(i)
	return "<message from='" + from + "' to='" + to + "' id='" + text + "'><body>" + text + strings.Repeat(" ", max(0, size-len(text))) + "</body></message>"
}

// TestGracefulStop: whoever sends to us learns that we stop, and what we have taken
// from him arrives.
func TestGracefulStop(t *testing.T) {
	const messages = 500
	reg := prometheus.NewRegistry()
	b := newBed(t, counted(reg), func(c *setup) {
		c.pool.InboxSize = 1
		c.bounds.QueueMessages = 2 * messages
	})
	p := b.partner(theirs)
	b.chat(b.pool.User(bob), p.User(alice), "there is a stream out")
	s := b.dial(theirs, b.cert(theirs), xmpppeer.Ready)
	for i := range messages {
		if err := s.Send(numbered(alice, bob, i, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	b.eventually("all is taken", func() bool {
		return total(t, reg, "edged_xmpp_stanzas_total", "direction=inward", "reason=allowed") == messages
	})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
		defer cancel()
		b.s.Shutdown(ctx)
	}()
	b.ended(s, "system-shutdown")
	if _, err := s.Next(b.ctx); !errors.Is(err, io.EOF) {
		t.Errorf("after the closing tag: %v, want TLS to be closed in order", err)
	}
	_ = s.End()
	for i := range messages {
		if e := b.receive(b.pool.User(bob)); e.Attr("id") != strconv.Itoa(i) {
			t.Fatalf("after %d messages came %s", i, e)
		}
	}
	<-stopped
	b.happened(p, xmpppeer.EventClosed, "system-shutdown")
	if n := total(t, reg, "edged_xmpp_uncertain_total"); n != 0 {
		t.Errorf("%d stanzas are uncertain", n)
	}
	if left := b.s.Connections(); len(left) != 0 {
		t.Errorf("still open: %v", left)
	}
}

// TestReloadReachesStreams: what the new State would not let in is closed, and
// nothing else.
func TestReloadReachesStreams(t *testing.T) {
	b := newBed(t)
	p := b.partner(theirs)
	o := b.partner("other.example")
	user := b.pool.User(bob)
	b.chat(p.User(alice), user, "one")
	b.chat(user, p.User(alice), "two")
	b.chat(user, o.User("dave@other.example"), "three")
	first := b.dial(theirs, b.cert(theirs), xmpppeer.Ready)
	second := b.dial("other.example", b.cert("other.example"), xmpppeer.Ready)
	t.Run("nothing changes", func(t *testing.T) {
		before := len(b.s.Connections())
		b.in(t).reload(func(*State) {})
		b.in(t).chat(p.User(alice), user, "still here")
		if after := len(b.s.Connections()); after != before {
			t.Errorf("%d streams became %d", before, after)
		}
	})
	t.Run("a partner is blocked", func(t *testing.T) {
		b := b.in(t)
		b.reload(func(st *State) { st.Policy = b.policyWith("other.example") })
		b.ended(second, "policy-violation")
		_ = second.Close()
		b.happened(o, xmpppeer.EventClosed, "policy-violation")
		b.chat(p.User(alice), user, "not me")
		b.chat(user, p.User(alice), "nor me")
		if err := first.Send(numbered(alice, bob, 7, 1)); err != nil {
			t.Error(err)
		}
		if e := b.receive(user); e.Attr("id") != "7" {
			t.Errorf("got %s", e)
		}
	})
	t.Run("roots are removed", func(t *testing.T) {
		b := b.in(t)
		b.reload(func(st *State) {
			path, _, err := ca.New("another").Cert().WriteFiles(t.TempDir(), "another")
			side := *st.Outside
			side.Trust = must(tlsid.LoadTrust(tlsid.TrustConfig{Roots: []string{must(path, err)}}))
			st.Outside = &side
		})
		b.ended(first, "policy-violation")
		_ = first.Close()
		b.happened(p, xmpppeer.EventClosed, "policy-violation")
	})
	t.Run("and come back", func(t *testing.T) {
		b := b.in(t)
		b.reload(func(*State) {})
		s := b.dial(theirs, b.cert(theirs), xmpppeer.Ready)
		if err := s.Send(numbered(alice, bob, 8, 1)); err != nil {
			t.Error(err)
		}
		if e := b.receive(user); e.Attr("id") != "8" {
			t.Errorf("got %s", e)
		}
	})
	for name, lower := range map[string]func(st *State){
		"fewer connections":    func(st *State) { st.Bounds.ConnectionsPerAddress = 3 },
		"fewer streams":        func(st *State) { st.Bounds.Streams = 3 },
		"fewer of the partner": func(st *State) { st.Policy = b.policyFor(3) },
	} {
		t.Run(name, func(t *testing.T) { b.in(t).lowered(3, lower) })
	}
}

// lowered opens more streams than are left after a reload.
func (b *bed) lowered(left int, lower func(*State)) {
	b.t.Helper()
	b.reload(func(*State) {})
	b.eventually("the old ones have gone", func() bool { return b.accepted() == 0 })
	var all []*xmpppeer.Stream
	for range 6 {
		all = append(all, b.dial(theirs, b.cert(theirs), xmpppeer.Ready))
	}
	b.reload(lower)
	alive := 0
	for _, s := range all {
		if _, err := s.EnableManagement(b.ctx); err == nil {
			alive++
		}
	}
	if alive != left {
		b.t.Errorf("%d streams still work, want %d: %+v", alive, left, b.s.Connections())
	}
}

// policyFor is the bed's policy with another connection_limit for jabber.example.
func (b *bed) policyFor(limit int) *policy.Set {
	b.t.Helper()
	src := b.defaults().policy
	src.XMPPPartners[0].ConnectionLimit = limit
	return b.compile(src)
}

// accepted is how many streams partners have open to the edge.
func (b *bed) accepted() int {
	n := 0
	for _, c := range b.s.Connections() {
		if c.Side == External.String() && !c.Dialled {
			n++
		}
	}
	return n
}

// policyWith is the bed's policy with more domains blocked.
func (b *bed) policyWith(blocked ...string) *policy.Set {
	b.t.Helper()
	src := b.defaults().policy
	for _, d := range blocked {
		src.XMPPPartners = slices.DeleteFunc(src.XMPPPartners, func(p policy.XMPPPartner) bool { return p.Domain.String() == d })
		src.BlockedDomains = append(src.BlockedDomains, policy.BlockedDomain{Domain: domain.MustParse(d)})
	}
	return b.compile(src)
}

func (b *bed) compile(src policy.Source) *policy.Set {
	b.t.Helper()
	set, problems := policy.Compile(src, []policy.Local{{Domain: domain.MustParse(ours), SIP: true, XMPP: true}})
	if len(problems) > 0 {
		b.t.Fatal(problems)
	}
	return set
}

// TestStopHalfOpen: streams that are still being negotiated do not hold up the end.
func TestStopHalfOpen(t *testing.T) {
	b := newBed(t)
	for _, open := range []struct {
		until xmpppeer.Step
		text  string
	}{
		{xmpppeer.Connected, ""},
		{xmpppeer.Connected, "\x16\x03\x01"},
		{xmpppeer.Connected, "<stream:stream to='"},
		{xmpppeer.Offered, ""},
		{xmpppeer.Offered, "<starttls xmlns='" + nsTLS + "'/>"},
		{xmpppeer.Secured, ""},
		{xmpppeer.Reoffered, "<auth"},
		{xmpppeer.Authenticated, ""},
	} {
		s := b.dial(theirs, b.cert(theirs), open.until)
		if err := s.SendRaw([]byte(open.text)); err != nil {
			t.Fatal(err)
		}
	}
	b.eventually("all are accepted", func() bool { return b.accepted() == 8 })
	begun := time.Now()
	ctx, cancel := context.WithTimeout(b.ctx, time.Second)
	defer cancel()
	b.s.Shutdown(ctx)
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}
