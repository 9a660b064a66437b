package main

import (
	"context"
	"io"
	"slices"
	"time"

	"edged/bench/load"
	"edged/bench/stage"
	"edged/bench/wire"
)

const (
	// window is how many messages may be under way: below it the servers wait for
	// delayed acknowledgements of their own sockets.
	window = 1000
	// calm is the rate at which latency is taken; no server is busy with it.
	calm       = 2000
	calmLength = 2 * time.Second
)

// way is a path from the sender to a receiver, through one program.
type way struct {
	who  string
	flow *load.Flow
	w    io.WriteCloser
	at   *component // where the flow arrives; nil if it is the sink
}

// A way is traffic.
func (w *way) Flat(ctx context.Context) error  { return w.flow.Flat(ctx, w.w) }
func (w *way) Drain(ctx context.Context) error { return w.flow.Drain(ctx) }
func (w *way) Received() uint32                { return w.flow.Received() }
func (w *way) Keep(every uint32)               { w.flow.Keep(every) }
func (w *way) Latencies() []time.Duration      { return w.flow.Latencies() }

// Paced sends at a fixed rate.
func (w *way) Paced(ctx context.Context, perSecond, count int) error {
	return w.flow.Paced(ctx, w.w, perSecond, count)
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
	for _, who := range turned(s.round, edged, cutter, straight, prosody, ejabberd) {
		if err := s.stream(ctx, who); err != nil {
			s.lose(who)
			s.say("%s: %v", who, err)
			s.figures.lack("xmpp-streams", who, err)
		}
	}
}

// turned begins with another subject in each round: whoever is first meets cold
// caches.
func turned[T any](round int, all ...T) []T {
	first := round % len(all)
	return slices.Concat(all[first:], all[:first])
}

func (s *suite) stream(ctx context.Context, who string) error {
	w, err := s.way(ctx, who)
	if err != nil {
		return err
	}
	if err := s.full(ctx, "xmpp-streams", who, w, s.programs[who]); err != nil {
		return err
	}
	if p := s.programs[who]; p != nil {
		if bytes, err := p.RSS(); err == nil {
			s.figures.add("xmpp-streams", who, rss, float64(bytes)/(1<<20))
		}
	}
	return s.paced(ctx, "xmpp-streams", who, w, calm, int(calmLength/time.Second)*calm)
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
