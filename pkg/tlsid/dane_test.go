package tlsid_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"edged/internal/lab/ca"
	"edged/pkg/domain"
	"edged/pkg/tlsid"
)

// record is a TLSA record for c.
func record(usage, selector, matching uint8, c *x509.Certificate) tlsid.TLSA {
	data := c.Raw
	if selector == 1 {
		data = c.RawSubjectPublicKeyInfo
	}
	switch matching {
	case 1:
		sum := sha256.Sum256(data)
		data = sum[:]
	case 2:
		sum := sha512.Sum512(data)
		data = sum[:]
	}
	return tlsid.TLSA{Usage: usage, Selector: selector, Matching: matching, Data: data}
}

// TestTLSAForms: every usable form of a record matches what it was made for, and
// nothing else.
func TestTLSAForms(t *testing.T) {
	root, other := ca.New("Root"), ca.New("Other")
	middle := root.Intermediate("Middle")
	chain := append(presented(t, middle.Issue(ca.Leaf{DNS: []string{"a.test"}})), root.Cert().X509)
	stranger := presented(t, other.Issue(ca.Leaf{DNS: []string{"a.test"}}))
	for usage, of := range map[uint8][]*x509.Certificate{2: chain[1:], 3: chain[:1]} {
		for selector := range uint8(2) {
			for matching := range uint8(3) {
				for _, c := range of {
					records := []tlsid.TLSA{record(usage, selector, matching, c)}
					if got := tlsid.MatchTLSA(records, chain, name("a.test"), time.Now()); got != tlsid.TLSAMatch {
						t.Errorf("%d %d %d of %v: %v", usage, selector, matching, c.Subject, got)
					}
					if got := tlsid.MatchTLSA(records, stranger, name("a.test"), time.Now()); got != tlsid.TLSAMismatch {
						t.Errorf("%d %d %d of %v, for a stranger: %v", usage, selector, matching, c.Subject, got)
					}
				}
			}
		}
	}
}

