package tlsid

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"time"

	"edged/pkg/domain"
)

// authorityYears is how long a new authority lives. Replacing it means a change on
// every server of the pool.
const authorityYears = 10

// NewAuthorityPEM makes an authority that LoadAuthority accepts: a P-256 root for
// ten years from now that cannot speak for any of ours, by critical name
// constraints. cert is what the pool has to trust; key is PKCS #8 and must stay
// with the edge. ours must not be empty; a domain that joins later needs a new
// authority, unless it lies below one of ours.
func NewAuthorityPEM(ours []domain.Name, now time.Time) (cert, key []byte, err error) {
	if len(ours) == 0 {
		return nil, nil, errors.New("an authority needs the domains that it must not speak for; there is none")
	}
	template := &x509.Certificate{
		Subject:                     pkix.Name{CommonName: "edged inside authority " + now.UTC().Format(time.DateOnly)},
		NotBefore:                   now.Add(-mintedSince),
		NotAfter:                    now.AddDate(authorityYears, 0, 0),
		KeyUsage:                    x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid:       true,
		IsCA:                        true,
		MaxPathLenZero:              true,
		PermittedDNSDomainsCritical: true,
	}
	for _, d := range ours {
		template.ExcludedDNSDomains = append(template.ExcludedDNSDomains, d.String())
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), nil
}
