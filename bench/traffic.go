package main

import (
	"context"
	"fmt"
	"time"

	"edged/bench/stage"
)

// warmUp is left out of every measurement at full speed.
const warmUp = 500 * time.Millisecond

// traffic is what goes through a program: one stream of stanzas, or the requests
// of many connections.
type traffic interface {
	// Flat sends as fast as it can until the context ends.
	Flat(ctx context.Context) error
	// Paced sends count messages at a fixed rate.
	Paced(ctx context.Context, perSecond, count int) error
	// Drain waits until everything has arrived, and fails if anything is lost or
	// came twice.
	Drain(ctx context.Context) error
	// Received is how many have arrived since the beginning.
	Received() uint32
	// Keep begins a collection of latencies, of every so manieth message.
	Keep(every uint32)
	// Latencies ends it and returns them sorted.
	Latencies() []time.Duration
}

// full runs traffic at full speed and notes speed and CPU.
func (s *suite) full(ctx context.Context, part, who string, t traffic, p *stage.Process) error {
	ctx, cancel := context.WithTimeout(ctx, warmUp+s.length)
	defer cancel()
	sent := make(chan error, 1)
	go func() { sent <- t.Flat(ctx) }()
	if err := pause(ctx, warmUp); err != nil {
		return err
	}
	begin, first, used, own := time.Now(), t.Received(), cpuOf(p), stage.Own()
	err := <-sent
	took, count, used, own := time.Since(begin), t.Received()-first, cpuOf(p)-used, stage.Own()-own
	if err != nil {
		return err
	}
	if count == 0 {
		return fmt.Errorf("no message arrived in %v", took)
	}
	if err := t.Drain(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	s.figures.add(part, who, rate, float64(count)/took.Seconds())
	s.figures.add(part, who, ours, own.Seconds()*10000/float64(count))
	if p != nil {
		s.figures.add(part, who, cpu, used.Seconds()*10000/float64(count))
	}
	return nil
}

// paced takes the latency at a fixed rate.
func (s *suite) paced(ctx context.Context, part, who string, t traffic, perSecond, count int) error {
	t.Keep(1)
	if err := t.Paced(ctx, perSecond, count); err != nil {
		return err
	}
	if err := t.Drain(ctx); err != nil {
		return err
	}
	all := t.Latencies()
	s.figures.add(part, who, p50, quantile(all, 0.5))
	s.figures.add(part, who, p99, quantile(all, 0.99))
	return nil
}

// cpuOf is the CPU time of a process; of none and of one that is gone, none.
func cpuOf(p *stage.Process) time.Duration {
	if p == nil {
		return 0
	}
	used, err := p.CPU()
	if err != nil {
		return 0
	}
	return used
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
