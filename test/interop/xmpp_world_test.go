package interop

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The servers of the XMPP tests: the partner's, and the members of our pool.
const (
	xmppPartner = "xmpp.jabber.example"
	xmppFirst   = "xmpp1.corp.contoso.com"
	xmppSecond  = "xmpp2.corp.contoso.com"
	xmppOutside = "xmpp.contoso.com"           // edged, as partners see it
	xmppInside  = "edge-xmpp.corp.contoso.com" // edged, as the pool sees it
)

// xmppDomain says where the DNS sends servers that look for a domain.
type xmppDomain struct {
	Name, Host string
	Direct     bool // direct TLS only (XEP-0368), at the place direct.HOST
}

// startXMPPDNS serves where jabber.example and contoso.com with their rooms are.
func (w *world) startXMPPDNS(t *testing.T, contoso string, direct bool) {
	t.Helper()
	hosts := []string{xmppPartner, "direct." + xmppPartner, xmppFirst, "direct." + xmppFirst, xmppSecond, xmppOutside, "direct." + xmppOutside, xmppInside}
	w.serveZone(t, "xmpp/world.zone", map[string]any{
		"Hosts": hosts,
		"Domains": []xmppDomain{
			{"jabber.example", xmppPartner, direct},
			{"conference.jabber.example", xmppPartner, direct},
			{"contoso.com", contoso, direct},
			{"conference.contoso.com", contoso, direct},
		},
	})
}

// xmppServer is a Prosody or an ejabberd with users.
type xmppServer struct {
	*process
	xmppSpec
	version string // what it calls itself in answer to jabber:iq:version
}

// xmppSpec says which server to start.
type xmppSpec struct {
	kind     string // prosody or ejabberd
	host     string // the place where it listens for servers
	domain   string // its users'; rooms are at conference.DOMAIN
	users    []string
	signer   authority // of its certificate
	names    []string  // in it; the two domains if empty
	trusts   authority // of others', over direct TLS
	settings string    // in its own language, over Debian's
	dialback bool      // ejabberd: with the module, as Debian has it
	inetrc   string    // ejabberd: its resolver
	hosts    string    // ejabberd: in its /etc/hosts
}

// rooms is the domain of the server's rooms.
func (s xmppSpec) rooms() string { return "conference." + s.domain }

// clients is the place where the server listens for its users.
func (s xmppSpec) clients() string { return "clients." + s.host }

// startXMPP runs the server of that spec.
func (w *world) startXMPP(t *testing.T, s xmppSpec) *xmppServer {
	t.Helper()
	dir := filepath.Join(w.dir, s.host)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	srv := &xmppServer{xmppSpec: s}
	switch s.kind {
	case "prosody":
		srv.version, srv.process = "Prosody", w.startProsody(t, s, dir)
	case "ejabberd":
		srv.version, srv.process = "ejabberd", w.startEjabberd(t, s, dir)
	default:
		t.Fatalf("%q is neither prosody nor ejabberd", s.kind)
	}
	srv.awaitListening(t, w.place(s.host))
	srv.awaitListening(t, w.place(s.clients()))
	return srv
}

// renderXMPP fills in a server's configuration.
func (w *world) renderXMPP(t *testing.T, template, file string, s xmppSpec, dir string) string {
	t.Helper()
	names := s.names
	if len(names) == 0 {
		names = []string{s.domain, s.rooms()}
	}
	cert := w.issue(t, s.signer, names...)
	both := filepath.Join(dir, "certificate-and-key.pem")
	var pem []byte
	for _, part := range []string{cert.certFile, cert.keyFile} {
		text, err := os.ReadFile(part)
		if err != nil {
			t.Fatal(err)
		}
		pem = append(pem, text...)
	}
	if err := os.WriteFile(both, pem, 0o600); err != nil {
		t.Fatal(err)
	}
	return w.render(t, template, filepath.Join(filepath.Base(dir), file), map[string]any{
		"Dir": dir, "Host": s.host, "Clients": s.clients(), "Direct": "direct." + s.host, "Domain": s.domain,
		"Cert": cert.certFile, "Roots": s.trusts.file, "Key": cert.keyFile, "CertAndKey": both,
		"Settings": s.settings, "Dialback": s.dialback,
	})
}

// password is every user's.
const password = "wonderland"

// tuple is an IPv4 address as Erlang writes it.
func tuple(address string) string { return "{" + strings.ReplaceAll(address, ".", ",") + "}" }
