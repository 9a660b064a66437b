package xmpppeer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// setup bounds everything up to a usable stream: connecting, TLS, EXTERNAL, dialback;
// verifying bounds what the other side's verification takes of it: less, so that
// who asked hears about its failure.
const (
	setup     = 30 * time.Second
	verifying = 20 * time.Second
)

// Hop is where a server dials to reach a domain.
type Hop struct {
	Addr   string // host:port
	Direct bool   // TLS from the first byte
}

// Policy says whether a server wants TLS.
type Policy string

// The policies. The zero value means RequiredTLS.
const (
	RequiredTLS Policy = "required" // nothing happens without it, either way
	OptionalTLS Policy = "optional" // offered, and used where offered
	WithoutTLS  Policy = "none"     // neither offered nor used
)

// ExternalOffer says when a server offers SASL EXTERNAL.
type ExternalOffer string

// The ways to offer EXTERNAL. The zero value means ExternalProven.
const (
	ExternalProven ExternalOffer = "proven" // if the certificate proves the domain: what Prosody does
	ExternalAlways ExternalOffer = "always" // and says no afterwards: what ejabberd does
	ExternalNever  ExternalOffer = "never"
)

// Authority is how a server answers when asked whether a dialback key is its own.
type Authority string

// The answers. The zero value is the truth.
const (
	Truthful  Authority = ""
	SayNo     Authority = "invalid"
	SayError  Authority = "error" // item-not-found
	SayNought Authority = "silence"
)

// Config describes a server. Domains and Resolve are what every server needs; the rest
// makes it stricter, laxer or odder.
type Config struct {
	Domains      []string
	Certificates map[string]*tls.Certificate // shown for each domain, both ways; the one under "" for all others
	Roots        *x509.CertPool              // who must have signed what others show; nil takes every certificate for the names in it

	// Resolve says where to dial for a domain. An error is what sending then returns.
	Resolve func(ctx context.Context, domain string) (Hop, error)
	// Dial connects; nil means TCP.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	TLS             Policy        // as listener and dialler
	External        ExternalOffer // as listener
	RefuseExternal  bool          // answers EXTERNAL with not-authorized
	AvoidExternal   bool          // does not use EXTERNAL where it is offered
	Dialback        bool          // in all three roles; without it certificates must prove both sides
	DialbackErrors  bool          // announces them and uses them (XEP-0220 §2.4)
	RequireProof    bool          // with Dialback: the certificate must prove the other side as well
	FreshVerify     bool          // opens a connection for every verification, as ejabberd does, even beside a usable stream
	Authority       Authority     // what it says about its own keys
	Secret          string        // of dialback keys; "" = drawn at random
	Management      bool          // XEP-0198: offered, and enabled where offered
	WithholdAcks    bool          // never answers a request for an acknowledgement
	Bidi            bool          // XEP-0288: offered, and used where offered
	MaxBytes        int           // XEP-0478: announced, and enforced with policy-violation; 0 = no limit
	IdleSeconds     int           // XEP-0478: announced only; 0 = not
	IgnoreStrangers bool          // leaves stanzas for unknown users unanswered
	InboxSize       int           // stanzas that wait for one user; when they do, the stream that brings more is not read on; 0 = 4096
}

// Server is a small XMPP server for some domains. Close it when done.
type Server struct {
	cfg Config
	wg  sync.WaitGroup

	life context.Context //nolint:containedctx // ends with Close, and with it everything that waits
	kill context.CancelFunc

	mu        sync.Mutex
	closed    bool
	listeners []net.Listener
	links     map[*link]bool
	lanes     map[pair]*lane
	users     map[string]*User
	events    []Event
	more      chan struct{} // closed and replaced at every event
}

// pair is two domains, one of another server and one of this one.
type pair struct{ from, to string }

