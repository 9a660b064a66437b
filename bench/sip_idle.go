package main

import (
	"context"
	"fmt"
	"io"

	"edged/bench/sip"
	"edged/bench/stage"
	"edged/bench/wire"
)

// idleCounts are how many connections are open at the two looks at memory. edged
// takes 4,096 by default.
var idleCounts = [2]int{1000, 5000}

// roomFor is limits.connections of an edge that takes them all.
const roomFor = 8192

// sipIdle measures connections of many partners, each of which has had an OPTIONS
// to a user relayed and answered, and then says nothing. The bare sink gets the
// same bytes and answers none.
func (s *suite) sipIdle(ctx context.Context) {
	all := stage.SIPOptions{Partners: idleCounts[1], Connections: roomFor}
	asked := func(d wire.Dialer, addr string) (io.Closer, error) { return dialChecked(ctx, addr, d, bob+stage.Pool) }
	told := func(d wire.Dialer, addr string) (io.Closer, error) {
		c, err := d.TLS(ctx, addr)
		if err != nil {
			return nil, err
		}
		return c, sip.Ask(c, partiesOf(d.From))
	}
	for _, of := range turned(s.round, s.edgedSIP(all), s.kamailio(1, all), s.dropperSIP()) {
		open := asked
		if of.who == dropper {
			open = told
		}
		s.trial(ctx, "sip-idle", of, func(p *stage.Process) error {
			return s.fill(ctx, of.who, p, func(i int) (io.Closer, error) { return open(s.manyth(i), of.addr) })
		})
	}
}

// fill opens connections and looks at memory as their number grows, after a few
// have paid for what all share.
func (s *suite) fill(ctx context.Context, who string, p *stage.Process, open func(int) (io.Closer, error)) error {
	shared, err := openAll(0, warm, open)
	shared()
	if err != nil {
		return err
	}
	if err := pause(ctx, settle/2); err != nil {
		return err
	}
	first, err := p.PSS()
	if err != nil {
		return err
	}
	from := 0
	for _, count := range idleCounts {
		closeThem, err := openAll(from, count, open)
		defer closeThem()
		if err != nil {
			return fmt.Errorf("with %d connections: %w", count, err)
		}
		if err := pause(ctx, settle); err != nil {
			return err
		}
		bytes, err := p.PSS()
		if err != nil {
			return err
		}
		part := fmt.Sprintf("sip-idle %d", count)
		s.figures.add(part, who, perConn, float64(bytes-first)/(1<<10)/float64(count))
		s.figures.add(part, who, rss, float64(bytes)/(1<<20))
		from = count
	}
	return nil
}
