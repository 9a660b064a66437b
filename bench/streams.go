package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"edged/bench/load"
	"edged/bench/stage"
	"edged/bench/wire"
)

const (
	// window is how many messages may be under way: below it the servers wait for
	// delayed acknowledgements of their own sockets.
	window = 1000
	// warmUp is left out of every measurement at full speed.
	warmUp = 500 * time.Millisecond
	// calm is the rate at which latency is taken; no server is busy with it.
	calm        = 2000
	calmLength  = 2 * time.Second
	flatLatency = 64 // every so manieth message at full speed
)

// way is a path from the sender to a receiver, through one program.
type way struct {
	who  string
	flow *load.Flow
	w    io.WriteCloser
	at   *component // where the flow arrives; nil if it is the sink
}

// listen makes the flow the one that gets the component's messages, which other
// parts want too.
func (w *way) listen() *way {
	if w.at != nil {
		w.at.tap.To(w.flow.Arrived)
	}
	return w
}

// streams measures raw streams between servers: through edged, through the
// cutter, through nothing, and into the servers.
func (s *suite) streams(ctx context.Context) {
	if err := s.renew(ctx, edged); err != nil {
		s.say("%s: %v", edged, err)
	}
	for _, who := range s.turned(edged, cutter, straight, prosody, ejabberd) {
		if err := s.stream(ctx, who); err != nil {
			s.lose(who)
			s.say("%s: %v", who, err)
			s.figures.lack("streams", who, err)
		}
	}
}

// turned begins with another subject in each round: whoever is first meets cold
// caches.
func (s *suite) turned(all ...string) []string {
	first := s.round % len(all)
	return append(all[first:], all[:first]...)
}

func (s *suite) stream(ctx context.Context, who string) error {
	w, err := s.way(ctx, who)
	if err != nil {
		return err
	}
	if err := s.full(ctx, "streams", w, s.programs[who]); err != nil {
		return err
	}
	if p := s.programs[who]; p != nil {
		if bytes, err := p.RSS(); err == nil {
			s.figures.add("streams", who, rss, float64(bytes)/(1<<20))
		}
	}
	return s.paced(ctx, "streams", w, calm, int(calmLength/time.Second)*calm)
}

// full runs a way at full speed and notes speed and CPU.
func (s *suite) full(ctx context.Context, part string, w *way, p *stage.Process) error {
	ctx, cancel := context.WithTimeout(ctx, warmUp+s.length)
	defer cancel()
	sent := make(chan error, 1)
	go func() { sent <- w.flow.Flat(ctx, w.w) }()
	if err := pause(ctx, warmUp); err != nil {
		return err
	}
	begin, first, used := time.Now(), w.flow.Received(), cpuOf(p)
	err := <-sent
	took, count, used := time.Since(begin), w.flow.Received()-first, cpuOf(p)-used
	if err != nil {
		return err
	}
	if count == 0 {
		return fmt.Errorf("no message arrived in %v", took)
	}
	s.figures.add(part, w.who, rate, float64(count)/took.Seconds())
	if p != nil {
		s.figures.add(part, w.who, cpu, used.Seconds()*10000/float64(count))
	}
	return w.flow.Drain(context.WithoutCancel(ctx))
}

// paced takes the latency at a fixed rate.
func (s *suite) paced(ctx context.Context, part string, w *way, perSecond, count int) error {
	w.flow.Keep(1)
	if err := w.flow.Paced(ctx, w.w, perSecond, count); err != nil {
		return err
	}
	if err := w.flow.Drain(ctx); err != nil {
		return err
	}
	all := w.flow.Latencies()
	s.figures.add(part, w.who, p50, quantile(all, 0.5))
	s.figures.add(part, w.who, p99, quantile(all, 0.99))
	return nil
}

// way opens the way through one program, once.
func (s *suite) way(ctx context.Context, who string) (*way, error) {
	if w := s.ways[who]; w != nil {
		return w.listen(), nil
	}
	if who != straight {
		if err := s.runs(ctx, who); err != nil {
			return nil, err
		}
	}
	open := s.toSink
	if who == prosody || who == ejabberd {
		open = s.toServer
	}
	w, err := open(ctx, who)
	if err != nil {
		return nil, err
	}
	s.ways[who] = w
	return w.listen(), nil
}

// toSink opens a stream that leads to the sink.
func (s *suite) toSink(ctx context.Context, who string) (*way, error) {
	from, addr := stage.Partner, stage.EdgeOutside
	switch who {
	case cutter:
		from, addr = cutDomain, stage.Cutter
	case straight:
		from, addr = straightDomain, stage.Sink
	}
	flow := load.NewFlow(wire.NewForm(alice+from+"/bench", bob+stage.Pool), window)
	s.expect(from, flow)
	opened, err := s.dialer(from, stage.Pool).Stream(ctx, addr)
	if err != nil {
		return nil, err
	}
	s.watch(who, opened)
	return &way{who, flow, opened.Conn, nil}, nil
}

// toServer opens a stream to a server, which hands everything to a component in
// this process.
func (s *suite) toServer(ctx context.Context, who string) (*way, error) {
	to, addr, comp := stage.ProsodyOwn, stage.Prosody, stage.ProsodyComp
	if who == ejabberd {
		to, addr, comp = stage.EjabOwn, stage.Ejabberd, stage.EjabberdComp
	}
	receiver, err := s.component(ctx, comp, to)
	if err != nil {
		return nil, err
	}
	flow := load.NewFlow(wire.NewForm(alice+stage.Partner+"/bench", bob+to), window)
	opened, err := s.dialer(stage.Partner, to).Stream(ctx, addr)
	if err != nil {
		return nil, err
	}
	s.watch(who, opened)
	return &way{who, flow, opened.Conn, receiver}, nil
}

func (s *suite) dialer(from, to string) wire.Dialer {
	return wire.Dialer{From: from, To: to, Cert: s.partner, Roots: s.world.Roots}
}

// watch says what a server tells the sender, which is nothing unless something is
// wrong.
func (s *suite) watch(who string, opened *wire.Stream) {
	go func() {
		b := make([]byte, 4<<10)
		for {
			n, err := opened.Conn.Read(b)
			if n > 1 {
				s.say("%s answers: %.300s", who, b[:n])
			}
			if err != nil {
				return
			}
		}
	}()
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