// NewServer returns a server that does not listen yet.
func NewServer(cfg Config) *Server {
	if cfg.Secret == "" {
		cfg.Secret = newID()
	}
	if cfg.Dial == nil {
		cfg.Dial = new(net.Dialer).DialContext
	}
	cfg.Domains = slices.Clone(cfg.Domains)
	for i, d := range cfg.Domains {
		cfg.Domains[i] = strings.ToLower(d)
	}
	if cfg.InboxSize == 0 {
		cfg.InboxSize = inboxSize
	}
	life, kill := context.WithCancel(context.Background())
	return &Server{
		cfg: cfg, life: life, kill: kill, links: map[*link]bool{}, lanes: map[pair]*lane{},
		users: map[string]*User{}, more: make(chan struct{}),
	}
}

// Serve takes connections from ln until the server or ln is closed. Each may begin in
// the clear or with TLS: the first byte tells.
func (s *Server) Serve(ln net.Listener) { s.serve(ln, sniff) }

// ServeStartTLS is Serve for connections that begin in the clear.
func (s *Server) ServeStartTLS(ln net.Listener) {
	s.serve(ln, func(context.Context, *link) (bool, error) { return false, nil })
}

// ServeDirectTLS is Serve for connections that begin with TLS.
func (s *Server) ServeDirectTLS(ln net.Listener) {
	s.serve(ln, func(context.Context, *link) (bool, error) { return true, nil })
}

// sniff says whether a connection begins with a TLS record (RFC 8446 §5.1).
func sniff(ctx context.Context, l *link) (bool, error) {
	first, err := l.stream.peek(ctx)
	return first == 0x16, err
}

func (s *Server) serve(ln net.Listener, direct func(context.Context, *link) (bool, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		ln.Close()
		return
	}
	s.listeners = append(s.listeners, ln)
	s.wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			l := newLink(s, conn, In)
			if s.keep(l) {
				s.wg.Go(func() { l.serve(direct) })
			}
		}
	})
}

// keep takes a link under the server's care, or closes it if the server is closed.
func (s *Server) keep(l *link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = l.stream.Drop()
		return false
	}
	s.links[l] = true
	return true
}

// start runs f, unless the server is closed.
func (s *Server) start(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.wg.Go(f)
	}
	return !s.closed
}

func (s *Server) drop(l *link) {
	l.stream.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.links, l)
}

// Close ends every stream with an end tag, closes everything and waits for it.
func (s *Server) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.wg.Wait()
		return
	}
	s.closed = true
	s.kill()
	for _, ln := range s.listeners {
		ln.Close()
	}
	s.mu.Unlock()
	s.EndStreams()
	s.wg.Wait()
}

// EndStreams ends and closes every stream, as at a restart. The server goes on.
func (s *Server) EndStreams() {
	var wg sync.WaitGroup
	for _, l := range s.open() {
		wg.Go(l.end)
	}
	wg.Wait()
}

// Cut breaks every connection with a TCP reset. The server goes on.
func (s *Server) Cut() {
	for _, l := range s.open() {
		l.leave()
		if l.stream.Reset() != nil {
			_ = l.stream.Drop()
		}
	}
}

func (s *Server) open() []*link {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*link
	for l := range s.links {
		all = append(all, l)
	}
	return all
}

// serves says whether the domain is one of ours.
func (s *Server) serves(domain string) bool {
	return slices.Contains(s.cfg.Domains, strings.ToLower(domain))
}

// certificate returns what to show for a domain, or nil.
func (s *Server) certificate(domain string) *tls.Certificate {
	if c := s.cfg.Certificates[strings.ToLower(domain)]; c != nil {
		return c
	}
	return s.cfg.Certificates[""]
}

// proves says whether the other side of a stream has shown that it is domain.
func (s *Server) proves(st *Stream, domain string) bool {
	state := st.TLS()
	return state != nil && proves(*state, s.cfg.Roots, domain) == nil
}

// bounded returns a context that ends with ctx, with the server and after a time.
func (s *Server) bounded(ctx context.Context, after time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, after)
	ctx, cut := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.life, func() { cut(errClosed) })
	return ctx, func() { stop(); cut(nil); cancel() }
}
