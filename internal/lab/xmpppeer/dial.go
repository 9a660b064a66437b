package xmpppeer

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
)

// Mode says how a stream gets its TLS.
type Mode string

// The modes. The zero value means StartTLS.
const (
	StartTLS  Mode = "starttls"
	DirectTLS Mode = "direct"
	NoTLS     Mode = "none"
)

// Step is a step on the way to a usable stream, named by what is reached.
type Step string

// The steps, in their order. The zero value means Ready. With NoTLS there are only
// Connected, Offered and Ready; with DirectTLS Secured follows Connected.
const (
	Connected     Step = "connected"     // nothing said
	Offered       Step = "offered"       // headers exchanged, features sent, in the clear
	Secured       Step = "secured"       // TLS is up, nothing said over it
	Reoffered     Step = "reoffered"     // headers and features over TLS
	Authenticated Step = "authenticated" // EXTERNAL succeeded, nothing said since
	Ready         Step = "ready"         // headers and features exchanged once more: stanzas may follow
)

// has says whether a stream of the mode goes through the step.
func (m Mode) has(s Step) bool {
	switch m {
	case NoTLS:
		return s == Connected || s == Offered
	case DirectTLS:
		return s != Offered
	case StartTLS:
	}
	return true
}

// DialOptions says how Dial plays the initiating side.
type DialOptions struct {
	From, To    string // the domains in the stream header
	Mode        Mode
	Certificate *tls.Certificate // shown if not nil
	Roots       *x509.CertPool   // who must have signed the other side's certificate, which must name To; nil accepts everything
	SNI         string           // "" sends To, "-" sends none
	ALPN        []string         // nil offers "xmpp-server" with DirectTLS and nothing otherwise
	Header      string           // sent as every stream header, as it is, instead of one made of From and To
	Until       Step             // where to stop
}

// Dial plays the initiating side over conn, up to a step. With an error it closes
// conn. The features of the last step have been read; LastFeatures returns them.
func Dial(ctx context.Context, conn net.Conn, o DialOptions) (*Stream, error) {
	s := NewStream(conn)
	if err := o.run(ctx, s); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (o DialOptions) run(ctx context.Context, s *Stream) error {
	c := o.tls()
	greet := func() error {
		if _, err := s.Open(ctx, Header{From: o.From, To: o.To, Raw: o.Header}); err != nil {
			return err
		}
		_, err := s.Features(ctx)
		return err
	}
	steps := []step{
		{Connected, func() error { return nil }},
		{Offered, greet},
		{Secured, func() error {
			if o.Mode == DirectTLS {
				return s.SecureClient(ctx, c)
			}
			return s.StartTLS(ctx, c)
		}},
		{Reoffered, greet},
		{Authenticated, func() error { return s.External(ctx, o.From) }},
		{Ready, greet},
	}
	return walk(steps, o.Mode, o.Until)
}

func (o DialOptions) tls() *tls.Config {
	name := o.SNI
	switch name {
	case "":
		name = o.To
	case "-":
		name = ""
	}
	c := ClientTLS(o.Certificate, name)
	c.NextProtos = o.ALPN
	if o.ALPN == nil && o.Mode == DirectTLS {
		c.NextProtos = []string{alpn}
	}
	if o.Roots != nil {
		c.VerifyConnection = func(state tls.ConnectionState) error { return proves(state, o.Roots, o.To) }
	}
	return c
}

// newID returns something that nobody guesses, for streams and stanzas.
func newID() string { return strings.ToLower(rand.Text()) }

// step is one step of the walk to a usable stream.
type step struct {
	name Step
	do   func() error
}

// walk takes the steps that the mode has, up to until.
func walk(steps []step, mode Mode, until Step) error {
	for _, st := range steps {
		if !mode.has(st.name) {
			continue
		}
		if err := st.do(); err != nil {
			return fmt.Errorf("%s: %w", st.name, err)
		}
		if st.name == until {
			return nil
		}
	}
	if until != Ready && until != "" {
		return errors.New("xmpppeer: the mode has no step " + string(until))
	}
	return nil
}
