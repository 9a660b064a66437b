package main

import (
	"context"
	"errors"
	"net"
	"time"

	"edged/bench/load"
	"edged/bench/sip"
	"edged/bench/stage"
)

// The crowd. The partner that floods is in this process: it sends ten times as
// much as the one whose latency counts.
const (
	crowdIdle     = 5000
	crowdHalfOpen = 1000
	crowdSlow     = 250
	crowdStalled  = 50
	floodRate     = 10 * besideRate
	floodConns    = 4
	gathering     = time.Minute     // until the crowd is there, at most
	aloneLength   = 2 * time.Second // of the look at latency before
	newcomerWaits = 5 * time.Second

	// A server that guards itself throws the first of the crowd out after ten seconds,
	// and they come back; a sink bears with everybody. The look at latency that is
	// compared ends before, and a second one is while they come back.
	steadyCount    = 8 * besideRate
	returningCount = 8 * besideRate
)

const (
	hostilePart = "sip-hostile"
	alonePart   = "sip-hostile alone"
	returnPart  = "sip-hostile returning"
)

// sipHostile measures what a partner notices of a hostile crowd and of another
// partner that floods, beside the same messages through a relay of bytes whose
// process reads the crowd's bytes too. The program has one CPU to itself,
// everybody else the others.
func (s *suite) sipHostile(ctx context.Context) {
	program, others, err := stage.Split()
	if err == nil {
		err = stage.Pin(others)
	}
	if err != nil {
		s.figures.lack(hostilePart, edged, err)
		return
	}
	defer func() { _ = stage.Pin(program + "," + others) }() // as it was
	edge := s.edgedSIP(stage.SIPOptions{Connections: roomFor}, stage.On(program)...)
	relay := s.copierSIP(stage.On(program)...)
	for _, of := range turned(s.round, edge, relay) {
		s.trial(ctx, hostilePart, of, func(p *stage.Process) error { return s.crowdedSIP(ctx, of, p, others) })
	}
}

func (s *suite) crowdedSIP(ctx context.Context, of subject, p *stage.Process, cpus string) error {
	steady, err := s.loadOf(ctx, stage.Partner, 1, of.addr)
	if err != nil {
		return err
	}
	defer steady.Close()
	flood, err := s.loadOf(ctx, stage.Flooder, floodConns, of.addr)
	if err != nil {
		return err
	}
	defer flood.Close()
	if err := s.paced(ctx, alonePart, of.who, steady, besideRate, besideRate*int(aloneLength/time.Second)); err != nil {
		return err
	}
	s.noteMemory(hostilePart, of.who, p, before)
	watched, unwatch := context.WithCancel(ctx)
	highest := watchMemory(watched, p)
	err = s.besideSIP(ctx, of, steady, flood, cpus)
	unwatch()
	s.figures.add(hostilePart, of.who, during, float64(<-highest)/(1<<20))
	if err == nil {
		err = pause(ctx, settle)
	}
	s.noteMemory(hostilePart, of.who, p, after)
	return err
}

// besideSIP gathers the crowd, lets the flood begin, and looks at the steady
// partner's latency.
func (s *suite) besideSIP(ctx context.Context, of subject, steady, flood *sip.Load, cpus string) error {
	role := "sip-crowd"
	if of.who == copier {
		role = "sip-crowd-raw"
	}
	soon, cancel := context.WithTimeout(ctx, gathering)
	defer cancel()
	crowd, err := s.world.SIPGather(soon, role, cpus)
	if err != nil {
		return err
	}
	defer crowd.Stop()
	flooding, ebb := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- flood.Paced(flooding, floodRate, 1<<20) }()
	err = pause(ctx, settle/2)
	if err == nil {
		err = s.paced(ctx, hostilePart, of.who, steady, besideRate, steadyCount)
	}
	if err == nil {
		err = s.paced(ctx, returnPart, of.who, steady, besideRate, returningCount)
	}
	if err == nil {
		s.newcomer(ctx, of)
	}
	ebb()
	if wrong := <-ended; !errors.Is(wrong, context.Canceled) {
		err = errors.Join(err, wrong)
	}
	if err == nil {
		err = flood.Drain(ctx)
	}
	s.figures.add(hostilePart, of.who, served, 100*float64(flood.Served())/float64(max(1, flood.Received())))
	return err
}

// newcomer takes the time until one more connection of a partner is served.
func (s *suite) newcomer(ctx context.Context, of subject) {
	ctx, cancel := context.WithTimeout(ctx, newcomerWaits)
	defer cancel()
	begin := time.Now()
	c, err := dialChecked(ctx, of.addr, s.dialer(stage.Partner, stage.Pool), stage.SIPHost)
	if err != nil {
		s.figures.lack(hostilePart+", a new connection", of.who, err)
		return
	}
	c.Close()
	s.figures.add(hostilePart, of.who, newcomer, float64(time.Since(begin))/float64(time.Millisecond))
}

// loadOf opens connections of a partner.
func (s *suite) loadOf(ctx context.Context, domain string, count int, addr string) (*sip.Load, error) {
	d := s.dialer(domain, stage.Pool)
	d.Cert, d.Local = s.world.Cert(domain), load.Stranger(crowdIdle+crowdHalfOpen+crowdSlow+crowdStalled)
	conns, err := dialAll(count, func(int) (net.Conn, error) { return dialChecked(ctx, addr, d, stage.SIPHost) })
	if err != nil {
		return nil, err
	}
	l := sip.Messages(s.ledger, conns, few.each, partiesOf(domain))
	if domain == stage.Flooder {
		l.Tolerate() // it may be held to a limit
	}
	return l, warmed(ctx, l)
}
