package zone

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Server answers from a Zone over UDP and TCP on one loopback port.
type Server struct {
	addr     netip.AddrPort
	udp, tcp *dns.Server
	running  sync.WaitGroup

	mu      sync.Mutex
	zone    Zone           // guarded by mu
	queries map[string]int // guarded by mu; "name TYPE" -> how often it was asked
}

// Serve starts a server on 127.0.0.1 with a port of its own choice. The maps of z
// are copied; change the data of a running server with Set.
func Serve(z Zone) (*Server, error) {
	pc, ln, err := listen()
	if err != nil {
		return nil, err
	}
	return serve(pc, ln, z), nil
}

// ServeAt starts a server where another one was, at its Addr.
func ServeAt(addr string, z Zone) (*Server, error) {
	pc, ln, err := listenAt(addr)
	if err != nil {
		return nil, fmt.Errorf("zone: %w", err)
	}
	return serve(pc, ln, z), nil
}

func serve(pc net.PacketConn, ln net.Listener, z Zone) *Server {
	z.fill()
	s := &Server{addr: ln.Addr().(*net.TCPAddr).AddrPort(), zone: z, queries: make(map[string]int)}
	s.udp = &dns.Server{PacketConn: pc, Handler: s.handler(true)}
	s.tcp = &dns.Server{Listener: ln, Handler: s.handler(false)}
	s.start(s.udp)
	s.start(s.tcp)
	return s
}

// listen finds a port that is free for both transports. The system picks it for
// TCP; that somebody has the same one for UDP is rare but happens.
func listen() (net.PacketConn, net.Listener, error) {
	var errs []error
	for range 16 {
		pc, ln, err := listenAt("127.0.0.1:0")
		if err == nil {
			return pc, ln, nil
		}
		errs = append(errs, err)
	}
	return nil, nil, fmt.Errorf("zone: no port is free for UDP and TCP: %w", errors.Join(errs...))
}

func listenAt(addr string) (net.PacketConn, net.Listener, error) {
	var c net.ListenConfig
	ln, err := c.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	pc, err := c.ListenPacket(context.Background(), "udp", ln.Addr().String())
	if err != nil {
		return nil, nil, errors.Join(err, ln.Close())
	}
	return pc, ln, nil
}

// start returns once the server is ready, because one that is not yet running
// cannot be shut down.
func (s *Server) start(srv *dns.Server) {
	ready := make(chan struct{})
	srv.NotifyStartedFunc = func() { close(ready) }
	s.running.Go(func() { _ = srv.ActivateAndServe() })
	<-ready
}

func (s *Server) handler(udp bool) dns.Handler {
	return dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		resp, delay := s.respond(query, udp)
		<-time.After(delay)
		if resp != nil {
			_ = w.WriteMsg(resp) // an asker that has gone away is no news
		}
	})
}

func (s *Server) respond(query *dns.Msg, udp bool) (resp *dns.Msg, delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range query.Question {
		name, typed := plain(q.Name), plain(q.Name)+" "+dns.TypeToString[q.Qtype]
		s.queries[typed]++
		delay = max(delay, s.zone.Slow[name], s.zone.Slow[typed])
	}
	return s.zone.answer(query, udp), delay
}

// Addr is where the server listens, as host:port, for UDP and TCP alike.
func (s *Server) Addr() string { return s.addr.String() }

// Queries tells how many queries came in for the name and type, such as "SRV",
// over both transports: an answer cut off over UDP is asked for twice.
func (s *Server) Queries(name, rrtype string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queries[plain(name)+" "+rrtype]
}

// Set changes the data between two answers. No map of the Zone is nil; f must not
// keep it.
func (s *Server) Set(f func(*Zone)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.zone)
	s.zone.fill()
}

// Close stops the server and returns when its goroutines have ended.
func (s *Server) Close() error {
	err := errors.Join(s.udp.Shutdown(), s.tcp.Shutdown())
	s.running.Wait()
	return err
}
