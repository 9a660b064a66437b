package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"edged/internal/lab/zone"
	"edged/pkg/discovery"
	"edged/pkg/domain"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

func TestObserve(t *testing.T) {
	z := serve(t, world())
	var mu sync.Mutex
	got := make(map[string]int)
	r, err := discovery.New(discovery.Config{Servers: []string{z.Addr()}, Observe: func(kind, outcome string, _ time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		got[kind+" "+outcome]++
	}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, _ = r.SRV(t.Context(), sip, domain.MustParse("fabrikam.com"))
	}
	_, _ = r.SRV(t.Context(), sip, domain.MustParse("none.example"))
	_, _ = r.Addresses(t.Context(), domain.MustParse("nobody.example"))
	_, _, _ = r.TLSA(t.Context(), domain.MustParse("nobody.example"), 5269)
	r.Close() // the hook is called after the answer is out
	want := map[string]int{"srv answered": 1, "srv cached": 1, "srv not-offered": 1, "address no-such-name": 1, "tlsa no-such-name": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}

func TestClose(t *testing.T) {
	arrived := make(chan struct{})
	s := newScript(t, func(q *dns.Msg) [][]byte {
		if strings.Contains(q.Question[0].Name, "silent") {
			close(arrived)
			return nil
		}
		return [][]byte{packed(q, nil)}
	})
	r := resolver(t, discovery.Config{Servers: []string{s.addr}, Timeout: time.Hour})
	if _, err := r.SRV(t.Context(), sip, domain.MustParse("fabrikam.com")); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error)
	go func() {
		_, err := r.SRV(context.Background(), sip, domain.MustParse("silent.example"))
		waiting <- err
	}()
	<-arrived
	r.Close()
	if err := <-waiting; err == nil {
		t.Error("the waiter got an answer out of nothing")
	}
	if _, err := r.SRV(t.Context(), sip, domain.MustParse("nobody.example")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v, want net.ErrClosed", err)
	}
	if _, err := r.SRV(t.Context(), sip, domain.MustParse("fabrikam.com")); err != nil {
		t.Errorf("what is remembered fails after Close: %v", err)
	}
}

func TestBusy(t *testing.T) {
	z := serve(t, zone.Zone{})
	r := resolver(t, discovery.Config{Servers: []string{z.Addr()}, Timeout: time.Minute})
	gone, cancel := context.WithCancel(t.Context())
	cancel() // the look-ups go on although nobody waits
	const flights = 512
	for i := range flights {
		name := fmt.Sprintf("d%d.example", i)
		z.Set(func(z *zone.Zone) { z.Silent[sip+"."+name] = true })
		if _, err := r.SRV(gone, sip, domain.MustParse(name)); !errors.Is(err, context.Canceled) || kind(t, err) != discovery.Timeout {
			t.Fatalf("look-up %d: %v, want context.Canceled", i, err)
		}
	}
	_, err := r.SRV(t.Context(), sip, domain.MustParse("onemore.example"))
	var e *discovery.Error
	if !errors.As(err, &e) || e.Kind != discovery.Busy || !e.Temporary() {
		t.Errorf("look-up %d: %v, want busy", flights+1, err)
	}
}

// TestOneQueryForMany holds the answer back until told.
func TestOneQueryForMany(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	s := newScript(t, func(q *dns.Msg) [][]byte {
		close(arrived)
		<-release
		return [][]byte{packed(q, nil)}
	})
	r := resolver(t, discovery.Config{Servers: []string{s.addr}, Timeout: time.Minute})
	d := domain.MustParse("fabrikam.com")
	results := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, err := r.SRV(ctx, sip, d)
		results <- err
	}()
	<-arrived
	if _, _, ok := r.Peek(sip, d); ok {
		t.Error("Peek has an answer before there is one")
	}
	never := func() bool { return false } // they start nothing
	if _, err := r.SRVIf(t.Context(), sip, domain.MustParse("other.example"), never); kind(t, err) != discovery.Busy {
		t.Errorf("a look-up that may not be started: %v, want busy", err)
	}
	const others = 50
	for range others {
		go func() {
			_, err := r.SRVIf(context.Background(), sip, d, never)
			results <- err
		}()
	}
	cancel() // the one who asked first gives up
	if err := <-results; !errors.Is(err, context.Canceled) {
		t.Errorf("the one who gave up got %v", err)
	}
	close(release)
	for range others {
		if err := <-results; err != nil {
			t.Errorf("another waiter got %v", err)
		}
	}
	if got := s.queries.Load(); got != 1 {
		t.Errorf("%d queries, want 1", got)
	}
}
