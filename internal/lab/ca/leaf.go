package ca

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// KeyKind is the kind of a certificate's key.
type KeyKind uint8

// The kinds of keys.
const (
	ECDSA KeyKind = iota // P-256
	RSA                  // 2048 bits; slow to make
)

// Leaf describes a certificate to issue. The zero value of every field is usable.
type Leaf struct {
	CN          string                  // common name of the subject; empty = no common name
	DNS         []string                // DNS names, as written: wildcards and nonsense included
	URI         []string                // URI names, e.g. "sip:fabrikam.com"
	SRV         []string                // SRV-IDs, e.g. "_xmpp-server.fabrikam.com" (RFC 4985)
	XMPPAddr    []string                // XmppAddr names, e.g. "fabrikam.com" (RFC 6120 §13.7.1.4)
	CA          bool                    // basicConstraints CA:TRUE, as careless tools make of every certificate
	EKU         []x509.ExtKeyUsage      // empty together with EKUOther = no such extension
	EKUOther    []asn1.ObjectIdentifier // usages that crypto/x509 has no constant for
	NotBefore   time.Time               // zero = an hour ago
	NotAfter    time.Time               // zero = 90 days after NotBefore
	Key         KeyKind                 // ECDSA unless RSA is asked for
	Serial      int64                   // 0 = drawn at random
	CRLURLs     []string                // distribution points of the list that would name this certificate
	Extensions  []pkix.Extension        // added as they are, e.g. a subjectAltName of otherNames
	SignedByOne bool                    // leave intermediate authorities out of the chain, as careless administrators do
}

// Cert is an issued certificate with its key, in the forms that callers need.
type Cert struct {
	PEM    []byte            // the certificate, then the intermediate authorities upwards
	KeyPEM []byte            // PKCS #8
	TLS    tls.Certificate   // the same for crypto/tls
	X509   *x509.Certificate // the certificate alone
}

// SIPDomain is id-kp-sipDomain, the extended key usage of SIP domain
// certificates (RFC 5924 §4).
func SIPDomain() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 20}
}

// Issue signs a certificate for l with a new key.
func (a *Authority) Issue(l Leaf) Cert {
	key := newKey(l.Key)
	der := sign(l.template(), a.cert.X509, key.Public(), a.key)
	chain := [][]byte{der}
	if !l.SignedByOne {
		chain = append(chain, a.path...)
	}
	return newCert(chain, key)
}

func (l Leaf) template() *x509.Certificate {
	from := l.NotBefore
	if from.IsZero() {
		from = time.Now().Add(-lived)
	}
	to := l.NotAfter
	if to.IsZero() {
		to = from.Add(leafLives)
	}
	t := &x509.Certificate{
		SerialNumber:          serial(l.Serial),
		Subject:               pkix.Name{CommonName: l.CN},
		NotBefore:             from,
		NotAfter:              to,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           l.EKU,
		UnknownExtKeyUsage:    l.EKUOther,
		BasicConstraintsValid: true,
		IsCA:                  l.CA,
		DNSNames:              l.DNS,
		CRLDistributionPoints: l.CRLURLs,
		ExtraExtensions:       slices.Clone(l.Extensions),
	}
	for _, u := range l.URI {
		t.URIs = append(t.URIs, must(url.Parse(u)))
	}
	if len(l.SRV)+len(l.XMPPAddr) > 0 {
		t.ExtraExtensions = append(t.ExtraExtensions, l.subjectAltName())
	}
	return t
}

func newCert(chain [][]byte, key crypto.Signer) Cert {
	c := Cert{X509: must(x509.ParseCertificate(chain[0]))}
	for _, der := range chain {
		c.PEM = append(c.PEM, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	c.KeyPEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))})
	c.TLS = tls.Certificate{Certificate: slices.Clone(chain), PrivateKey: key, Leaf: c.X509}
	return c
}

// WriteFiles writes dir/base.crt and dir/base.key and returns their paths. The
// key can be read by its owner only.
func (c Cert) WriteFiles(dir, base string) (cert, key string, err error) {
	cert, key = filepath.Join(dir, base+".crt"), filepath.Join(dir, base+".key")
	if err = os.WriteFile(cert, c.PEM, 0o644); err != nil { //nolint:gosec // a certificate is public, and other users' servers read it
		return "", "", err
	}
	if err = os.WriteFile(key, c.KeyPEM, 0o600); err != nil {
		return "", "", err
	}
	return cert, key, nil
}
