package xmpppeer

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"net"
	"strings"
)

// The features that a receiving side may send, for SendFeatures.
const (
	OfferTLS        = "<starttls xmlns='" + NSTLS + "'/>"
	RequireTLS      = "<starttls xmlns='" + NSTLS + "'><required/></starttls>"
	OfferExternal   = "<mechanisms xmlns='" + NSSASL + "'><mechanism>EXTERNAL</mechanism></mechanisms>"
	OfferDialback   = "<dialback xmlns='" + NSDialbackFeature + "'/>"
	OfferErrors     = "<dialback xmlns='" + NSDialbackFeature + "'><errors/></dialback>" // dialback with its errors
	OfferBidi       = "<bidi xmlns='" + NSBidiFeature + "'/>"
	OfferManagement = "<sm xmlns='" + NSManagement + "'/>"
)

// What the steps answer.
const (
	tlsProceed  = "<proceed xmlns='" + NSTLS + "'/>"
	saslSuccess = "<success xmlns='" + NSSASL + "'/>"
)

// external is the mechanism, emptyInitial the initial data of RFC 6120 §6.4.2 that stands
// for none.
const (
	external     = "EXTERNAL"
	emptyInitial = "="
)

// SendFeatures sends features holding the given ones, OfferTLS and so on.
func (s *Stream) SendFeatures(offers ...string) error {
	return s.Send("<stream:features>", strings.Join(offers, ""), "</stream:features>")
}

// Answer reads the other side's header and answers it with h. Where h leaves them
// out, From and To are those of the other side, swapped.
func (s *Stream) Answer(ctx context.Context, h Header) (Header, error) {
	peer, err := s.ReadHeader(ctx)
	if err != nil {
		return peer, err
	}
	if h.From == "" {
		h.From = peer.To
	}
	if h.To == "" {
		h.To = peer.From
	}
	return peer, s.SendHeader(h)
}

// Proceed agrees to TLS, does the handshake with c and restarts the stream: Answer
// comes next. The request has been read before.
func (s *Stream) Proceed(ctx context.Context, c *tls.Config) error {
	if err := s.Send(tlsProceed); err != nil {
		return err
	}
	return s.SecureServer(ctx, c)
}

// ExpectAuth reads a request for EXTERNAL and returns its authorization identity.
func (s *Stream) ExpectAuth(ctx context.Context) (string, error) {
	e, err := s.Expect(ctx, "auth", NSSASL)
	if err != nil {
		return "", err
	}
	return authzid(e)
}

// authzid returns the authorization identity of a request for EXTERNAL, "" for the
// empty one (RFC 6120 §6.3.8).
func authzid(auth *Element) (string, error) {
	if m := auth.Attr("mechanism"); m != external {
		return "", &SASLError{Condition: "invalid-mechanism", Text: m}
	}
	switch auth.Text {
	case "":
		return "", &SASLError{Condition: "malformed-request", Text: "no initial data"}
	case emptyInitial:
		return "", nil
	}
	id, err := base64.StdEncoding.DecodeString(auth.Text)
	if err != nil {
		return "", &SASLError{Condition: "incorrect-encoding", Text: "no base64"}
	}
	return string(id), nil
}

// Succeed says that EXTERNAL succeeded and restarts the stream: Answer comes next.
func (s *Stream) Succeed() error {
	s.Restart()
	return s.Send(saslSuccess)
}

// Fail says that EXTERNAL failed, by a condition of RFC 6120 §6.5.
func (s *Stream) Fail(condition, text string) error {
	if text != "" {
		text = "<text xmlns='" + NSSASL + "' xml:lang='en'>" + Escape(text) + "</text>"
	}
	return s.Send("<failure xmlns='", NSSASL, "'><", condition, "/>", text, "</failure>")
}

// SendVerdict answers a dialback request, result or verify: typ is "valid",
// "invalid" or, with a condition of RFC 6120 §8.3.3, "error".
func (s *Stream) SendVerdict(request *Element, typ, condition string) error {
	payload := ""
	if typ == "error" {
		payload = Fault("cancel", condition)
	}
	name := "db:" + request.Name
	return s.Send("<", name, attributes(
		"from", request.Attr("to"), "to", request.Attr("from"), "id", request.Attr("id"), "type", typ,
	), ">", payload, "</", name, ">")
}

// AcceptOptions says how Accept plays the receiving side.
type AcceptOptions struct {
	Domain      string // "" = whatever the other side asks for
	ID          string // of every stream; "" = drawn at random
	Mode        Mode
	Certificate *tls.Certificate
	Clear       []string // features before TLS; nil = RequireTLS
	Secure      []string // features after TLS; nil = OfferExternal
	Final       []string // features after authentication
	Until       Step     // where to stop
}

// Accept plays the receiving side over conn, up to a step. With an error it closes conn.
func Accept(ctx context.Context, conn net.Conn, o AcceptOptions) (*Stream, error) {
	s := NewStream(conn)
	if err := o.run(ctx, s); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (o AcceptOptions) run(ctx context.Context, s *Stream) error {
	c := ServerTLS(func(string) *tls.Certificate { return o.Certificate })
	steps := []step{
		{Connected, func() error { return nil }},
		{Offered, func() error { return o.greet(ctx, s, o.Clear, RequireTLS) }},
		{Secured, func() error { return o.secure(ctx, s, c) }},
		{Reoffered, func() error { return o.greet(ctx, s, o.Secure, OfferExternal) }},
		{Authenticated, func() error {
			if _, err := s.ExpectAuth(ctx); err != nil {
				return err
			}
			return s.Succeed()
		}},
		{Ready, func() error { return o.greet(ctx, s, o.Final, "") }},
	}
	return walk(steps, o.Mode, o.Until)
}

// greet answers a header and sends features.
func (o AcceptOptions) greet(ctx context.Context, s *Stream, features []string, otherwise string) error {
	id := o.ID
	if id == "" {
		id = newID()
	}
	if _, err := s.Answer(ctx, Header{From: o.Domain, ID: id, Lang: "en"}); err != nil {
		return err
	}
	if features == nil {
		features = []string{otherwise}
	}
	return s.SendFeatures(features...)
}

func (o AcceptOptions) secure(ctx context.Context, s *Stream, c *tls.Config) error {
	if o.Mode == DirectTLS {
		return s.SecureServer(ctx, c)
	}
	if _, err := s.Expect(ctx, "starttls", NSTLS); err != nil {
		return err
	}
	return s.Proceed(ctx, c)
}
