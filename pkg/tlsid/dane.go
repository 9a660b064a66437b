package tlsid

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"time"

	"edged/pkg/domain"
)

// maxTLSA bounds how many usable records of one name are looked at: each costs a
// hash of every certificate presented. Servers publish two to four.
const maxTLSA = 32

// TLSA is one TLSA record (RFC 6698 §2.1).
type TLSA struct {
	Usage, Selector, Matching uint8
	Data                      []byte
}

// The values of a record's fields that are usable here.
const (
	daneTA, daneEE            = 2, 3    // usages
	fullCert, publicKey       = 0, 1    // selectors
	exact, sha2x256, sha2x512 = 0, 1, 2 // matching types
)

// TLSAResult is what TLSA records say about a chain.
type TLSAResult uint8

// The results.
const (
	TLSANone     TLSAResult = iota // no record is usable: as if there were none (RFC 6698 §4.1)
	TLSAMismatch                   // there are usable records, and none matches: the peer must not be used
	TLSAMatch                      // one of them proves the peer
)

// String returns the stable text of the result: "none", "mismatch" or "match".
func (r TLSAResult) String() string {
	switch r {
	case TLSANone:
		return "none"
	case TLSAMismatch:
		return "mismatch"
	case TLSAMatch:
		return "match"
	}
	return "unknown"
}

// MatchTLSA holds a chain as the peer presented it, leaf first, against TLSA
// records that DNSSEC vouches for (RFC 7671, RFC 7673). The first 32 usable
// records count.
//
// A record of usage DANE-EE pins the leaf: names, dates and usages in it do not
// matter. One of usage DANE-TA names the authority: there must be a sound chain up
// to it at the moment now, and the leaf must cover d. Whoever accepts several names,
// such as the domain and the target of its SRV record (RFC 7673 §4.2), asks for each.
//
// Records of usages PKIX-TA and PKIX-EE are not usable, as RFC 7672 §3.1.3 has it
// for mail: they would narrow what our roots prove, not replace it.
func MatchTLSA(records []TLSA, chain []*x509.Certificate, d domain.Name, now time.Time) TLSAResult {
	records = strongest(usableTLSA(records))
	switch {
	case len(records) == 0:
		return TLSANone
	case len(chain) > 0 && (matchesEE(records, chain[0]) || matchesTA(records, chain, d, now)):
		return TLSAMatch
	}
	return TLSAMismatch
}

func usableTLSA(records []TLSA) []TLSA {
	var usable []TLSA
	for _, r := range records {
		if len(usable) < maxTLSA && r.usable() {
			usable = append(usable, r)
		}
	}
	return usable
}

func (r TLSA) usable() bool {
	return (r.Usage == daneTA || r.Usage == daneEE) &&
		(r.Selector == fullCert || r.Selector == publicKey) &&
		r.wellFormed()
}

func (r TLSA) wellFormed() bool {
	switch r.Matching {
	case exact:
		return len(r.Data) > 0
	case sha2x256:
		return len(r.Data) == sha256.Size
	case sha2x512:
		return len(r.Data) == sha512.Size
	}
	return false
}

// strongest drops SHA-256 digests where the same usage and selector come with
// SHA-512 as well (RFC 7671 §9).
func strongest(records []TLSA) []TLSA {
	type kind struct{ usage, selector uint8 }
	strong := make(map[kind]bool)
	for _, r := range records {
		if r.Matching == sha2x512 {
			strong[kind{r.Usage, r.Selector}] = true
		}
	}
	var kept []TLSA
	for _, r := range records {
		if r.Matching != sha2x256 || !strong[kind{r.Usage, r.Selector}] {
			kept = append(kept, r)
		}
	}
	return kept
}

// matches reports whether the record stands for c (RFC 6698 §2.1).
func (r TLSA) matches(c *x509.Certificate) bool {
	data := c.Raw
	if r.Selector == publicKey {
		data = c.RawSubjectPublicKeyInfo
	}
	switch r.Matching {
	case sha2x256:
		sum := sha256.Sum256(data)
		data = sum[:]
	case sha2x512:
		sum := sha512.Sum512(data)
		data = sum[:]
	}
	return string(data) == string(r.Data)
}

// matchesEE is RFC 7671 §5.1.
func matchesEE(records []TLSA, leaf *x509.Certificate) bool {
	for _, r := range records {
		if r.Usage == daneEE && r.matches(leaf) {
			return true
		}
	}
	return false
}

// matchesTA is RFC 7671 §5.2. The authorities that records stand for are the only
// roots; the leaf is not among them, or it would be its own authority.
func matchesTA(records []TLSA, chain []*x509.Certificate, d domain.Name, now time.Time) bool {
	if !covered(xmppNames(chain[0]), d) {
		return false
	}
	roots, found := x509.NewCertPool(), false
	for _, r := range records {
		for _, c := range r.authorities(intermediates(chain)) {
			roots.AddCert(c)
			found = true
		}
	}
	return found && verifyXMPP(chain, roots, now) == nil
}

// authorities are those presented that the record stands for, and the one that it
// holds itself: a server need not present that one.
func (r TLSA) authorities(presented []*x509.Certificate) []*x509.Certificate {
	if r.Usage != daneTA {
		return nil
	}
	var list []*x509.Certificate
	for _, c := range presented {
		if r.matches(c) {
			list = append(list, c)
		}
	}
	if r.Selector == fullCert && r.Matching == exact {
		if c, err := x509.ParseCertificate(r.Data); err == nil {
			list = append(list, c)
		}
	}
	return list
}

// verifyXMPP builds chains up to one of roots, which is all it trusts, and succeeds
// if one of them suits an XMPP server.
func verifyXMPP(chain []*x509.Certificate, roots *x509.CertPool, now time.Time) error {
	options := x509.VerifyOptions{
		Roots:         roots,
		Intermediates: x509.NewCertPool(),
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, // xmppChain looks at them
	}
	for _, c := range intermediates(chain) {
		options.Intermediates.AddCert(c)
	}
	chains, err := otherNamesHandled(chain[0]).Verify(options)
	for _, found := range chains {
		if err = xmppChain(found); err == nil {
			return nil
		}
	}
	return err
}
