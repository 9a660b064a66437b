package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"

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

// edgedSIP runs by way of what stands before it, which may pin it.
func (s *suite) edgedSIP(o stage.SIPOptions, by ...string) subject {
	return subject{edged, stage.SIPEdge, func(ctx context.Context) (*stage.Process, error) {
		return s.world.SIPEdged(ctx, slices.Concat(by, s.edgedArgv()), o)
	}, 1}
}

func (s *suite) kamailio(workers int, o stage.SIPOptions) subject {
	return subject{kamailio, stage.Kamailio, func(ctx context.Context) (*stage.Process, error) {
		return s.world.Kamailio(ctx, workers, o)
	}, kamailioTries}
}

func (s *suite) copierSIP(by ...string) subject {
	return subject{copier, stage.SIPCopier, func(ctx context.Context) (*stage.Process, error) {
		return s.world.Role(ctx, "sip-copy", stage.SIPCopier, by...)
	}, 1}
}

// dropperSIP reads 4 KiB at a time and answers nothing.
func (s *suite) dropperSIP() subject {
	return subject{dropper, stage.SIPDropper, func(ctx context.Context) (*stage.Process, error) {
		return s.world.Role(ctx, "sip-drop", stage.SIPDropper)
	}, 1}
}

// relays are what most parts measure.
func (s *suite) relays() []subject {
	var none stage.SIPOptions
	return turned(s.round, s.edgedSIP(none), s.kamailio(workers, none), s.copierSIP())
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
func parties() sip.Parties { return partiesOf(stage.Partner) }

// partiesOf is a user of a partner's who writes to one of the pool's.
func partiesOf(domain string) sip.Parties {
	return sip.Parties{From: alice + domain, To: bob + stage.Pool, Host: "sip." + domain}
}

// dialSIP opens count connections of the one partner, one after the other, some of
// them from the same address. Each is known to be taken.
func (s *suite) dialSIP(ctx context.Context, addr string, count int) ([]net.Conn, error) {
	d := s.dialer(stage.Partner, stage.Pool)
	return dialAll(count, func(i int) (net.Conn, error) {
		d.Local = load.Stranger(i / perAddress)
		return dialChecked(ctx, addr, d, stage.SIPHost)
	})
}

func dialAll(count int, dial func(i int) (net.Conn, error)) (all []net.Conn, err error) {
	for i := range count {
		c, err := dial(i)
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

// dialChecked opens a connection and waits for the answer to an OPTIONS to
// somebody.
func dialChecked(ctx context.Context, addr string, d wire.Dialer, to string) (net.Conn, error) {
	c, err := d.TLS(ctx, addr)
	if err != nil {
		return nil, err
	}
	p := partiesOf(d.From)
	p.To = to
	if err := sip.Check(ctx, c, p); err != nil {
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

// listenSIP opens the sink: as the pool, and as the partner's edge.
func (s *suite) listenSIP(ctx context.Context) error {
	var errs []error
	for addr, cert := range map[string]tls.Certificate{stage.SIPSink: s.pool, stage.SIPFar: s.partner} {
		config := wire.Acceptor{Cert: cert, Roots: s.world.Roots}.Mutual()
		errs = append(errs, s.accept(ctx, addr, func(c net.Conn) error {
			s.sink.Serve(tls.Server(c, config))
			return nil
		}))
	}
	return errors.Join(errs...)
}

// manyth is how one of many partners dials, from an address of its own.
func (s *suite) manyth(i int) wire.Dialer {
	return wire.Dialer{
		From: stage.SIPPartner(i), To: stage.Pool, Cert: s.sipCerts.get(s.world, i, stage.SIPPartner),
		Roots: s.world.Roots, Local: load.Stranger(i),
	}
}
