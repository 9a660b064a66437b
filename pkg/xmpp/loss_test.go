package xmpp

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"edged/internal/lab/ca"
	"edged/internal/lab/xmpppeer"
	"edged/pkg/domain"
	"edged/pkg/tlsid"

	"github.com/prometheus/client_golang/prometheus"
)

// upTo collects numbers until the last one, which is left out.
func (b *bed) upTo(last int, got <-chan int) []int {
	b.t.Helper()
	var all []int
	for {
		select {
		case n := <-got:
			if n == last {
				return all
			}
			all = append(all, n)
		case <-b.ctx.Done():
			b.t.Errorf("after %d numbers nothing comes any more", len(all))
			return all
		}
	}
}

// inOrder checks that numbers grow, which means that none came twice.
func (b *bed) inOrder(way string, numbers []int) {
	b.t.Helper()
	for i := 1; i < len(numbers); i++ {
		if numbers[i] <= numbers[i-1] {
			b.t.Errorf("%s: %d came behind %d", way, numbers[i], numbers[i-1])
		}
	}
}

// numbersFor takes a user's inbox for the numbers in it, and counts the errors.
func (b *bed) numbersFor(u *xmpppeer.User) (numbers, bounced chan int) {
	numbers, bounced = make(chan int, 100_000), make(chan int, 100_000)
	done := make(chan struct{})
	ctx, stop := context.WithCancel(b.ctx)
	go func() {
		defer close(done)
		for {
			e, err := u.Receive(ctx)
			if err != nil {
				return
			}
			n, _ := strconv.Atoi(e.Attr("id"))
			if e.Attr("type") == "error" {
				bounced <- n
				continue
			}
			numbers <- n
		}
	}()
	b.t.Cleanup(func() {
		stop()
		<-done
	})
	return numbers, bounced
}

// TestOrderAndLoss: whatever happens to streams in order, every stanza arrives once and
// in its order (RFC 6120 §10.1); where connections break, what is missing is counted.
func TestOrderAndLoss(t *testing.T) {
	t.Run("streams end in order", func(t *testing.T) { newBed(t, roomy).ordered() })
	for name, managed := range map[string]bool{"resets": false, "resets with acknowledgements": true} {
		t.Run(name, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			newBed(t, roomy, counted(reg)).outwardWithResets(reg, managed)
		})
	}
	t.Run("resets of the pool", func(t *testing.T) {
		reg := prometheus.NewRegistry()
		b := newBed(t, roomy, counted(reg), func(c *setup) { c.pool.Management = true })
		b.inwardWithResets(reg)
	})
}

// mostUnacknowledged is limits.unacknowledged of the tests here.
const mostUnacknowledged = 300

func roomy(c *setup) {
	c.pool.InboxSize = 20_000
	c.bounds.Unacknowledged = mostUnacknowledged
}

