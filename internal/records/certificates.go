package records

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"edged/internal/config"
	"edged/pkg/domain"
	"edged/pkg/tlsid"
	"edged/pkg/verdict"
)

// soon is when the end of a certificate is worth a warning: ACME clients renew
// before that.
const soon = 14 * 24 * time.Hour

// keys are our certificates outside.
type keys struct {
	ring  *tlsid.KeyRing    // nil if none can be used
	files map[string]string // DER of a leaf -> its file
}

// fileOf names the file of one of our certificates.
func (k *keys) fileOf(c *tls.Certificate) string { return k.files[string(c.Leaf.Raw)] }

// certificates judges the files, and whether they cover every name.
func (v *verifier) certificates() {
	v.keys.files = make(map[string]string)
	trust, err := tlsid.LoadTrust(tlsid.TrustConfig{Roots: v.Config.TLS.Roots, Now: func() time.Time { return v.Now }})
	if err != nil {
		v.add(Unknown, "tls.roots", err.Error(), "correct tls.roots")
	}
	var usable []tlsid.Pair
	for _, p := range v.Config.TLS.Certificates {
		if leaf := v.certificate(p, trust); leaf != nil {
			usable = append(usable, tlsid.Pair{Cert: p.Cert, Key: p.Key})
			v.keys.files[string(leaf.Raw)] = p.Cert
		}
	}
	if len(usable) == 0 {
		return
	}
	v.keys.ring, _ = tlsid.LoadKeys(usable, v.Config.FQDN) // what is out of date has been said
	for i := range v.plan.Services {
		if s := &v.plan.Services[i]; s.Protocol == config.SIPProtocol {
			v.keys.ring.Lead(s.Domain, s.Target) // as the daemon does
		}
	}
	for i := range v.plan.Services {
		v.proves(&v.plan.Services[i])
	}
	if v.Config.SIP.Serves() {
		v.covers(v.keys.ring.For(v.Config.FQDN), v.Config.FQDN)
	}
}

// certificate judges one file; nil if it cannot be used at all.
func (v *verifier) certificate(p config.Pair, trust *tlsid.Trust) *x509.Certificate {
	ring, err := tlsid.LoadKeys([]tlsid.Pair{{Cert: p.Cert, Key: p.Key}}, domain.Name{})
	if ring == nil {
		v.unusable(p.Cert, err)
		return nil
	}
	c := ring.For(domain.Name{})
	if v.validity(p.Cert, c.Leaf) {
		v.signers(p.Cert, c, trust)
	}
	return c.Leaf
}

func (v *verifier) unusable(file string, err error) {
	switch {
	case errors.Is(err, fs.ErrPermission):
		v.add(Unknown, file, err.Error(), "do this as root, or as the user that edged runs as")
		return
	case !errors.Is(err, fs.ErrNotExist):
		v.add(Wrong, file, err.Error(), "put our certificate and its key there")
		return
	}
	names := make([]string, len(v.plan.Outside))
	for i, p := range v.plan.Outside {
		names[i] = p.Name.String()
	}
	v.add(Wrong, file, "there is no certificate, or no key", "get one for "+strings.Join(names, ", ")+", and put it there")
}

// validity compares the certificate's dates with the clock, either of which may be
// wrong. It tells whether it is valid now.
func (v *verifier) validity(file string, leaf *x509.Certificate) bool {
	clock := v.Now.UTC().Format(time.DateTime)
	switch left := leaf.NotAfter.Sub(v.Now); {
	case v.Now.Before(leaf.NotBefore):
		v.add(Wrong, file, fmt.Sprintf("is not valid before %s, and this host's clock says %s", date(leaf.NotBefore), clock),
			"if it is later than that, set this host's clock (timedatectl status); otherwise wait, or get a certificate that is valid now")
		return false
	case left < 0:
		v.add(Wrong, file, fmt.Sprintf("expired on %s, and this host's clock says %s", date(leaf.NotAfter), clock),
			"renew it, then: edged reload; if it is earlier than that, set this host's clock (timedatectl status)")
		return false
	case left < soon:
		v.add(Warning, file, fmt.Sprintf("expires on %s, in %s", date(leaf.NotAfter), span(left)),
			"renew it, and see why the ACME client has not")
	default:
		v.add(OK, file, fmt.Sprintf("valid until %s", date(leaf.NotAfter)), "")
	}
	return true
}

