package main

import (
	"context"
	"io"
	"sync"
	"time"

	"edged/bench/load"
	"edged/bench/stage"
	"edged/bench/wire"
)

const (
	settle  = 2 * time.Second // until the memory of what is over has been used again or not
	warm    = 8               // connections before the first look at memory: what all share
	abreast = 8               // connections being set up at the same time
)

// idle measures quiet streams of many partners: memory and CPU for each, beside
// TLS connections of a server that only reads.
func (s *suite) idle(ctx context.Context) {
	for who, open := range map[string]func(int) (io.Closer, error){
		edged: func(i int) (io.Closer, error) {
			opened, err := s.quiet(i).Stream(ctx, stage.EdgeOutside)
			if err != nil {
				return nil, err
			}
			return opened.Conn, nil
		},
		dropper: func(i int) (io.Closer, error) { return s.quiet(i).TLS(ctx, stage.Dropper) },
	} {
		err := s.renew(ctx, who)
		if err == nil {
			err = s.many(ctx, who, open)
		}
		if err != nil {
			s.say("%s: %v", who, err)
			s.figures.lack("xmpp-idle", who, err)
		}
	}
	s.end(dropper)
}

// quiet is how partner i dials, from an address of its own.
func (s *suite) quiet(i int) wire.Dialer {
	return wire.Dialer{
		From: stage.IdleDomain(i), To: stage.Pool, Cert: s.quietCerts.get(s.world, i, stage.IdleDomain), Roots: s.world.Roots, Local: load.Stranger(i),
	}
}

func (s *suite) many(ctx context.Context, who string, open func(int) (io.Closer, error)) error {
	p := s.programs[who]
	shared, err := openAll(0, warm, open)
	if err != nil {
		return err
	}
	shared()
	if err := pause(ctx, settle/2); err != nil {
		return err
	}
	first, err := p.RSS()
	if err != nil {
		return err
	}
	used := cpuOf(p)
	closeThem, err := openAll(0, stage.MaxIdle, open)
	defer closeThem()
	if err != nil {
		return err
	}
	if err := pause(ctx, settle); err != nil {
		return err
	}
	bytes, err := p.RSS()
	if err != nil {
		return err
	}
	s.figures.add("xmpp-idle", who, perConn, float64(bytes-first)/(1<<10)/stage.MaxIdle)
	s.figures.add("xmpp-idle", who, setup, (cpuOf(p)-used).Seconds()*1000/stage.MaxIdle)
	return nil
}

// openAll opens the connections of the numbers from first on, below count, some at
// the same time; the first error ends it.
func openAll(first, count int, open func(int) (io.Closer, error)) (closeThem func(), err error) {
	all := make([]io.Closer, count)
	errs := make([]error, abreast)
	var group sync.WaitGroup
	for worker := range abreast {
		group.Go(func() {
			for i := first + worker; i < count && errs[worker] == nil; i += abreast {
				all[i], errs[worker] = open(i)
			}
		})
	}
	group.Wait()
	closeThem = func() {
		for _, c := range all {
			if c != nil {
				c.Close()
			}
		}
	}
	for _, e := range errs {
		if e != nil {
			return closeThem, e
		}
	}
	return closeThem, nil
}
