package main

import (
	"context"
	"time"

	"edged/bench/load"
	"edged/bench/stage"
	"edged/bench/wire"
)

const (
	crowdSize   = 1000
	besideRate  = 500 // messages per second of the partner that is no part of it
	besideCount = 4 * besideRate
	look        = 100 * time.Millisecond // between two looks at memory
)

// hostile measures what a partner notices of a hostile crowd, beside the same
// messages through a relay of bytes whose process reads the crowd's bytes too.
func (s *suite) hostile(ctx context.Context) {
	for _, who := range turned(s.round, edged, copier) {
		err := s.renew(ctx, who)
		if err == nil {
			err = s.crowded(ctx, who)
		}
		if err != nil {
			s.say("%s: %v", who, err)
			s.figures.lack("xmpp-hostile", who, err)
		}
	}
	s.end(copier)
}

func (s *suite) crowded(ctx context.Context, who string) error {
	w, err := s.beside(ctx, who)
	if err != nil {
		return err
	}
	defer w.w.Close()
	if err := s.opened(ctx, w); err != nil {
		return err
	}
	p := s.programs[who]
	s.noteMemory("xmpp-hostile", who, p, before)
	crowded, leave := context.WithCancel(ctx)
	gone := make(chan struct{})
	go func() {
		load.Crowd{Size: crowdSize, Live: load.Raw(crowdAddr(who), load.Streams)}.Run(crowded)
		close(gone)
	}()
	highest := watchMemory(crowded, p)
	err = pause(ctx, settle/2)
	if err == nil {
		err = s.paced(ctx, "xmpp-hostile", who, w, besideRate, besideCount)
	}
	leave()
	<-gone
	s.figures.add("xmpp-hostile", who, during, float64(<-highest)/(1<<20))
	if err == nil {
		err = pause(ctx, settle)
	}
	s.noteMemory("xmpp-hostile", who, p, after)
	return err
}

// beside opens the partner's way to the sink.
func (s *suite) beside(ctx context.Context, who string) (*way, error) {
	if who == edged {
		return s.toSink(ctx, who)
	}
	flow := load.NewFlow(wire.NewForm(alice+stage.Partner+"/bench", bob+stage.Pool), window)
	s.expect("", flow)
	c, err := s.dialer(stage.Partner, stage.Pool).TLS(ctx, stage.Copier)
	return &way{who, flow, c, nil}, err
}

// crowdAddr is where the crowd goes.
func crowdAddr(who string) string {
	if who == edged {
		return stage.EdgeOutside
	}
	return stage.CopierRaw
}

func (s *suite) noteMemory(part, who string, p *stage.Process, when kind) {
	if bytes, err := p.RSS(); err == nil {
		s.figures.add(part, who, when, float64(bytes)/(1<<20))
	}
}

// watchMemory gives the most that the process had until the context ended.
func watchMemory(ctx context.Context, p *stage.Process) <-chan int {
	highest := make(chan int, 1)
	go func() {
		most := 0
		for {
			if bytes, err := p.RSS(); err == nil {
				most = max(most, bytes)
			}
			if pause(ctx, look) != nil {
				highest <- most
				return
			}
		}
	}()
	return highest
}
