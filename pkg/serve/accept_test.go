package serve

import (
	"context"
	"errors"
	"net"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scripted is a listener whose answers are given; after the last it waits to be closed.
type scripted struct {
	answers []error // nil is a connection
	closed  chan struct{}
}

func (s *scripted) Accept() (net.Conn, error) {
	if len(s.answers) == 0 {
		<-s.closed
		return nil, net.ErrClosed
	}
	err := s.answers[0]
	s.answers = s.answers[1:]
	if err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	return near, far.Close()
}

func (s *scripted) Close() error   { close(s.closed); return nil }
func (s *scripted) Addr() net.Addr { return &net.TCPAddr{} }

// TestAccept: failures are waited out, ever longer up to a bound, until a connection
// comes; a closed listener is no failure.
func TestAccept(t *testing.T) {
	broken := errors.New("too many open files")
	fails := slices.Repeat([]error{broken}, 10)
	tests := []struct {
		name    string
		answers []error
		served  int
		failed  int
		told    int
		took    time.Duration // ms
	}{
		{"closed", []error{nil, nil, net.ErrClosed}, 2, 0, 0, 0},
		{"begins small again", []error{broken, broken, nil, broken, net.ErrClosed}, 1, 3, 1, 5 + 10 + 5},
		{"no longer than a second", append(fails, net.ErrClosed), 0, 10, 1, 5 + 10 + 20 + 40 + 80 + 160 + 320 + 640 + 1000 + 1000},
		{"told once a minute", append(slices.Repeat(fails, 13), net.ErrClosed), 0, 130, 3, 1275 + 122*1000},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			g, served, failed, told, start := New[int](), make(chan struct{}, 9), 0, 0, time.Now()
			l := &scripted{answers: tt.answers, closed: make(chan struct{})}
			err := g.Accept(l, func(_ context.Context, c net.Conn) { _ = c.Close(); served <- struct{}{} }, func(_ error, tell bool) {
				failed++
				if tell {
					told++
				}
			})
			took := time.Since(start) / time.Millisecond
			g.End()
			g.Wait()
			if err != nil || len(served) != tt.served || failed != tt.failed || told != tt.told || took != tt.took {
				t.Errorf("%s: %v, served %d, failed %d, told %d, took %d ms; want %d, %d, %d, %d",
					tt.name, err, len(served), failed, told, took, tt.served, tt.failed, tt.told, tt.took)
			}
			g.Cancel()
		})
	}
}

// TestAcceptFewAtATime: who comes at once comes in one after the other, and who comes
// alone does not wait.
func TestAcceptFewAtATime(t *testing.T) {
	few := fewAtATime * runtime.GOMAXPROCS(0)
	for _, tt := range []struct{ crowd, took int }{{1, 0}, {few - 1, 0}, {3 * few, 2}, {1000 * few, 999}} {
		synctest.Test(t, func(t *testing.T) {
			g, served, begin := New[int](), atomic.Int64{}, time.Now()
			l := &scripted{answers: append(make([]error, tt.crowd), net.ErrClosed), closed: make(chan struct{})}
			err := g.Accept(l, func(_ context.Context, c net.Conn) { served.Add(1); _ = c.Close() }, nil)
			synctest.Wait()
			took := int(time.Since(begin) / time.Millisecond)
			if err != nil || served.Load() != int64(tt.crowd) || took < tt.took || took > tt.took+1 {
				t.Errorf("%d of %d came in within %d ms, want %d: %v", served.Load(), tt.crowd, took, tt.took, err)
			}
			g.End()
			g.Wait()
			g.Cancel()
		})
	}
}

// TestStop: closing listeners ends Accept at any point, and later ones; after End
// nothing begins and nothing is entered; Cancel ends waits; Wait waits.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New[string]()
		done := make(chan error, 2)
		quiet := &scripted{closed: make(chan struct{})}
		failing := &scripted{answers: slices.Repeat([]error{errors.New("no")}, 1000), closed: make(chan struct{})}
		for _, l := range []*scripted{quiet, failing} {
			go func() {
				done <- g.Accept(l, func(_ context.Context, c net.Conn) { _ = c.Close() }, func(error, bool) {})
			}()
		}
		synctest.Wait()
		g.CloseListeners()
		if err := errors.Join(<-done, <-done); err != nil {
			t.Error(err)
		}
		late := &scripted{closed: make(chan struct{})}
		if err := g.Accept(late, nil, nil); err != nil {
			t.Error(err)
		}
		<-late.closed

		ended := false
		if !g.Add("a") || !g.Go(func(ctx context.Context) { <-ctx.Done(); ended = !g.Sleep(time.Hour) }) {
			t.Error("nothing may begin before End")
		}
		g.End()
		if g.Add("b") || g.Go(func(context.Context) {}) {
			t.Error("something begins after End")
		}
		if all := g.All(); !slices.Equal(all, []string{"a"}) || !g.Has("a") || g.Has("b") {
			t.Errorf("open: %v", all)
		}
		g.Remove("a")
		g.Cancel()
		g.Wait()
		if !ended || len(g.All()) != 0 {
			t.Errorf("Wait did not wait, or %v is open", g.All())
		}
	})
}

// TestGreeted: a server that stops waits for those who have been accepted and not
// answered yet, as long as ctx lets it.
func TestGreeted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, end := New[int](), make(chan struct{})
		answers := make(chan time.Duration, 3) // after how long
		for _, after := range []time.Duration{0, 3 * time.Second, time.Hour} {
			answers <- after
		}
		l := &scripted{answers: []error{nil, nil, nil}, closed: make(chan struct{})}
		go func() {
			_ = g.Accept(l, func(_ context.Context, c net.Conn) {
				defer c.Close()
				g.Sleep(<-answers)
				g.Greeted(c)
				<-end
			}, nil)
		}()
		synctest.Wait()
		g.CloseListeners()
		for _, want := range []time.Duration{time.Minute, time.Hour - time.Minute} {
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), want)
			g.AwaitGreeted(ctx)
			cancel()
			if took := time.Since(start); took != want {
				t.Errorf("waited %v, want %v", took, want)
			}
		}
		close(end)
		g.End()
		g.Wait()
		g.Cancel()
	})
}
