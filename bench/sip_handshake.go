package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"edged/bench/load"
	"edged/bench/stage"
)

// sipHandshakes measures full handshakes with certificates of both sides, some at
// the same time, each confirmed by the answer to an OPTIONS. Kamailio has one
// process for TCP: with more, it loses some.
func (s *suite) sipHandshakes(ctx context.Context) {
	const part = "sip-handshake"
	var none stage.SIPOptions
	for _, of := range turned(s.round, s.edgedSIP(none), s.kamailio(1, none), s.answererSIP()) {
		s.trial(ctx, part, of, func(p *stage.Process) error {
			begin, used := time.Now(), cpuOf(p)
			count, err := s.shake(ctx, of.addr)
			if err != nil {
				return err
			}
			s.figures.add(part, of.who, rate, float64(count)/time.Since(begin).Seconds())
			s.figures.add(part, of.who, setup, (cpuOf(p)-used).Seconds()*1000/float64(count))
			return nil
		})
	}
}

// shake opens and closes connections for the length of a measurement.
func (s *suite) shake(ctx context.Context, addr string) (count int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.length)
	defer cancel()
	var done atomic.Int64
	errs := make([]error, abreast)
	var group sync.WaitGroup
	for i := range abreast {
		group.Go(func() {
			d := s.dialer(stage.Partner, stage.Pool)
			d.Local = load.Stranger(i)
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
	return done.Load(), errors.Join(errs...)
}
