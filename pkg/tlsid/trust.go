package tlsid

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"
)

// systemRoots stands for the machine's own root certificates in a list of files.
const systemRoots = "system"

// TrustConfig says who may vouch for peers.
type TrustConfig struct {
	Roots       []string            // of tls.roots: "system" or PEM files
	Anchors     map[string][]string // entry of the policy -> its own roots, in the same form; no key is ""
	CRLs        []string            // PEM or DER files
	CRLRequired bool                // refuse what no current list covers, instead of letting it pass
	Now         func() time.Time    // nil = time.Now
}

// Trust holds root sets and revocation lists. What it trusts never changes; it is
// safe for concurrent use.
//
// The sets stay apart: what an entry's private root vouches for is proven for
// that entry and for no other.
type Trust struct {
	groups  []group
	sets    []rootSet // the private sets again, one by one
	revoked revocations
	now     func() time.Time
	recent  recent[Identity]     // for SIP
	streams recent[XMPPIdentity] // for XMPP
}

// rootSet is one named set of roots. Its name is "" for tls.roots.
type rootSet struct {
	name  string
	pool  *x509.CertPool
	certs []*x509.Certificate // nil if it includes the system's, which cannot be listed
}

// group is what one run of chain building tries at once: a set alone, or all
// private sets together, so that the work a stranger causes does not grow with the
// number of entries that have roots of their own.
type group struct {
	pool    *x509.CertPool
	name    string              // the set, if alone
	holders map[string][]string // otherwise: DER of a root -> names of the sets that hold it
}

// LoadTrust reads all files. Its error joins everything that is wrong, each part
// naming its file. A revocation list that is out of date, or whose file is missing
// while CRLRequired is false, is no error: see StaleCRLs.
func LoadTrust(c TrustConfig) (*Trust, error) {
	t := &Trust{now: c.Now}
	if t.now == nil {
		t.now = time.Now
	}
	var errs []error
	t.addPublic(c.Roots, &errs)
	t.addPrivate(c.Anchors, &errs)
	t.revoked = loadRevocations(c.CRLs, c.CRLRequired, &errs)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return t, nil
}

func (t *Trust) addPublic(files []string, errs *[]error) {
	if set := loadRootSet("", files, errs); len(files) > 0 {
		t.groups = append(t.groups, group{pool: set.pool})
	}
}

func (t *Trust) addPrivate(anchors map[string][]string, errs *[]error) {
	union := group{pool: x509.NewCertPool(), holders: make(map[string][]string)}
	for _, name := range slices.Sorted(maps.Keys(anchors)) {
		if name == "" { // would vouch for everyone
			*errs = append(*errs, errors.New("roots of an entry without a name"))
			continue
		}
		set := loadRootSet(name, anchors[name], errs)
		if slices.Contains(anchors[name], systemRoots) {
			t.groups = append(t.groups, group{pool: set.pool, name: name})
			continue
		}
		t.sets = append(t.sets, set)
		for _, c := range set.certs {
			union.pool.AddCert(c)
			union.holders[string(c.Raw)] = append(union.holders[string(c.Raw)], name)
		}
	}
	if len(t.sets) > 0 {
		t.groups = append(t.groups, union)
	}
}

func loadRootSet(name string, files []string, errs *[]error) rootSet {
	set := rootSet{name: name, pool: x509.NewCertPool()}
	if slices.Contains(files, systemRoots) {
		pool, err := systemPool()
		if err != nil {
			*errs = append(*errs, err)
			return set
		}
		set.pool = pool
	}
	for _, file := range files {
		if file == systemRoots {
			continue
		}
		certs, err := loadRoots(file)
		if err != nil {
			*errs = append(*errs, err)
		}
		for _, c := range certs {
			set.pool.AddCert(c)
		}
		set.certs = append(set.certs, certs...)
	}
	return set
}

func systemPool() (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err == nil && pool.Equal(x509.NewCertPool()) {
		err = errors.New("there are none; install the ca-certificates package or name PEM files instead")
	}
	if err != nil {
		return nil, fmt.Errorf("roots of this system: %w", err)
	}
	return pool, nil
}

// loadRoots reads the certificates of a PEM file and skips blocks of other kinds.
func loadRoots(file string) ([]*x509.Certificate, error) {
	rest, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("roots: %w", err)
	}
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("roots %s: certificate %d: %w", file, len(certs)+1, err)
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		return nil, fmt.Errorf("roots %s: no PEM certificate in it; a DER file converts with: openssl x509 -inform der -in FILE -out FILE.pem", file)
	}
	return certs, nil
}

// StaleCRLs returns the configured revocation lists that are of no use at the
// moment now: the file was missing when loaded, or holds a list that is past its
// next update. Certificates that a stale list names stay revoked.
func (t *Trust) StaleCRLs(now time.Time) []string { return t.revoked.stale(now) }
