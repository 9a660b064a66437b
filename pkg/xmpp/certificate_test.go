package xmpp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"testing"
	"time"

	"edged/internal/lab/ca"
	"edged/internal/lab/xmpppeer"
	"edged/pkg/domain"
	"edged/pkg/policy"
)

// subdomains are listed with jabber.example.
var subdomains = []string{"sub." + theirs, "a.b." + theirs}

func withSubdomains(s policy.XMPPSettings) func(*setup) {
	return func(c *setup) {
		p := listed(theirs, s)
		for _, d := range subdomains {
			p.AdditionalDomains = append(p.AdditionalDomains, domain.MustParse(d))
		}
		c.policy.XMPPPartners[0] = p
	}
}

// certificateCase is one certificate, the domain that shows it, and whether it proves
// that domain.
type certificateCase struct {
	cert   *tls.Certificate
	from   string
	proves bool
}

func certificates(w *authorities) map[string]certificateCase {
	issue := func(l ca.Leaf) *tls.Certificate {
		c := w.public.Issue(l)
		return &c.TLS
	}
	names := []string{theirs}
	server, client := x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth
	past := time.Now().Add(-48 * time.Hour)
	stranger := ca.New("a stranger").Issue(ca.Leaf{DNS: names})
	return map[string]certificateCase{
		"serverAuth only":      {issue(ca.Leaf{DNS: names, EKU: []x509.ExtKeyUsage{server}}), theirs, true},
		"both usages":          {issue(ca.Leaf{DNS: names, EKU: []x509.ExtKeyUsage{server, client}}), theirs, true},
		"no usage":             {issue(ca.Leaf{DNS: names}), theirs, true},
		"clientAuth only":      {issue(ca.Leaf{DNS: names, EKU: []x509.ExtKeyUsage{client}}), theirs, false},
		"CN only":              {issue(ca.Leaf{CN: theirs}), theirs, false},
		"expired":              {issue(ca.Leaf{DNS: names, NotBefore: past, NotAfter: past.Add(time.Hour)}), theirs, false},
		"wrong name":           {issue(ca.Leaf{DNS: []string{"other.example"}}), theirs, false},
		"SRV-ID only":          {issue(ca.Leaf{SRV: []string{"_xmpp-server." + theirs}}), theirs, true},
		"SRV-ID of clients":    {issue(ca.Leaf{SRV: []string{"_xmpp-client." + theirs}}), theirs, false},
		"XmppAddr only":        {issue(ca.Leaf{XMPPAddr: names}), theirs, true},
		"wildcard":             {issue(ca.Leaf{DNS: []string{"*." + theirs}}), subdomains[0], true},
		"wildcard, apex":       {issue(ca.Leaf{DNS: []string{"*." + theirs}}), theirs, false},
		"wildcard, two levels": {issue(ca.Leaf{DNS: []string{"*." + theirs}}), subdomains[1], false},
		"CA:TRUE":              {issue(ca.Leaf{DNS: names, CA: true}), theirs, false},
		"self-signed":          {selfSigned(theirs), theirs, false},
		"unknown authority":    {&stranger.TLS, theirs, false},
		"none":                 {nil, theirs, false},
	}
}

func selfSigned(name string) *tls.Certificate {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestEKUMatrix: which certificates prove a domain, for SASL EXTERNAL and for what
// dialback may do beside it (RFC 6120 §13.7.1, XEP-0178 §3).
func TestEKUMatrix(t *testing.T) {
	both := byCertificate()
	both.Dialback = policy.On
	entries := map[string]struct {
		settings  policy.XMPPSettings
		otherwise string // the answer to a key where the certificate proves nothing
	}{
		"sasl required": {both, "error"}, // a key proves nothing that the certificate does not
		"sasl optional": {byEither(), "valid"},
	}
	for name, e := range entries {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, withSubdomains(e.settings))
			b.partner(theirs, func(c *xmpppeer.Config) {
				c.Domains, c.Dialback, c.Secret = append(subdomains, theirs), true, sharedSecret
			})
			for _, d := range subdomains {
				b.alias(d, theirs)
			}
			for name, tt := range certificates(b.world) {
				t.Run(name, func(t *testing.T) {
					want := e.otherwise
					if tt.proves {
						want = "valid"
					}
					b.in(t).certificate(tt, want)
				})
			}
		})
	}
}

// certificate shows one, and tries EXTERNAL and dialback, each on a stream of its own.
func (b *bed) certificate(tt certificateCase, byKey string) {
	b.t.Helper()
	s := b.dial(tt.from, tt.cert, xmpppeer.Reoffered)
	if got := xmpppeer.OffersExternal(s.LastFeatures()); got != tt.proves {
		b.t.Errorf("EXTERNAL is offered: %v, want %v", got, tt.proves)
	}
	err := s.External(b.ctx, tt.from) // offered or not
	if got := err == nil; got != tt.proves {
		b.t.Errorf("EXTERNAL: %v, want success: %v", err, tt.proves)
	}
	s = b.dial(tt.from, tt.cert, xmpppeer.Reoffered)
	got := "valid"
	if err := s.Dialback(b.ctx, tt.from, ours, xmpppeer.DialbackKey(sharedSecret, ours, tt.from, s.Peer().ID)); err != nil {
		got = "error"
	}
	if got != byKey {
		b.t.Errorf("the answer to a good key is %s, want %s", got, byKey)
	}
}

// TestServersCertificate is the same for streams that the edge opens.
func TestServersCertificate(t *testing.T) {
	for name, tt := range certificates(world()) {
		if tt.cert == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, withSubdomains(byCertificate()))
			partner := b.partner(tt.from, func(c *xmpppeer.Config) { c.Certificates[""] = tt.cert })
			friend := partner.User("alice@" + tt.from)
			p := b.pool.User(bob)
			sent := xmpppeer.Stanza{From: bob + "/x", To: friend.Address, ID: "1", Payload: xmpppeer.Body("hello")}
			b.send(p, sent)
			if tt.proves {
				b.receive(friend)
				return
			}
			b.isError(b.receive(p), sent, "remote-server-timeout", "cancel", "edge."+ours)
		})
	}
}