// ordered sends both ways while the stream to the partner is ended by the partner
// twice, the policy is applied ten times, and our certificate is replaced.
func (b *bed) ordered() {
	const messages = 4000
	reloads := make(chan bool, 20)
	end := func(s *xmpppeer.Stream) { _ = s.End() }
	r := &receiver{pace: make(chan struct{}, 500), after: map[int]func(*xmpppeer.Stream){messages / 4: end, messages / 2: end}}
	for i := range 10 {
		r.after[100+i*messages/11] = func(*xmpppeer.Stream) { reloads <- i == 7 }
	}
	b.receiver(r)
	in, bounced := b.numbersFor(b.pool.User(bob))
	s := b.dial(theirs, b.cert(theirs), xmpppeer.Ready)
	sent := make(chan error, 2)
	go func() {
		for i := range messages {
			if err := s.Send(numbered(alice, bob, i, 100)); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	go func() { sent <- b.sendOutward(messages, r.pace) }()
	outside := b.renewed()
	for range 10 {
		renew := <-reloads
		b.reload(func(st *State) {
			if renew {
				st.Outside = outside
			}
		})
	}
	for range 2 {
		if err := <-sent; err != nil {
			b.t.Error(err)
		}
	}
	_ = s.Send(numbered(alice, bob, messages, 100))
	_ = b.pool.SendRaw(b.ctx, ours, theirs, numbered(bob, alice, messages, 100))
	for way, got := range map[string]<-chan int{"inward": in, "outward": r.got} {
		all := b.upTo(messages, got)
		b.inOrder(way, all)
		if len(all) != messages {
			b.t.Errorf("%s: %d of %d messages arrived", way, len(all), messages)
		}
	}
	if len(bounced) > 0 {
		b.t.Errorf("%d messages came back", len(bounced))
	}
}

// sendOutward sends messages, no more at a time than pace has room for.
func (b *bed) sendOutward(messages int, pace chan<- struct{}) error {
	for i := range messages {
		if pace != nil {
			pace <- struct{}{}
		}
		if err := b.pool.SendRaw(b.ctx, ours, theirs, numbered(bob, alice, i, 100)); err != nil {
			return err
		}
	}
	return nil
}

// renewed is what partners see after our certificate was replaced.
func (b *bed) renewed() *tlsid.Side {
	cert, key, err := b.world.public.Issue(ca.Leaf{DNS: []string{ours}}).WriteFiles(b.t.TempDir(), "renewed")
	return &tlsid.Side{
		Keys:  must(tlsid.LoadKeys([]tlsid.Pair{{Cert: must(cert, err), Key: key}}, domain.Name{})),
		Trust: b.world.external.Trust,
	}
}

// outwardWithResets breaks the stream to a partner three times.
func (b *bed) outwardWithResets(reg *prometheus.Registry, managed bool) {
	const messages, resets = 4000, 3
	reset := func(s *xmpppeer.Stream) { _ = s.Reset() }
	r := b.receiver(&receiver{managed: managed, after: map[int]func(*xmpppeer.Stream){500: reset, 1200: reset, 2000: reset}})
	_, bounced := b.numbersFor(b.pool.User(bob))
	if err := b.sendOutward(messages, nil); err != nil {
		b.t.Fatal(err)
	}
	stop := b.untilArrived(func() { _ = b.pool.SendRaw(b.ctx, ours, theirs, numbered(bob, alice, messages, 100)) })
	all := b.upTo(messages, r.got)
	stop()
	b.missing(reg, External, managed, messages, resets, all, len(bounced))
}

// inwardWithResets breaks the stream to the pool three times.
func (b *bed) inwardWithResets(reg *prometheus.Registry) {
	const messages, resets = 4000, 3
	user := b.pool.User(bob)
	got := make(chan int, messages)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for count := 1; ; count++ {
			e, err := user.Receive(b.ctx)
			if err != nil {
				return
			}
			n, _ := strconv.Atoi(e.Attr("id"))
			got <- n
			if slices.Contains([]int{500, 1200, 2000}, count) {
				b.pool.Cut()
			}
			if n == messages {
				return
			}
		}
	}()
	s := b.dial(theirs, b.cert(theirs), xmpppeer.Ready)
	for i := range messages {
		if err := s.Send(numbered(alice, bob, i, 100)); err != nil {
			b.t.Fatal(err)
		}
	}
	stop := b.untilArrived(func() { _ = s.Send(numbered(alice, bob, messages, 100)) })
	all := b.upTo(messages, got)
	b.missing(reg, Internal, true, messages, resets, all, 0)
	stop()
	<-done
}

// untilArrived sends a last message again and again, in case that one is lost as well,
// until told to stop.
func (b *bed) untilArrived(send func()) (stop func()) {
	ctx, cancel := context.WithCancel(b.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		again := time.NewTicker(300 * time.Millisecond)
		defer again.Stop()
		for ctx.Err() == nil {
			send()
			select {
			case <-again.C:
			case <-ctx.Done():
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// missing compares what did not arrive with what the edge is uncertain about.
func (b *bed) missing(reg *prometheus.Registry, side Side, managed bool, messages, resets int, all []int, bounced int) {
	b.t.Helper()
	b.inOrder(side.String(), all)
	lost := messages - len(all) - bounced
	unsure := total(b.t, reg, "edged_xmpp_uncertain_total", "side="+side.String())
	b.t.Logf("%d of %d lost, %d bounced, %d uncertain", lost, messages, bounced, unsure)
	if lost > unsure {
		b.t.Errorf("%d messages are lost, the edge knows of %d", lost, unsure)
	}
	if managed && unsure > resets*mostUnacknowledged {
		b.t.Errorf("%d messages are uncertain after %d resets, more than limits.unacknowledged allows", unsure, resets)
	}
}
