package posh

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"

	"edged/pkg/domain"
)

// transport does each request on a connection of its own and in the goroutine of
// the caller, so that nothing is left when that returns. http.Transport goes on
// dialling for a request that was given up, asks the environment for proxies and
// speaks HTTP/2, of which one small document needs nothing.
type transport struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	tls  *tls.Config
}

// RoundTrip implements http.RoundTripper. The connection is closed with the body, or
// when the request's context ends.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	host, addr, err := authority(req.URL)
	if err != nil {
		return nil, err
	}
	raw, err := t.dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	hangUp := func() error { stop(); return raw.Close() }
	config := t.tls.Clone()
	config.ServerName = host
	conn := tls.Client(raw, config)
	if err = conn.HandshakeContext(ctx); err == nil {
		var resp *http.Response
		if resp, err = exchange(conn, req); err == nil {
			resp.Body = body{resp.Body, hangUp}
			return resp, nil
		}
	}
	_ = hangUp()
	return nil, cmp.Or(ctx.Err(), err)
}

// authority says whom to ask: the name that the certificate must have, and where to
// dial. Names are written in A-labels.
func authority(u *url.URL) (host, addr string, err error) {
	host = u.Hostname()
	if _, err := netip.ParseAddr(host); err != nil {
		d, err := domain.Parse(host)
		if err != nil {
			return "", "", &Error{Kind: Invalid, Err: err}
		}
		host = d.String()
	}
	return host, net.JoinHostPort(host, cmp.Or(u.Port(), "443")), nil
}

// exchange sends the request and reads the header of its response.
func exchange(conn net.Conn, req *http.Request) (*http.Response, error) {
	last := req.Clone(req.Context())
	last.Close = true
	if err := last.Write(conn); err != nil {
		return nil, err
	}
	r := bufio.NewReader(io.LimitReader(conn, maxAnswer))
	for range maxInterim {
		resp, err := http.ReadResponse(r, req)
		if err != nil {
			return nil, fmt.Errorf("want an HTTP response of at most %d octets: %w", maxAnswer, err)
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
	return nil, errors.New("too many responses that announce another")
}

// body hangs up when it is closed.
type body struct {
	io.Reader
	hangUp func() error
}

// Close implements io.Closer.
func (b body) Close() error { return b.hangUp() }
