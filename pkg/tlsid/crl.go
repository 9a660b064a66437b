package tlsid

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// crl is one revocation list (RFC 5280 §5).
type crl struct {
	file    string
	list    *x509.RevocationList // without its entries, which are in serials
	serials map[string]struct{}  // serial numbers, big-endian
	scope   scope
	// signer is the public key that was seen to have signed the list. One is enough:
	// a list has one signature. Set at most once in effect; a race repeats a check.
	signer atomic.Pointer[[]byte]
}

// parseCRLs reads every list of a file: PEM, or one in DER.
func parseCRLs(file string, data []byte) ([]*crl, error) {
	block, rest := pem.Decode(data)
	if block == nil {
		c, err := parseCRL(file, data)
		if err != nil {
			return nil, err
		}
		return []*crl{c}, nil
	}
	var lists []*crl
	for ; block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "X509 CRL" {
			continue
		}
		c, err := parseCRL(file, block.Bytes)
		if err != nil {
			return nil, err
		}
		lists = append(lists, c)
	}
	if len(lists) == 0 {
		return nil, fmt.Errorf("crl %s: no PEM block of type X509 CRL in it", file)
	}
	return lists, nil
}

func parseCRL(file string, der []byte) (*crl, error) {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, fmt.Errorf("crl %s: neither a PEM nor a DER revocation list: %w", file, err)
	}
	c := &crl{file: file, list: list, serials: make(map[string]struct{}, len(list.RevokedCertificateEntries))}
	if c.scope, err = scopeOf(list); err != nil {
		return nil, fmt.Errorf("crl %s: %w", file, err)
	}
	for _, e := range list.RevokedCertificateEntries {
		// RFC 5280 §5.3: entries with critical extensions are not about this issuer's
		// certificates, or not about all of them.
		if slices.ContainsFunc(e.Extensions, critical) {
			return nil, fmt.Errorf("crl %s: entry %x has a critical extension; lists for several issuers are not supported", file, e.SerialNumber)
		}
		c.serials[string(e.SerialNumber.Bytes())] = struct{}{}
	}
	// Large lists would keep each entry three times otherwise.
	list.RevokedCertificateEntries = nil
	list.RevokedCertificates = nil //nolint:staticcheck // deprecated, but filled in by the parser
	return c, nil
}

// signedBy reports whether issuer signed the list (RFC 5280 §6.3.3 (f), (g)).
func (c *crl) signedBy(issuer *x509.Certificate) bool {
	if known := c.signer.Load(); known != nil {
		return bytes.Equal(*known, issuer.RawSubjectPublicKeyInfo)
	}
	// Two keys of one authority: save the work of a signature that cannot fit.
	if id := c.list.AuthorityKeyId; len(id) > 0 && len(issuer.SubjectKeyId) > 0 && !bytes.Equal(id, issuer.SubjectKeyId) {
		return false
	}
	if c.list.CheckSignatureFrom(issuer) != nil {
		return false
	}
	c.signer.Store(&issuer.RawSubjectPublicKeyInfo)
	return true
}

func (c *crl) current(now time.Time) bool {
	return !now.Before(c.list.ThisUpdate) && !now.After(c.list.NextUpdate)
}

func (c *crl) names(cert *x509.Certificate) bool {
	_, listed := c.serials[string(cert.SerialNumber.Bytes())]
	return listed
}

// scope says for which of its issuer's certificates a list is complete. Large
// authorities split their lists; that a part does not name a certificate of
// another part means nothing.
type scope struct {
	none, onlyLeaves, onlyAuthorities bool
	urls                              []string // empty = wherever the certificate points
}

// issuingDistributionPoint is RFC 5280 §5.2.5.
type issuingDistributionPoint struct {
	Point struct {
		Full     []asn1.RawValue `asn1:"optional,tag:0"`
		Relative asn1.RawValue   `asn1:"optional,tag:1"`
	} `asn1:"optional,tag:0"`
	OnlyUser       bool           `asn1:"optional,tag:1"`
	OnlyCA         bool           `asn1:"optional,tag:2"`
	Reasons        asn1.BitString `asn1:"optional,tag:3"`
	Indirect       bool           `asn1:"optional,tag:4"`
	OnlyAttributes bool           `asn1:"optional,tag:5"`
}

func critical(e pkix.Extension) bool { return e.Critical }

// scopeOf refuses the kinds of lists that cannot be used alone (RFC 5280 §5.2:
// an unknown critical extension forbids using the list).
func scopeOf(list *x509.RevocationList) (scope, error) {
	var s scope
	for _, e := range list.Extensions {
		switch oid := e.Id.String(); {
		case oid == "2.5.29.27":
			return s, errors.New("a delta list; give the complete one")
		case oid == "2.5.29.28":
			var err error
			if s, err = parseScope(e.Value); err != nil {
				return s, err
			}
		case e.Critical && oid != "2.5.29.35" && oid != "2.5.29.20":
			return s, fmt.Errorf("unknown critical extension %s; give a list without it", oid)
		}
	}
	return s, nil
}

func parseScope(der []byte) (scope, error) {
	var point issuingDistributionPoint
	rest, err := asn1.Unmarshal(der, &point)
	if err == nil && len(rest) > 0 {
		err = errors.New("trailing bytes")
	}
	if err != nil {
		return scope{}, fmt.Errorf("malformed issuing distribution point: %w", err)
	}
	if point.Indirect || point.Reasons.BitLength > 0 {
		return scope{}, errors.New("a list for several issuers, or for some reasons only; give the complete one")
	}
	s := scope{onlyLeaves: point.OnlyUser, onlyAuthorities: point.OnlyCA}
	for _, name := range point.Point.Full {
		if name.Class == asn1.ClassContextSpecific && name.Tag == 6 { // uniformResourceIdentifier
			s.urls = append(s.urls, string(name.Bytes))
		}
	}
	// Places named in a way we cannot compare leave nothing for which it is complete.
	named := len(point.Point.Full) > 0 || len(point.Point.Relative.FullBytes) > 0
	s.none = point.OnlyAttributes || named && len(s.urls) == 0
	return s, nil
}

func (s scope) covers(c *x509.Certificate) bool {
	if s.none || s.onlyLeaves && c.IsCA || s.onlyAuthorities && !c.IsCA {
		return false
	}
	points := func(url string) bool { return slices.Contains(c.CRLDistributionPoints, url) }
	return len(s.urls) == 0 || slices.ContainsFunc(s.urls, points)
}