// TestMatchTLSA is what each usage asks for besides the match, and which records
// count at all (RFC 7671).
func TestMatchTLSA(t *testing.T) {
	now := time.Now()
	past := now.Add(-48 * time.Hour)
	root, limited := ca.New("Root"), ca.NewConstrained("Limited", []string{"b.test"}, nil)
	good := root.Issue(ca.Leaf{DNS: []string{"a.test"}})
	srv := root.Issue(ca.Leaf{SRV: []string{"_xmpp-server.a.test"}})
	expired := root.Issue(ca.Leaf{DNS: []string{"a.test"}, NotBefore: past, NotAfter: past.Add(time.Hour)})
	odd := root.Issue(ca.Leaf{CN: "other.test", CA: true, EKU: usages(x509.ExtKeyUsageClientAuth)})
	forged := ca.New("Rogue").Issue(ca.Leaf{DNS: []string{"a.test"}})
	ta := func(c ca.Cert, a *ca.Authority) []*x509.Certificate {
		return []*x509.Certificate{c.X509, a.Cert().X509}
	}
	rec := func(usage, selector, matching uint8, c *x509.Certificate) []tlsid.TLSA {
		return []tlsid.TLSA{record(usage, selector, matching, c)}
	}
	anchor := root.Cert().X509
	tests := []struct {
		name    string
		records []tlsid.TLSA
		chain   []*x509.Certificate
		domain  domain.Name
		want    tlsid.TLSAResult
	}{
		{"no record", nil, ta(good, root), name("a.test"), tlsid.TLSANone},
		{"PKIX-TA and PKIX-EE", append(rec(0, 0, 1, anchor), rec(1, 0, 1, good.X509)...), ta(good, root), name("a.test"), tlsid.TLSANone},
		{"unknown usage", rec(255, 0, 1, good.X509), ta(good, root), name("a.test"), tlsid.TLSANone},
		{"unknown selector", rec(3, 2, 1, good.X509), ta(good, root), name("a.test"), tlsid.TLSANone},
		{"unknown matching type", rec(3, 1, 3, good.X509), ta(good, root), name("a.test"), tlsid.TLSANone},
		{"digest of the wrong length", []tlsid.TLSA{{3, 1, 1, make([]byte, 64)}, {3, 1, 2, make([]byte, 32)}, {3, 1, 0, nil}}, ta(good, root), name("a.test"), tlsid.TLSANone},
		{"unusable beside one that matches", append(rec(1, 0, 1, forged.X509), rec(3, 1, 1, good.X509)...), ta(good, root), name("a.test"), tlsid.TLSAMatch},
		{"one of two", append(rec(3, 1, 1, forged.X509), rec(3, 1, 1, good.X509)...), ta(good, root), name("a.test"), tlsid.TLSAMatch},
		{"no certificate", rec(3, 1, 1, good.X509), nil, name("a.test"), tlsid.TLSAMismatch},
		{"SHA-512 of another hides SHA-256", append(rec(3, 1, 2, forged.X509), rec(3, 1, 1, good.X509)...), ta(good, root), name("a.test"), tlsid.TLSAMismatch},
		{"SHA-512 of another selector hides nothing", append(rec(3, 0, 2, forged.X509), rec(3, 1, 1, good.X509)...), ta(good, root), name("a.test"), tlsid.TLSAMatch},

		{"DANE-EE without name, date or usage", rec(3, 1, 1, odd.X509), ta(odd, root), name("a.test"), tlsid.TLSAMatch},
		{"DANE-EE expired", rec(3, 0, 1, expired.X509), ta(expired, root), name("a.test"), tlsid.TLSAMatch},
		{"DANE-EE of an unknown authority", rec(3, 1, 1, forged.X509), []*x509.Certificate{forged.X509}, name("a.test"), tlsid.TLSAMatch},
		{"DANE-EE of the authority", rec(3, 0, 1, anchor), ta(good, root), name("a.test"), tlsid.TLSAMismatch},

		{"DANE-TA by SRV-ID", rec(2, 1, 1, anchor), ta(srv, root), name("a.test"), tlsid.TLSAMatch},
		{"DANE-TA of another name", rec(2, 1, 1, anchor), ta(good, root), name("b.test"), tlsid.TLSAMismatch},
		{"DANE-TA of no name", rec(2, 1, 1, anchor), ta(good, root), domain.Name{}, tlsid.TLSAMismatch},
		{"DANE-TA expired", rec(2, 1, 1, anchor), ta(expired, root), name("a.test"), tlsid.TLSAMismatch},
		{"DANE-TA that did not sign", rec(2, 1, 1, anchor), ta(forged, root), name("a.test"), tlsid.TLSAMismatch},
		{"DANE-TA not presented", rec(2, 1, 1, anchor), []*x509.Certificate{good.X509}, name("a.test"), tlsid.TLSAMismatch},
		{"DANE-TA held by the record", rec(2, 0, 0, anchor), []*x509.Certificate{good.X509}, name("a.test"), tlsid.TLSAMatch},
		{"DANE-TA held by the record, junk", []tlsid.TLSA{{2, 0, 0, []byte("junk")}}, ta(good, root), name("a.test"), tlsid.TLSAMismatch},
		{"DANE-TA of the leaf", rec(2, 0, 1, good.X509), ta(good, root), name("a.test"), tlsid.TLSAMismatch},
		{"DANE-TA, an authority as leaf", rec(2, 1, 1, anchor), ta(odd, root), name("other.test"), tlsid.TLSAMismatch},
		{"DANE-TA, clientAuth only", rec(2, 1, 1, anchor), ta(root.Issue(ca.Leaf{DNS: []string{"a.test"}, EKU: usages(x509.ExtKeyUsageClientAuth)}), root), name("a.test"), tlsid.TLSAMismatch},
		{"DANE-TA against its constraints", rec(2, 1, 1, limited.Cert().X509), ta(limited.Issue(ca.Leaf{XMPPAddr: []string{"a.test"}}), limited), name("a.test"), tlsid.TLSAMismatch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tlsid.MatchTLSA(tt.records, tt.chain, tt.domain, now); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

// TestTLSABound: records beyond the first 32 usable ones do not count.
func TestTLSABound(t *testing.T) {
	leaf := ca.New("Root").Issue(ca.Leaf{DNS: []string{"a.test"}}).X509
	var records []tlsid.TLSA
	for range 31 {
		records = append(records, tlsid.TLSA{Usage: 3, Matching: 1, Data: make([]byte, 32)}, tlsid.TLSA{Usage: 1, Matching: 1, Data: make([]byte, 32)})
	}
	for _, want := range []tlsid.TLSAResult{tlsid.TLSAMatch, tlsid.TLSAMismatch} {
		all := append(slices.Clip(records), record(3, 0, 1, leaf))
		if got := tlsid.MatchTLSA(all, []*x509.Certificate{leaf}, name("a.test"), time.Now()); got != want {
			t.Errorf("%d records: %v, want %v", len(all), got, want)
		}
		records = append(records, records[0])
	}
}
