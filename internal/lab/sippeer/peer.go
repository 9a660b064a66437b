package sippeer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// handshakeTimeout bounds every TLS handshake, writeTimeout every write.
const (
	handshakeTimeout = 5 * time.Second
	writeTimeout     = 5 * time.Second
)

// Config describes a peer.
type Config struct {
	Host        string           // its name in Via and Contact
	Listen      string           // host:port, port 0 picks one; "" does not listen
	Certificate *tls.Certificate // shown both ways; nil shows none
	Roots       *x509.CertPool   // who signs those it talks to; nil accepts everybody
	Refuse      bool             // accepts TCP and hangs up in the TLS handshake
	Desk        *Desk            // scripts and record; nil makes one
}

// Peer is one SIP endpoint. Close it when done.
type Peer struct {
	Desk *Desk
	cfg  Config
	ln   net.Listener // nil if it does not listen

	wg    sync.WaitGroup
	mu    sync.Mutex
	conns map[net.Conn]bool // every open connection
	done  bool
}

// New starts a peer. ctx bounds only the start.
func New(ctx context.Context, cfg Config) (*Peer, error) {
	p := &Peer{Desk: cfg.Desk, cfg: cfg, conns: map[net.Conn]bool{}}
	if p.Desk == nil {
		p.Desk = NewDesk()
	}
	if cfg.Listen == "" {
		return p, nil
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("sippeer: %w", err)
	}
	p.ln = ln
	p.wg.Go(p.serve)
	return p, nil
}

// Addr returns where the peer listens, as host:port, or "".
func (p *Peer) Addr() string {
	if p.ln == nil {
		return ""
	}
	return p.ln.Addr().String()
}

// Port returns the port on which the peer listens, or 0.
func (p *Peer) Port() uint16 {
	if p.ln == nil {
		return 0
	}
	return p.ln.Addr().(*net.TCPAddr).AddrPort().Port()
}

// Host returns the peer's name.
func (p *Peer) Host() string { return p.cfg.Host }

// Close ends the listener and every connection, and waits for them.
func (p *Peer) Close() {
	p.mu.Lock()
	p.done = true
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	if p.ln != nil {
		p.ln.Close()
	}
	p.wg.Wait()
}

func (p *Peer) serve() {
	for {
		raw, err := p.ln.Accept()
		if err != nil {
			return
		}
		if p.keep(raw) {
			p.wg.Go(func() { p.accept(raw) })
		}
	}
}

// keep takes a new connection under the peer's care, or closes it if the peer is
// closed.
func (p *Peer) keep(raw net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		raw.Close()
		return false
	}
	p.conns[raw] = true
	return true
}

func (p *Peer) drop(raw net.Conn) {
	raw.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, raw)
}

func (p *Peer) accept(raw net.Conn) {
	defer p.drop(raw)
	if p.cfg.Refuse {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	secure := tls.Server(raw, p.serverConfig())
	if err := secure.HandshakeContext(ctx); err != nil {
		return
	}
	c := newConn(p, secure)
	c.run()
}

// Dial opens a connection to addr. serverName is sent as SNI and must be covered
// by the other side's certificate; "" sends none and checks only who signed it.
func (p *Peer) Dial(ctx context.Context, addr, serverName string) (*Conn, error) {
	var d net.Dialer
	raw, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("sippeer: %w", err)
	}
	secure := tls.Client(raw, p.clientConfig(serverName))
	if err := secure.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, fmt.Errorf("sippeer: %w", err)
	}
	if !p.keep(raw) {
		return nil, net.ErrClosed
	}
	c := newConn(p, secure)
	p.wg.Go(func() {
		defer p.drop(raw)
		c.run()
	})
	return c, nil
}

func (p *Peer) serverConfig() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAnyClientCert}
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if p.cfg.Certificate == nil {
			return nil, errors.New("sippeer: no certificate")
		}
		return p.cfg.Certificate, nil
	}
	c.VerifyConnection = p.verify("")
	return c
}

func (p *Peer) clientConfig(serverName string) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: serverName}
	c.InsecureSkipVerify = true // verify does it, for both sides and every key usage alike
	c.VerifyConnection = p.verify(serverName)
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if p.cfg.Certificate == nil {
			return &tls.Certificate{}, nil
		}
		return p.cfg.Certificate, nil
	}
	return c
}

// verify checks the other side's chain against the roots, and its name if one is
// given.
func (p *Peer) verify(name string) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		if p.cfg.Roots == nil {
			return nil
		}
		between := x509.NewCertPool()
		for _, c := range s.PeerCertificates[1:] {
			between.AddCert(c)
		}
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{
			Roots: p.cfg.Roots, Intermediates: between, DNSName: name,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		})
		return err
	}
}

func (p *Peer) sentBy() string { return fmt.Sprintf("%s:%d", p.cfg.Host, max(p.Port(), 1)) }

func (p *Peer) contact() string { return "<sip:" + p.sentBy() + ";transport=tls>" }
