package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// startProsody runs a Prosody whose data is in dir.
func (w *world) startProsody(t *testing.T, s xmppSpec, dir string) *process {
	t.Helper()
	bin := findBinary(t, "prosody")
	accounts := filepath.Join(dir, escape(s.domain), "accounts")
	if err := os.MkdirAll(accounts, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, user := range s.users {
		account := fmt.Sprintf("return { password = %q }\n", password)
		if err := os.WriteFile(filepath.Join(accounts, user+".dat"), []byte(account), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := w.renderXMPP(t, "xmpp/prosody.cfg.lua", "prosody.cfg.lua", s, dir)
	// By a short name: Prosody fails over the line of an option that comes twice,
	// as ours do, in a file whose path is long.
	config, err := filepath.Rel(w.dir, config)
	if err != nil {
		t.Fatal(err)
	}
	return w.start(t, "prosody-"+s.host, bin, "-F", "--config", config)
}

// escape is how Prosody names a domain's directory.
func escape(domain string) string { return strings.ReplaceAll(domain, ".", "%2e") }

// prosodyAsks makes Prosody ask the name server at that place: libunbound takes
// any port, but refuses loopback unless told otherwise.
func (w *world) prosodyAsks(place string) string {
	at := w.place(place)
	return fmt.Sprintf("unbound = { resolvconf = false, hoststxt = false, forward = \"%s@%d\",\n"+
		"  options = { [\"do-not-query-localhost:\"] = \"no\" } }\n", at.Addr(), at.Port())
}

// prosodyProves makes Prosody want certificates that the authority signed;
// prosodyCalls makes it call back instead, whatever the certificate.
func prosodyProves(a authority) string {
	return fmt.Sprintf("s2s_secure_auth = true\ns2s_ssl = { capath = \"/nonexistent\", cafile = %q }\n", a.file)
}

const prosodyCalls = "s2s_secure_auth = false\n"
