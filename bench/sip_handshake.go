package main

import (
	"context"
	"crypto/tls"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"edged/bench/load"
	"edged/bench/stage"
)

// sipHandshakes measures full handshakes with certificates of both sides, some at
// the same time, each confirmed by the answer to an OPTIONS: with X25519, which all
// can do, and with the hybrid of it and ML-KEM, which Go prefers and Kamailio's
// OpenSSL 3.0 lacks. Kamailio has one process for TCP: with more, it loses some.
func (s *suite) sipHandshakes(ctx context.Context) {
	const part = "sip-handshake"
	var none stage.SIPOptions
	for _, of := range turned(s.round, s.edgedSIP(none), s.kamailio(1, none), s.answererSIP()) {
		s.trial(ctx, part, of, func(p *stage.Process) error {
			begin := time.Now()
			count, spent, err := s.shake(ctx, p, of.addr, tls.X25519)
			if err != nil {
				return err
			}
			s.figures.add(part, of.who, rate, float64(count)/time.Since(begin).Seconds())
			s.figures.add(part, of.who, setup, spent)
			if of.who == kamailio {
				return nil
			}
			_, spent, err = s.shake(ctx, p, of.addr, tls.X25519MLKEM768)
			s.figures.add(part, of.who, hybrid, spent)
			return err
		})
	}
}

// shake opens and closes connections for the length of a measurement. It returns how
// many, and what each has cost the process in CPU ms.
func (s *suite) shake(ctx context.Context, p *stage.Process, addr string, curve tls.CurveID) (count int64, spent float64, err error) {
	used := cpuOf(p)
	ctx, cancel := context.WithTimeout(ctx, s.length)
	defer cancel()
	var done atomic.Int64
	errs := make([]error, abreast)
	var group sync.WaitGroup
	for i := range abreast {
		group.Go(func() {
			d := s.dialer(stage.Partner, stage.Pool)
			d.Local, d.Curves = load.Stranger(i), []tls.CurveID{curve}
			for ctx.Err() == nil {
				c, err := dialChecked(context.WithoutCancel(ctx), addr, d, stage.SIPHost)
				if err != nil {
					errs[i] = err
					return
				}
				done.Add(1)
				c.Close()
			}
		})
	}
	group.Wait()
	count = done.Load()
	return count, (cpuOf(p) - used).Seconds() * 1000 / float64(max(count, 1)), errors.Join(errs...)
}
