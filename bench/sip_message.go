package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"edged/bench/sip"
	"edged/bench/stage"
)

// shape of a load: connections, and requests under way on each.
type shape struct{ conns, each int }

func (h shape) of(part string) string { return fmt.Sprintf("%s %dx%d", part, h.conns, h.each) }

// Shapes of the loads at full speed.
var (
	few  = shape{16, 8}
	many = shape{64, 4}
)

// workers is how many processes for TCP Kamailio is fastest with.
const workers = 4

// maker of a load.
type maker func(l *sip.Ledger, conns []net.Conn, each int, parties ...sip.Parties) *sip.Load

// sipMessages measures MESSAGEs at full speed.
func (s *suite) sipMessages(ctx context.Context) {
	for _, h := range []shape{few, many} {
		s.saturated(ctx, "sip-message", h, sip.Messages)
	}
}

// sipCalls measures calls at full speed: INVITE, ACK and BYE.
func (s *suite) sipCalls(ctx context.Context) { s.saturated(ctx, "sip-call", few, sip.Calls) }

// saturated runs one load at full speed through each program, and notes their
// memory after it.
func (s *suite) saturated(ctx context.Context, part string, h shape, make maker) {
	part = h.of(part)
	for _, of := range s.relays() {
		s.trial(ctx, part, of, func(p *stage.Process) error {
			return s.through(ctx, of, h, make, func(l *sip.Load) error {
				if err := s.full(ctx, part, of.who, l, p); err != nil {
					return err
				}
				return s.memory(part, of.who, rss, p)
			})
		})
	}
}

// through opens connections of the one partner, warms the way to the sink, and
// hands over the load.
func (s *suite) through(ctx context.Context, of subject, h shape, make maker, measure func(*sip.Load) error) error {
	conns, err := s.dialSIP(ctx, of.addr, h.conns)
	if err != nil {
		return err
	}
	l := make(s.ledger, conns, h.each, parties())
	defer l.Close()
	if err := warmed(ctx, l); err != nil {
		return err
	}
	return measure(l)
}

// warmed sends a few requests, so that the program has its connection to the sink.
func warmed(ctx context.Context, l *sip.Load) error {
	if err := l.Paced(ctx, slowRate, warmTrips); err != nil {
		return err
	}
	return l.Drain(ctx)
}

func (s *suite) memory(part, who string, what kind, p *stage.Process) error {
	bytes, err := p.PSS()
	if err != nil {
		return err
	}
	s.figures.add(part, who, what, float64(bytes)/(1<<20))
	return nil
}

// sipCalm measures latency at fixed rates at which nobody is busy.
func (s *suite) sipCalm(ctx context.Context) {
	for _, at := range []struct {
		part      string
		perSecond int
		length    time.Duration
	}{
		{"sip-calm 200/s", 200, 3 * time.Second},
		{"sip-calm 2000/s", 2000, 3 * time.Second},
	} {
		for _, of := range s.relays() {
			s.trial(ctx, at.part, of, func(p *stage.Process) error {
				return s.through(ctx, of, few, sip.Messages, func(l *sip.Load) error {
					count := int(at.length.Seconds() * float64(at.perSecond))
					used := cpuOf(p)
					if err := s.paced(ctx, at.part, of.who, l, at.perSecond, count); err != nil {
						return err
					}
					s.figures.add(at.part, of.who, cpu, (cpuOf(p)-used).Seconds()*10000/float64(count))
					return nil
				})
			})
		}
	}
}
