package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"edged/pkg/tlsid"
	"edged/pkg/verdict"
)

// secure makes the handshake and tells what was shown.
func (w *walk) secure(ctx context.Context, raw net.Conn, target string, config *tls.Config, side *tlsid.Side) *tls.Conn {
	ctx, cancel := context.WithTimeout(ctx, w.bounds().HandshakeTimeout)
	defer cancel()
	var seen tls.ConnectionState
	verify := config.VerifyConnection
	config.VerifyConnection = func(cs tls.ConnectionState) error {
		seen = cs
		return verify(cs)
	}
	began := time.Now()
	sock := tls.Client(raw, config)
	err := sock.HandshakeContext(ctx)
	refused, ours := tlsid.Refusal(err)
	switch {
	case err == nil:
		id, _ := side.Trust.Identify(seen.PeerCertificates)
		w.step(began, "tls", OK, "%s", w.shown(seen, id.Anchors))
		w.soon(seen.PeerCertificates[0])
		return sock
	case ours:
		w.step(began, "tls", Failed, "%s", w.shown(seen, nil))
		w.badCertificate(refused, seen.PeerCertificates, target)
	default:
		w.step(began, "tls", Failed, "%v", err)
		w.noTLS(target, err)
	}
	return nil
}

// noTLS says what a handshake that has not come about usually means.
func (w *walk) noTLS(target string, err error) {
	var foreign tls.RecordHeaderError
	switch {
	case strings.Contains(err.Error(), "protocol version"): // crypto/tls has no type for it, on either end
		w.find(verdict.TLSFailed, fmt.Sprintf("%s speaks versions of TLS only that are too old: %v", target, err),
			w.must("switch on TLS 1.2 or 1.3"))
	case tlsid.IsAlert(err):
		w.find(verdict.TLSFailed, fmt.Sprintf("%s ends the handshake: %v", target, err),
			w.must("look into its log: often it does not trust who signed our certificate"))
	case errors.As(err, &foreign):
		w.find(verdict.TLSFailed, fmt.Sprintf("%s answers with something that is not TLS: %v", target, err),
			w.must("speak TLS on that port, or correct the port"))
	case timedOut(err):
		w.find(verdict.TLSFailed, fmt.Sprintf("%s takes the connection and then says nothing for %s", target, w.bounds().HandshakeTimeout),
			w.must("see whether TLS is spoken on that port, and whether a server stands behind what takes connections there"),
			"see whether something inspects TLS on the way")
	default:
		w.find(verdict.TLSFailed, fmt.Sprintf("%s ends the handshake without a word: %v", target, err),
			w.must("look into its log: it may admit only addresses that it knows, or speak no TLS on that port"),
			"see whether something inspects TLS on the way")
	}
}
