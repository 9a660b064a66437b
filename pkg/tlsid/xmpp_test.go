package tlsid_test

import (
	"crypto/x509"
	"encoding/asn1"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edged/internal/lab/ca"
	"edged/pkg/domain"
	"edged/pkg/tlsid"
)

// TestXMPPCovers is which domains a certificate proves between XMPP servers, and
// which it does not.
func TestXMPPCovers(t *testing.T) {
	root := ca.New("Root")
	roots := trusting(t, root)
	list := strings.Fields
	tests := []struct {
		name        string
		leaf        ca.Leaf
		covers, not []string
	}{
		{"DNS-ID", ca.Leaf{DNS: list("a.test")}, list("a.test"), list("test b.a.test aa.test")},
		{"DNS-ID in capitals", ca.Leaf{DNS: list("A.Test")}, list("a.test"), nil},
		{"the third name", ca.Leaf{DNS: list("a.test b.test c.test")}, list("a.test b.test c.test"), list("d.test")},
		{"SRV-ID alone, no subject", ca.Leaf{SRV: list("_xmpp-server.a.test")}, list("a.test"), list("b.a.test xmpp-server.a.test")},
		{"SRV-ID, with a subject", ca.Leaf{CN: "x", SRV: list("_xmpp-server.a.test")}, list("a.test"), nil},
		{"SRV-ID in capitals", ca.Leaf{SRV: list("_XMPP-Server.A.test")}, list("a.test"), nil},
		{"SRV-ID of clients beside one of servers", ca.Leaf{SRV: list("_xmpp-client.a.test _xmpp-server.b.test")}, list("b.test"), list("a.test")},
		{"XmppAddr alone, no subject", ca.Leaf{XMPPAddr: list("a.test")}, list("a.test"), list("b.a.test")},
		{"XmppAddr in U-labels", ca.Leaf{XMPPAddr: list("BÜCHER.test")}, list("bücher.test"), nil},
		{"XmppAddr in A-labels", ca.Leaf{XMPPAddr: list("xn--bcher-kva.test")}, list("bücher.test"), nil},
		{"XmppAddr of a person and of a session", ca.Leaf{XMPPAddr: list("u@a.test a.test/x u@a.test/x b.test")}, list("b.test"), list("a.test")},
		{"XmppAddr with a wildcard", ca.Leaf{XMPPAddr: list("*.a.test b.test")}, list("b.test"), list("x.a.test a.test")},
		{"wildcard", ca.Leaf{DNS: list("*.a.test")}, list("x.a.test xn--bcher-kva.a.test"), list("a.test y.x.a.test xa.test")},
		{"wildcard under a single label", ca.Leaf{DNS: list("*.test")}, list("a.test"), list("test b.a.test")},
		{"wildcard in an SRV-ID", ca.Leaf{SRV: list("_xmpp-server.*.a.test")}, list("x.a.test"), list("a.test y.x.a.test")},
		{"wildcards that are none", ca.Leaf{DNS: list("x*.a.test *x.a.test y.*.test *.*.test * b.test")}, list("b.test"), list("x.a.test xx.a.test y.a.test a.test test")},
		{"trailing dot", ca.Leaf{DNS: list("a.test. b.test")}, list("b.test"), list("a.test")},
		{"U-label as DNS-ID", ca.Leaf{DNS: list("xn--bcher-kva.test")}, list("bücher.test"), nil},
		{"common name beside a name", ca.Leaf{CN: "cn.test", DNS: list("a.test")}, list("a.test"), list("cn.test")},
		{"all kinds", ca.Leaf{DNS: list("a.test"), URI: list("sip:s.test xmpp:x.test"), SRV: list("_xmpp-server.b.test"), XMPPAddr: list("c.test")}, list("a.test b.test c.test"), list("s.test x.test")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := roots.IdentifyXMPP(presented(t, root.Issue(tt.leaf)))
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range tt.covers {
				if !id.Covers(name(d)) {
					t.Errorf("%s is not covered by %q", d, id.Names())
				}
			}
			for _, d := range tt.not {
				if id.Covers(name(d)) {
					t.Errorf("%s is covered by %q", d, id.Names())
				}
			}
			if id.Covers(domain.Name{}) {
				t.Error("the zero name is covered")
			}
		})
	}
}

