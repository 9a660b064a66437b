package limit_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"edged/pkg/limit"
)

// talkative is a connection whose peer has always said something, and takes all.
type talkative struct{ net.Conn }

func (talkative) Read(b []byte) (int, error)  { return len(b), nil }
func (talkative) Write(b []byte) (int, error) { return len(b), nil }

// handshake begins one whose peer has spoken: it has a place once this returns.
func handshake(t *testing.T, a *limit.Accept) *limit.Handshake {
	t.Helper()
	h := a.Handshake(t.Context(), talkative{})
	if _, err := h.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	return h
}

// TestSilentPeersHoldNoPlace: neither one that says nothing, nor one that takes
// nothing, nor one that has been answered.
func TestSilentPeersHoldNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := limit.NewAccept(limit.AcceptConfig{Handshakes: 1})
		var waiting sync.WaitGroup
		var peers []net.Conn
		for i := range 100 {
			near, far := net.Pipe()
			peers = append(peers, far)
			h := a.Handshake(t.Context(), near)
			waiting.Go(func() {
				defer func() { _ = h.Done() }()
				if i%2 == 0 {
					if _, err := h.Read(make([]byte, 1)); err != nil {
						return
					}
				}
				_, _ = h.Write([]byte("flight")) // nobody reads it
			})
			if i%2 == 0 {
				if _, err := far.Write([]byte("x")); err != nil {
					t.Error(err)
				}
			}
		}
		synctest.Wait()
		h := handshake(t, a)
		if err := h.Done(); err != nil {
			t.Error(err)
		}
		for _, p := range peers {
			_ = p.Close()
		}
		waiting.Wait()
	})
}

func TestHandshakesWaitInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := limit.NewAccept(limit.AcceptConfig{Handshakes: 1})
		first := handshake(t, a)
		var order []string
		enter := func(name string) {
			h := handshake(t, a)
			order = append(order, name)
			_ = h.Done()
		}
		go enter("second")
		synctest.Wait()
		go enter("third")
		synctest.Wait()
		if len(order) != 0 {
			t.Fatalf("%v did not wait", order)
		}
		_, _ = first.Done(), first.Done() // the second one must not make room twice
		synctest.Wait()
		if got := strings.Join(order, " "); got != "second third" {
			t.Errorf("order of entry %q", got)
		}
	})
}

// TestHandshakesTakeTurns: who reads again queues up behind those who wait.
func TestHandshakesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := limit.NewAccept(limit.AcceptConfig{Handshakes: 1})
		first := handshake(t, a)
		var order []string
		go func() {
			h := handshake(t, a)
			order = append(order, "second")
			_ = h.Done()
		}()
		synctest.Wait()
		if _, err := first.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
		order = append(order, "first")
		_ = first.Done()
		if got := strings.Join(order, " "); got != "second first" {
			t.Errorf("order of turns %q", got)
		}
	})
}

func TestHandshakeGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := limit.NewAccept(limit.AcceptConfig{Handshakes: 1})
		first := handshake(t, a)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		late := a.Handshake(ctx, talkative{})
		_, err := late.Read(make([]byte, 1))
		for _, err := range []error{err, late.Done()} {
			if got := bound(t, err); got != "handshakes" || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v", err)
			}
		}
		if err := first.Done(); err != nil {
			t.Error(err)
		}
		_ = handshake(t, a).Done() // whoever gave up holds no place
		if n, err := first.Read(make([]byte, 3)); n != 3 || err != nil {
			t.Errorf("after the handshake: %d, %v", n, err)
		}
	})
}

func TestHandshakeLimitsMoveWhileOthersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := limit.NewAccept(limit.AcceptConfig{})
		var inside sync.WaitGroup
		for range 3 {
			inside.Go(func() { handshake(t, a) })
		}
		synctest.Wait()
		a.SetLimits(limit.AcceptConfig{Handshakes: 3})
		inside.Wait()
	})
}

// TestAbandonedPlaceIsPassedOn lets places be given and waits end at the same
// moment, over and over: no place may get lost.
func TestAbandonedPlaceIsPassedOn(t *testing.T) {
	a := limit.NewAccept(limit.AcceptConfig{Handshakes: 2})
	var all sync.WaitGroup
	for range 500 {
		ctx, cancel := context.WithCancel(t.Context())
		all.Go(func() {
			h := a.Handshake(ctx, talkative{})
			_, _ = h.Read(make([]byte, 1))
			_ = h.Done()
		})
		all.Go(cancel)
	}
	all.Wait()
	handshake(t, a)
	handshake(t, a) // both places are there
}

// TestLongHandshake: what a peer sends before it is known is bounded, and after that it
// is not counted.
func TestLongHandshake(t *testing.T) {
	a := limit.NewAccept(limit.AcceptConfig{Handshakes: 1})
	piece := make([]byte, 16<<10)
	for _, pieces := range []int{4, 5} {
		h := a.Handshake(t.Context(), talkative{})
		var err error
		for range pieces {
			_, err = h.Read(piece)
		}
		if (err == nil) != (pieces == 4) {
			t.Errorf("%d KiB: %v", pieces*16, err)
		}
		if err := h.Done(); err != nil {
			t.Error(err)
		}
		if _, err := h.Read(piece); err != nil {
			t.Errorf("after the handshake: %v", err)
		}
	}
}
