package load

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"edged/bench/wire"
)

const (
	// recordMessages fill a TLS record of 16 KiB.
	recordMessages = 16 << 10 / 390
	// ring is how many messages can be under way; a power of two.
	ring = 1 << 14
	// readBytes is for one read of a receiver: a few TLS records.
	readBytes = 64 << 10
	// patience bounds the wait for the last messages of a phase.
	patience = 10 * time.Second
)

// Flow is one stream of messages from a sender to a receiver in this process,
// with whatever is between them. Messages have to arrive in order, each once.
type Flow struct {
	form   wire.Form
	window uint32
	batch  uint32 // how many are sent at once: what fills a TLS record, if the window is that large
	sent   atomic.Uint32
	got    atomic.Uint32
	due    [ring]atomic.Int64 // when message n%ring was to be sent, by the monotonic clock
	every  atomic.Uint32      // every so manieth latency is kept, 0 none; a power of two
	wake   chan struct{}      // something has arrived, or never will
	start  time.Time
	buf    []byte // the sender's

	mu        sync.Mutex
	latencies []time.Duration
	err       error // why nothing arrives any more
}

// NewFlow returns a Flow with at most window messages under way.
func NewFlow(form wire.Form, window int) *Flow {
	under := uint32(min(max(window, 1), ring))
	return &Flow{form: form, window: under, batch: min(under, recordMessages), wake: make(chan struct{}, 1), start: time.Now()}
}

// Received is how many messages have arrived since the beginning.
func (f *Flow) Received() uint32 { return f.got.Load() }

// Flat sends as fast as the window lets, in full TLS records, until the context
// ends.
func (f *Flow) Flat(ctx context.Context, w io.Writer) error {
	for ctx.Err() == nil {
		free := f.window - (f.sent.Load() - f.got.Load())
		if free < f.batch {
			if err := f.await(ctx); err != nil && ctx.Err() == nil {
				return err
			}
			continue
		}
		if err := f.send(w, f.batch, time.Since(f.start)); err != nil {
			return err
		}
	}
	return nil
}

// Paced sends messages one by one at a fixed rate. One that was held up by the
// stream counts from the moment it was due.
func (f *Flow) Paced(ctx context.Context, w io.Writer, perSecond, count int) error {
	begin := time.Since(f.start)
	return Pace(ctx, perSecond, count, func(i int) error {
		due, now := begin+time.Second*time.Duration(i)/time.Duration(perSecond), time.Since(f.start)
		if now-due < timerSlack {
			due = now
		}
		return f.send(w, 1, due)
	})
}

// timerSlack is how late the runtime's timers are at times, which is no delay of
// what is measured.
const timerSlack = 2 * time.Millisecond

// Pace calls send for each of count at a fixed rate, the first at once. After a
// delay it catches up.
func Pace(ctx context.Context, perSecond, count int, send func(i int) error) error {
	begin := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := range count {
		timer.Reset(time.Until(begin.Add(time.Second * time.Duration(i) / time.Duration(perSecond))))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := send(i); err != nil {
			return err
		}
	}
	return nil
}

func (f *Flow) send(w io.Writer, count uint32, due time.Duration) error {
	f.buf = f.buf[:0]
	n := f.sent.Load()
	for range count {
		f.due[n%ring].Store(int64(due))
		f.buf = f.form.Append(f.buf, n)
		n++
	}
	f.sent.Store(n)
	_, err := w.Write(f.buf)
	return err
}

// Drain waits until everything has arrived.
func (f *Flow) Drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for f.got.Load() != f.sent.Load() {
		if err := f.await(ctx); err != nil {
			return fmt.Errorf("%d of %d messages have not arrived: %w", f.sent.Load()-f.got.Load(), f.sent.Load(), err)
		}
	}
	return nil
}

// await waits for the receiver to have got something, and returns why it never
// will.
func (f *Flow) await(ctx context.Context) error {
	select {
	case <-f.wake:
	case <-ctx.Done():
		return ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// Keep begins a new collection of latencies: of every so manieth message, a power
// of two.
func (f *Flow) Keep(every uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.latencies = f.latencies[:0]
	f.every.Store(every)
}

// Latencies ends the collection and returns it sorted.
func (f *Flow) Latencies() []time.Duration {
	f.every.Store(0)
	f.mu.Lock()
	defer f.mu.Unlock()
	slices.Sort(f.latencies)
	return slices.Clone(f.latencies)
}

// Receive counts what arrives until the stream ends.
func (f *Flow) Receive(r io.Reader) {
	err := receive(r, f.Arrived)
	f.mu.Lock()
	if f.err == nil {
		f.err = fmt.Errorf("the receiving stream has ended: %w", err)
	}
	f.mu.Unlock()
	f.signal()
}

// Arrived counts the messages in b, and returns the end of b that has to come
// again with what follows it.
func (f *Flow) Arrived(b []byte) (rest []byte) {
	now, every, got := int64(time.Since(f.start)), f.every.Load(), f.got.Load()
	f.mu.Lock()
	rest = wire.Scan(b, func(n uint32) {
		if n != got%100_000_000 && f.err == nil {
			f.err = fmt.Errorf("message %d arrived instead of %d", n, got)
		}
		if every > 0 && got%every == 0 {
			f.latencies = append(f.latencies, time.Duration(now-f.due[got%ring].Load()))
		}
		got++
	})
	f.mu.Unlock()
	if got != f.got.Swap(got) {
		f.signal()
	}
	return rest
}

func (f *Flow) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}
