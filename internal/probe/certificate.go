package probe

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"edged/pkg/tlsid"
	"edged/pkg/verdict"
)

// shown describes a TLS connection and the certificate on the other end; anchors are
// the root sets that vouch for it.
func (w *walk) shown(cs tls.ConnectionState, anchors []string) string {
	text := tls.VersionName(cs.Version)
	if cs.Version == 0 {
		text = "TLS"
	}
	if len(cs.PeerCertificates) == 0 {
		return text + ", no certificate"
	}
	text += ", a certificate that " + w.certificate(cs.PeerCertificates[0])
	if len(anchors) > 0 {
		text += ", signed under " + rootsOf(anchors)
	}
	return text
}

// certificate describes one, for people.
func (w *walk) certificate(c *x509.Certificate) string {
	return fmt.Sprintf("names %s; issued by %s; %s", namesIn(c), issuer(c), w.lives(c))
}

func issuer(c *x509.Certificate) string {
	if c.Issuer.CommonName != "" {
		return verdict.Quotable(c.Issuer.CommonName)
	}
	return verdict.Quotable(c.Issuer.String())
}

// maxNames bounds what is shown of a certificate's names.
const maxNames = 6

func namesIn(c *x509.Certificate) string {
	all := append([]string(nil), c.DNSNames...)
	for _, u := range c.URIs {
		all = append(all, u.String())
	}
	if len(all) == 0 && c.Subject.CommonName != "" {
		all = []string{c.Subject.CommonName + " (as common name)"}
	}
	if len(all) == 0 {
		return "nobody"
	}
	more := ""
	if len(all) > maxNames {
		all, more = all[:maxNames], fmt.Sprintf(" and %d more", len(all)-maxNames)
	}
	return verdict.Quotable(strings.Join(all, ", ")) + more
}

// lives says how long a certificate is valid.
func (w *walk) lives(c *x509.Certificate) string {
	now := w.Now()
	switch {
	case now.Before(c.NotBefore):
		return "not valid before " + day(c.NotBefore)
	case now.After(c.NotAfter):
		return fmt.Sprintf("expired on %s, %s ago", day(c.NotAfter), inDays(now.Sub(c.NotAfter)))
	}
	return fmt.Sprintf("valid until %s, %s left", day(c.NotAfter), inDays(c.NotAfter.Sub(now)))
}

// soon warns of a certificate that will not last.
func (w *walk) soon(c *x509.Certificate) {
	const enough = 14 // days
	if left := c.NotAfter.Sub(w.Now()); days(left) < enough {
		w.step(time.Time{}, "tls", Note, "only %s left: %s", inDays(left), w.must("renew the certificate"))
	}
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func days(d time.Duration) int { return int(math.Floor(d.Hours() / 24)) }

func inDays(d time.Duration) string {
	if n := days(d); n != 1 {
		return fmt.Sprintf("%d days", n)
	}
	return "1 day"
}

// rootsOf names root sets as the configuration does.
func rootsOf(anchors []string) string {
	all := make([]string, len(anchors))
	for i, a := range anchors {
		if all[i] = "the roots of " + a; a == "" {
			all[i] = "tls.roots"
		}
	}
	return strings.Join(all, " and ")
}

// badCertificate says what our refusal of a certificate means, and what helps.
func (w *walk) badCertificate(e *tlsid.CertError, chain []*x509.Certificate, target string) {
	cause, cure := w.judged(e, chain, target)
	w.find(verdict.CertificateRefused, cause, cure...)
}

// judged says why a certificate counts for nothing, and what helps.
func (w *walk) judged(e *tlsid.CertError, chain []*x509.Certificate, target string) (cause string, cure []string) {
	cause, cure = fmt.Sprintf("%s: %v", target, e), []string{w.must("replace the certificate")}
	if len(chain) > 0 {
		leaf := chain[0]
		switch e.Kind {
		case tlsid.UnknownAuthority:
			cause = fmt.Sprintf("the certificate of %s is issued by %s, which is under no roots that count for it", target, issuer(leaf))
			if selfSigned(leaf) {
				cause = fmt.Sprintf("the certificate of %s is signed by itself, and by no authority", target)
			}
			cure = w.unknownAuthority(chain)
		case tlsid.Expired:
			cause, cure = w.outOfDate(e, leaf, target), []string{w.must("renew it"), w.clock()}
		case tlsid.NotYetValid:
			cause = w.outOfDate(e, leaf, target)
			cure = []string{w.clock(), w.must("wait until then, or install a certificate that is valid now")}
		case tlsid.NoNames:
			cause = fmt.Sprintf("the certificate of %s names %s, and that is no name of a domain: wildcards count for nobody", target, namesIn(leaf))
			cure = []string{w.must("get a certificate that names the domain or the server, in full")}
		case tlsid.RevocationUnknown:
			cure = []string{"fetch a current revocation list of " + issuer(leaf) + " into tls.crls"}
		default:
		}
	}
	return cause, cure
}

// outOfDate says which certificate is, the server's or one above it.
func (w *walk) outOfDate(e *tlsid.CertError, leaf *x509.Certificate, target string) string {
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](e); ok && invalid.Cert != nil && !invalid.Cert.Equal(leaf) {
		return fmt.Sprintf("the authority %s, above the certificate of %s: %s", verdict.Quotable(invalid.Cert.Subject.CommonName), target, w.lives(invalid.Cert))
	}
	return fmt.Sprintf("the certificate of %s: %s", target, w.lives(leaf))
}

func selfSigned(c *x509.Certificate) bool { return c.Issuer.String() == c.Subject.String() }

func (w *walk) unknownAuthority(chain []*x509.Certificate) (cure []string) {
	if len(chain) == 1 && !selfSigned(chain[0]) {
		cure = append(cure, fmt.Sprintf("if %s is an intermediate authority, its certificate has to be sent along, and only one came: %s", issuer(chain[0]), w.must("configure the whole chain")))
	}
	if w.inside {
		return append(cure, "add the certificate of that authority to the pool's roots in edged.yaml")
	}
	return append(cure, fmt.Sprintf("if the partner has an authority of its own, get its certificate in a way that you trust, and add roots: [FILE] to the entry of %s", w.Domain))
}

// clock says what this host's clock has to do with it.
func (w *walk) clock() string {
	text := "see whether this host's clock is right; it says " + day(w.Now())
	if known := w.Synchronised(); known != "" {
		text += ", and " + known
	}
	return text
}
