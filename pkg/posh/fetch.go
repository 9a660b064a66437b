package posh

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"edged/pkg/domain"
)

// newHTTP returns a client that keeps nothing between two requests: no connection,
// no cookie, no TLS session.
func newHTTP(c Config) *http.Client {
	return &http.Client{
		Transport:     transport{c.Dial, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots}},
		CheckRedirect: checkRedirect,
	}
}

func checkRedirect(next *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return &Error{Kind: Invalid, Err: fmt.Errorf("more than %d redirects", maxRedirects)}
	}
	if err := checkURL(next.URL); err != nil {
		return &Error{Kind: Invalid, Err: fmt.Errorf("redirect: %w", err)}
	}
	return nil
}

// fetch asks d. It always returns an entry; a failure is one too. What is good for
// so many seconds is so from before it was asked for.
func (c *Client) fetch(ctx context.Context, d domain.Name) *entry {
	begin := c.config.Now()
	doc, err := c.resolve(ctx, d)
	if err != nil {
		err.Domain, err.Err = d, brief(err.Err)
		lifetime := absenceLifetime
		if err.Temporary() {
			lifetime = failureLifetime
		}
		return &entry{err: err, expires: begin.Add(lifetime)}
	}
	doc.set.Expires = begin.Add(doc.lifetime)
	return &entry{set: doc.set, expires: doc.set.Expires}
}

// resolve gets the document of d, and the one that it refers to, of which the
// smaller lifetime counts (RFC 7711 §3.2, §6). Only one reference is followed.
func (c *Client) resolve(ctx context.Context, d domain.Name) (document, *Error) {
	place := &url.URL{Scheme: "https", Host: d.String(), Path: "/.well-known/posh/xmpp-server.json"}
	doc, err := c.get(ctx, place)
	if err != nil || doc.reference == nil {
		return doc, err
	}
	lifetime := doc.lifetime
	doc, err = c.get(ctx, doc.reference)
	if err == nil && doc.reference != nil {
		err = &Error{Kind: Invalid, Err: errors.New(`the document referred to has a "url" too: want "fingerprints"`)}
	}
	doc.lifetime = min(doc.lifetime, lifetime)
	return doc, err
}

// get gets one document. Its content type does not count: many web servers do not
// know it, and what it is shows.
func (c *Client) get(ctx context.Context, place *url.URL) (document, *Error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, place.String(), nil)
	if err != nil {
		return document{}, &Error{Kind: Invalid, Err: err}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "edged")
	resp, err := c.http.Do(req)
	if err != nil {
		return document{}, classify(err)
	}
	defer resp.Body.Close()
	if err := judge(resp); err != nil {
		return document{}, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return document{}, &Error{Kind: Failed, Err: err}
	}
	if len(body) > maxBody {
		return document{}, &Error{Kind: Invalid, Err: fmt.Errorf("%s: more than %d octets", resp.Request.URL.Host, maxBody)}
	}
	doc, err := parse(body)
	if err != nil {
		return document{}, &Error{Kind: Invalid, Err: fmt.Errorf("%s: %w", resp.Request.URL.Host, err)}
	}
	return doc, nil
}

// brief cuts what a stranger made long, because it is remembered and logged.
func brief(err error) error {
	if err == nil || len(err.Error()) <= maxErrorText {
		return err
	}
	return errors.New(strings.ToValidUTF8(err.Error()[:maxErrorText], "") + "...")
}

// judge says what a response without a document means.
func judge(resp *http.Response) *Error {
	said := fmt.Errorf("%s answers %.100q", resp.Request.URL.Host, resp.Status)
	switch {
	case resp.StatusCode == http.StatusOK:
		return nil
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone:
		return &Error{Kind: NotPublished, Err: said}
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
		return &Error{Kind: Failed, Err: said}
	}
	return &Error{Kind: Invalid, Err: said}
}

// classify turns an error of net/http into one of ours.
func classify(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return &Error{Kind: e.Kind, Err: e.Err}
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &Error{Kind: Unproven, Err: errors.New(e.Error())} // without the certificates: it is remembered
	}
	return &Error{Kind: Failed, Err: err}
}
