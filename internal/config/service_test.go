package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCredentials: what the service manager hands over takes the place of the files
// of that name, for the secret and the authority's key only.
func TestCredentials(t *testing.T) {
	passed := t.TempDir()
	in(t, "../../configs")
	credential := func(name string) string { return filepath.Join(passed, name) }
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(credential(name), []byte(text), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", passed)
	check := func(secret, authority string) {
		t.Helper()
		l, err := Load("edged.yaml")
		if err != nil {
			t.Fatal(err)
		}
		if l.Config.SecretFile != secret || l.Config.XMPP.Internal.Authority.CAKey != authority {
			t.Errorf("%s and %s, want %s and %s", l.Config.SecretFile, l.Config.XMPP.Internal.Authority.CAKey, secret, authority)
		}
		if l.Config.SIP.Internal.Certificate.Key != "tls/inside.key" {
			t.Errorf("key %s", l.Config.SIP.Internal.Certificate.Key)
		}
	}
	check("tls/edge.secret", "tls/authority.key")
	write("inside.key", "not asked for")
	write("authority.key", "\n")
	check("tls/edge.secret", "tls/authority.key")
	write("edge.secret", strings.Repeat("0a", 32))
	check(credential("edge.secret"), "tls/authority.key")
}

func TestAdminSocket(t *testing.T) {
	tests := map[string]struct {
		text, want string
		err        string // the start of it
	}{
		"none":            {"fqdn: a.example\n", "", ""},
		"relative":        {"admin: {socket: run/admin.sock}\n", "DIR/run/admin.sock", ""},
		"other mistakes":  {"fqdn: 192.0.2.1\nfoo: bar\nadmin: {socket: /run/a, listen: nowhere}\n", "/run/a", ""},
		"not a path":      {"admin: {socket: [a]}\n", "", "DIR/edged.yaml:1:17: admin.socket: this is a list"},
		"not YAML":        {"admin: {socket: a\n", "", "DIR/edged.yaml:2:1: YAML syntax: "},
		"not a file":      {"", "", "does not exist; edged init writes one"},
		"written strange": {"admin: socket\n", "", "DIR/edged.yaml:1:8: admin: this is "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "edged.yaml")
			if tt.text != "" {
				if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := AdminSocket(path)
			text := ""
			if err != nil {
				text = strings.TrimPrefix(err.Error(), path+": ") // as a file that cannot be read is shown
			}
			in := func(s string) string { return strings.ReplaceAll(s, "DIR", dir) }
			if got != in(tt.want) || !strings.HasPrefix(text, in(tt.err)) || (err == nil) != (tt.err == "") {
				t.Errorf("%q, %v; want %q, %q", got, err, in(tt.want), in(tt.err))
			}
		})
	}
}
