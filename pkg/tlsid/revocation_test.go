package tlsid_test

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edged/internal/lab/ca"
	"edged/pkg/tlsid"
)

// Moments of the tests: lists are made at start and current until soon.
func moments() (start, soon, late time.Time) {
	start = time.Now().Add(-time.Minute)
	return start, start.Add(time.Hour), start.Add(2 * time.Hour)
}

func unwrap(list []byte) []byte {
	block, _ := pem.Decode(list)
	return block.Bytes
}

func TestRevocation(t *testing.T) {
	start, soon, late := moments()
	root, impostor, second := ca.New("Root"), ca.New("Root"), ca.New("Root")
	middle := root.Intermediate("Middle")
	good, bad := middle.Issue(ca.Leaf{DNS: []string{"good.test"}}), middle.Issue(ca.Leaf{DNS: []string{"bad.test"}})
	rootList, middleList := root.CRL(start, soon), middle.CRL(start, soon, bad)
	tampered := unwrap(middle.CRL(start, soon, good))
	tampered[len(tampered)-1] ^= 1 // the end of the signature
	tests := []struct {
		name     string
		lists    [][]byte // one file each
		required bool
		cert     ca.Cert
		at       time.Time // zero = start
		kind     tlsid.CertErrorKind
	}{
		{name: "no lists", cert: bad},
		{name: "leaf revoked", lists: [][]byte{rootList, middleList}, cert: bad, kind: tlsid.Revoked},
		{name: "leaf not revoked", lists: [][]byte{rootList, middleList}, cert: good},
		{name: "DER file", lists: [][]byte{unwrap(middleList)}, cert: bad, kind: tlsid.Revoked},
		{name: "two lists in a file", lists: [][]byte{bytes.Join([][]byte{rootList, middleList}, nil)}, cert: bad, kind: tlsid.Revoked},
		{name: "intermediate revoked", lists: [][]byte{root.CRL(start, soon, middle.Cert()), middleList}, cert: good, kind: tlsid.Revoked},
		{name: "root is not asked for", lists: [][]byte{root.CRL(start, soon, root.Cert())}, cert: good},
		{name: "list of another authority of the same name", lists: [][]byte{impostor.CRL(start, soon, middle.Cert())}, cert: good},
		{name: "authority with two keys", lists: [][]byte{root.CRL(start, soon, middle.Cert()), second.CRL(start, soon)}, cert: good, kind: tlsid.Revoked},
		{name: "tampered list", lists: [][]byte{tampered}, cert: good},
		{name: "stale list fails open", lists: [][]byte{middleList}, cert: good, at: late},
		{name: "stale list still revokes", lists: [][]byte{middleList}, cert: bad, at: late, kind: tlsid.Revoked},
		{name: "required and current", lists: [][]byte{rootList, middleList}, required: true, cert: good},
		{name: "required, leaf's missing", lists: [][]byte{rootList}, required: true, cert: good, kind: tlsid.RevocationUnknown},
		{name: "required, intermediate's missing", lists: [][]byte{middleList}, required: true, cert: good, kind: tlsid.RevocationUnknown},
		{name: "required, stale", lists: [][]byte{rootList, middleList}, required: true, cert: good, at: late, kind: tlsid.RevocationUnknown},
		{name: "required, not valid yet", lists: [][]byte{rootList, middleList}, required: true, cert: good, at: start.Add(-time.Minute), kind: tlsid.RevocationUnknown},
		{name: "required, by an impostor", lists: [][]byte{impostor.CRL(start, soon), middleList}, required: true, cert: good, kind: tlsid.RevocationUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at := tt.at
			if at.IsZero() {
				at = start
			}
			config := tlsid.TrustConfig{Roots: []string{rootFile(t, root, second)}, CRLRequired: tt.required, Now: func() time.Time { return at }}
			for _, list := range tt.lists {
				config.CRLs = append(config.CRLs, write(t, list))
			}
			loaded := trust(t, config)
			for range 2 { // the second time, signatures are known
				_, err := loaded.Identify(presented(t, tt.cert))
				if tt.kind != 0 {
					wantKind(t, err, tt.kind)
				} else if err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestSameNameSameSerial: lists belong to a key, not to a name.
func TestSameNameSameSerial(t *testing.T) {
	start, soon, _ := moments()
	a, b := ca.New("Root"), ca.New("Root")
	twin := ca.Leaf{DNS: []string{"a.test"}, Serial: 5}
	revoked, good := a.Issue(twin), b.Issue(twin)
	loaded := trust(t, tlsid.TrustConfig{Roots: []string{rootFile(t, a, b)}, CRLs: []string{write(t, a.CRL(start, soon, revoked))}})
	for range 2 {
		_, err := loaded.Identify(presented(t, revoked))
		wantKind(t, err, tlsid.Revoked)
		if _, err := loaded.Identify(presented(t, good)); err != nil {
			t.Error(err)
		}
	}
}

// TestCrossSigned: one way to a root being revoked does not close the other.
func TestCrossSigned(t *testing.T) {
	start, soon, _ := moments()
	a, b := ca.New("A"), ca.New("B")
	below := a.Intermediate("below A")
	leaf := below.Issue(ca.Leaf{DNS: []string{"a.test"}})
	loaded := trust(t, tlsid.TrustConfig{
		Roots:   []string{rootFile(t, a, b)},
		Anchors: map[string][]string{"a.test": {rootFile(t, below)}},
		CRLs:    []string{write(t, a.CRL(start, soon, below.Cert()))},
	})
	id, err := loaded.Identify(presented(t, leaf))
	if err != nil || !cmp.Equal(id.Anchors, []string{"a.test"}) {
		t.Errorf("anchors %q, %v; want only the entry that trusts the intermediate itself", id.Anchors, err)
	}
}

func TestStaleCRLs(t *testing.T) {
	start, soon, late := moments()
	root := ca.New("Root")
	short, long := write(t, root.CRL(start, soon)), write(t, root.CRL(start, late.Add(time.Hour)))
	absent := filepath.Join(t.TempDir(), "absent.crl")
	config := tlsid.TrustConfig{Roots: []string{rootFile(t, root)}, CRLs: []string{short, long, absent}}
	loaded := trust(t, config)
	if diff := cmp.Diff([]string{absent}, loaded.StaleCRLs(start)); diff != "" {
		t.Errorf("now (-want +got):\n%s", diff)
	}
	if got := loaded.StaleCRLs(late); len(got) != 2 || cmp.Equal(got[0], long) || cmp.Equal(got[1], long) {
		t.Errorf("later: %q, want %q and %q", got, short, absent)
	}
	config.CRLRequired = true
	if _, err := tlsid.LoadTrust(config); err == nil || !strings.Contains(err.Error(), absent) {
		t.Errorf("required and missing: %v, want an error that names %s", err, absent)
	}
}

// point is an issuing distribution point extension (RFC 5280 §5.2.5).
func point(t *testing.T, url string, flag int) pkix.Extension {
	t.Helper()
	var inner []byte
	if url != "" {
		name := tagged(t, 6, false, []byte(url))
		inner = tagged(t, 0, true, tagged(t, 0, true, name))
	}
	if flag > 0 {
		inner = append(inner, tagged(t, flag, false, []byte{0xff})...)
	}
	value, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: inner})
	if err != nil {
		t.Fatal(err)
	}
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: value}
}

func tagged(t *testing.T, tag int, compound bool, content []byte) []byte {
	t.Helper()
	der, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: compound, Bytes: content})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestPartialLists: a part of a list clears only what it is complete for, and
