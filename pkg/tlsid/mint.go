package tlsid

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"slices"
	"time"

	"edged/pkg/domain"
)

// How long minted certificates live. Nobody can revoke them; a pool that must stop
// trusting one waits a week at most. What starts an hour ago survives pools whose
// clocks disagree.
const (
	mintedLives = 7 * 24 * time.Hour
	mintedSince = time.Hour
)

// MintErrorKind says why no certificate was minted. The list is closed.
type MintErrorKind uint8

// The kinds.
const (
	MintOurs    MintErrorKind = iota + 1 // the domain is ours, lies below one of ours, or is none
	MintRate                             // too many new certificates at this time
	MintExpired                          // the authority's own certificate is not valid now
)

// String returns the stable text of the kind, e.g. "rate".
func (k MintErrorKind) String() string {
	switch k {
	case MintOurs:
		return "ours"
	case MintRate:
		return "rate"
	case MintExpired:
		return "expired"
	}
	return "unknown"
}

// MintError is the refusal to mint a certificate.
type MintError struct {
	Kind   MintErrorKind
	Domain domain.Name
	text   string
}

// Error names the domain and says what would be right.
func (e *MintError) Error() string {
	return fmt.Sprintf("no certificate for %q: %s", e.Domain, e.text)
}

// minted is one certificate and until when it is handed out without another look.
type minted struct {
	name  domain.Name
	cert  *tls.Certificate
	renew time.Time
}

// For returns a certificate for d: one that lives a week, or as long as the
// authority if that is less, and is less than half through its life, wherever the
// rate allows. It names d for both roles, and nothing else. The error is a
// *MintError, or else signing itself failed.
func (a *Authority) For(d domain.Name) (*tls.Certificate, error) {
	if d.IsZero() || slices.ContainsFunc(a.config.Ours, func(ours domain.Name) bool { return d == ours || d.Under(ours) }) {
		return nil, &MintError{Kind: MintOurs, Domain: d, text: "certificates are minted for partner domains only"}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	// Certificates live by the clock on the wall, which may be set anew; what
	// time.Now tells beside it runs on regardless, and would decide comparisons.
	now := a.now().Round(0)
	old := a.cached(d)
	good := old != nil && !now.Before(old.cert.Leaf.NotBefore)
	if good && now.Before(old.renew) {
		return old.cert, nil
	}
	cert, err := a.mint(d, now)
	if err != nil {
		if good && now.Before(old.cert.Leaf.NotAfter) {
			return old.cert, nil // half through its life
		}
		return nil, err
	}
	a.keep(&minted{name: d, cert: cert, renew: now.Add(cert.Leaf.NotAfter.Sub(now) / 2)})
	return cert, nil
}

func (a *Authority) cached(d domain.Name) *minted {
	e := a.cache[d]
	if e == nil {
		return nil
	}
	a.recent.MoveToFront(e)
	return e.Value.(*minted)
}

// keep makes room by forgetting the certificate that was asked for longest ago.
func (a *Authority) keep(m *minted) {
	if e := a.cache[m.name]; e != nil {
		e.Value = m
		return
	}
	if len(a.cache) >= a.config.CacheSize {
		oldest := a.recent.Remove(a.recent.Back()).(*minted)
		delete(a.cache, oldest.name)
	}
	a.cache[m.name] = a.recent.PushFront(m)
}

func (a *Authority) mint(d domain.Name, now time.Time) (*tls.Certificate, error) {
	if !now.Before(a.cert.NotAfter) {
		return nil, &MintError{Kind: MintExpired, Domain: d, text: "the authority " + a.config.Cert + " has expired; make a new one and let the pool trust it"}
	}
	if !a.budget.AllowN(now, 1) {
		return nil, &MintError{Kind: MintRate, Domain: d, text: fmt.Sprintf("at most %g new ones per second; raise limits.mint_rate if these are real partners", a.config.Rate)}
	}
	cert, err := a.sign(d, now)
	if err != nil {
		return nil, fmt.Errorf("mint a certificate for %s: %w", d, err)
	}
	return cert, nil
}

// sign issues for d, as DNS name only: ejabberd up to 23 falls over an XmppAddr, and
// every server reads DNS names.
func (a *Authority) sign(d domain.Name, now time.Time) (*tls.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, a.template(d, now), a.cert, a.key.Public(), a.signer)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: append([][]byte{der}, a.above...), PrivateKey: a.key, Leaf: leaf}, nil
}

func (a *Authority) template(d domain.Name, now time.Time) *x509.Certificate {
	until := now.Add(mintedLives)
	if a.cert.NotAfter.Before(until) {
		until = a.cert.NotAfter
	}
	return &x509.Certificate{
		// No common name: ejabberd would take it for another domain.
		Subject:               pkix.Name{Organization: []string{"edged, minted for the pool"}},
		NotBefore:             now.Add(-mintedSince),
		NotAfter:              until,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		DNSNames:              []string{d.String()},
	}
}
