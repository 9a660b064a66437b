package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"time"
)

// Validity of what is made without dates of its own, around the moment of making.
// What starts an hour ago survives peers whose clocks disagree.
const (
	lived         = time.Hour
	leafLives     = 90 * 24 * time.Hour
	authorityLive = 10 * 365 * 24 * time.Hour
)

// rsaBits is the smallest size that current peers accept.
const rsaBits = 2048

// Authority signs certificates and revocation lists. It is safe for concurrent use.
type Authority struct {
	cert Cert
	key  crypto.Signer
	path [][]byte // DER from this authority up to, but without, the root
}

// New makes a self-signed root named name.
func New(name string) *Authority {
	key := newKey(ECDSA)
	template := authorityTemplate(name)
	der := sign(template, template, key.Public(), key)
	return newAuthority(der, key, nil)
}

// NewConstrained is New with name constraints (RFC 5280 §4.2.1.10), marked
// critical: DNS names that the root's certificates must lie in, if there are any,
// and must not lie in.
func NewConstrained(name string, permitted, excluded []string) *Authority {
	key := newKey(ECDSA)
	template := constrained(name, permitted, excluded)
	return newAuthority(sign(template, template, key.Public(), key), key, nil)
}

// Intermediate makes an authority below a. Its certificate carries the extended
// key usages eku, or no such extension when there are none.
func (a *Authority) Intermediate(name string, eku ...x509.ExtKeyUsage) *Authority {
	template := authorityTemplate(name)
	template.ExtKeyUsage = eku
	return a.below(template)
}

// IntermediateUntil is Intermediate with an authority that is valid for the two years before
// a moment.
func (a *Authority) IntermediateUntil(name string, end time.Time) *Authority {
	template := authorityTemplate(name)
	template.NotBefore, template.NotAfter = end.AddDate(-2, 0, 0), end
	return a.below(template)
}

// ConstrainedIntermediate is Intermediate with name constraints, as in NewConstrained.
func (a *Authority) ConstrainedIntermediate(name string, permitted, excluded []string) *Authority {
	return a.below(constrained(name, permitted, excluded))
}

func (a *Authority) below(template *x509.Certificate) *Authority {
	key := newKey(ECDSA)
	der := sign(template, a.cert.X509, key.Public(), a.key)
	return newAuthority(der, key, append([][]byte{der}, a.path...))
}

func constrained(name string, permitted, excluded []string) *x509.Certificate {
	template := authorityTemplate(name)
	template.PermittedDNSDomainsCritical = true
	template.PermittedDNSDomains, template.ExcludedDNSDomains = permitted, excluded
	return template
}

// Cert returns the authority's own certificate with its key, e.g. to write the
// PEM file that others take as their root.
func (a *Authority) Cert() Cert { return a.cert }

func newAuthority(der []byte, key crypto.Signer, path [][]byte) *Authority {
	return &Authority{cert: newCert([][]byte{der}, key), key: key, path: path}
}

func authorityTemplate(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-lived),
		NotAfter:              now.Add(authorityLive),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
}

// sign returns DER. A serial number that the template leaves out is drawn at random.
func sign(template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) []byte {
	return must(x509.CreateCertificate(rand.Reader, template, parent, public, signer))
}

func newKey(kind KeyKind) crypto.Signer {
	if kind == RSA {
		return must(rsa.GenerateKey(rand.Reader, rsaBits))
	}
	return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
}

// serial turns the zero value into "choose one".
func serial(n int64) *big.Int {
	if n == 0 {
		return nil
	}
	return big.NewInt(n)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic("ca: " + err.Error())
	}
	return v
}
