package ca

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"time"
)

// CRL signs a list that revokes the given certificates, valid from thisUpdate to
// nextUpdate, and returns it as PEM.
func (a *Authority) CRL(thisUpdate, nextUpdate time.Time, revoked ...Cert) []byte {
	return a.CRLWith(nil, thisUpdate, nextUpdate, revoked...)
}

// CRLWith is CRL with more extensions, e.g. those that make a list partial or a delta.
func (a *Authority) CRLWith(extensions []pkix.Extension, thisUpdate, nextUpdate time.Time, revoked ...Cert) []byte {
	list := &x509.RevocationList{
		// RFC 5280 §5.2.3: numbers grow; the moment it was made does.
		Number:          big.NewInt(thisUpdate.UnixNano()),
		ThisUpdate:      thisUpdate,
		NextUpdate:      nextUpdate,
		ExtraExtensions: extensions,
	}
	for _, c := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber:   c.X509.SerialNumber,
			RevocationTime: thisUpdate,
		})
	}
	der := must(x509.CreateRevocationList(rand.Reader, list, a.cert.X509, a.key))
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}
