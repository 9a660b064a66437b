package xmpppeer

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"strconv"
)

// Open sends a header and reads the answer.
func (s *Stream) Open(ctx context.Context, h Header) (Header, error) {
	if err := s.SendHeader(h); err != nil {
		return Header{}, err
	}
	return s.ReadHeader(ctx)
}

// Features reads the other side's features.
func (s *Stream) Features(ctx context.Context) (*Element, error) {
	features, err := s.Expect(ctx, "features", NSStreams)
	if err == nil {
		s.features = features
	}
	return features, err
}

// LastFeatures returns the features that were read last, nil if none were.
func (s *Stream) LastFeatures() *Element { return s.features }

// OffersExternal says whether SASL EXTERNAL is among the features.
func OffersExternal(features *Element) bool {
	mechanisms := features.Child("mechanisms", NSSASL)
	if mechanisms == nil {
		return false
	}
	for _, m := range mechanisms.Children {
		if m.Is("mechanism", NSSASL) && m.Text == external {
			return true
		}
	}
	return false
}

// StartTLS asks for TLS, does the handshake with c and restarts the stream: Open
// comes next (RFC 6120 §5.4.2).
func (s *Stream) StartTLS(ctx context.Context, c *tls.Config) error {
	if err := s.Send("<starttls xmlns='" + NSTLS + "'/>"); err != nil {
		return err
	}
	if _, err := s.Expect(ctx, "proceed", NSTLS); err != nil {
		return err
	}
	return s.SecureClient(ctx, c)
}

// External authenticates as authzid, "" being the empty one, and restarts the
// stream: Open comes next (RFC 6120 §6.4, XEP-0178 §3). A refusal is a *SASLError.
func (s *Stream) External(ctx context.Context, authzid string) error {
	initial := emptyInitial
	if authzid != "" {
		initial = base64.StdEncoding.EncodeToString([]byte(authzid))
	}
	if err := s.Send("<auth xmlns='", NSSASL, "' mechanism='EXTERNAL'>", initial, "</auth>"); err != nil {
		return err
	}
	answer, err := s.Next(ctx)
	if err != nil {
		return fmt.Errorf("waiting for <success>: %w", err)
	}
	switch {
	case answer.Is("success", NSSASL):
		s.Restart()
		return nil
	case answer.Is("failure", NSSASL):
		return &SASLError{Condition: condition(answer, NSSASL), Text: textOf(answer, NSSASL)}
	}
	if se := asStreamError(answer); se != nil {
		return se
	}
	return &UnexpectedError{Want: "success", Got: answer}
}

// SendBidi asks for traffic both ways (XEP-0288): after TLS, before authentication.
func (s *Stream) SendBidi() error { return s.Send("<bidi xmlns='" + NSBidi + "'/>") }

// SendResult sends the dialback key of the domain from to the domain to (XEP-0220 §2.1.1).
func (s *Stream) SendResult(from, to, key string) error {
	return s.Send("<db:result", attributes("from", from, "to", to), ">", Escape(key), "</db:result>")
}

// Dialback is SendResult, and it waits for the answer, passing over everything else.
// An answer that is not "valid" is a *DialbackError.
func (s *Stream) Dialback(ctx context.Context, from, to, key string) error {
	if err := s.SendResult(from, to, key); err != nil {
		return err
	}
	answer, err := s.Await(ctx, "result", NSDialback)
	if err != nil {
		return err
	}
	return verdict(answer)
}

// SendVerify asks the authoritative server whether key is its own for the stream id
// (XEP-0220 §2.2.1).
func (s *Stream) SendVerify(from, to, id, key string) error {
	return s.Send("<db:verify", attributes("from", from, "to", to, "id", id), ">", Escape(key), "</db:verify>")
}

// Verify is SendVerify, and it waits for the answer, passing over everything else.
// An answer that is not "valid" is a *DialbackError.
func (s *Stream) Verify(ctx context.Context, from, to, id, key string) error {
	if err := s.SendVerify(from, to, id, key); err != nil {
		return err
	}
	answer, err := s.Await(ctx, "verify", NSDialback)
	if err != nil {
		return err
	}
	return verdict(answer)
}

// verdict returns what an answer to a dialback request means.
func verdict(answer *Element) error {
	if answer.Attr("type") == "valid" {
		return nil
	}
	return &DialbackError{Type: answer.Attr("type"), Condition: answer.Condition()}
}

const enable = "<enable xmlns='" + NSManagement + "'/>"

// EnableManagement turns XEP-0198 on for what this side sends and returns the answer,
// enabled or failed.
func (s *Stream) EnableManagement(ctx context.Context) (*Element, error) {
	if err := s.Send(enable); err != nil {
		return nil, err
	}
	answer, err := s.Next(ctx)
	if err == nil && !answer.Is("enabled", NSManagement) && !answer.Is("failed", NSManagement) {
		return nil, &UnexpectedError{Want: "enabled", Got: answer}
	}
	return answer, err
}

// RequestAck asks how many stanzas have arrived and returns the number, passing over
// everything else (XEP-0198 §4).
func (s *Stream) RequestAck(ctx context.Context) (uint32, error) {
	if err := s.Send("<r xmlns='" + NSManagement + "'/>"); err != nil {
		return 0, err
	}
	answer, err := s.Await(ctx, "a", NSManagement)
	if err != nil {
		return 0, err
	}
	return handled(answer)
}

// SendAck tells that h stanzas have arrived.
func (s *Stream) SendAck(h uint32) error {
	return s.Send("<a xmlns='", NSManagement, "' h='", strconv.FormatUint(uint64(h), 10), "'/>")
}

// handled returns the count in an acknowledgement.
func handled(a *Element) (uint32, error) {
	h, err := strconv.ParseUint(a.Attr("h"), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("xmpppeer: %s: h must be a number below 2^32", a.Raw)
	}
	return uint32(h), nil
}

// SendStanza sends one stanza.
func (s *Stream) SendStanza(st Stanza) error { return s.Send(st.String()) }
