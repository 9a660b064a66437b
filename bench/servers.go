package main

import (
	"context"
	"errors"
	"net"

	"edged/bench/load"
	"edged/bench/stage"
	"edged/bench/wire"
)

const (
	slowRate  = 50 // messages per second of the round trips
	slowCount = 200
	warmTrips = 10 // until both servers have opened their streams
)

// component is a connection to a server and what is done with its messages.
type component struct {
	conn net.Conn
	tap  load.Tap
}

// component connects to a server, once for each name.
func (s *suite) component(ctx context.Context, addr, name string) (*component, error) {
	if c := s.components[name]; c != nil {
		return c, nil
	}
	opened, err := wire.Component(ctx, addr, name, stage.Secret(name))
	if err != nil {
		return nil, err
	}
	c := &component{conn: opened.Conn}
	go func() {
		if err := c.tap.Run(opened.Conn); !errors.Is(err, net.ErrClosed) {
			s.say("component %s: %v", name, err)
		}
	}()
	s.components[name] = c
	s.closing = append(s.closing, func() { opened.Conn.Close() })
	return c, nil
}

// servers measures messages from Prosody to ejabberd, with and without edged
// between them.
func (s *suite) servers(ctx context.Context) {
	for _, who := range turned(s.round, direct, edged) {
		if err := s.pair(ctx, who); err != nil {
			s.say("%s: %v", who, err)
			s.figures.lack("xmpp-servers", who, err)
		}
	}
}

func (s *suite) pair(ctx context.Context, who string) error {
	needs := []string{prosody, ejabberd}
	here, there, gate := stage.ProsodyOwn, stage.EjabOwn, stage.EjabberdComp
	if who == edged {
		needs, here, there, gate = append(needs, edged), stage.ProsodyFar, stage.EjabFar, stage.EjabberdEdge
	}
	for _, name := range needs {
		if err := s.runs(ctx, name); err != nil {
			return err
		}
	}
	near, err := s.component(ctx, stage.ProsodyComp, here)
	if err != nil {
		return err
	}
	far, err := s.component(ctx, gate, there)
	if err != nil {
		return err
	}
	forth := wire.NewForm(alice+here, bob+there)
	oneWay := (&way{who, load.NewFlow(forth, window), near.conn, far}).listen()
	if err := s.opened(ctx, oneWay); err != nil {
		return err
	}
	if err := s.full(ctx, "xmpp-servers", who, oneWay, s.programs[who]); err != nil {
		return err
	}
	trip := (&way{who, load.NewFlow(forth, window), near.conn, near}).listen()
	far.tap.To(load.Echo(far.conn, wire.NewForm(bob+there, alice+here)))
	if err := s.opened(ctx, trip); err != nil {
		return err
	}
	return s.paced(ctx, "xmpp-servers", who, trip, slowRate, slowCount)
}

// opened sends what it takes until all between have opened their streams.
func (s *suite) opened(ctx context.Context, w *way) error {
	if err := w.Paced(ctx, slowRate, warmTrips); err != nil {
		return err
	}
	return w.Drain(ctx)
}
