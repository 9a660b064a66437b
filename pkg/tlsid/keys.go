package tlsid

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"os"
	"time"

	"edged/pkg/domain"
)

// Pair names the PEM files of one of our certificates: the leaf first, then the
// intermediate authorities, and the leaf's private key. Both may be one file.
type Pair struct{ Cert, Key string }

// KeyRing holds our certificates by the names they carry. It is immutable once it is
// in use; after the files have changed, load another.
type KeyRing struct {
	byName map[domain.Name]*tls.Certificate
	xmpp   []xmppKey // in the order of the pairs
	dflt   *tls.Certificate
	expiry map[string]time.Time
}

type xmppKey struct {
	names []xmppName
	cert  *tls.Certificate
}

// ValidityError reports one of our own certificates that is not valid now. It is
// the only kind of error that comes together with a usable KeyRing.
type ValidityError struct {
	File                string // the certificate file
	NotBefore, NotAfter time.Time
	expired             bool
}

// Error names the file and the date, and says what to do.
func (e *ValidityError) Error() string {
	if e.expired {
		return fmt.Sprintf("%s: our certificate expired on %s: partners refuse it, renew it now", e.File, e.NotAfter.Format(time.RFC3339))
	}
	return fmt.Sprintf("%s: our certificate is not valid before %s: partners refuse it, check this machine's clock", e.File, e.NotBefore.Format(time.RFC3339))
}

// LoadKeys reads the pairs. The default, used for names that none of them carries
// and for peers that name nothing, is the certificate for dflt, or else the first
// pair's. Where two pairs carry the same name, the first one has it.
//
// All errors are reported at once. If the only trouble is certificates outside
// their validity, the KeyRing is returned together with an error that joins one
// *ValidityError for each; the caller decides whether that is a warning. With any
// other error the KeyRing is nil.
func LoadKeys(pairs []Pair, dflt domain.Name) (*KeyRing, error) {
	if len(pairs) == 0 {
		return nil, errors.New("no certificate: name at least one cert and key file")
	}
	k := &KeyRing{byName: make(map[domain.Name]*tls.Certificate), expiry: make(map[string]time.Time)}
	var bad, invalid []error
	now := time.Now()
	for _, p := range pairs {
		c, err := loadPair(p)
		if err != nil {
			bad = append(bad, err)
			continue
		}
		k.add(p.Cert, c)
		if l := c.Leaf; now.Before(l.NotBefore) || now.After(l.NotAfter) {
			invalid = append(invalid, &ValidityError{p.Cert, l.NotBefore, l.NotAfter, now.After(l.NotAfter)})
		}
	}
	if len(bad) > 0 {
		return nil, errors.Join(append(bad, invalid...)...)
	}
	if c := k.byName[dflt]; c != nil {
		k.dflt = c
	}
	return k, errors.Join(invalid...)
}

func loadPair(p Pair) (*tls.Certificate, error) {
	cert, err := os.ReadFile(p.Cert)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	key, err := os.ReadFile(p.Key)
	if err != nil {
		return nil, fmt.Errorf("key of %s: %w", p.Cert, err)
	}
	c, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w (wanted: PEM, the leaf before its authorities, and the leaf's own key without a passphrase)", p.Cert, p.Key, err)
	}
	return &c, nil
}

func (k *KeyRing) add(file string, c *tls.Certificate) {
	if k.dflt == nil {
		k.dflt = c
	}
	k.expiry[file] = c.Leaf.NotAfter
	k.xmpp = append(k.xmpp, xmppKey{xmppNames(c.Leaf), c})
	for _, n := range carriedNames(c) {
		if k.byName[n] == nil {
			k.byName[n] = c
		}
	}
}

// carriedNames are all names for which a certificate of ours is a good choice:
// its DNS names whatever else it holds, since peers outside SIP read only those.
func carriedNames(c *tls.Certificate) []domain.Name {
	names, _ := sipNames(c.Leaf)
	return append(parseNames(c.Leaf.DNSNames), names...)
}

// For returns our certificate for a name that a peer asked for, or for one of our
// domains: the one that carries exactly that name, else the default. It never
// returns nil.
func (k *KeyRing) For(name domain.Name) *tls.Certificate {
	if c := k.byName[name]; c != nil {
		return c
	}
	return k.dflt
}

// Lead lets the certificate for host stand for d too, unless one carries d itself:
// d's records lead to host, and who follows them asks for d (RFC 5922 §7.8) and is
// content with either name. It is for a KeyRing that is not in use yet.
func (k *KeyRing) Lead(d, host domain.Name) {
	if c := k.byName[host]; c != nil && k.byName[d] == nil {
		k.byName[d] = c
	}
}

// ForXMPP is For among XMPP servers, which also read wildcards, SRV-IDs and
// XmppAddr names: the first certificate that covers d as XMPPIdentity.Covers has it,
// else the default. It never returns nil.
func (k *KeyRing) ForXMPP(d domain.Name) *tls.Certificate {
	for _, key := range k.xmpp {
		if covered(key.names, d) {
			return key.cert
		}
	}
	return k.dflt
}

// Expiry returns when the leaf in each certificate file ends, by file path.
func (k *KeyRing) Expiry() map[string]time.Time { return maps.Clone(k.expiry) }
