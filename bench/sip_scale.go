package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"edged/bench/sip"
	"edged/bench/stage"
)

const (
	scalePart   = "sip-scale"
	scaleLength = 2 * time.Second // at the fixed rate
)

// scale is one row: how many partners there are and who of them writes.
type scale struct {
	configured int
	connected  int // partners with a connection; 1: all connections are one partner's
	load       shape
}

// of is the name of a row in the figures.
func (c scale) of(who string) string {
	return fmt.Sprintf("%s %d/%d %dx%d", who, c.configured, c.connected, c.load.conns, c.load.each)
}

// title is that of a row in the table.
func (c scale) title(who string) string {
	under := fmt.Sprintf("%d connections of one partner with %d under way", c.load.conns, c.load.each)
	if c.connected > 1 {
		under = fmt.Sprintf("%d partners connected, %d of them with %d under way", c.connected, c.load.conns, c.load.each)
	}
	if who == copier {
		return "byte copy: " + under
	}
	return fmt.Sprintf("%d configured, %s", c.configured, under)
}

// scales are the rows through edged. With a load on all of the thousand
// connections, nothing can be batched any more: the relay shows what that costs.
func scales() []scale {
	return []scale{
		{10, 1, few},
		{10_000, 1, few},
		{10_000, 1000, few},
		{10_000, 1000, shape{1000, 1}},
	}
}

// sipScale measures the same messages among few partners and among many.
func (s *suite) sipScale(ctx context.Context) {
	for _, c := range turned(s.round, scales()...) {
		s.scaled(ctx, c, s.edgedSIP(stage.SIPOptions{Partners: c.configured - stage.SIPAlways}))
	}
	for _, c := range floors() {
		s.scaled(ctx, c, s.copierSIP())
	}
}

// floors are the rows through the byte relay, which knows no partners.
func floors() []scale {
	all := scales()
	return []scale{all[0], all[len(all)-1]}
}

func (s *suite) scaled(ctx context.Context, c scale, of subject) {
	row := c.of(of.who)
	s.trial(ctx, scalePart, of, func(p *stage.Process) error {
		conns, who, err := s.crowdOf(ctx, c, of.addr)
		if err != nil {
			return err
		}
		defer closeAll(conns)
		l := sip.Messages(s.ledger, conns[:c.load.conns], c.load.each, who...)
		defer l.Close()
		if err := warmed(ctx, l); err != nil {
			return err
		}
		if err := s.full(ctx, scalePart, row, l, p); err != nil {
			return err
		}
		if err := s.memory(scalePart, row, rss, p); err != nil {
			return err
		}
		return s.paced(ctx, scalePart, row, l, calm, calm*int(scaleLength/time.Second))
	})
}

// crowdOf opens the connections of all partners that are connected.
func (s *suite) crowdOf(ctx context.Context, c scale, addr string) ([]net.Conn, []sip.Parties, error) {
	if c.connected == 1 {
		conns, err := s.dialSIP(ctx, addr, c.load.conns)
		return conns, []sip.Parties{parties()}, err
	}
	who := make([]sip.Parties, c.connected)
	for i := range who {
		who[i] = partiesOf(stage.SIPPartner(i))
	}
	conns := make([]net.Conn, c.connected)
	_, err := openAll(0, c.connected, func(i int) (_ io.Closer, err error) {
		conns[i], err = dialChecked(ctx, addr, s.manyth(i), bob+stage.Pool)
		return conns[i], err
	})
	return conns, who, err
}
