package main

import (
	"context"
	"fmt"
	"net"

	"edged/bench/sip"
	"edged/bench/stage"
)

// shape of a load: connections, and requests under way on each.
type shape struct{ conns, each int }

func (h shape) of(part string) string { return fmt.Sprintf("%s %dx%d", part, h.conns, h.each) }

// workers is how many processes for TCP Kamailio is fastest with.
const workers = 4

// sipMessages measures MESSAGEs at full speed.
func (s *suite) sipMessages(ctx context.Context) {
	const part = "sip-message"
	for _, of := range turned(s.round, s.edgedSIP(), s.kamailio(workers), s.copierSIP()) {
		for _, h := range []shape{{16, 8}, {64, 4}} {
			s.trial(ctx, h.of(part), of, func(p *stage.Process) error { return s.saturate(ctx, part, of, h, sip.Messages, p) })
		}
	}
}

// maker of a load.
type maker func(l *sip.Ledger, conns []net.Conn, each int, parties ...sip.Parties) *sip.Load

// saturate runs one load at full speed and notes memory after it.
func (s *suite) saturate(ctx context.Context, part string, of subject, h shape, make maker, p *stage.Process) error {
	conns, err := s.dialSIP(ctx, of.addr, h.conns)
	if err != nil {
		return err
	}
	l := make(s.ledger, conns, h.each, parties())
	defer l.Close()
	if err := warmed(ctx, l); err != nil {
		return err
	}
	if err := s.full(ctx, h.of(part), of.who, l, p); err != nil {
		return err
	}
	bytes, err := p.PSS()
	if err != nil {
		return err
	}
	s.figures.add(h.of(part), of.who, rss, float64(bytes)/(1<<20))
	return nil
}

// warmed sends a few requests, so that the program has its connection to the sink.
func warmed(ctx context.Context, l *sip.Load) error {
	if err := l.Paced(ctx, slowRate, warmTrips); err != nil {
		return err
	}
	return l.Drain(ctx)
}
