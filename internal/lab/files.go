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

// edgeFile is what edged.yaml is filled in with.
type edgeFile struct {
	DNS   string   // host:port
	Front []string // members of the pool that works
	Seoul string   // the one member of the pool that is down
}

// Policy is what may differ between two versions of the lab's policy.yaml.
type Policy struct {
	Enabled   bool // federation.enabled: the organisation's switch
	Discovery bool // federation.partner_discovery
}

// policyFile is what policy.yaml is filled in with.
type policyFile struct {
	Policy     Policy
	DirectPort uint16 // where the direct partner listens
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
func (w *World) writeFiles(p Policy) error {
	if err := os.MkdirAll(filepath.Join(w.Dir, "tls"), 0o700); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	if err := w.writeKeys(filepath.Join(w.Dir, "tls")); err != nil {
		return err
	}
	if err := writeTemplate(w.Dir, "edged.yaml", w.edgeFile()); err != nil {
		return err
	}
	return w.writePolicy(p)
}

func (w *World) writePolicy(p Policy) error {
	return writeTemplate(w.Dir, "policy.yaml", policyFile{Policy: p, DirectPort: w.peers["litware.com"].Port()})
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
	crl := w.authorities[public].CRL(time.Now().Add(-time.Hour), time.Now().AddDate(0, 0, 7), w.revoked...)
	if err := write(dir, "public-ca.crl", crl); err != nil {
		return err
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	return write(dir, "edge.secret", []byte(hex.EncodeToString(secret)+"\n"))
}
