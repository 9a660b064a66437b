package main

import (
	"context"
	"fmt"
	"net"

	"edged/bench/load"
	"edged/bench/sip"
	"edged/bench/stage"
	"edged/bench/wire"
)

// subject is a program of the SIP half.
type subject struct {
	who   string
	addr  string // where partners reach it
	start func(context.Context) (*stage.Process, error)
	tries int // how often it may fail before it has no figures in a round
}

// kamailioTries is more than one: with several processes for TCP, Kamailio 5.6
// loses connections or hangs in every third start.
const kamailioTries = 3

func (s *suite) edgedSIP(partners ...string) subject {
	return subject{edged, stage.SIPEdge, func(ctx context.Context) (*stage.Process, error) {
		return s.world.SIPEdged(ctx, s.edgedArgv(), partners...)
	}, 1}
}

func (s *suite) kamailio(workers int) subject {
	return subject{kamailio, stage.Kamailio, func(ctx context.Context) (*stage.Process, error) {
		return s.world.Kamailio(ctx, workers)
	}, kamailioTries}
}

func (s *suite) copierSIP() subject {
	return subject{copier, stage.SIPCopier, func(ctx context.Context) (*stage.Process, error) {
		return s.world.Role(ctx, "sip-copy", stage.SIPCopier)
	}, 1}
}

// answererSIP is a sink in a process of its own: a server that does nothing but
// TLS and answers.
func (s *suite) answererSIP() subject {
	return subject{answerer, stage.SIPAnswerer, func(ctx context.Context) (*stage.Process, error) {
		return s.world.Role(ctx, "sip-answer", stage.SIPAnswerer)
	}, 1}
}

// trial starts a program, measures it and ends it.
func (s *suite) trial(ctx context.Context, part string, of subject, measure func(*stage.Process) error) {
	for try := range of.tries {
		err := s.attempt(ctx, of, measure)
		if err == nil || ctx.Err() != nil {
			return
		}
		s.say("%s: %v", of.who, err)
		s.figures.fail(part, of.who, err)
		if try == of.tries-1 {
			s.figures.lack(part, of.who, fmt.Errorf("%d times, the last time: %w", of.tries, err))
		}
	}
}

func (s *suite) attempt(ctx context.Context, of subject, measure func(*stage.Process) error) error {
	p, err := of.start(ctx)
	if err != nil {
		return err
	}
	defer p.Stop()
	err = measure(p)
	if wrong := s.sink.Err(); wrong != nil {
		return wrong // which is why answers are missing
	}
	return err
}

// parties of the one partner of most parts.
func parties() sip.Parties {
	return sip.Parties{From: alice + stage.Partner, To: bob + stage.Pool, Host: "sip." + stage.Partner}
}

// dialSIP opens count connections one after the other, some of them from the same
// address. Each is known to be taken.
func (s *suite) dialSIP(ctx context.Context, addr string, count int) (all []net.Conn, err error) {
	for i := range count {
		c, err := s.dialOne(ctx, addr, s.dialer(stage.Partner, stage.Pool), i/perAddress)
		if err != nil {
			closeAll(all)
			return nil, fmt.Errorf("connection %d of %d: %w", i+1, count, err)
		}
		all = append(all, c)
	}
	return all, nil
}

// perAddress is how many connections come from one address.
const perAddress = 32

func (s *suite) dialOne(ctx context.Context, addr string, d wire.Dialer, from int) (net.Conn, error) {
	d.Local = load.Stranger(from)
	c, err := d.TLS(ctx, addr)
	if err != nil {
		return nil, err
	}
	if err := sip.Check(ctx, c, sip.Parties{From: alice + d.From, To: stage.SIPHost, Host: "sip." + d.From}); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func closeAll(conns []net.Conn) {
	for _, c := range conns {
		c.Close()
	}
}