// revokes whatever it names.
func TestPartialLists(t *testing.T) {
	const here, elsewhere = "http://crl.test/1", "http://crl.test/2"
	start, soon, _ := moments()
	root := ca.New("Root")
	leaf := root.Issue(ca.Leaf{DNS: []string{"a.test"}, CRLURLs: []string{here}})
	tests := []struct {
		name  string
		point pkix.Extension
		kind  tlsid.CertErrorKind
	}{
		{"its own part", point(t, here, 0), 0},
		{"another part", point(t, elsewhere, 0), tlsid.RevocationUnknown},
		{"end entities only", point(t, "", 1), 0},
		{"its own part, end entities only", point(t, here, 1), 0},
		{"authorities only", point(t, "", 2), tlsid.RevocationUnknown},
		{"attribute certificates only", point(t, "", 5), tlsid.RevocationUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			with := func(revoked ...ca.Cert) *tlsid.Trust {
				list := root.CRLWith([]pkix.Extension{tt.point}, start, soon, revoked...)
				return trust(t, tlsid.TrustConfig{Roots: []string{rootFile(t, root)}, CRLs: []string{write(t, list)}, CRLRequired: true})
			}
			_, err := with().Identify(presented(t, leaf))
			if tt.kind != 0 {
				wantKind(t, err, tt.kind)
			} else if err != nil {
				t.Error(err)
			}
			_, err = with(leaf).Identify(presented(t, leaf))
			wantKind(t, err, tlsid.Revoked)
		})
	}
}

// TestUnusableLists: lists that mean something else than a plain list are
// refused when they are loaded, by file.
func TestUnusableLists(t *testing.T) {
	start, soon, _ := moments()
	root := ca.New("Root")
	list := func(e pkix.Extension) []byte { return root.CRLWith([]pkix.Extension{e}, start, soon) }
	malformed := point(t, "", 0)
	malformed.Value = []byte{0x30, 0x05}
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"delta", list(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}), "delta list"},
		{"indirect", list(point(t, "", 4)), "several issuers"},
		{"unknown critical extension", list(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}), "1.2.3"},
		{"malformed distribution point", list(malformed), "malformed"},
		{"junk", []byte("junk"), "neither"},
		{"empty", nil, "neither"},
		{"half a list", list(point(t, "", 1))[:100], "neither"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := write(t, tt.data)
			_, err := tlsid.LoadTrust(tlsid.TrustConfig{CRLs: []string{file}})
			if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one that names %s and %q", err, file, tt.want)
			}
		})
	}
}
