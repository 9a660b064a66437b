package interop

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// server is a Kamailio that stands at an organisation's border or in its pool,
// with users behind it.
type server struct {
	host   string // its name in the zone, where it listens for TLS
	users  string // the name of the place where it listens for its users, TCP
	domain string // what its users are called
	user   string // the user that scenarios play

	process *process
}

// serverSpec says which server to start.
type serverSpec struct {
	host, domain, user string
	names              []string // in its certificate; host if empty
	signer             authority
	trusts             authority
	next               string // the place of the edge it sends to
	nextName           string // SNI towards it
}

// startServer runs a Kamailio and waits until it listens.
func (w *world) startServer(t *testing.T, s serverSpec) *server {
	t.Helper()
	bin := findBinary(t, "kamailio")
	names := s.names
	if len(names) == 0 {
		names = []string{s.host}
	}
	cred := w.issue(t, s.signer, names...)
	srv := &server{host: s.host, users: "users." + s.host, domain: s.domain, user: s.user + "@" + s.domain}
	tlsConfig := w.render(t, "kamailio-tls.cfg", s.host+"-tls.cfg", map[string]string{
		"Cert": cred.certFile, "Key": cred.keyFile, "Roots": s.trusts.file, "ServerName": s.nextName,
	})
	config := w.render(t, "kamailio.cfg", s.host+".cfg", map[string]string{
		"Host": srv.host, "Users": srv.users, "Domain": s.domain,
		"NextHop": w.place(s.next).String(), "TLSConfig": tlsConfig,
	})
	// In the foreground, logging to standard error, with little memory and the
	// allocator that checks less.
	p := w.start(t, "kamailio-"+s.host, bin, "-DD", "-E", "-m", "64", "-M", "8", "-x", "fm", "-X", "fm",
		"-w", w.dir, "-Y", w.dir, "-f", config)
	p.awaitListening(t, w.place(srv.host))
	p.awaitListening(t, w.place(srv.users))
	awaitPong(t, w.place(srv.users))
	srv.process = p
	return srv
}

// awaitPong waits until the server answers a ping (RFC 5626 §4.4.1): it listens
// long before the processes that answer have read their configuration.
func awaitPong(t *testing.T, at netip.AddrPort) {
	t.Helper()
	conn, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 2)); err != nil {
		t.Fatalf("no pong from %v: %v", at, err)
	}
}

// partner describes a partner's edge.
func (w *world) partner(host, domain string) serverSpec {
	return serverSpec{
		host: host, domain: domain, user: "bob",
		signer: w.roots, trusts: w.roots, next: "sip.contoso.com", nextName: "sip.contoso.com",
	}
}

// member describes a member of contoso.com's pool.
func (w *world) member(host string) serverSpec {
	return serverSpec{
		host: host, domain: "contoso.com", user: "carol", names: []string{host, "pool.corp.contoso.com"},
		signer: w.inside, trusts: w.inside, next: "edge.corp.contoso.com", nextName: "edge.corp.contoso.com",
	}
}
