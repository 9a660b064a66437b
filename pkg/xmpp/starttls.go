package xmpp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"edged/pkg/domain"
	"edged/pkg/tlsid"
	"edged/pkg/verdict"
	"edged/pkg/xmpp/xmlstream"
)

// alpn is the protocol name of direct TLS between servers (XEP-0368 §4).
const alpn = "xmpp-server"

// handleStartTLS serves the request to encrypt (RFC 6120 §5.4.2).
func (c *conn) handleStartTLS(ctx context.Context, e *xmlstream.Element) *refusal {
	if c.dialled {
		return nil
	}
	if string(e.Local) != "starttls" || c.encrypted || !c.idleInClear() {
		c.control("<failure xmlns='" + nsTLS + "'/>")
		return fatal("", verdict.Malformed, "starttls where it was not offered")
	}
	c.hold()
	defer c.unhold()
	if c.reader.Buffered() > 0 {
		// What was sent behind <starttls/> in the clear must not be taken as if it had
		// come encrypted (RFC 6120 §5.4.3.3): no word about it, the TCP connection ends.
		c.abort(errors.New("bytes behind starttls in the clear"))
		return nil
	}
	if _, err := c.raw.Write([]byte("<proceed xmlns='" + nsTLS + "'/>")); err != nil {
		c.abort(err)
		return nil
	}
	if err := c.handshake(ctx, c.self); err != nil { // §5.4.3.2: TCP ends without a closing tag
		c.abort(fmt.Errorf("TLS handshake: %w", err))
		return nil
	}
	c.startOver(false)
	return nil
}

// idleInClear reports whether nothing has been begun on the stream in the clear.
func (c *conn) idleInClear() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pairs) == 0 && len(c.pending) == 0
}

// handshake encrypts an accepted stream, showing our certificate for a domain; on
// direct TLS the other end names it by SNI (XEP-0368 §4).
func (c *conn) handshake(ctx context.Context, self domain.Name) error {
	st := c.srv.state.Load()
	ctx, cancel := context.WithTimeout(ctx, st.Bounds.HandshakeTimeout)
	defer cancel()
	turn := c.srv.accept[c.side].Handshake(ctx, c.sock)
	config := tlsid.XMPPServerConfig(func(sni domain.Name) (*tls.Certificate, error) {
		if !self.IsZero() {
			sni = self
		}
		return c.srv.state.Load().certificate(c.side, sni)
	})
	if self.IsZero() {
		config.NextProtos = []string{alpn}
	}
	sock := tls.Server(turn, config)
	if err := sock.SetDeadline(time.Time{}); err != nil { // those of the clear are over; ctx has one
		return err
	}
	err := sock.HandshakeContext(ctx)
	c.srv.metrics.handshake(c.side, false, err)
	if err == nil {
		c.secured(st, sock) // in its turn: it verifies the chain
	}
	if full := turn.Done(); full != nil {
		return full
	}
	return err
}

// secured notes what the other end's certificate proves; that it proves nothing is
// no fault yet, because dialback may follow (XEP-0178 §3 step 7).
func (c *conn) secured(st *State, sock *tls.Conn) {
	c.sock, c.encrypted = sock, true
	c.identity, c.certErr = st.trust(c.side).IdentifyXMPP(sock.ConnectionState().PeerCertificates)
}

// trust is whom we believe on a side.
func (st *State) trust(side Side) *tlsid.Trust {
	if side == Internal {
		return st.Inside
	}
	return st.Outside.Trust
}

// certificate is the one that we show on a side as the server of a domain: outside
// our own, inside one that our private authority makes for the partner's.
func (st *State) certificate(side Side, self domain.Name) (*tls.Certificate, error) {
	if side == External || st.Authority == nil {
		return st.Outside.Keys.ForXMPP(self), nil
	}
	if self.IsZero() || st.ours(self) {
		return nil, fmt.Errorf("no certificate for %q inside: it is made for domains that are not ours", self)
	}
	return st.Authority.For(self)
}

// connectionState returns the state of TLS, nil in the clear.
func (c *conn) connectionState() *tls.ConnectionState {
	sock, ok := c.sock.(*tls.Conn)
	if !ok {
		return nil
	}
	cs := sock.ConnectionState()
	return &cs
}

// inTheClear is the version of TLS where there is none.
const inTheClear = "none"

// tlsVersion is the protocol's name, for logs.
func (c *conn) tlsVersion() string {
	if cs := c.connectionState(); cs != nil {
		return tls.VersionName(cs.Version)
	}
	return inTheClear
}
