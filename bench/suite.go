package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"edged/bench/load"
	"edged/bench/sip"
	"edged/bench/stage"
	"edged/bench/wire"
)

// Domains of the partner, one for each way to the sink.
const (
	cutDomain      = "cut." + stage.Partner
	straightDomain = "straight." + stage.Partner
)

// Who writes to whom.
const (
	alice = "alice@"
	bob   = "bob@"
)

// suite is a run: the programs, the sink in this process, and what was found.
type suite struct {
	plan
	world *stage.World
	began stage.Usage

	out     io.Writer
	figures *figures
	round   int // from 0

	programs map[string]*stage.Process
	profiles int             // of edged, so far
	partner  tls.Certificate // for all domains of the partner
	pool     tls.Certificate // for the sink
	closing  []func()

	mu    sync.Mutex
	flows map[string]*load.Flow // what the sink expects, by the partner's domain; "" without XMPP

	ways       map[string]*way       // streams that stay open from round to round
	components map[string]*component // by their names
	ledger     *sip.Ledger
	sink       *sip.Sink
	quietCerts certs // of the quiet partners
	sipCerts   certs // of many SIP partners
}

func newSuite(w *stage.World, p plan, out io.Writer) *suite {
	ledger := sip.NewLedger()
	return &suite{
		plan: p, world: w, began: stage.Look(),
		out: out, figures: newFigures(), programs: map[string]*stage.Process{},
		partner: w.Cert(stage.Partner, "*."+stage.Partner), pool: w.Cert(stage.Pool),
		flows: map[string]*load.Flow{}, ways: map[string]*way{}, components: map[string]*component{},
		ledger: ledger, sink: sip.NewSink(ledger, stage.SIPSink),
	}
}

func (s *suite) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

// renew ends a program and starts it again, unless that has failed before.
func (s *suite) renew(ctx context.Context, name string) error {
	s.end(name)
	if why := s.figures.missing["/"+name]; why != "" {
		return errors.New(why)
	}
	start := map[string]func() (*stage.Process, error){
		edged:    func() (*stage.Process, error) { return s.world.Edged(ctx, s.edgedArgv()) },
		cutter:   func() (*stage.Process, error) { return s.world.Role(ctx, cutter, stage.Cutter) },
		copier:   func() (*stage.Process, error) { return s.world.Role(ctx, copier, stage.Copier) },
		dropper:  func() (*stage.Process, error) { return s.world.Role(ctx, dropper, stage.Dropper) },
		prosody:  func() (*stage.Process, error) { return s.world.Prosody(ctx) },
		ejabberd: func() (*stage.Process, error) { return s.world.Ejabberd(ctx) },
	}[name]
	p, err := start()
	if err != nil {
		s.figures.lack("", name, err)
		return err
	}
	s.programs[name] = p
	return nil
}

// end stops a program and forgets the way through it.
func (s *suite) end(name string) {
	s.lose(name)
	if p := s.programs[name]; p != nil {
		p.Stop()
		delete(s.programs, name)
	}
}

// lose closes the way through a program, so that it is opened anew.
func (s *suite) lose(name string) {
	if w := s.ways[name]; w != nil {
		w.w.Close()
		delete(s.ways, name)
	}
}

// stop ends everything.
func (s *suite) stop() {
	for _, f := range s.closing {
		f()
	}
	for name := range s.programs {
		s.end(name)
	}
}

// runs starts a program that does not run yet, unless that has failed before.
func (s *suite) runs(ctx context.Context, name string) error {
	if s.programs[name] != nil {
		return nil
	}
	return s.renew(ctx, name)
}

// listen opens the sink.
func (s *suite) listen(ctx context.Context) error {
	a := wire.Acceptor{Domain: stage.Pool, Cert: s.pool, Roots: s.world.Minting}
	err := s.accept(ctx, stage.Sink, func(c net.Conn) error {
		opened, err := a.Stream(c)
		if err == nil {
			s.receive(opened.From, opened.Conn)
		}
		return err
	})
	return errors.Join(err, s.accept(ctx, stage.SinkBare, func(c net.Conn) error {
		s.receive("", tls.Server(c, a.Config()))
		return nil
	}), s.listenSIP(ctx))
}

func (s *suite) accept(ctx context.Context, addr string, one func(net.Conn) error) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	s.closing = append(s.closing, func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				if err := one(c); err != nil {
					s.say("sink: %v", err)
				}
			}()
		}
	}()
	return nil
}

// certs makes the certificates of many partners when they are first needed.
type certs struct {
	mu  sync.Mutex
	all []tls.Certificate
}

func (c *certs) get(w *stage.World, i int, domain func(int) string) tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := len(c.all); n <= i; n++ {
		c.all = append(c.all, w.Cert(domain(n)))
	}
	return c.all[i]
}

// expect makes the sink count what comes from a domain.
func (s *suite) expect(from string, f *load.Flow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flows[from] = f
}

func (s *suite) receive(from string, r io.ReadCloser) {
	defer r.Close()
	s.mu.Lock()
	f := s.flows[from]
	s.mu.Unlock()
	if f == nil {
		s.say("sink: nobody expects a stream from %s", from)
		return
	}
	f.Receive(r)
}