// TestXMPPRefusals is which certificates prove nothing between XMPP servers.
func TestXMPPRefusals(t *testing.T) {
	root := ca.New("Root")
	dns := []string{"a.test"}
	past := time.Now().Add(-48 * time.Hour)
	tests := []struct {
		name string
		cert ca.Cert
		kind tlsid.CertErrorKind // 0 = accepted
	}{
		{"no usages", root.Issue(ca.Leaf{DNS: dns}), 0},
		{"serverAuth only", root.Issue(ca.Leaf{DNS: dns, EKU: usages(x509.ExtKeyUsageServerAuth)}), 0},
		{"both roles", root.Issue(ca.Leaf{DNS: dns, EKU: usages(x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth)}), 0},
		{"any usage", root.Issue(ca.Leaf{DNS: dns, EKU: usages(x509.ExtKeyUsageAny)}), 0},
		{"serverAuth below serverAuth", root.Intermediate("S", x509.ExtKeyUsageServerAuth).Issue(ca.Leaf{DNS: dns, EKU: usages(x509.ExtKeyUsageServerAuth)}), 0},
		{"RSA", root.Issue(ca.Leaf{DNS: dns, Key: ca.RSA}), 0},
		{"clientAuth only", root.Issue(ca.Leaf{DNS: dns, EKU: usages(x509.ExtKeyUsageClientAuth)}), tlsid.WrongUsage},
		{"below clientAuth only", root.Intermediate("C", x509.ExtKeyUsageClientAuth).Issue(ca.Leaf{DNS: dns}), tlsid.WrongUsage},
		{"sipDomain only", root.Issue(ca.Leaf{DNS: dns, EKUOther: []asn1.ObjectIdentifier{ca.SIPDomain()}}), tlsid.WrongUsage},
		{"an authority's", root.Issue(ca.Leaf{DNS: dns, CA: true}), tlsid.BadChain},
		{"common name only", root.Issue(ca.Leaf{CN: "a.test"}), tlsid.NoNames},
		{"SRV-ID of clients only", root.Issue(ca.Leaf{SRV: []string{"_xmpp-client.a.test", "_xmpp-serverx.a.test", "a.test"}}), tlsid.NoNames},
		{"sip URI only", root.Issue(ca.Leaf{URI: []string{"sip:a.test"}}), tlsid.NoNames},
		{"addresses", root.Issue(ca.Leaf{DNS: []string{"192.0.2.1"}, XMPPAddr: []string{"192.0.2.1", "[2001:db8::1]"}}), tlsid.NoNames},
		{"expired", root.Issue(ca.Leaf{DNS: dns, NotBefore: past, NotAfter: past.Add(time.Hour)}), tlsid.Expired},
		{"not yet valid", root.Issue(ca.Leaf{DNS: dns, NotBefore: time.Now().Add(time.Hour)}), tlsid.NotYetValid},
		{"unknown authority", ca.New("Rogue").Issue(ca.Leaf{DNS: dns}), tlsid.UnknownAuthority},
		{"intermediate not sent", root.Intermediate("M").Issue(ca.Leaf{DNS: dns, SignedByOne: true}), tlsid.UnknownAuthority},
		{"too many names", root.Issue(ca.Leaf{DNS: many(tlsid.MaxNames + 1)}), tlsid.TooManyNames},
		{"as many names as possible", root.Issue(ca.Leaf{DNS: many(tlsid.MaxNames)}), 0},
	}
	roots := trusting(t, root)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, err := roots.IdentifyXMPP(presented(t, tt.cert))
			if tt.kind == 0 {
				if err != nil || len(id.Names()) == 0 || !cmp.Equal(id.Anchors, []string{""}) {
					t.Errorf("names %q by %q, %v", id.Names(), id.Anchors, err)
				}
				return
			}
			wantKind(t, err, tt.kind)
			if len(id.Names()) > 0 || id.Covers(name("a.test")) {
				t.Errorf("refused, but proves %q", id.Names())
			}
		})
	}
	_, err := roots.IdentifyXMPP(nil)
	wantKind(t, err, tlsid.None)
}

func many(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = "a" + strconv.Itoa(i) + ".test"
	}
	return names
}

// TestXMPPLeafOnly: a stranger's certificate sent along proves nothing.
func TestXMPPLeafOnly(t *testing.T) {
	root := ca.New("Root")
	chain := presented(t, root.Issue(ca.Leaf{DNS: []string{"mallory.test"}}))
	chain = append(chain, root.Issue(ca.Leaf{DNS: []string{"victim.test"}}).X509)
	id, err := trusting(t, root).IdentifyXMPP(chain)
	if err != nil || id.Covers(name("victim.test")) || id.Leaf != chain[0] {
		t.Errorf("%v, names %q", err, id.Names())
	}
}

