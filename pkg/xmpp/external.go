package xmpp

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"slices"

	"github.com/emersion/go-sasl"

	"edged/pkg/domain"
	"edged/pkg/verdict"
	"edged/pkg/xmpp/xmlstream"
)

// maxSASLTries is how often SASL may fail on one stream (RFC 6120 §6.4.5).
const maxSASLTries = 3

// saslError is a defined condition of RFC 6120 §6.5.
type saslError string

func (f saslError) Error() string { return "SASL: " + string(f) }

// handleSASL serves SASL EXTERNAL as the receiving entity (XEP-0178 §3).
func (c *conn) handleSASL(e *xmlstream.Element) *refusal {
	if c.dialled || c.external {
		return fatal(notAuthorized, verdict.Malformed, "SASL where it was not offered")
	}
	err := c.authenticate(e)
	if err == nil {
		return c.authenticated()
	}
	failure := saslError("not-authorized")
	_ = errors.As(err, &failure)
	c.control("<failure xmlns='" + nsSASL + "'><" + string(failure) + "/></failure>")
	c.srv.metrics.opened(c.side, false, verdict.CertificateRefused.String())
	c.logSASLRefused(failure)
	if c.attempts++; c.attempts >= maxSASLTries {
		return fatal(policyViolation, verdict.IdentityMismatch, "SASL failed %d times", c.attempts)
	}
	return nil
}

// logSASLRefused is the line of an attempt that failed: because of what policy has
// against the domain, or of what was shown.
func (c *conn) logSASLRefused(failure saslError) {
	why := c.terms(c.srv.state.Load()).refused
	if why == nil {
		why = refuse(verdict.IdentityMismatch, "the certificate does not prove the domain, or the exchange was broken")
	}
	c.traceStream(why)
	c.log.Info("EXTERNAL refused", slog.String("from", c.peer.String()), slog.String("condition", string(failure)),
		slog.String("reason", why.reason.String()), slog.String("rule", string(why.rule)), slog.String("detail", verdict.Quotable(why.detail)))
}

// authenticate judges one attempt.
func (c *conn) authenticate(e *xmlstream.Element) error {
	switch {
	case string(e.Local) == "abort":
		return saslError("aborted")
	case string(e.Local) != "auth":
		return saslError("malformed-request")
	case !c.encrypted:
		return saslError("encryption-required")
	case e.Value("mechanism") != sasl.External:
		return saslError("invalid-mechanism")
	}
	initial, err := initialResponse(e)
	if err != nil {
		return err
	}
	server := sasl.NewExternalServer(c.authorize)
	_, done, err := server.Next(initial)
	switch {
	case err != nil:
		return err
	case !done:
		return saslError("malformed-request")
	}
	return nil
}

// initialResponse reads what <auth/> brings (RFC 6120 §6.4.2): "=" is an empty one,
// and without any the mechanism cannot go on.
func initialResponse(e *xmlstream.Element) ([]byte, error) {
	text, ok := e.Text()
	switch {
	case !ok || text == "":
		return nil, saslError("malformed-request")
	case text == "=":
		return []byte{}, nil
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, saslError("incorrect-encoding")
	}
	return raw, nil
}

// authorize judges the authorization identity: none, or exactly the domain of the
// stream header, which the certificate proves (XEP-0178 §3 steps 9 and 10).
func (c *conn) authorize(identity string) error {
	st := c.srv.state.Load()
	t := c.terms(st)
	if identity != "" {
		d, err := domain.Parse(identity)
		if err != nil || d != c.peer {
			return saslError("invalid-authzid")
		}
	}
	if c.peer.IsZero() || t.refused != nil {
		return saslError("not-authorized")
	}
	// What others vouched for when the mechanism was offered is not asked again; ready
	// asks policy whether that still counts.
	if c.proof != byDANE && c.proof != byPOSH {
		c.proof = c.prove(st, t)
	}
	if c.proof == unproven {
		return saslError("not-authorized")
	}
	return nil
}

// authenticated ends the exchange: the stream begins anew (RFC 6120 §6.4.6).
func (c *conn) authenticated() *refusal {
	st := c.srv.state.Load()
	c.external = true
	if r := c.ready(st, pairOf(c.side, c.self, c.peer), c.proof); r != nil {
		return r
	}
	c.control("<success xmlns='" + nsSASL + "'/>")
	c.startOver(true)
	return nil
}

// externalAuth is what we send as the initiating entity: the domain we act as, which
// peers want although it is optional (XEP-0178 §3 step 10).
func externalAuth(self domain.Name) (string, error) {
	mechanism, initial, err := sasl.NewExternalClient(self.String()).Start()
	if err != nil {
		return "", err
	}
	return "<auth xmlns='" + nsSASL + "' mechanism='" + mechanism + "'>" + base64.StdEncoding.EncodeToString(initial) + "</auth>", nil
}

// offersExternal reports whether features hold the mechanism.
func offersExternal(features *xmlstream.Element) bool {
	start, end, ok := features.Child(nsSASL, "mechanisms")
	if !ok {
		return false
	}
	var names []string
	mechanisms := features.At(start, end)
	mechanisms.Children(func(space, local []byte, start, end int) bool {
		if string(space) == nsSASL && string(local) == "mechanism" {
			name, _ := mechanisms.At(start, end).Text()
			names = append(names, name)
		}
		return true
	})
	return slices.Contains(names, sasl.External)
}
