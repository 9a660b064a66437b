package insidedns

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/time/rate"
)

// The bounds.
const (
	maxForwards = 256              // questions at forwarders at one time
	maxConns    = 128              // TCP connections for each listener
	idle        = 10 * time.Second // a TCP connection without a question
	payload     = 1232             // bytes of a datagram that is not fragmented, of either direction
	logEvery    = time.Minute      // between two lines about strangers
)

// Server answers until Close.
type Server struct {
	state    atomic.Pointer[state]
	log      *slog.Logger
	observe  func(kind, outcome string)
	strange  *rate.Limiter
	forwards chan struct{} // one for each question at a forwarder
	serving  []*dns.Server
	running  sync.WaitGroup
	cancel   context.CancelFunc
}

// Start begins to serve; the sockets of c are the Server's from now on. The end
// of ctx ends it as Close does.
func Start(ctx context.Context, c Config) (*Server, error) {
	st, err := newState(&c)
	if err == nil && len(c.UDP)+len(c.TCP) == 0 {
		err = errors.New("inside DNS: there is no socket to serve")
	}
	if err != nil {
		closeAll(&c)
		return nil, err
	}
	s := &Server{
		log: c.Log, observe: c.Observe,
		strange:  rate.NewLimiter(rate.Every(logEvery), 1),
		forwards: make(chan struct{}, maxForwards),
	}
	if s.observe == nil {
		s.observe = func(string, string) {}
	}
	s.state.Store(st)
	ctx, s.cancel = context.WithCancel(ctx)
	for _, l := range c.TCP {
		s.serve(ctx, &dns.Server{Listener: newGate(ctx, l, s)})
	}
	for _, p := range c.UDP {
		s.serve(ctx, &dns.Server{PacketConn: packetGate{p, s}})
	}
	s.running.Go(func() {
		<-ctx.Done()
		for _, d := range s.serving {
			_ = d.Shutdown()
		}
	})
	return s, nil
}

func closeAll(c *Config) {
	for _, l := range c.TCP {
		_ = l.Close()
	}
	for _, p := range c.UDP {
		_ = p.Close()
	}
}

// serve starts d and returns when it can be shut down.
func (s *Server) serve(ctx context.Context, d *dns.Server) {
	started := make(chan struct{})
	d.NotifyStartedFunc = func() { close(started) }
	d.UDPSize = payload
	d.IdleTimeout = func() time.Duration { return idle }
	d.MsgAcceptFunc = accept
	d.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, req *dns.Msg) { s.handle(ctx, w, req) })
	s.serving = append(s.serving, d)
	s.running.Go(func() {
		if err := d.ActivateAndServe(); err != nil && ctx.Err() == nil {
			s.log.Error("the inside DNS stopped on one socket", slog.Any("err", err))
		}
	})
	<-started
}

// accept passes over what is no plain question without an answer, so that nobody
// is sent anything for it.
func accept(h dns.Header) dns.MsgAcceptAction {
	const response, opcode = 1 << 15, 0xF << 11
	if h.Bits&(response|opcode) != 0 || h.Qdcount != 1 || h.Ancount != 0 || h.Nscount != 0 || h.Arcount > 2 {
		return dns.MsgIgnore
	}
	return dns.MsgAccept
}

// SetConfig puts c in force for the next question. The sockets, Log and Observe
// stay as they are. After an error nothing has changed.
func (s *Server) SetConfig(c Config) error {
	st, err := newState(&c)
	if err == nil {
		s.state.Store(st)
	}
	return err
}

// Close ends what is under way and closes the sockets. It returns when nothing
// runs any more.
func (s *Server) Close() {
	s.cancel()
	s.running.Wait()
}
