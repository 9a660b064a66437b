package posh

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"slices"
	"time"
)

// Set is what a domain says about its certificates. It is shared and never changes;
// the zero value matches nothing.
type Set struct {
	Expires time.Time // when it must be asked for again

	sha256 [][sha256.Size]byte // with sha512 at most maxFingerprints
	sha512 [][sha512.Size]byte
}

// Matches tells whether any fingerprint is that of the certificate, which is the
// peer's own, the first of its chain (RFC 7711 §3.3). Nothing else about the
// certificate counts: neither its names, nor its time, nor who signed it.
func (s Set) Matches(leaf *x509.Certificate) bool {
	if leaf == nil || len(leaf.Raw) == 0 {
		return false
	}
	return slices.Contains(s.sha256, sha256.Sum256(leaf.Raw)) || slices.Contains(s.sha512, sha512.Sum512(leaf.Raw))
}

// Len is how many fingerprints there are to match.
func (s Set) Len() int { return len(s.sha256) + len(s.sha512) }

// add takes in one fingerprint of the hash function of that name, and tells whether
// it is of use: a known function (there is a registry, and more may come) and the
// right length.
func (s *Set) add(hash string, sum []byte) bool {
	switch {
	case hash == "sha-256" && len(sum) == sha256.Size:
		s.sha256 = append(s.sha256, [sha256.Size]byte(sum))
	case hash == "sha-512" && len(sum) == sha512.Size:
		s.sha512 = append(s.sha512, [sha512.Size]byte(sum))
	default:
		return false
	}
	return true
}
