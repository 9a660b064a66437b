package lab

import (
	"bytes"
	"crypto/rand"
	"embed"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"edged/internal/lab/ca"
)

//go:embed files/*.yaml
var templates embed.FS

// Settings are what may differ between two moments of a world; a reload applies
// them.
type Settings struct {
	Enabled   bool          // federation.enabled: the organisation's switch
	Discovery bool          // federation.partner_discovery
	OpenXMPP  bool          // federation.xmpp_discovery
	Contacts  int           // federation.discovered.contacts
	Answers   time.Duration // limits.transaction_timeout
}

// blanks are what the templates are filled in with.
type blanks struct {
	Settings
	DNS     string   // host:port
	Front   []string // members of the pool that works
	Seoul   string   // the one member of the pool that is down
	Direct  uint16   // port of the direct partner
	Hosting uint16   // port of the provider that hosts users of ours
	Chat    string   // the member of the XMPP pool
}

// render fills in one of the templates.
func render(name string, data any) ([]byte, error) {
	t, err := template.ParseFS(templates, "files/"+name)
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	return b.Bytes(), nil
}

// writeTemplate writes a template, filled in, under its own name into dir.
func writeTemplate(dir, name string, data any) error {
	text, err := render(name, data)
	if err != nil {
		return err
	}
	return write(dir, name, text)
}

func write(dir, name string, content []byte) error {
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	return nil
}

// writeFiles writes everything the edge is configured by.
func (w *World) writeFiles(s Settings) error {
	dir := filepath.Join(w.Dir, "tls")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	if err := w.writeKeys(dir); err != nil {
		return err
	}
	return w.writeSettings(s)
}

// writeSettings writes edged.yaml and policy.yaml.
func (w *World) writeSettings(s Settings) error {
	b := w.blanks(s)
	if err := writeTemplate(w.Dir, "edged.yaml", b); err != nil {
		return err
	}
	return writeTemplate(w.Dir, "policy.yaml", b)
}

// blanks are what the players' ports and the settings make of the templates.
func (w *World) blanks(s Settings) blanks {
	b := blanks{
		Settings: s, DNS: w.Zone.Addr(), Direct: w.peers["litware.com"].Port(), Hosting: w.peers["wingtip"].Port(),
		Seoul: fmt.Sprintf("fe1.kr.contoso.com:%d", closedPort),
		Chat:  fmt.Sprintf("%s:%d", chatPool().host(), w.ports["contoso.com"]),
	}
	for _, p := range pools() {
		b.Front = append(b.Front, fmt.Sprintf("%s:%d", p.host, w.peers[p.name].Port()))
	}
	return b
}

// writeKeys writes the edge's certificates, the roots it trusts and its secret.
func (w *World) writeKeys(dir string) error {
	outside := w.authorities[public].Issue(ca.Leaf{CN: outsideName, DNS: []string{outsideName, "contoso.com", "kr.contoso.com"}})
	within := w.authorities[inside].Issue(ca.Leaf{CN: insideName, DNS: []string{insideName}})
	for base, cert := range map[string]ca.Cert{
		"edge": outside, "inside": within,
		"public-ca": w.authorities[public].Cert(), "litware-ca": w.authorities[litware].Cert(),
		"internal-ca": w.authorities[inside].Cert(),
	} {
		if _, _, err := cert.WriteFiles(dir, base); err != nil {
			return fmt.Errorf("lab: %w", err)
		}
	}
	if err := write(dir, "authority.crt", w.mintCert); err != nil {
		return err
	}
	if err := write(dir, "authority.key", w.mintKey); err != nil {
		return err
	}
	crl := w.authorities[public].CRL(time.Now().Add(-time.Hour), time.Now().AddDate(0, 0, 7), w.revoked...)
	if err := write(dir, "public-ca.crl", crl); err != nil {
		return err
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	return write(dir, "edge.secret", []byte(hex.EncodeToString(secret)+"\n"))
}
