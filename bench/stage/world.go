package stage

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"embed"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"edged/internal/lab/ca"
	"edged/internal/lab/zone"
)

// Where everybody is. Servers speak to servers at port 5269, to components at
// 5347.
const (
	EdgeOutside  = "127.0.3.1:5269"
	EdgeInside   = "127.0.3.2:5269"
	Sink         = "127.0.3.3:5269"
	SinkBare     = "127.0.3.3:5270" // begins with TLS and has no XMPP in it
	Ejabberd     = "127.0.3.4:5269"
	EjabberdComp = "127.0.3.4:5347" // for EjabOwn
	EjabberdEdge = "127.0.3.4:5348" // for EjabFar
	Prosody      = "127.0.3.5:5269"
	ProsodyComp  = "127.0.3.5:5347"
	Cutter       = "127.0.3.6:5269"
	Copier       = "127.0.3.7:5269"
	CopierRaw    = "127.0.3.7:5270" // reads whatever comes
	Dropper      = "127.0.3.8:5269"
)

// Who everybody is.
const (
	Pool       = "pool.example"            // ours, served by the sink
	Partner    = "partner.example"         // whom the sender is
	ProsodyFar = "edge.prosody.example"    // a component of Prosody, which the pool reaches through edged
	ProsodyOwn = "direct.prosody.example"  // one that ejabberd reaches without edged
	EjabFar    = "edge.ejabberd.example"   // ours, a component of ejabberd behind edged
	EjabOwn    = "direct.ejabberd.example" // one that Prosody reaches without edged
	MaxIdle    = 500
)

//go:embed files
var files embed.FS

// World is the directory and the authorities of one run.
type World struct {
	Dir     string
	Roots   *x509.CertPool // who signs everybody outside, and the pools
	Minting *x509.CertPool // who signs what edged shows to the pools, and Roots
	public  *ca.Authority
	Inside  *zone.Server // names as the pools see them
	Outside *zone.Server // as partners see them
}

// New prepares everything but the programs.
func New(dir string) (*World, error) {
	w := &World{Dir: dir, public: ca.New("Public Root"), Roots: x509.NewCertPool(), Minting: x509.NewCertPool()}
	w.Roots.AddCert(w.public.Cert().X509)
	w.Minting.AddCert(w.public.Cert().X509)
	if err := os.WriteFile(w.file("public-ca.crt"), w.public.Cert().PEM, 0o600); err != nil {
		return nil, err
	}
	if err := errors.Join(w.writeAuthority(Pool, EjabFar), w.writeSIP()); err != nil {
		return nil, err
	}
	for base, names := range map[string][]string{
		"edge":     {"edge.pool.example", Pool, EjabFar},
		"partner":  {Partner, "*." + Partner},
		"prosody":  {ProsodyFar, ProsodyOwn},
		"ejabberd": {"ejabberd.example", EjabFar, EjabOwn},
	} {
		if _, _, err := w.public.Issue(ca.Leaf{DNS: names}).WriteFiles(dir, base); err != nil {
			return nil, err
		}
	}
	return w, w.serveNames()
}

// Close stops the name servers.
func (w *World) Close() {
	w.Inside.Close()
	w.Outside.Close()
}

// Cert returns a certificate that a partner could have.
func (w *World) Cert(names ...string) tls.Certificate {
	return w.public.Issue(ca.Leaf{DNS: names}).TLS
}

func (w *World) file(name string) string { return filepath.Join(w.Dir, name) }

func (w *World) serveNames() (err error) {
	if w.Inside, err = zone.Serve(names(map[string]string{ProsodyFar: EdgeInside, ProsodyOwn: Prosody}, false)); err != nil {
		return err
	}
	outside := names(map[string]string{EjabFar: EdgeOutside, EjabOwn: Ejabberd, ProsodyFar: Prosody}, true)
	far := netip.MustParseAddrPort(SIPFar)
	outside.SRV["_sipfederationtls._tcp."+Partner] = []zone.SRV{{Port: far.Port(), Target: "sip." + Partner}}
	outside.A["sip."+Partner] = []netip.Addr{far.Addr()}
	w.Outside, err = zone.Serve(outside)
	return err
}

// names makes the records of domains. Inside, targets have the form of an address,
// which resolvers take as one: ejabberd asks the hosts file for names of targets.
// Outside they are names, as edged wants them.
func names(where map[string]string, named bool) zone.Zone {
	z := zone.Zone{SRV: map[string][]zone.SRV{}, A: map[string][]netip.Addr{}, TTL: 3600, NegativeTTL: 3600}
	for name, addr := range where {
		at := netip.MustParseAddrPort(addr)
		host := at.Addr().String()
		if named {
			host = "s2s." + name
		}
		z.SRV["_xmpp-server._tcp."+name] = []zone.SRV{{Port: at.Port(), Target: host}}
		z.A[name] = []netip.Addr{at.Addr()}
		z.A[host] = []netip.Addr{at.Addr()}
	}
	return z
}

// writeAuthority makes the private authority of the edge, which must not be able
// to sign our own domains.
func (w *World) writeAuthority(ours ...string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "Edge Authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true,
		PermittedDNSDomainsCritical: true, ExcludedDNSDomains: ours,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	w.Minting.AppendCertsFromPEM(cert)
	return w.write(map[string][]byte{
		"authority.crt": cert,
		"authority.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		"both.crt":      append(cert, w.public.Cert().PEM...),
	})
}

func (w *World) write(texts map[string][]byte) error {
	for name, text := range texts {
		if err := os.WriteFile(w.file(name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// render fills in a template of files/ and writes it.
func (w *World) render(name string, data any) error {
	t, err := template.ParseFS(files, "files/"+name)
	if err != nil {
		return err
	}
	out, err := os.Create(w.file(name))
	if err != nil {
		return err
	}
	defer out.Close()
	if err := t.Option("missingkey=error").Execute(out, data); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
