package tlsid

import (
	"container/list"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"edged/pkg/domain"
)

// AuthorityConfig says with what, and how fast, an Authority mints.
type AuthorityConfig struct {
	Cert, Key string           // PEM files: the authority's certificate, then those above it if it is no root; its key
	Ours      []domain.Name    // the organisation's domains: never minted, nor anything below them
	CacheSize int              // certificates kept, at least 1
	Rate      float64          // new certificates per second, above 0; as many at once, and at least one
	Now       func() time.Time // nil = time.Now
}

// Authority mints short-lived certificates for partner domains, for the inner leg
// alone: the pool trusts it and nobody else does. It is safe for concurrent use.
type Authority struct {
	config AuthorityConfig
	cert   *x509.Certificate
	signer crypto.Signer
	above  [][]byte          // DER of intermediate authorities to present, cert first; none if cert is a root
	key    *ecdsa.PrivateKey // of all minted certificates
	now    func() time.Time

	// The lock is held while signing, so that streams to one new domain that start
	// together wait for one signature; the rate bounds how long that can be.
	mu     sync.Mutex
	budget *rate.Limiter
	cache  map[domain.Name]*list.Element
	recent list.List // of *minted, the one asked for last in front
}

// LoadAuthority reads the files and refuses an authority that the pool should not
// have to trust: one whose name constraints do not keep it from naming a domain of
// ours, whoever gets hold of its key. The key needs guarding all the same: servers
// built on OpenSSL hold such constraints against DNS names only, not against
// XmppAddr. Errors name the file and what would be right.
func LoadAuthority(c AuthorityConfig) (*Authority, error) {
	a := &Authority{config: c, now: c.Now, cache: make(map[domain.Name]*list.Element)}
	if a.now == nil {
		a.now = time.Now
	}
	if c.CacheSize < 1 || c.Rate <= 0 {
		return nil, fmt.Errorf("authority: cache of %d certificates at %g new ones per second; both must be above 0", c.CacheSize, c.Rate)
	}
	pair, err := loadPair(Pair{Cert: c.Cert, Key: c.Key})
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	a.cert, a.signer = pair.Leaf, pair.PrivateKey.(crypto.Signer) // loadPair returns no other keys
	if err := a.check(); err != nil {
		return nil, fmt.Errorf("authority %s: %w", c.Cert, err)
	}
	if !selfIssued(a.cert) {
		a.above = pair.Certificate
	}
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("authority: a key for what it mints: %w", err)
	}
	a.budget = rate.NewLimiter(rate.Limit(c.Rate), int(math.Ceil(c.Rate)))
	return a, nil
}

// Fingerprint tells authorities apart: the SHA-256 of the certificate.
func (a *Authority) Fingerprint() [sha256.Size]byte { return sha256.Sum256(a.cert.Raw) }

// Expiry returns when the authority's own certificate ends, and with it everything
// minted.
func (a *Authority) Expiry() time.Time { return a.cert.NotAfter }

// check reports everything that is wrong with the certificate.
func (a *Authority) check() error {
	var errs []error
	now := a.now()
	if !a.cert.BasicConstraintsValid || !a.cert.IsCA {
		errs = append(errs, errors.New("not a CA certificate; wanted: basicConstraints = critical,CA:TRUE"))
	}
	if a.cert.KeyUsage != 0 && a.cert.KeyUsage&x509.KeyUsageCertSign == 0 {
		errs = append(errs, errors.New("its key usage does not let it sign certificates; wanted: keyUsage = critical,keyCertSign,cRLSign"))
	}
	if !signsBothRoles(a.cert) {
		errs = append(errs, errors.New("its extended key usage lacks serverAuth or clientAuth; minted certificates serve both roles, so leave the extension out"))
	}
	if now.After(a.cert.NotAfter) {
		errs = append(errs, fmt.Errorf("expired on %s; make a new one and let the pool trust it", a.cert.NotAfter.Format(time.RFC3339)))
	}
	if now.Before(a.cert.NotBefore) {
		errs = append(errs, fmt.Errorf("not valid before %s; check this machine's clock", a.cert.NotBefore.Format(time.RFC3339)))
	}
	return errors.Join(append(errs, a.checkConstraints())...)
}

// checkConstraints wants each of our domains excluded, by its own name or by that
// of a domain above it (RFC 5280 §4.2.1.10).
func (a *Authority) checkConstraints() error {
	var missing, wanted []string
	for _, d := range a.config.Ours {
		wanted = append(wanted, "excluded;DNS:"+d.String())
		n := xmppName{name: d}
		if !slices.ContainsFunc(a.cert.ExcludedDNSDomains, n.within) {
			missing = append(missing, d.String())
		}
	}
	var errs []error
	if len(missing) > 0 {
		errs = append(errs, fmt.Errorf("its name constraints do not exclude %s: whoever gets its key could speak for us inside; make one with: nameConstraints = critical,%s",
			strings.Join(missing, ", "), strings.Join(wanted, ",")))
	}
	if permitted := a.cert.PermittedDNSDomains; len(permitted) > 0 {
		errs = append(errs, fmt.Errorf("its name constraints permit only %s, but partners may have any name; make one that only excludes", strings.Join(permitted, ", ")))
	}
	return errors.Join(errs...)
}

// signsBothRoles: Prosody wants serverAuth of a client, ejabberd before 25.08
// clientAuth.
func signsBothRoles(c *x509.Certificate) bool {
	if len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 0 || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny) {
		return true
	}
	return slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth) && slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
}

func selfIssued(c *x509.Certificate) bool { return string(c.RawIssuer) == string(c.RawSubject) }
