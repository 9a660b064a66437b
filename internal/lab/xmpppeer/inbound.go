package xmpppeer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
)

// serve plays the receiving side until the stream ends.
func (l *link) serve(direct func(context.Context, *link) (bool, error)) {
	if l.srv.cfg.MaxBytes > 0 {
		l.stream.SetLimit(l.srv.cfg.MaxBytes)
	}
	if err := l.begin(direct); err != nil {
		l.finish(err)
		return
	}
	l.read()
}

func (l *link) begin(direct func(context.Context, *link) (bool, error)) error {
	ctx, cancel := l.srv.bounded(context.Background(), setup)
	defer cancel()
	tlsFirst, err := direct(ctx, l)
	if err != nil {
		return err
	}
	if tlsFirst {
		if err := l.secure(ctx, true); err != nil {
			return err
		}
	}
	return l.greet(ctx)
}

// secure does the TLS handshake. On direct TLS the SNI picks the certificate, after
// STARTTLS the domain in the header (RFC 6120 §5.4.3.1).
func (l *link) secure(ctx context.Context, direct bool) error {
	c := ServerTLS(func(sni string) *tls.Certificate {
		if !direct {
			sni = l.local
		}
		return l.srv.certificate(sni)
	})
	if direct {
		c.NextProtos = []string{alpn}
	}
	if err := l.stream.SecureServer(ctx, c); err != nil {
		return err
	}
	l.note(EventSecure, l.stream.TLS().NegotiatedProtocol)
	return nil
}

// greet reads a header, answers it and sends the features.
func (l *link) greet(ctx context.Context) error {
	l.headed = false
	peer, err := l.stream.ReadHeader(ctx)
	if err != nil {
		return err
	}
	if !l.srv.serves(peer.To) {
		return fatal("host-unknown")
	}
	id := newID()
	l.name(strings.ToLower(peer.To), strings.ToLower(peer.From), id)
	if err := l.sendHeader(l.local, id); err != nil {
		return err
	}
	if l.srv.cfg.RequireProof && l.stream.TLS() != nil && !l.srv.proves(l.stream, l.remote) {
		return fatal("not-authorized")
	}
	return l.stream.SendFeatures(l.features()...)
}

func (l *link) sendHeader(from, id string) error {
	l.headed = true
	return l.stream.SendHeader(Header{From: from, To: l.stream.Peer().From, ID: id, Lang: "en"})
}

// features are what the state of the stream allows.
func (l *link) features() []string {
	cfg := l.srv.cfg
	if l.stream.TLS() == nil && cfg.TLS != WithoutTLS {
		if cfg.TLS != OptionalTLS {
			return []string{RequireTLS}
		}
		return append([]string{OfferTLS}, l.proofs()...)
	}
	return l.proofs()
}

func (l *link) proofs() []string {
	cfg := l.srv.cfg
	var all []string
	if l.offersExternal() {
		all = append(all, OfferExternal)
	}
	if cfg.Dialback && cfg.DialbackErrors {
		all = append(all, OfferErrors)
	} else if cfg.Dialback {
		all = append(all, OfferDialback)
	}
	if cfg.Bidi && !l.authenticated() {
		all = append(all, OfferBidi)
	}
	if cfg.Management && l.authenticated() {
		all = append(all, OfferManagement)
	}
	return append(all, cfg.limits())
}

func (l *link) offersExternal() bool {
	if l.stream.TLS() == nil || l.authenticated() {
		return false
	}
	switch l.srv.cfg.External {
	case ExternalNever:
		return false
	case ExternalAlways:
		return true
	case ExternalProven:
	}
	return l.srv.proves(l.stream, l.remote)
}

// limits returns the feature of XEP-0478, "" if there is nothing to tell.
func (c Config) limits() string {
	inside := ""
	if c.MaxBytes > 0 {
		inside += fmt.Sprintf("<max-bytes>%d</max-bytes>", c.MaxBytes)
	}
	if c.IdleSeconds > 0 {
		inside += fmt.Sprintf("<idle-seconds>%d</idle-seconds>", c.IdleSeconds)
	}
	if inside == "" {
		return ""
	}
	return "<limits xmlns='" + NSLimits + "'>" + inside + "</limits>"
}

// handleStartTLS is RFC 6120 §5.4.2.
func (l *link) handleStartTLS() error {
	if l.stream.TLS() != nil || l.srv.cfg.TLS == WithoutTLS {
		_ = l.stream.Send("<failure xmlns='", NSTLS, "'/>")
		return errors.New("xmpppeer: starttls when it was not offered")
	}
	if early := l.stream.Buffered(); early != "" {
		return fmt.Errorf("xmpppeer: %q between starttls and proceed (RFC 6120 §5.3.3)", early)
	}
	if err := l.stream.Send(tlsProceed); err != nil {
		return err
	}
	ctx, cancel := l.srv.bounded(context.Background(), setup)
	defer cancel()
	if err := l.secure(ctx, false); err != nil {
		return err
	}
	return l.greet(ctx)
}

// handleAuth is XEP-0178 §3, steps 10 to 12.
func (l *link) handleAuth(e *Element) error {
	id, err := authzid(e)
	refusal := l.refusal(id, err)
	if refusal != nil {
		l.note(EventExternal, refusal.Condition)
		return l.stream.Fail(refusal.Condition, refusal.Text)
	}
	l.note(EventExternal, "")
	l.prove(pair{from: l.remote, to: l.local})
	if err := l.stream.Succeed(); err != nil {
		return err
	}
	ctx, cancel := l.srv.bounded(context.Background(), setup)
	defer cancel()
	if err := l.greet(ctx); err != nil {
		return err
	}
	l.lend(pair{from: l.remote, to: l.local})
	return nil
}

// refusal returns why EXTERNAL fails, nil if it does not.
func (l *link) refusal(id string, err error) *SASLError {
	if se, ok := err.(*SASLError); ok { //nolint:errorlint // authzid wraps nothing
		return se
	}
	switch {
	case l.stream.TLS() == nil:
		return &SASLError{Condition: "encryption-required"}
	case id != "" && !strings.EqualFold(id, l.remote):
		return &SASLError{Condition: "invalid-authzid"}
	case l.srv.cfg.RefuseExternal:
		return &SASLError{Condition: "not-authorized", Text: "refused on purpose"}
	case !l.srv.proves(l.stream, l.remote):
		return &SASLError{Condition: "not-authorized", Text: "the certificate does not prove " + l.remote}
	}
	return nil
}

// handleBidi is XEP-0288: it must come before authentication.
func (l *link) handleBidi() error {
	if !l.srv.cfg.Bidi || l.authenticated() {
		return fatal("policy-violation")
	}
	l.mu.Lock()
	l.bidi = true
	l.mu.Unlock()
	l.note(EventBidi, "")
	return nil
}
