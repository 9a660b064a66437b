package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mintAuthority makes the authority of mint by the command on the page, which
// changes nothing the second time.
func (w *world) mintAuthority(t *testing.T) (cert, key string) {
	t.Helper()
	command := poolBlock(t, "authority", "edged init", os.Getenv("EDGED_UNDER_TEST")+" init", "/etc/edged", filepath.Join(w.dir, "page"))
	if out, err := exec.Command("sh", "-e", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("docs/pools.md, block authority: %v\n%s", err, out)
	}
	return w.authorityCert(), strings.TrimSuffix(w.authorityCert(), ".crt") + ".key"
}

// authorityCert is the file that the pool has to trust.
func (w *world) authorityCert() string { return filepath.Join(w.dir, "page", "tls", "authority.crt") }

// xmppSection is the page's part of edged.yaml for that mode.
func (w *world) xmppSection(t *testing.T, mode string, members []string) string {
	t.Helper()
	var places []string
	for _, member := range members {
		places = append(places, fmt.Sprintf("%q", fmt.Sprintf("%s:%d", member, w.place(member).Port())))
	}
	replace := []string{
		"203.0.113.10:5269", w.place(xmppOutside).String(),
		"203.0.113.10:5270", w.place("direct." + xmppOutside).String(),
		"10.0.0.5:5269", w.place(xmppInside).String(),
		"10.0.0.5:53\"", w.place("dns."+xmppInside).String() + `"`,
		"10.0.0.1:53", w.place("ns.test").String(),
		"10.0.0.0/24", "127.0.0.0/8",
		`"xmpp1.corp.contoso.com:5269"`, strings.Join(places, ", "),
		"tls/internal-ca.crt", w.inside.file,
	}
	if mode == "mint" {
		cert, key := w.mintAuthority(t)
		replace = append(replace, "tls/authority.crt", cert, "tls/authority.key", key)
	}
	return poolBlock(t, "edged-"+mode, replace...)
}

// xmppMember is a member of contoso.com's pool, steered and configured as the page
// says for that mode.
func (w *world) xmppMember(t *testing.T, kind, host, mode string) xmppSpec {
	t.Helper()
	s := xmppSpec{
		kind: kind, host: host, domain: "contoso.com", users: []string{"carol", "dave", "alice"},
		signer: w.inside, trusts: w.inside, dialback: mode == "dialback",
	}
	edge := w.place(xmppInside).Addr().String()
	trusted := w.authorityCert()
	if kind == "prosody" {
		s.settings = poolBlock(t, "prosody-steering", "10.0.0.5", edge) + poolBlock(t, "prosody-limits")
		if mode == "mint" {
			s.settings += poolBlock(t, "prosody-mint", "/etc/prosody/certs/edge-authority.crt", trusted)
		} else {
			s.settings += poolBlock(t, "prosody-dialback")
		}
		return s
	}
	answerer := w.place("dns." + xmppInside)
	s.inetrc = poolBlock(t, "ejabberd-inetrc", "{10,0,0,5}, 53", fmt.Sprintf("%s, %d", tuple(answerer.Addr().String()), answerer.Port()))
	s.hosts = poolBlock(t, "ejabberd-hosts", "10.0.0.5", edge)
	s.settings = poolBlock(t, "ejabberd-limits")
	if mode == "mint" {
		s.settings += poolBlock(t, "ejabberd-mint", "/etc/ejabberd/edge-authority.crt", trusted)
	} else {
		s.settings += poolBlock(t, "ejabberd-dialback")
	}
	return s
}
