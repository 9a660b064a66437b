package posh_test

import (
	"crypto/x509"
	"fmt"
	"strings"
	"testing"

	"edged/internal/lab/ca"
	"edged/pkg/posh"
)

// TestDocuments has a web server say all kinds of things.
func TestDocuments(t *testing.T) {
	w, host := newWeb(t), ca.New("Host")
	cert, next := host.Issue(ca.Leaf{DNS: []string{"host.example"}}).X509, host.Issue(ca.Leaf{DNS: []string{"host.example"}}).X509
	bare := strings.TrimRight(sum256(cert), "=")
	two := strings.TrimRight(sum512(cert), "=")
	many := strings.Repeat(fmt.Sprintf(`{"sha-256":%q},`, sum256(next)), 99)
	tests := []struct {
		name, body string
		kind       posh.ErrorKind
		matches    bool
	}{
		{"sha-256", listing(cert, 60), 0, true},
		{"of another certificate", listing(next, 60), 0, false},
		{"sha-512", fmt.Sprintf(`{"fingerprints":[{"sha-512":%q}],"expires":60}`, sum512(cert)), 0, true},
		{"without padding", fmt.Sprintf(`{"fingerprints":[{"sha-256":%q}],"expires":60}`, bare), 0, true},
		{"sha-512 without padding", fmt.Sprintf(`{"fingerprints":[{"sha-512":%q}],"expires":60}`, two), 0, true},
		{"one of two certificates", fmt.Sprintf(`{"fingerprints":[{"sha-256":%q},{"sha-256":%q}],"expires":60}`, sum256(next), sum256(cert)), 0, true},
		{"two hashes of one", fmt.Sprintf(`{"fingerprints":[{"sha-256":%q,"sha-512":%q}],"expires":60}`, sum256(cert), sum512(cert)), 0, true},
		{"an unknown hash beside", fmt.Sprintf(`{"fingerprints":[{"sha-1":"AAAA","md5":7,"sha-256":%q}],"expires":60}`, sum256(cert)), 0, true},
		{"a broken one beside", fmt.Sprintf(`{"fingerprints":[{"sha-256":"?"},{"sha-512":"AAAA"},{},null,{"sha-256":%q}],"expires":60}`, sum256(cert)), 0, true},
		{"members unknown", fmt.Sprintf(`{"x":[{}],"fingerprints":[{"sha-256":%q}],"expires":60}`, sum256(cert)), 0, true},
		{"fingerprints and url", fmt.Sprintf(`{"url":"https://host.example/x","fingerprints":[{"sha-256":%q}],"expires":60}`, sum256(cert)), 0, true},
		{"100 fingerprints", fmt.Sprintf(`{"fingerprints":[%s{"sha-256":%q}],"expires":60}`, many, sum256(cert)), 0, true},
		{"101 fingerprints", fmt.Sprintf(`{"fingerprints":[%s{"sha-256":%q},{"sha-256":%q}],"expires":60}`, many, sum256(cert), sum256(cert)), posh.Invalid, false},
		{"expires as a fraction", fmt.Sprintf(`{"fingerprints":[{"sha-256":%q}],"expires":1.5e1}`, sum256(cert)), 0, true},
		{"expires beyond all time", fmt.Sprintf(`{"fingerprints":[{"sha-256":%q}],"expires":1e300}`, sum256(cert)), 0, true},

		{"expires 0", listing(cert, 0), posh.Invalid, false},
		{"expires below 0", listing(cert, -60), posh.Invalid, false},
		{"expires missing", fmt.Sprintf(`{"fingerprints":[{"sha-256":%q}]}`, sum256(cert)), posh.Invalid, false},
		{"expires null", fmt.Sprintf(`{"fingerprints":[{"sha-256":%q}],"expires":null}`, sum256(cert)), posh.Invalid, false},
		{"expires a string", fmt.Sprintf(`{"fingerprints":[{"sha-256":%q}],"expires":"60"}`, sum256(cert)), posh.Invalid, false},
		{"expires beyond numbers", fmt.Sprintf(`{"fingerprints":[{"sha-256":%q}],"expires":1e999}`, sum256(cert)), posh.Invalid, false},
		{"names in other letters", fmt.Sprintf(`{"Fingerprints":[{"SHA-256":%q}],"Expires":60}`, sum256(cert)), posh.Invalid, false},
		{"no fingerprints", `{"fingerprints":[],"expires":60}`, posh.Invalid, false},
		{"fingerprints null", `{"fingerprints":null,"expires":60}`, posh.Invalid, false},
		{"fingerprints of unknown hashes", `{"fingerprints":[{"sha-1":"AAAA"}],"expires":60}`, posh.Invalid, false},
		{"fingerprint under another name", fmt.Sprintf(`{"fingerprints":[{"sha-512":%q}],"expires":60}`, sum256(cert)), posh.Invalid, false},
		{"fingerprints not in a list", fmt.Sprintf(`{"fingerprints":{"sha-256":%q},"expires":60}`, sum256(cert)), posh.Invalid, false},
		{"neither", `{"expires":60}`, posh.Invalid, false},
		{"a list", `[]`, posh.Invalid, false},
		{"null", `null`, posh.Invalid, false},
		{"empty", ``, posh.Invalid, false},
		{"a web page", `<!DOCTYPE html><title>Welcome</title>`, posh.Invalid, false},
		{"more behind it", listing(cert, 60) + `{}`, posh.Invalid, false},
		{"as large as can be", listing(cert, 60) + strings.Repeat(" ", 65536-len(listing(cert, 60))), 0, true},
		{"one larger", listing(cert, 60) + strings.Repeat(" ", 65537-len(listing(cert, 60))), posh.Invalid, false},
	}
	c := client(t, w.config())
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := fmt.Sprintf("d%d.example", i)
			w.document(d, tt.body)
			set, err := c.Lookup(t.Context(), name(d))
			if kind(t, err) != tt.kind || set.Matches(cert) != tt.matches {
				t.Errorf("matches %v, error %v; want %v, kind %q", set.Matches(cert), err, tt.matches, tt.kind)
			}
			if err != nil && (!strings.Contains(err.Error(), d) || len(err.Error()) > 600) {
				t.Errorf("error %q", err)
			}
		})
	}
}

func TestMatchesNothing(t *testing.T) {
	leaf := ca.New("Host").Issue(ca.Leaf{DNS: []string{"host.example"}}).X509
	var none posh.Set
	if none.Matches(leaf) || none.Matches(nil) || none.Matches(new(x509.Certificate)) {
		t.Error("the zero Set matches")
	}
}
