package tlsid_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"edged/internal/lab/ca"
	"edged/pkg/domain"
	"edged/pkg/tlsid"
)

func TestKeyRingFor(t *testing.T) {
	root := ca.New("Root")
	first := root.Issue(ca.Leaf{Serial: 1, CN: "ignored.test", DNS: []string{"first.test", "shared.test"}})
	second := root.Issue(ca.Leaf{Serial: 2, URI: []string{"sip:domain.test"}, DNS: []string{"SECOND.test", "shared.test", "*.wild.test"}})
	third := root.Issue(ca.Leaf{Serial: 3, CN: "third.test"})
	pairs := []tlsid.Pair{pairOf(t, first), pairOf(t, second), pairOf(t, third)}
	ring, err := tlsid.LoadKeys(pairs, domain.MustParse("second.test"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int64{
		"first.test":   1,
		"second.test":  2,
		"domain.test":  2,
		"shared.test":  1, // the first pair that carries it
		"third.test":   3,
		"ignored.test": 2, // nobody's: the default
		"a.wild.test":  2,
		"unknown.test": 2,
	} {
		if got := ring.For(domain.MustParse(name)).Leaf.SerialNumber.Int64(); got != want {
			t.Errorf("For(%s) = certificate %d, want %d", name, got, want)
		}
	}
	if got := ring.For(domain.Name{}).Leaf.SerialNumber.Int64(); got != 2 {
		t.Errorf("no name: certificate %d, want the default", got)
	}
	ring, err = tlsid.LoadKeys(pairs, domain.MustParse("unknown.test"))
	if err != nil || ring.For(domain.Name{}).Leaf.SerialNumber.Int64() != 1 {
		t.Errorf("default carried by nobody: want the first pair, %v", err)
	}
	want := map[string]time.Time{pairs[0].Cert: first.X509.NotAfter, pairs[1].Cert: second.X509.NotAfter, pairs[2].Cert: third.X509.NotAfter}
	if got := ring.Expiry(); !maps.EqualFunc(got, want, time.Time.Equal) {
		t.Errorf("Expiry() = %v, want %v", got, want)
	}
}

// TestKeyRingLead: the host that a domain's records lead to stands for the domain.
func TestKeyRingLead(t *testing.T) {
	root := ca.New("Root")
	ring := keys(t,
		root.Issue(ca.Leaf{Serial: 1, DNS: []string{"sip.main.test"}}),
		root.Issue(ca.Leaf{Serial: 2, DNS: []string{"sip.branch.test", "sip.own.test"}}),
		root.Issue(ca.Leaf{Serial: 3, DNS: []string{"own.test"}}))
	for _, name := range []string{"branch.test", "own.test", "lost.test"} {
		ring.Lead(domain.MustParse(name), domain.MustParse("sip."+name))
	}
	for name, want := range map[string]int64{
		"branch.test": 2,
		"own.test":    3, // it carries the domain itself
		"lost.test":   1, // nobody carries either: the default
	} {
		if got := ring.For(domain.MustParse(name)).Leaf.SerialNumber.Int64(); got != want {
			t.Errorf("For(%s) = certificate %d, want %d", name, got, want)
		}
	}
}

// TestKeyRingForXMPP: wildcards and otherNames choose for XMPP, and only there.
func TestKeyRingForXMPP(t *testing.T) {
	root := ca.New("Root")
	ring := keys(t,
		root.Issue(ca.Leaf{Serial: 1, DNS: []string{"a.test"}}),
		root.Issue(ca.Leaf{Serial: 2, DNS: []string{"*.wild.test", "a.test"}}),
		root.Issue(ca.Leaf{Serial: 3, CN: "cn.test", SRV: []string{"_xmpp-server.srv.test"}, XMPPAddr: []string{"addr.test"}}))
	for d, want := range map[string][2]int64{ // for XMPP, for SIP
		"a.test":        {1, 1},
		"b.wild.test":   {2, 1},
		"c.b.wild.test": {1, 1},
		"srv.test":      {3, 1},
		"addr.test":     {3, 1},
		"cn.test":       {1, 1},
	} {
		got := [2]int64{ring.ForXMPP(name(d)).Leaf.SerialNumber.Int64(), ring.For(name(d)).Leaf.SerialNumber.Int64()}
		if got != want {
			t.Errorf("%s: certificates %d, want %d", d, got, want)
		}
	}
	if got := ring.ForXMPP(domain.Name{}).Leaf.SerialNumber.Int64(); got != 1 {
		t.Errorf("no name: certificate %d, want the default", got)
	}
}

func TestLoadKeysErrors(t *testing.T) {
	root := ca.New("Root")
	good, other := pairOf(t, root.Issue(ca.Leaf{CN: "a.test"})), pairOf(t, root.Issue(ca.Leaf{CN: "b.test"}))
	absent := filepath.Join(t.TempDir(), "absent")
	tests := []struct {
		name  string
		pairs []tlsid.Pair
		want  []string
	}{
		{"none", nil, []string{"at least one"}},
		{"mismatch", []tlsid.Pair{{Cert: good.Cert, Key: other.Key}}, []string{good.Cert, other.Key, "does not match"}},
		{"missing files, all reported", []tlsid.Pair{{Cert: absent, Key: good.Key}, good, {Cert: good.Cert, Key: absent + "2"}}, []string{absent, absent + "2", good.Cert}},
		{"files exchanged", []tlsid.Pair{{Cert: good.Key, Key: good.Cert}}, []string{good.Key, good.Cert}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ring, err := tlsid.LoadKeys(tt.pairs, domain.Name{})
			if ring != nil || err == nil {
				t.Fatalf("key ring %v, error %v", ring, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q: %v", want, err)
				}
			}
		})
	}
}

// TestOneFile: certificate and key may share a file.
func TestOneFile(t *testing.T) {
	c := ca.New("Root").Issue(ca.Leaf{CN: "a.test"})
	file := write(t, c.KeyPEM, c.PEM)
	if _, err := tlsid.LoadKeys([]tlsid.Pair{{Cert: file, Key: file}}, domain.Name{}); err != nil {
		t.Error(err)
	}
}

// TestKeysOutsideValidity: an error of its own kind, with a usable key ring.
func TestKeysOutsideValidity(t *testing.T) {
	root := ca.New("Root")
	past, future := time.Now().Add(-48*time.Hour), time.Now().Add(time.Hour)
	expired := pairOf(t, root.Issue(ca.Leaf{CN: "old.test", NotBefore: past, NotAfter: past.Add(time.Hour)}))
	early := pairOf(t, root.Issue(ca.Leaf{CN: "new.test", NotBefore: future}))
	for _, p := range []tlsid.Pair{expired, early} {
		ring, err := tlsid.LoadKeys([]tlsid.Pair{p}, domain.Name{})
		var invalid *tlsid.ValidityError
		if ring == nil || !errors.As(err, &invalid) || invalid.File != p.Cert || !strings.Contains(err.Error(), p.Cert) {
			t.Errorf("%s: key ring %v, error %v", p.Cert, ring, err)
		}
	}
	if err := os.Remove(expired.Key); err != nil {
		t.Fatal(err)
	}
	if ring, err := tlsid.LoadKeys([]tlsid.Pair{early, expired}, domain.Name{}); ring != nil || err == nil {
		t.Errorf("another error besides: key ring %v, error %v; want no key ring", ring, err)
	}
}