// TestXMPPNames: in the certificate's order, once each, and not too many.
func TestXMPPNames(t *testing.T) {
	root := ca.New("Root")
	roots := trusting(t, root)
	leaf := ca.Leaf{DNS: []string{"b.test", "*.A.test", "B.test"}, SRV: []string{"_xmpp-server.b.test", "_xmpp-server.c.test"}, XMPPAddr: []string{"bücher.test"}}
	id, err := roots.IdentifyXMPP(presented(t, root.Issue(leaf)))
	if diff := cmp.Diff([]string{"b.test", "*.a.test", "c.test", "xn--bcher-kva.test"}, id.Names()); err != nil || diff != "" {
		t.Errorf("%v, names (-want +got):\n%s", err, diff)
	}
	id, err = roots.IdentifyXMPP(presented(t, root.Issue(ca.Leaf{DNS: many(100)})))
	if err != nil || len(id.Names()) != 20 || !id.Covers(name("a99.test")) {
		t.Errorf("%v, %d names", err, len(id.Names()))
	}
}

// TestXMPPNameConstraints: constraints on DNS names bind the domains in all kinds
// of names.
func TestXMPPNameConstraints(t *testing.T) {
	permits := ca.NewConstrained("Permits", []string{"a.test", ".dotted.test"}, nil)
	excludes := ca.NewConstrained("Excludes", nil, []string{"a.test", "x.b.test"})
	list := strings.Fields
	tests := []struct {
		name string
		by   *ca.Authority
		leaf ca.Leaf
		ok   bool
	}{
		{"permitted", permits, ca.Leaf{DNS: list("a.test"), SRV: list("_xmpp-server.x.a.test"), XMPPAddr: list("a.test")}, true},
		{"DNS-ID not permitted", permits, ca.Leaf{DNS: list("b.test")}, false},
		{"SRV-ID not permitted", permits, ca.Leaf{DNS: list("a.test"), SRV: list("_xmpp-server.b.test")}, false},
		{"XmppAddr not permitted", permits, ca.Leaf{DNS: list("a.test"), XMPPAddr: list("b.test")}, false},
		{"XmppAddr alone not permitted", permits, ca.Leaf{XMPPAddr: list("b.test")}, false},
		{"below a dot", permits, ca.Leaf{XMPPAddr: list("x.dotted.test"), SRV: list("_xmpp-server.*.dotted.test")}, true},
		{"itself, where the constraint begins with a dot", permits, ca.Leaf{XMPPAddr: list("dotted.test")}, false},
		{"not excluded", excludes, ca.Leaf{DNS: list("b.test"), SRV: list("_xmpp-server.c.test _xmpp-server.*.c.test"), XMPPAddr: list("test")}, true},
		{"DNS-ID excluded", excludes, ca.Leaf{DNS: list("x.a.test")}, false},
		{"SRV-ID excluded", excludes, ca.Leaf{SRV: list("_xmpp-server.a.test")}, false},
		{"XmppAddr excluded", excludes, ca.Leaf{XMPPAddr: list("x.a.test")}, false},
		{"SRV-ID wildcard meets what is excluded", excludes, ca.Leaf{SRV: list("_xmpp-server.*.b.test")}, false},
		{"SRV-ID wildcard above what is excluded", excludes, ca.Leaf{SRV: list("_xmpp-server.*.test")}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := trusting(t, tt.by).IdentifyXMPP(presented(t, tt.by.Issue(tt.leaf)))
			if !tt.ok {
				wantKind(t, err, tlsid.BadChain)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestXMPPAnchors: private roots prove for whom they were named, for XMPP as for
// SIP, and asking for one protocol does not answer for the other.
func TestXMPPAnchors(t *testing.T) {
	public, private := ca.New("Public"), ca.New("Private")
	loaded := trust(t, tlsid.TrustConfig{
		Roots:   []string{rootFile(t, public)},
		Anchors: map[string][]string{"a.test": {rootFile(t, private)}},
	})
	chain := presented(t, private.Issue(ca.Leaf{XMPPAddr: []string{"a.test"}, CN: "a.test"}))
	for range 2 { // the second time out of memory
		id, err := loaded.IdentifyXMPP(chain)
		if err != nil || !cmp.Equal(id.Anchors, []string{"a.test"}) {
			t.Errorf("by %q, %v", id.Anchors, err)
		}
		_, err = loaded.Identify(chain)
		wantKind(t, err, tlsid.NoNames)
	}
}