// span words a time to come.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	if d < 2*day {
		return plural(int(d.Hours()), "hour")
	}
	return plural(int(d/day), "day")
}

func date(t time.Time) string { return t.UTC().Format(time.DateTime) }

// signers asks whether a partner that trusts whom we trust would believe the
// certificate.
func (v *verifier) signers(file string, c *tls.Certificate, trust *tlsid.Trust) {
	if trust == nil {
		return
	}
	chain := make([]*x509.Certificate, 0, len(c.Certificate))
	for _, der := range c.Certificate {
		if one, err := x509.ParseCertificate(der); err == nil {
			chain = append(chain, one)
		}
	}
	var err error
	if v.Config.SIP.Serves() {
		_, err = trust.Identify(chain)
	} else {
		_, err = trust.IdentifyXMPP(chain)
	}
	refused, ok := errors.AsType[*tlsid.CertError](err)
	switch {
	case err == nil:
	case ok && refused.Kind == tlsid.UnknownAuthority:
		v.add(Wrong, file, fmt.Sprintf("no authority in tls.roots signed it; %s did", issuer(chain)),
			"get one from a public authority, or let each partner list this authority's root for you\n"+
				"if the authority is public, put its intermediate certificates into the file, behind ours")
	default:
		v.add(Wrong, file, "partners refuse it: "+err.Error(), "get another one, for TLS servers, from a public authority")
	}
}

// issuer is who signed the last certificate of what we present.
func issuer(chain []*x509.Certificate) string {
	if name := chain[len(chain)-1].Issuer.String(); name != "" {
		return verdict.Quotable(name)
	}
	return "an authority without a name"
}

// proves asks whether partners that come for a service are shown a certificate that
// stands for the domain.
func (v *verifier) proves(s *Service) {
	if s.Protocol == config.XMPPProtocol {
		c := v.keys.ring.ForXMPP(s.Domain)
		v.covered(tlsid.NamesXMPP(c.Leaf, s.Domain), c, s.Domain, "XMPP of "+s.Domain.String())
		return
	}
	stands := func(c *tls.Certificate) bool {
		names := tlsid.SIPNames(c.Leaf)
		return slices.Contains(names, s.Domain) || slices.Contains(names, s.Target)
	}
	v.covers(v.keys.ring.For(s.Target), s.Target)
	if c := v.keys.ring.For(s.Domain); !stands(c) { // RFC 5922 §7.8: they ask for the domain
		v.covers(c, s.Target)
	} else if c := v.keys.ring.For(domain.Name{}); !stands(c) {
		v.add(Warning, v.keys.fileOf(c), fmt.Sprintf("is what partners of Microsoft's kind are shown, who ask for no name, and does not cover %s", s.Target),
			"get one certificate for all SIP domains, the one that covers "+v.Config.FQDN.String())
	}
}

// covers asks whether a certificate names a host for SIP.
func (v *verifier) covers(c *tls.Certificate, name domain.Name) {
	v.covered(slices.Contains(tlsid.SIPNames(c.Leaf), name), c, name, "SIP")
}

// covered reports it, once.
func (v *verifier) covered(yes bool, c *tls.Certificate, name domain.Name, what string) {
	f := Finding{State: OK, About: v.keys.fileOf(c), Text: fmt.Sprintf("covers %s (%s)", name, what)}
	if !yes {
		f.State, f.Text = Wrong, fmt.Sprintf("does not cover %s (%s); it names %s", name, what, namesOf(c.Leaf))
		f.Cure = "get a certificate for " + name.String() + " too"
		if what == "SIP" && strings.Contains(f.Text, "*.") {
			f.Cure += ": a wildcard stands for no name"
		}
	}
	if !slices.Contains(v.Findings, f) {
		v.add(f.State, f.About, f.Text, f.Cure)
	}
}

// namesOf lists what a certificate names, shortened.
func namesOf(leaf *x509.Certificate) string {
	const most = 8
	names := slices.Clone(leaf.DNSNames)
	for _, u := range leaf.URIs {
		names = append(names, u.String())
	}
	switch {
	case len(names) == 0:
		return "nothing (the common name does not count)"
	case len(names) > most:
		names = append(names[:most], "...")
	}
	return verdict.Quotable(strings.Join(names, ", "))
}

// same tells whether a peer showed the certificate that our file holds.
func same(shown []*x509.Certificate, c *tls.Certificate) bool {
	return len(shown) > 0 && bytes.Equal(shown[0].Raw, c.Leaf.Raw)
}
