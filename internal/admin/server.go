package admin

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/netutil"
)

// The bounds of both servers. Their clients are monitoring systems and people,
// so the numbers are small; none of them is worth a setting.
const (
	maxConnections    = 64       // further ones wait in the listener's backlog
	maxHeaderBytes    = 16 << 10 // of a request's header section
	readTimeout       = 10 * time.Second
	writeTimeout      = 2 * time.Minute // a reload reads files and asks the DNS meanwhile
	idleTimeout       = 2 * time.Minute // longer than common scrape intervals
	maxScrapes        = 8               // under way at once; more are answered 503
	maxResponseLength = 64 << 20        // of what Call reads
)

// Server is one HTTP server at work.
type Server struct {
	http     *http.Server
	listener net.Listener
	cancel   context.CancelFunc // ends the context of every request
	done     chan struct{}      // closed when Serve has returned
	conns    sync.WaitGroup     // connections being served
}

// serve starts to answer on the listener.
func serve(ln net.Listener, h http.Handler, log *slog.Logger) *Server {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{listener: ln, cancel: cancel, done: make(chan struct{})}
	s.http = &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnState:         s.track,
	}
	go s.run(log)
	return s
}

func (s *Server) run(log *slog.Logger) {
	defer close(s.done)
	err := s.http.Serve(netutil.LimitListener(s.listener, maxConnections))
	if !errors.Is(err, http.ErrServerClosed) {
		log.Error("admin listener failed", slog.String("listen", s.listener.Addr().String()), slog.Any("err", err))
	}
}

// track counts the goroutines of net/http. StateNew comes from inside Serve, so
// that nothing is added any more once Serve has returned.
func (s *Server) track(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.conns.Done()
	case http.StateActive, http.StateIdle:
	}
}

// Addr returns the address listened on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close stops listening and lets requests under way finish until ctx ends, which
// cancels them. It returns when every goroutine of the server has ended, with
// the context's error if requests had to be cancelled. Closing again does
// nothing.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	s.cancel()
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	<-s.done
	s.conns.Wait()
	return err
}
