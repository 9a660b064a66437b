package posh

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"
)

// FuzzParse feeds arbitrary documents to the parser: whatever comes out is within
// the bounds, and is either fingerprints or a place that may be asked.
func FuzzParse(f *testing.F) {
	sum := strings.Repeat("A", 43)
	for _, seed := range []string{
		`{"fingerprints":[{"sha-256":"` + sum + `="}],"expires":604800}`,
		`{"fingerprints":[{"sha-256":"` + sum + `","sha-512":"` + strings.Repeat("A", 86) + `"},null,{}],"expires":1}`,
		`{"fingerprints":[{"sha-1":"AAAA"}],"expires":1e99}`,
		`{"url":"https://host.example/posh.json","expires":86400}`,
		`{"url":"https://u:p@[::1]:443/%2e%2e","expires":0.5}`,
		`{"url":"http://host.example","fingerprints":null,"expires":-1}`,
		`{"expires":"1"}`, `[]`, `{"url":`, "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := parse(body)
		if err != nil {
			if d.set.Len() > 0 || d.reference != nil || len(err.Error()) > 1000+2*len(body) {
				t.Errorf("%d fingerprints, reference %v with error %v", d.set.Len(), d.reference, err)
			}
			return
		}
		if d.lifetime < time.Second || d.lifetime > maxLifetime {
			t.Errorf("lifetime %v", d.lifetime)
		}
		if (d.set.Len() > 0) == (d.reference != nil) || d.set.Len() > maxFingerprints {
			t.Errorf("%d fingerprints and reference %v", d.set.Len(), d.reference)
		}
		if d.reference != nil && checkURL(d.reference) != nil {
			t.Errorf("reference %v may not be asked", d.reference)
		}
		if d.set.Matches(&x509.Certificate{Raw: []byte("a certificate of nobody")}) {
			t.Error("matches a certificate that nobody has")
		}
	})
}
