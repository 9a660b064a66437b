package main

import (
	"context"
	"net"

	"edged/bench/sip"
	"edged/bench/stage"
	"edged/bench/wire"
)

// burst is how many messages meet a next hop that nobody has dialled yet.
const burst = 128

// sipBurst counts what is lost of many messages at once onto a cold connection:
// from the pool to a partner, whom edged has to look up and to dial. Kamailio,
// which has one process for TCP, is given the next hop's address.
func (s *suite) sipBurst(ctx context.Context) {
	const part = "sip-burst"
	var none stage.SIPOptions
	toPartner := sip.Parties{From: bob + stage.Pool, To: alice + stage.Partner, Host: "member.inside.example"}
	for _, of := range turned(s.round, s.edgedSIP(none), s.kamailio(1, none)) {
		s.trial(ctx, part, of, func(*stage.Process) error {
			from, addr, p, self := s.dialer(stage.Partner, stage.Pool), of.addr, parties(), stage.SIPHost
			if of.who == edged {
				from = wire.Dialer{From: stage.Pool, To: stage.SIPHost, Cert: s.pool, Roots: s.world.Roots}
				addr, p, self = stage.SIPInside, toPartner, stage.SIPInsideHost
			}
			conns, err := dialAll(few.conns, func(int) (net.Conn, error) { return dialChecked(ctx, addr, from, self) })
			if err != nil {
				return err
			}
			l := sip.Messages(s.ledger, conns, few.each, p)
			defer l.Close()
			l.Tolerate()
			if err := l.Burst(burst); err != nil {
				return err
			}
			// Without an answer in time it is lost, like one that is refused.
			_ = l.Drain(ctx)
			s.figures.add(part, of.who, lost, float64(burst-l.Served()))
			s.figures.add(part, of.who, surplus, float64(l.Surplus()))
			return ctx.Err()
		})
	}
}
