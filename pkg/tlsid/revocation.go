package tlsid

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"
)

// revocations are all configured lists.
type revocations struct {
	byIssuer map[string][]*crl // DER of the issuer's name -> its lists
	missing  []string          // files that were not there
	required bool
}

// loadRevocations tolerates a missing file unless lists are required: the list of
// one authority that was not fetched must not shut out everyone. A file that is
// there but cannot be read is an error, so that a reload keeps the good one.
func loadRevocations(files []string, required bool, errs *[]error) revocations {
	r := revocations{byIssuer: make(map[string][]*crl), required: required}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) && !required {
			r.missing = append(r.missing, file)
			continue
		}
		if err != nil {
			*errs = append(*errs, fmt.Errorf("crl: %w", err))
			continue
		}
		lists, err := parseCRLs(file, data)
		if err != nil {
			*errs = append(*errs, err)
		}
		for _, c := range lists {
			issuer := string(c.list.RawIssuer)
			r.byIssuer[issuer] = append(r.byIssuer[issuer], c)
		}
	}
	return r
}

// check asks for every certificate of a verified chain but its root.
func (r revocations) check(chain []*x509.Certificate, now time.Time) error {
	for i, c := range chain[:len(chain)-1] {
		revoked, known := r.status(c, chain[i+1], now)
		if revoked {
			return certError(Revoked, c, nil)
		}
		if !known && r.required {
			return certError(RevocationUnknown, c, errors.New("no current revocation list of its issuer covers it, and crl is required"))
		}
	}
	return nil
}

// status: a list revokes what it names, however old it is, since revocation is
// final; it clears what it does not name only while it is current and complete.
func (r revocations) status(c, issuer *x509.Certificate, now time.Time) (revoked, known bool) {
	for _, list := range r.byIssuer[string(c.RawIssuer)] {
		if !list.signedBy(issuer) {
			continue
		}
		if list.names(c) {
			return true, true
		}
		known = known || list.current(now) && list.scope.covers(c)
	}
	return false, known
}

func (r revocations) stale(now time.Time) []string {
	files := slices.Clone(r.missing)
	for _, lists := range r.byIssuer {
		for _, c := range lists {
			if !c.current(now) {
				files = append(files, c.file)
			}
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}
